"""What is missing of a run in MLflow is found and brought there."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import mlflow
import pandas as pd
import pytest

import pex
from pex.cli.record import record
from pex.record import unrecorded
from tests.helpers.command import pexlab
from tests.helpers.endpoint import FaultyEndpoint

pytestmark = pytest.mark.traces


def experiment(*prompts: pex.Prompt) -> pex.Experiment:
    asked = prompts or (pex.Prompt("{{ word }}", name="echo"), pex.Prompt("Say {{ word }}", "say"))
    cases = [
        {"case_id": f"c{i}", "word": f"w{i}", "expected": f"w{i}", "customer": "ann"}
        for i in range(4)
    ]
    return pex.Experiment(
        "echo", pex.grid(asked, "lab/m1"), cases, ["exact"], columns={"group": "customer"}
    )


def full(*_: object) -> None:
    raise OSError("disk full")


def run_without_record(monkeypatch: pytest.MonkeyPatch, exp: pex.Experiment) -> pex.Results:
    """A run whose record fails."""
    with monkeypatch.context() as fault:
        fault.setattr("pex.record.files.upload", full)
        with pytest.warns(UserWarning, match="disk full"):
            return exp.run(show=False)


def client_of(project: Path) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(f"sqlite:///{project}/mlruns/mlflow.db")


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(one.drop(columns="trace_id"), other.drop(columns="trace_id"))


def test_a_waiting_run_is_listed_and_brought(
    project: Path,
    lab: FaultyEndpoint,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pex.library.save(pex.Prompt("{{ word }}", name="echo"), name="parrot")
    mine = pex.library.load("parrot").called("echo", "parrot/1")
    results = run_without_record(
        monkeypatch, experiment(mine, pex.Prompt("Say {{ word }}", name="say"))
    )
    asked = lab.calls
    record()
    said = capsys.readouterr()
    assert said.out == f"{results.run_id}  echo: 8 answers wait to be recorded\n"
    assert "`pexlab record RUN` uploads" in said.err
    assert "unrecorded" in pexlab("doctor", folder=project).stdout
    done = pexlab("record", str(results.run_id), folder=project)
    assert done.returncode == 0, done.stderr
    assert f"recorded 8 answers as run {results.run_id}\n8 traces," in done.stdout
    assert f"pexlab ui, run {results.run_id}" in done.stderr
    assert lab.calls == asked
    same(pex.load_run(results.run_id).frame, results.frame)
    run = client_of(project).get_run(results.run_id)
    assert run.info.status == "FINISHED"
    linked = json.loads(run.data.tags["mlflow.linkedPrompts"])
    assert linked == [{"name": "parrot", "version": "1"}]  # 'say' was never saved
    record()
    assert capsys.readouterr().out == "Nothing is missing in MLflow.\n"


def test_a_store_that_lost_the_run_gets_it_as_a_new_one(
    project: Path,
    lab: FaultyEndpoint,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    results = run_without_record(monkeypatch, experiment())
    client_of(project).delete_run(results.run_id)
    record(str(results.run_id), "none")
    said = capsys.readouterr()
    assert f"MLflow does not have run {results.run_id}: it becomes a new run there" in said.err
    run_id = said.out.splitlines()[0].rpartition(" ")[2]
    again = pex.load_run(run_id)
    assert again.run_id == run_id != results.run_id
    same(again.frame, results.frame)
    assert unrecorded.waiting(project / ".pex") == []


def test_what_waits_goes_to_its_server_unless_another_store_is_named(
    project: Path,
    lab: FaultyEndpoint,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    results = run_without_record(monkeypatch, experiment())
    about = unrecorded.folder_of(project / ".pex", str(results.run_id)) / "about.json"
    text = json.loads(about.read_text()) | {"tracking_uri": "http://127.0.0.1:9"}
    about.write_text(json.dumps(text))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(pex.PexError, match=r"http://127.0.0.1:9 does not answer"):
        record(str(results.run_id))
    assert unrecorded.waiting(project / ".pex") == [results.run_id]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other/mine.db")
    record(str(results.run_id), "none")
    run_id = capsys.readouterr().out.splitlines()[0].rpartition(" ")[2]
    assert run_id != results.run_id
    same(pex.load_run(run_id).frame, results.frame)
    assert pex.load_run(run_id).about["tracking_uri"] == f"sqlite:///{project}/other/mine.db"


def test_a_later_start_that_was_recorded_is_not_written_over(
    project: Path, lab: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.latency_s = 0.2
    exp = experiment()
    with monkeypatch.context() as fault:
        fault.setattr("pex.record.files.upload", full)
        execution = exp.start(max_in_flight=1)
        while execution.progress.answered < 2:
            time.sleep(0.01)
        execution.cancel()
        with pytest.warns(UserWarning, match="disk full"):
            stopped = execution.wait()
    lab.latency_s = 0.0
    results = exp.run(show=False)
    assert results.run_id == stopped.run_id
    assert results.traces is not None
    assert results.traces.wait(60)
    record(str(results.run_id))
    assert len(pex.load_run(results.run_id)) == 8
    assert unrecorded.waiting(project / ".pex") == []


def test_missing_traces_are_listed_and_written(
    project: Path, lab: FaultyEndpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    results = experiment().run(show=False, traces=4)
    assert results.traces is not None
    assert results.traces.wait(60)
    record()
    assert capsys.readouterr().out == "Nothing is missing in MLflow.\n"  # four were asked for
    client = client_of(project)
    experiment_id = client.get_run(results.run_id).info.experiment_id
    # As a kernel leaves it that is killed while it writes.
    client.delete_traces(experiment_id, trace_ids=[results.frame["trace_id"].dropna().iloc[0]])
    client.set_tag(results.run_id, "pex.traces", "3/4")
    record()
    assert capsys.readouterr().out == f"{results.run_id}  echo: 3/4 traces\n"
    record("latest", "4")
    assert capsys.readouterr().out == "4 traces, 1 of them new\n"
    record("latest", "all")
    assert capsys.readouterr().out == "8 traces, 4 of them new\n"
    assert len(client.search_traces(locations=[experiment_id], max_results=100)) == 8


def test_mistakes_are_named(
    project: Path, lab: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(pex.PexError, match="nothing has been recorded there yet"):
        record("latest")
    waits = run_without_record(monkeypatch, experiment())
    there = experiment().run(show=False, traces="none")
    assert there.traces is not None
    assert there.traces.wait(60)
    with pytest.raises(pex.PexError, match=f"no run '{there.run_id[1:]}'.*\n.*`pexlab runs`"):
        record(there.run_id[1:])
    with pytest.raises(pex.PexError, match=f"no run '{waits.run_id[1:]}'.*\n.*`pexlab runs`"):
        record(waits.run_id[1:])
    with pytest.raises(pex.PexError, match="did you mean 'all'"):
        record(there.run_id, "al")
    with pytest.raises(pex.PexError, match="expected a whole number from 0"):
        record(there.run_id, "-1")
    shutil.rmtree(project / "mlruns")
    done = pexlab("record", there.run_id, folder=project)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr

"""The life of a run on real stores: a server, one that dies, PostgreSQL, many processes."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from aiohttp import web

import pex
from pex.cli.record import record
from pex.core.errors import ProviderError
from pex.record import unrecorded
from pex.record.search import children
from tests.helpers.endpoint import FaultyEndpoint, completion
from tests.helpers.mlflow_server import MlflowServer
from tests.helpers.postgres import PASSWORD, postgres

pytestmark = pytest.mark.traces

PROMPTS = [pex.Prompt("{{ word }}", name="echo"), pex.Prompt("{{ word }} ?", name="ask")]
WORDS = [{"word": f"w{i}", "expected": f"w{i}"} for i in range(4)]

RUN = """
import pex
prompts = [pex.Prompt("{{ word }}", name="echo"), pex.Prompt("{{ word }} ?", name="ask")]
words = [{"word": f"w{i}", "expected": f"w{i}"} for i in range(4)]
exp = pex.Experiment("echo", pex.grid(prompts, "lab/m1"), words, ["exact"])
"""
"""The same experiment in a process of its own."""


def experiment(*scorers: object) -> pex.Experiment:
    return pex.Experiment("echo", pex.grid(PROMPTS, "lab/m1"), WORDS, scorers or ["exact"])


def run_script(text: str, folder: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error::UserWarning:pex", "-c", RUN + text],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def output_of(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out.strip()


def save_prompts(server: MlflowServer) -> None:
    for variant in experiment().variants:
        pex.library.save(variant.prompt, tracking_uri=server.uri)


def traces_of(client: mlflow.MlflowClient, run_id: str) -> list[str]:
    """The variants of the traces of a run, one for each trace."""
    experiment_id = client.get_run(run_id).info.experiment_id
    return sorted(
        variant
        for variant, child in children(client, experiment_id, run_id).items()
        for _ in client.search_traces(
            locations=[experiment_id], run_id=child, max_results=500, include_spans=False
        )
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    server = MlflowServer(tmp_path_factory.mktemp("mlflow-server"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def served(project: Path, lab: FaultyEndpoint, server: MlflowServer) -> FaultyEndpoint:
    """The project records on the server."""
    with (project / "pex.toml").open("a") as file:
        file.write(f'[record]\ntracking_uri = "{server.uri}"\n')
    return lab


def test_a_run_on_a_server_is_whole_for_another_project(
    project: Path,
    served: FaultyEndpoint,
    server: MlflowServer,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save_prompts(server)
    results = experiment().run(show=False)
    assert results.traces is not None
    assert results.traces.wait(60)
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    again = pex.load_run(results.run_id, tracking_uri=server.uri)
    pd.testing.assert_frame_equal(again.frame, results.frame)
    client = mlflow.MlflowClient(server.uri)
    parent = client.get_run(results.run_id)
    assert parent.info.artifact_uri.startswith("mlflow-artifacts:")  # by way of the server
    assert {item.path for item in client.list_artifacts(results.run_id)} >= {
        "comparison.json", "results.json", "results.parquet", "report.html",
    }  # fmt: skip
    assert traces_of(client, results.run_id) == ["ask"] * 4 + ["echo"] * 4
    assert set(again.frame["trace_id"]) == {
        trace.info.trace_id for trace in client.search_traces(locations=[parent.info.experiment_id])
    }
    linked = json.loads(parent.data.tags["mlflow.linkedPrompts"])
    assert {item["name"] for item in linked} == {"echo", "ask"}
    found = children(client, parent.info.experiment_id, results.run_id)
    of_child = json.loads(client.get_run(found["ask"]).data.tags["mlflow.linkedPrompts"])
    assert [item["name"] for item in of_child] == ["ask"]
    # New scores from there go to the server that it was loaded from.
    again.rescore({"kind": "contains", "name": "has"})
    assert pex.load_run(results.run_id, tracking_uri=server.uri).scores == ["exact", "has"]


@pytest.mark.soak
def test_a_server_that_dies_costs_nothing(
    project: Path,
    served: FaultyEndpoint,
    server: MlflowServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save_prompts(server)

    def last_words(output: str, word: str) -> bool:
        if (output, word) == ("w3 ?", "w3"):
            server.kill()
        return output == word

    way_on = r"(?s)could not be recorded .* `pexlab record \w+` uploads"
    with pytest.warns(UserWarning, match=way_on):
        results = experiment("exact", last_words).run(show=False, note="the night it died")
    assert len(results) == 8
    assert results.about["counts"]["answered"] == 8
    assert unrecorded.waiting(project / ".pex") == [results.run_id]
    asked = served.calls
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(pex.PexError, match="does not answer"):  # at the start nothing is asked
        experiment().run(show=False, journal="fresh")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES")
    server.start()
    record(str(results.run_id))
    said = capsys.readouterr()
    assert f"recorded 8 answers as run {results.run_id}\n8 traces," in said.out
    assert f"{server.uri}/#/experiments/" in said.err
    assert served.calls == asked
    assert unrecorded.waiting(project / ".pex") == []
    client = mlflow.MlflowClient(server.uri)
    run = client.get_run(results.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["pex.note"] == "the night it died"
    assert len(json.loads(run.data.tags["mlflow.linkedPrompts"])) == 2
    assert traces_of(client, results.run_id) == ["ask"] * 4 + ["echo"] * 4
    again = pex.load_run(results.run_id)
    pd.testing.assert_frame_equal(
        again.frame.drop(columns="trace_id"), results.frame.drop(columns="trace_id")
    )
    assert again.frame["trace_id"].notna().all()
    assert "record_error" not in again.about


@pytest.mark.postgres
def test_postgresql_keeps_a_run_whole_and_no_password_gets_out(
    project: Path, lab: FaultyEndpoint
) -> None:
    # In a process of its own: MLflow keeps its connections, and the server waits for them.
    text = """
import mlflow, pandas as pd
results = exp.run(show=False)
assert results.traces.wait(60)
again = pex.load_run(results.run_id)
pd.testing.assert_frame_equal(again.frame, results.frame)
client = mlflow.MlflowClient(results.about["tracking_uri"])
run = client.get_run(results.run_id)
found = client.search_traces(locations=[run.info.experiment_id])
assert {t.info.trace_id for t in found} == set(again.frame["trace_id"]), found
assert run.info.status == "FINISHED" and run.data.metrics["exact.best"] == 1
print(client.download_artifacts(results.run_id, "", "."))
"""
    with postgres() as address:
        uri = address.replace("postgresql://", "postgresql+pg8000://")
        folder = Path(output_of(run_script(text, project, MLFLOW_TRACKING_URI=uri)))
    assert (folder / "results.parquet").is_file()
    found = [
        file.relative_to(project)
        for file in project.rglob("*")
        if file.is_file() and PASSWORD.encode() in file.read_bytes()
    ]
    assert [file for file in found if file.parts[0] != ".pex"] == []


def test_four_processes_at_once_on_a_fresh_store(project: Path, lab: FaultyEndpoint) -> None:
    shutil.rmtree(project / "mlruns", ignore_errors=True)
    text = "print(exp.run(show=False, journal='fresh').run_id)"
    started = [run_script(text, project) for _ in range(4)]
    run_ids = [output_of(process) for process in started]
    assert len(set(run_ids)) == 4
    client = mlflow.MlflowClient(f"sqlite:///{project}/mlruns/mlflow.db")
    for run_id in run_ids:
        assert len(pex.load_run(run_id)) == 8
        assert client.get_run(run_id).info.status == "FINISHED"
        assert traces_of(client, run_id) == ["ask"] * 4 + ["echo"] * 4
    (found,) = (e for e in client.search_experiments() if e.name == "echo")
    assert len(client.search_runs([found.experiment_id])) == 4 * 3
    assert lab.calls == 4 * 8


def test_mlflows_own_tracing_doubles_no_trace(project: Path, lab: FaultyEndpoint) -> None:
    text = """
import importlib.util, mlflow
mlflow.set_tracking_uri("sqlite:///mlruns/mlflow.db")
mlflow.set_experiment("mine")
mlflow.autolog(silent=True)
if importlib.util.find_spec("openai"):
    mlflow.openai.autolog()
results = exp.run(show=False)
assert results.traces.wait(60)
mlflow.flush_trace_async_logging()
print(results.run_id)
"""
    (project / "mlruns").mkdir(exist_ok=True)
    run_id = output_of(run_script(text, project))
    client = mlflow.MlflowClient(f"sqlite:///{project}/mlruns/mlflow.db")
    everywhere = [item.experiment_id for item in client.search_experiments()]
    found = client.search_traces(locations=everywhere, max_results=500)
    assert len(found) == len(pex.load_run(run_id)) == 8
    assert {t.info.experiment_id for t in found} == {
        client.get_experiment_by_name("mine").experiment_id
    }


def test_an_interrupted_run_goes_on_in_the_same_run(project: Path, lab: FaultyEndpoint) -> None:
    lab.latency_s = 0.2
    exp = experiment()
    execution = exp.start(max_in_flight=1)
    while execution.progress.answered < 5:
        time.sleep(0.01)
    execution.cancel()
    stopped = execution.wait()
    assert 5 <= len(stopped) < 8
    client = mlflow.MlflowClient(f"sqlite:///{project}/mlruns/mlflow.db")
    parent = client.get_run(stopped.run_id)
    variants = children(client, parent.info.experiment_id, stopped.run_id)
    assert {client.get_run(i).info.status for i in [stopped.run_id, *variants.values()]} == {
        "KILLED"
    }
    lab.latency_s = 0.0
    time.sleep(0.01)
    begun_ms = int(time.time() * 1000)
    results = exp.run(show=False)
    assert (results.run_id, len(results)) == (stopped.run_id, 8)
    variants = children(client, parent.info.experiment_id, stopped.run_id)
    assert set(variants) == {"echo", "ask"}
    for run_id in [results.run_id, *variants.values()]:
        info = client.get_run(run_id).info
        assert info.status == "FINISHED"
        assert info.end_time >= begun_ms
    assert len(pex.load_run(results.run_id)) == 8
    assert results.traces is not None
    assert results.traces.wait(60)
    assert traces_of(client, results.run_id) == ["ask"] * 4 + ["echo"] * 4


def numbers_in(project: Path) -> list[tuple[str, float]]:
    with sqlite3.connect(project / "mlruns" / "mlflow.db") as connection:
        rows = connection.execute("SELECT key, value, is_nan FROM metrics").fetchall()
        rows += connection.execute("SELECT key, value, is_nan FROM latest_metrics").fetchall()
    assert not [row for row in rows if row[2]]
    return [(key, value) for key, value, _ in rows]


def test_no_metric_is_ever_nan_or_infinite(project: Path, lab: FaultyEndpoint) -> None:
    lab.reply = lambda body, number: web.json_response({"error": "no such thing"}, status=400)
    exp = experiment()
    with pytest.raises(ProviderError, match="no such thing"):
        exp.run(show=False)
    assert exp.results is not None
    assert exp.results.frame["error"].notna().all()
    nothing = numbers_in(project)
    assert ("errors", 8.0) in nothing
    # Nobody knows what an answer cost whose tokens nobody counted.
    toml = (project / "pex.toml").read_text().replace("free = true\n", "")
    price = '[prices."lab/m1"]\ninput_usd_per_million = 1.0\noutput_usd_per_million = 1.0\n'
    (project / "pex.toml").write_text(toml + price)
    lab.reply = lambda body, number: completion("w1") | {"usage": None}
    unknown = experiment().run(show=False)
    assert unknown.frame["cost_usd"].isna().all()
    found = numbers_in(project)
    assert len(found) > len(nothing)
    # MLflow writes infinity as the largest number that it has.
    assert [(key, value) for key, value in found if not abs(value) < 1e300] == []

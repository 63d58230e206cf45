"""What MLflow alone can tell of a run."""

import http.server
import json
import shutil
import subprocess
import threading
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from aiohttp import web

import pex
from pex.record.runs import load
from tests.helpers.endpoint import FaultyEndpoint, completion


def experiment() -> pex.Experiment:
    prompts = [pex.Prompt("{{ word }}", name="echo"), pex.Prompt("{{ word }} ?", name="ask")]
    cases = [
        {"word": f"<b>w{i}</b>", "expected": {"w": i} if i else "x", "tags": ["a"], "group": "g"}
        for i in range(3)
    ]
    return pex.Experiment(
        "echo",
        pex.grid(prompts, "lab/m1", {"temperature": 0}),
        cases,
        ["exact", {"kind": "length", "max_words": 1}],
        purpose="See.",
    )


def test_parent_children_and_files(project: Path, lab: FaultyEndpoint) -> None:
    results = experiment().run(show=False, note="first", mlflow_tags={"team": "blue"})
    uri = f"sqlite:///{project}/mlruns/mlflow.db"
    assert results.about["tracking_uri"] == uri
    client = mlflow.MlflowClient(uri)
    parent = client.get_run(results.run_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.params["prompts"] == "echo, ask"
    assert parent.data.metrics["answered"] == 6
    assert parent.data.tags["team"] == "blue"
    assert parent.data.tags["pex.note"] == "first"
    assert "See." in parent.data.tags["mlflow.note.content"]
    assert parent.info.run_name.endswith(" · first · echo 0 %")
    for found in (results, pex.load_run(results.run_id)):
        assert found.recorded.name == parent.info.run_name
        line = f"Recorded: {parent.info.run_name} · pexlab ui opens it in MLflow"
        assert repr(found).splitlines()[-1] == line
        assert f"Recorded: <em>{parent.info.run_name}</em>" in found._repr_html_()
    assert client.get_experiment(parent.info.experiment_id).tags["mlflow.note.content"] == "See."
    found = client.search_runs(
        [parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{results.run_id}'"
    )
    by_name = {run.data.params["variant"]: run for run in found}
    assert set(by_name) == {"echo", "ask"}
    metrics = by_name["echo"].data.metrics
    assert metrics["length"] == 1.0
    assert 0 < metrics["length.lo"] < 1
    assert by_name["ask"].data.metrics["length"] == 0.0
    assert by_name["echo"].data.params["temperature"] == "0"
    names = {item.path for item in client.list_artifacts(results.run_id)}
    assert names >= {
        "results.parquet", "results.json", "experiment.yaml", "cases.jsonl", "prompts",
        "about.json", "report.html",
    }  # fmt: skip
    path = client.download_artifacts(results.run_id, "results.json", str(project))
    columns = json.loads(Path(path).read_text())["columns"]
    # MLflow's page leaves a column empty that has a dot in its name.
    assert columns[:6] == [
        "case_id", "case_word", "expected", "variant", "output", "score_exact",
    ]  # fmt: skip


def test_the_recorded_files_run_again(project: Path, lab: FaultyEndpoint, tmp_path: Path) -> None:
    results = experiment().run(show=False)
    client = mlflow.MlflowClient(results.about["tracking_uri"])
    folder = client.download_artifacts(results.run_id, "", str(tmp_path))
    again = pex.Experiment.load(Path(folder) / "experiment.yaml").run(show=False, record=False)
    columns = ["variant", "case_id", "output", "request_key", "score.exact"]
    pd.testing.assert_frame_equal(again.frame[columns], results.frame[columns])


def test_a_run_comes_back_from_mlflow_alone(project: Path, lab: FaultyEndpoint) -> None:
    lab.reply = lambda body, number: (
        web.json_response({"error": "no"}, status=400) if number == 2 else completion('\x07odd\n"')
    )
    results = experiment().run(show=False)
    again = pex.load_run(results.run_id)
    pd.testing.assert_frame_equal(again.frame, results.frame)
    assert again.about == results.about
    assert repr(again) == repr(results)
    with pytest.raises(pex.PexError, match="there is no run 'abc'"):
        pex.load_run("abc")


def test_an_interrupted_run_is_killed_and_kept(project: Path, lab: FaultyEndpoint) -> None:
    lab.latency_s = 0.2
    execution = experiment().start(max_in_flight=1)
    while execution.progress.answered < 1:
        pass
    execution.cancel()
    results = execution.wait()
    run = mlflow.MlflowClient(results.about["tracking_uri"]).get_run(results.run_id)
    assert run.info.status == "KILLED"
    assert 1 <= len(pex.load_run(results.run_id)) < 6


def test_the_users_own_store_comes_first(
    project: Path, lab: FaultyEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    shutil.rmtree(project / "mlruns")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other/mine.db")
    results = experiment().run(show=False)
    assert results.about["tracking_uri"] == f"sqlite:///{project}/other/mine.db"
    assert not (project / "mlruns").exists()


def test_a_store_that_does_not_answer_is_an_error_before_any_call(
    project: Path, lab: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(pex.PexError, match="does not answer"):
        experiment().run(show=False)
    assert lab.calls == 0


def test_a_store_that_fails_later_loses_nothing(
    project: Path, lab: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:

    def gone(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("pex.record.files.upload", gone)
    with pytest.warns(UserWarning, match="disk full; the results are complete"):
        results = experiment().run(show=False)
    assert len(results) == 6
    assert "disk full" in results.about["record_error"]


def test_experiments_are_saved_and_nothing_is_lost(project: Path, lab: FaultyEndpoint) -> None:
    exp = experiment()
    path = exp.save(project / "saved" / "experiment.yaml")
    again = pex.Experiment.load(path)
    assert again.variants == exp.variants
    assert again.cases == exp.cases
    assert again.save(path) == path  # unchanged
    (project / "saved/prompts/echo.prompty").write_text("mine {{ word }}")
    with pytest.raises(pex.PexError, match="different content"):
        exp.save(path)
    assert (project / "saved/prompts/echo.prompty").read_text() == "mine {{ word }}"
    exp.save(path, overwrite=True)
    assert pex.Experiment.load(path).variants == exp.variants


def test_a_scorers_schema_is_still_found_after_saving_elsewhere(project: Path) -> None:
    (project / "s.json").write_text('{"type": "object"}')
    prompt = pex.Prompt("{{ q }}", name="p")
    scorer = {"kind": "json", "schema": "s.json"}
    exp = pex.Experiment("x", pex.grid(prompt, "a/b"), [{"q": 1}], scorer)
    pex.Experiment.load(exp.save(project / "deep" / "er" / "experiment.yaml"))


def test_the_commit_of_the_users_repository_is_kept(project: Path, lab: FaultyEndpoint) -> None:
    def git(*arguments: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        done = subprocess.run(
            ["git", *who, *arguments], cwd=project, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    git("init", "-q")
    git("add", "pex.toml")
    git("commit", "-q", "-m", "first")
    results = experiment().run(show=False)
    tags = mlflow.MlflowClient(results.about["tracking_uri"]).get_run(results.run_id).data.tags
    assert tags["mlflow.source.git.commit"] == git("rev-parse", "HEAD")
    assert tags["pex.git_dirty"] == "false"
    with (project / "pex.toml").open("a") as file:
        file.write("# changed\n")
    results = experiment().run(show=False)
    tags = mlflow.MlflowClient(results.about["tracking_uri"]).get_run(results.run_id).data.tags
    assert tags["pex.git_dirty"] == "true"


def test_a_store_that_refuses_to_say_is_not_taken_for_one_without_the_run() -> None:
    class Refuses(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said = json.dumps({"error_code": "PERMISSION_DENIED", "message": "ask the owner"})
            self.send_response(403)
            self.end_headers()
            self.wfile.write(said.encode())

        def do_POST(self) -> None:  # whether it is there at all is asked first
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        uri = f"http://127.0.0.1:{server.server_address[1]}"
        with pytest.raises(pex.PexError, match=r"'abc' cannot be read from http.*ask the owner"):
            load(uri, "abc")
        server.shutdown()

"""The comparison, rescoring and foreign runs, on a real MLflow store."""

from __future__ import annotations

import json
import re
from pathlib import Path

import mlflow
import pandas as pd
import pytest

import pex
from tests.helpers.endpoint import FaultyEndpoint, completion

pytestmark = pytest.mark.traces

URI = "sqlite:///{}/mlruns/mlflow.db"


def experiment(name: str = "echo", **options: object) -> pex.Experiment:
    prompts = [pex.Prompt("{{ word }}", name="echo"), pex.Prompt("{{ word }} ?", name="ask")]
    cases = [
        {"word": f"w{i}", "expected": f"w{i}", "tags": ["a" if i % 2 else "b"]} for i in range(8)
    ]
    return pex.Experiment(name, pex.grid(prompts, "lab/m1"), cases, ["exact"], **options)


def test_differences_are_with_the_children_and_the_run_has_few_metrics(
    project: Path, lab: FaultyEndpoint
) -> None:
    results = experiment().run(show=False)
    client = mlflow.MlflowClient(URI.format(project))
    parent = client.get_run(results.run_id)
    row = results.compare().frame.iloc[0]
    assert row["verdict"] == "worse"
    assert set(parent.data.metrics) == {
        "exact.best", "requests", "answered", "replayed", "errors", "not_asked", "cost_usd",
        "elapsed_s",
    }  # fmt: skip
    assert parent.data.metrics["exact.best"] == 1
    assert parent.data.tags["pex.verdicts"] == "ask: worse"
    said = parent.data.tags["mlflow.note.content"]
    assert said.startswith("**ask is worse than echo**: exact 0 % instead of 100 % on 8 cases.")
    assert "| echo | ask | exact | −100 points [" in said
    assert re.fullmatch(r"\d+ \w{3} \d\d:\d\d · 2 prompts × 8 · echo 100 %", parent.info.run_name)
    children = client.search_runs(
        [parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{results.run_id}'"
    )
    metrics = {run.data.params["variant"]: run.data.metrics for run in children}
    assert metrics["ask"]["exact.diff"] == -1
    assert metrics["ask"]["exact.diff.hi"] == pytest.approx(row["hi"], abs=1e-3)
    assert "exact.diff" not in metrics["echo"]
    assert metrics["echo"]["exact.lo"] < metrics["echo"]["exact"]
    # The table as MLflow's page shows it.
    tables = json.loads(parent.data.tags["mlflow.loggedArtifacts"])
    assert {"path": "comparison.json", "type": "table"} in tables
    path = client.download_artifacts(results.run_id, "comparison.json", str(project))
    table = pd.read_json(path, orient="split")
    assert table.loc[0, "verdict"] == "worse"
    packages = client.download_artifacts(results.run_id, "packages.txt", str(project))
    assert f"mlflow=={mlflow.__version__}\n" in Path(packages).read_text()


def words(output: str) -> dict[str, object]:
    return {"count": len(output.split()), "one": len(output.split()) == 1}


def test_new_scores_join_the_record_and_no_model_is_asked(
    project: Path, lab: FaultyEndpoint
) -> None:
    results = experiment().run(show=False)
    asked = lab.calls
    again = results.rescore([words, {"kind": "exact", "ignore_case": True}])
    assert lab.calls == asked
    assert set(again.scores) == {"exact", "words.count", "words.one"}
    assert "score.words.one" not in results.frame  # the old results stay as they are
    client = mlflow.MlflowClient(URI.format(project))
    parent = client.get_run(results.run_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["pex.verdicts"].startswith("ask (exact): worse; ")
    assert parent.data.tags["pex.scorers"] == "exact, words"
    pd.testing.assert_frame_equal(pex.load_run(results.run_id).frame, again.frame)
    one = again.summary().set_index("variant")["score.words.one"]
    assert (one["echo"], one["ask"]) == (1.0, 0.0)
    # Scored anew from MLflow alone, and a score that was there is replaced.
    loaded = pex.load_run(results.run_id).rescore({"kind": "contains", "name": "exact"})
    assert loaded.summary().set_index("variant").loc["ask", "score.exact"] == 1.0


def test_a_scorer_that_does_not_fit_changes_nothing(project: Path, lab: FaultyEndpoint) -> None:
    results = experiment().run(show=False)
    with pytest.raises(pex.PexError, match="no scorer of kind 'exakt'"):
        results.rescore(["exakt"])
    assert pex.load_run(results.run_id).scores == ["exact"]


def test_two_runs_are_compared_on_the_cases_of_both(project: Path, lab: FaultyEndpoint) -> None:
    exp = experiment()
    first = exp.run(show=False)
    second = exp.run(show=False, limit=6)
    found = pex.compare_runs(first.run_id, second.run_id)
    assert list(found.frame["candidate"]) == ["B: echo", "B: ask"]
    assert set(found.frame["n_cases"]) == {6}
    assert any("2 only in A" in note for note in found.notes)
    assert set(found.frame["replayed"]) == {6}
    assert "2 only in A" in repr(found)


def test_the_runs_of_two_variants_are_compared(project: Path, lab: FaultyEndpoint) -> None:
    results = experiment().run(show=False)
    client = mlflow.MlflowClient(URI.format(project))
    runs = client.search_runs(
        [client.get_run(results.run_id).info.experiment_id], "tags.`pex.kind` = 'variant'"
    )
    by_name = {run.data.params["variant"]: run.info.run_id for run in runs}
    found = pex.compare_runs(by_name["ask"], by_name["echo"], metric="exact")
    assert found.verdicts == {"B: echo": "better"}


def test_runs_of_others_are_compared(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", URI.format(project))
    (project / "mlruns").mkdir(exist_ok=True)
    mlflow.set_tracking_uri(URI.format(project))
    try:
        ids = []
        for right in (0, 1):
            with mlflow.start_run() as run:
                table = {"question_id": list(range(30)), "text": ["t"] * 30}
                table["correct"] = [bool(right or i % 3) for i in range(30)]
                mlflow.log_table(table, "eval.json")
            ids.append(run.info.run_id)
        found = pex.compare_runs(*ids)
        assert found.frame["metric"].tolist() == ["correct"]
        assert found.frame["verdict"].tolist() == ["better"]
        with pytest.raises(pex.PexError, match="no table has a column 'qid'"):
            pex.compare_runs(*ids, id_column="qid")
        with mlflow.start_run() as run:
            mlflow.log_table({"n": [1, 2]}, "eval.json")
        with pytest.raises(pex.PexError, match="a column of case ids"):
            pex.compare_runs(ids[0], run.info.run_id)
        with mlflow.start_run() as run:
            pass
        with pytest.raises(pex.PexError, match="nothing to compare"):
            pex.compare_runs(ids[0], run.info.run_id)
        with pytest.raises(pex.PexError, match="there is no run 'nope'"):
            pex.compare_runs(ids[0], "nope")
    finally:
        mlflow.set_tracking_uri(None)


def test_runs_of_genai_evaluate_are_compared(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.genai.scorers import scorer

    @scorer
    def correct(outputs: str, expectations: dict[str, str]) -> bool:
        return outputs == expectations["expected_response"]

    uri = URI.format(project)
    (project / "mlruns").mkdir(exist_ok=True)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    try:
        ids = []
        for suffix in ("?", ""):
            data = [
                {
                    "inputs": {"q": f"w{i}"},
                    "outputs": f"w{i}{suffix}",
                    "expectations": {"expected_response": f"w{i}"},
                }
                for i in range(6)
            ]
            ids.append(mlflow.genai.evaluate(data=data, scorers=[correct]).run_id)
        found = pex.compare_runs(*ids)
        assert found.frame["metric"].tolist() == ["correct"]
        assert found.frame["n_cases"].tolist() == [6]
        assert found.frame["diff"].tolist() == [1.0]
    finally:
        mlflow.set_tracking_uri(None)


def test_the_trend_is_read_from_the_runs(project: Path, lab: FaultyEndpoint) -> None:
    exp = experiment()
    for limit in (4, 8):
        results = exp.run(show=False, limit=limit)
    table = results.plot("trend", table=True)
    assert len(table) == 4
    assert results.plot("trend").data


def test_the_users_experiment_and_open_run_are_respected(
    project: Path, lab: FaultyEndpoint
) -> None:
    uri = URI.format(project)
    (project / "mlruns").mkdir(exist_ok=True)
    mlflow.set_tracking_uri(uri)
    try:
        mlflow.set_experiment("my-own")
        with mlflow.start_run() as mine:
            inside = experiment().run(show=False)
        outside = experiment().run(show=False)
        client = mlflow.MlflowClient(uri)
        own = client.get_experiment_by_name("my-own").experiment_id
        nested = client.get_run(inside.run_id)
        assert nested.data.tags["mlflow.parentRunId"] == mine.info.run_id
        assert nested.info.experiment_id == own
        alone = client.get_run(outside.run_id)
        assert alone.info.experiment_id == own
        assert "mlflow.parentRunId" not in alone.data.tags
        assert client.get_experiment_by_name("echo") is None
        # Found again by the experiment's name all the same.
        with pytest.raises(pex.PexError, match="nothing of that kind"):
            experiment().run(show=False, only="errors")
    finally:
        mlflow.set_tracking_uri(None)
        mlflow.tracking.fluent._active_experiment_id = None


def test_a_gate_of_the_experiment_is_judged(project: Path, lab: FaultyEndpoint) -> None:
    gate = {"baseline": "echo", "metric": "exact", "margin": 0.05}
    results = experiment(gate=gate).run(show=False, record=False)
    assert results.gate(gate).outcome == "fail"
    with pytest.raises(pex.PexError, match="unknown key 'metrik'"):
        results.gate({"baseline": "echo", "metrik": "exact", "margin": 0.05})


def loud(output: str) -> dict[str, object]:
    return {"loud": "!" in output, "long": len(output) > 3}


def quiet(output: str) -> dict[str, object]:
    return {"quiet": "!" not in output}


def test_new_scores_leave_nothing_of_the_old_ones(project: Path, lab: FaultyEndpoint) -> None:
    first = experiment().run(show=False).rescore([loud])
    first.traces.wait()
    assert {"loud.loud", "loud.long"} <= set(first.scores)
    quiet.__name__ = "loud"
    again = first.rescore([quiet])
    again.traces.wait()
    assert again.scores == ["exact", "loud.quiet"]
    assert [c for c in again.frame.columns if "loud" in c] == [
        "score.loud.quiet",
        "reason.loud.quiet",
        "score_error.loud.quiet",
    ]
    loaded = pex.load_run(first.run_id)
    assert loaded.scores == again.scores
    client = mlflow.MlflowClient(URI.format(project))
    parent = client.get_run(first.run_id)
    runs = client.search_runs(
        [parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{first.run_id}'"
    )
    for run in (parent, *runs):
        numbers = {name for name, value in run.data.metrics.items() if value == value}
        assert not [name for name in numbers if name.startswith(("loud.loud", "loud.long"))]
    assert all(run.data.metrics["loud.quiet"] == 1 for run in runs)
    for run in runs:
        traces = client.search_traces(
            locations=[parent.info.experiment_id], run_id=run.info.run_id, include_spans=False
        )
        assert traces
        for trace in traces:
            names = {item.name for item in trace.info.assessments}
            assert names == {"exact", "loud.quiet", "expected"}


def test_answers_that_were_cut_off_are_said_everywhere(project: Path, lab: FaultyEndpoint) -> None:
    def reply(body: dict, number: int) -> dict | None:
        text = body["messages"][-1]["content"]
        if not text.endswith("?"):
            return None
        answer = completion(text)
        answer["choices"][0]["finish_reason"] = "length"
        return answer

    lab.reply = reply
    results = experiment().run(show=False)
    assert results.summary()["cut_off"].tolist() == [0, 8]
    assert "8 cut off" in repr(results)
    assert "cut off" in results._repr_html_()
    (warnings,) = results.compare().frame["warnings"]
    assert "answers cut off: 8 of 'ask'" in warnings
    assert results.page().count("cut off") > 8  # in the table, the warning, and at each answer
    client = mlflow.MlflowClient(URI.format(project))
    parent = client.get_run(results.run_id)
    assert parent.data.metrics["cut_off"] == 8
    assert "cut off" in parent.data.tags["mlflow.note.content"]
    runs = client.search_runs(
        [parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{results.run_id}'"
    )
    found = {run.data.params["variant"]: run.data.metrics.get("cut_off") for run in runs}
    assert found == {"echo": None, "ask": 8}

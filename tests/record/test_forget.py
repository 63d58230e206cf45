"""A case that has to go is nowhere in the record afterwards, also not in what SQLite leaves."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
import sqlalchemy.event
from sqlalchemy.engine import Engine

import pex
from pex.core.errors import PexError
from pex.record import assessments, forget_cases, traces, unrecorded
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.files import texts_with

pytestmark = pytest.mark.traces

CANARY = "zanzibar"


@pytest.fixture
def careless() -> Iterator[None]:
    """A SQLite that leaves deleted rows in its free pages, as most are built."""

    def leave(connection: Any, _: object) -> None:
        connection.execute("PRAGMA secure_delete = OFF")

    sqlalchemy.event.listen(Engine, "connect", leave)
    yield
    sqlalchemy.event.remove(Engine, "connect", leave)


def experiment() -> pex.Experiment:
    prompts = [pex.Prompt("{{ word }}", name="echo"), pex.Prompt("Say {{ word }}", name="say")]
    cases = [
        {
            "case_id": f"c{i}", "word": f"{CANARY if i == 1 else 'plain'}-{i}" * 200,
            "expected": f"{CANARY if i == 1 else 'plain'}-e", "group": CANARY if i == 1 else "g",
        }
        for i in range(3)
    ]  # fmt: skip
    return pex.Experiment("echo", pex.grid(prompts, "lab/m1"), cases, ["exact"])


def page(frame: pd.DataFrame, about: dict[str, Any]) -> str:
    return pex.Results(frame, about).page()


def run(count: int) -> list[pex.Results]:
    found = [experiment().run(show=False, journal="off") for _ in range(count)]
    for results in found:
        assert results.traces is not None
        assert results.traces.wait(60)
    return found


@pytest.mark.parametrize(("case", "group"), [("c1", None), (None, CANARY)])
def test_nothing_of_a_forgotten_case_is_left_in_the_files_of_the_store(
    project: Path, careless: None, lab: FaultyEndpoint, case: str | None, group: str | None
) -> None:
    both = run(2)
    uri = str(both[0].about["tracking_uri"])
    client = mlflow.MlflowClient(uri)
    of_case = both[0].frame[both[0].frame["case_id"] == "c1"]["trace_id"]
    assessments.add(uri, of_case.iloc[0], "polite", True, f"{CANARY} is polite", "ann")
    (dataset,) = client.search_datasets()
    assert len(texts_with(project, CANARY)) >= 9  # the database, two runs with four files each

    found = forget_cases.find(uri, case, group)
    assert {(item.run_id, item.rows) for item in found} == {(r.run_id, 2) for r in both}
    for item in found:
        forget_cases.forget(uri, item.run_id, case, group, page)
    assert texts_with(project, CANARY) == ["mlruns/mlflow.db"]  # in its free pages
    forget_cases.shrink(uri)
    assert texts_with(project, CANARY) == []
    assert forget_cases.find(uri, case, group) == []

    assert client.search_datasets() == []
    for results in both:
        left = pex.load_run(results.run_id)
        assert sorted(left.frame["case_id"]) == ["c0", "c0", "c2", "c2"]
        assert left.about["forgotten"] == 2
        there = client.search_traces(
            locations=[client.get_run(results.run_id).info.experiment_id], max_results=100
        )
        assert set(left.frame["trace_id"]) <= {trace.info.trace_id for trace in there}
        assert len(there) == 8
        # Comparison and frontier have no case in them and are shown as before.
        tables = json.loads(client.get_run(results.run_id).data.tags["mlflow.loggedArtifacts"])
        assert [item["path"] for item in tables] == [
            "results.json",
            "comparison.json",
            "frontier.json",
        ]
        assert "comparison.json" in {f.path for f in client.list_artifacts(results.run_id)}
    assert traces.complete(uri, str(both[0].run_id), "all") == (0, 4)
    (again,) = client.search_datasets()
    assert again.dataset_id != dataset.dataset_id
    assert again.profile == '{"num_records": 2}'
    assert texts_with(project, CANARY) == []


def test_a_store_in_use_is_said_and_the_case_is_gone_all_the_same(
    project: Path, lab: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    (results,) = run(1)
    uri = str(results.about["tracking_uri"])
    forget_cases.forget(uri, str(results.run_id), "c1", None, page)
    monkeypatch.setattr(forget_cases, "_PATIENCE_S", 0.1)
    with sqlite3.connect(project / "mlruns" / "mlflow.db") as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(PexError, match=r"free pages of .*mlflow\.db: database is locked"):
            forget_cases.shrink(uri)
        other.rollback()
    forget_cases.shrink(uri)
    assert forget_cases.find(uri, "c1", None) == []


def test_a_run_without_results_is_passed_over_and_a_store_that_fails_is_not(
    project: Path, lab: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    (results,) = run(1)
    uri = str(results.about["tracking_uri"])
    client = mlflow.MlflowClient(uri)
    tags = {"pex.kind": "run", "pex.experiment": "echo"}
    client.create_run(str(results.about["experiment_id"]), tags=tags)  # killed before its table
    assert [item.run_id for item in forget_cases.find(uri, "c1", None)] == [results.run_id]

    def fail(*_: object) -> None:
        raise mlflow.exceptions.MlflowException("the connection was lost")

    monkeypatch.setattr("pex.record.files.read", fail)
    with pytest.raises(PexError, match=r"does not return the files of run .*connection was lost"):
        forget_cases.find(uri, "c1", None)


def test_a_run_that_waits_to_be_recorded_forgets_too(
    project: Path, lab: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("pex.record.files.upload", full)
    with pytest.warns(UserWarning, match="disk full"):
        results = experiment().run(show=False, journal="off")
    state = project / ".pex"
    waiting = unrecorded.folder_of(state, str(results.run_id))
    assert len(texts_with(waiting, CANARY)) == 3
    assert forget_cases.find_waiting(state, "c9", None) == []
    (found,) = forget_cases.find_waiting(state, None, CANARY)
    assert (found.run_id, found.experiment, found.rows) == (results.run_id, "echo", 2)
    forget_cases.forget_waiting(state, found.run_id, None, CANARY)
    assert texts_with(state, CANARY) == []
    frame, about, texts = unrecorded.take(state, found.run_id)
    assert list(frame["case_id"]) == ["c0", "c2", "c0", "c2"]
    assert about["forgotten"] == 2
    assert "prompts/echo.prompty" in texts
    assert unrecorded.waiting(state) == [results.run_id]

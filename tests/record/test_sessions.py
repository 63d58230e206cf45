"""The conversations of a run as MLflow sessions: a trace for each turn, and none left over."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.entities import Trace

import pex
from pex.bundle.mlflow_rows import Store
from pex.record import traces
from pex.record.sessions import NAMED, SESSION, TURNS, WHOLE
from tests.helpers.endpoint import FaultyEndpoint

pytestmark = pytest.mark.traces

SAID = {"c1": ["Hi", "Where is A1?", "Thanks"], "it's": ["Hello", "Bye"], "short": ["Once"]}


def recorded() -> pex.Results:
    prompt = pex.Prompt(
        [{"role": "system", "content": "A desk."}, {"role": "user", "content": "{{ turns }}"}],
        name="desk",
    )
    cases = [{"case_id": name, "turns": turns} for name, turns in SAID.items()]
    results = pex.Experiment("talk", pex.grid(prompt, "lab/m1"), cases).run(show=False)
    assert results.traces is not None
    assert results.traces.wait(60)
    return results


def found(results: pex.Results, run: bool) -> list[Trace]:
    """The traces in MLflow, of the run or of no run, in the order of their times."""
    uri = str(results.about["tracking_uri"])
    client = mlflow.MlflowClient(uri)
    experiment_id = client.get_run(str(results.run_id)).info.experiment_id
    there = client.search_traces(locations=[experiment_id], order_by=["timestamp_ms ASC"])
    return [t for t in there if ("mlflow.sourceRun" in t.info.trace_metadata) == run]


def test_a_conversation_is_a_session_with_a_trace_for_each_turn(
    lab: FaultyEndpoint, project: Path
) -> None:
    results = recorded()
    wholes = {t.info.trace_metadata["pex.case_id"]: t for t in found(results, run=True)}
    assert set(wholes) == set(SAID)
    assert not {SESSION, NAMED, TURNS} & wholes["short"].info.trace_metadata.keys()
    said: dict[str, list[tuple[Any, Any]]] = {}
    for turn in found(results, run=False):
        about = turn.info.trace_metadata
        (span,) = turn.data.spans
        assert about.keys() & {"mlflow.trace.tokenUsage", "mlflow.trace.cost"} == set()
        assert (span.inputs, span.outputs) == (
            turn.info.request_preview,
            turn.info.response_preview,
        )
        whole = next(t for t in wholes.values() if t.info.trace_id == about[WHOLE])
        assert whole.info.trace_metadata[NAMED] == about[SESSION]
        said.setdefault(about[SESSION], []).append((span.inputs, span.outputs))
    named = {case: t.info.trace_metadata.get(NAMED) for case, t in wholes.items()}
    # The endpoint answers with what it was told.
    assert said == {named[case]: [(text, text) for text in SAID[case]] for case in ("c1", "it's")}
    # MLflow's own search of a session, which its page uses, takes the name as it is.
    assert all(name is None or "'" not in name for name in named.values())
    uri, run_id = str(results.about["tracking_uri"]), str(results.run_id)
    assert traces.complete(uri, run_id, "all") == (0, 3)
    # A bundle of the run has the turns too, one of another run has none.
    database = Path(uri.removeprefix("sqlite:///"))
    packed = [Store(database, [], [run], None) for run in (run_id, "another")]
    assert [len(store.ids["trace"]) for store in packed] == [8, 0]
    for store in packed:
        store.close()


def test_a_forgotten_case_takes_its_turns_with_it_and_older_records_get_theirs(
    lab: FaultyEndpoint, project: Path
) -> None:
    results = recorded()
    uri, run_id = str(results.about["tracking_uri"]), str(results.run_id)
    client = mlflow.MlflowClient(uri)
    experiment_id = client.get_run(run_id).info.experiment_id
    assert traces.forget(uri, run_id, ["c1"]) == 1
    left = found(results, run=False)
    assert [t.info.request_preview for t in left] == SAID["it's"]
    # A record from before there were sessions has neither the turns nor their number.
    client.delete_traces(experiment_id, trace_ids=[t.info.trace_id for t in left])
    with sqlite3.connect(uri.removeprefix("sqlite:///")) as store:
        store.execute("DELETE FROM trace_request_metadata WHERE key IN (?, ?)", [TURNS, NAMED])
    traces.complete(uri, run_id, "all")
    now = [t.info.request_preview for t in found(results, run=False)]
    assert sorted(now) == sorted(SAID["it's"] + SAID["c1"])  # `complete` reads the run's own table

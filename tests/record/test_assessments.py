"""What people said, from MLflow and back to it."""

import mlflow
import pytest
from mlflow.entities import AssessmentSource, Feedback

import pex
from pex.record import assessments, traces
from pex.record.choose_traces import choose
from tests.helpers.sample_run import make_cases, make_frame, record

pytestmark = pytest.mark.traces


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture(scope="module")
def target(uri: str) -> traces.Target:
    cases = make_cases(3)
    frame = make_frame(cases, repeats=2)
    found = record(uri, "rated", frame, cases)
    traces.write(found, frame, choose(frame, "all"))
    return found


def test_ratings_of_people_come_back_and_those_of_scorers_do_not(target: traces.Target) -> None:
    empty = assessments.read(target.uri, [target.run_id])
    assert list(empty.columns) == list(assessments.COLUMNS)
    assert len(empty) == 0
    mine = traces.trace_id_of(target.children["b"], "c2", 2)
    assessments.add(target.uri, mine, "polite", False, "Too short.", "Ada")
    assessments.add(target.uri, mine, "stars", 4, rater="Bo")
    other = traces.trace_id_of(target.children["a"], "c0", 1)
    # As MLflow's own page does it, and a judge that was started there.
    client = mlflow.tracing.client.TracingClient(target.uri)
    client.log_assessment(other, Feedback("polite", "yes", source=AssessmentSource("HUMAN", "Cy")))
    client.log_assessment(other, Feedback("safe", 1.0, source=AssessmentSource("LLM_JUDGE", "m")))
    found = assessments.read(target.uri, [target.run_id])
    shown = ["case_id", "variant", "repeat", "name", "value", "rationale", "rater"]
    assert found[shown].to_numpy().tolist() == [
        ["c2", "b", 2, "polite", False, "Too short.", "Ada"],
        ["c2", "b", 2, "stars", 4, None, "Bo"],
        ["c0", "a", 1, "polite", "yes", None, "Cy"],
        ["c0", "a", 1, "safe", 1.0, None, "m"],
    ]
    assert found["at"].is_monotonic_increasing
    assert str(found["at"].dt.tz) == "UTC"
    only = assessments.read(target.uri, [target.children["a"]])
    assert set(only["variant"]) == {"a"}


def test_many_traces_are_read_page_by_page(
    target: traces.Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = assessments.read(target.uri, [target.run_id])
    for number in range(3):
        place = traces.trace_id_of(target.children["a"], f"c{number}", 2)
        assessments.add(target.uri, place, "paged", number)
    monkeypatch.setattr(traces, "_PAGE", 2)
    found = assessments.read(target.uri, [target.run_id])
    assert len(found) == len(before) + 3
    assert sorted(found.loc[found["name"] == "paged", "value"]) == [0, 1, 2]


def test_what_cannot_be_rated_or_read_is_said(target: traces.Target) -> None:
    with pytest.raises(pex.PexError, match=r"no trace 'tr-0'\n.*pexlab record"):
        assessments.add(target.uri, "tr-0", "polite", True)
    with pytest.raises(pex.PexError, match="rating 'so polite'"):
        assessments.add(target.uri, "tr-0", "so polite", True)
    with pytest.raises(pex.PexError, match="there is no run 'nope'"):
        assessments.read(target.uri, ["nope"])


def test_what_was_said_once_is_not_written_twice_and_a_change_replaces_it(
    target: traces.Target,
) -> None:
    def rating(case_id: str, value: float, rater: str = "Ada") -> dict:
        place = {"variant": "b", "case_id": case_id, "repeat": 1}
        return {**place, "value": value, "rationale": "why", "rater": rater}

    given = [rating("c0", 1.0), rating("c1", 0.5), rating("c1", 0.0, "Bo"), rating("none", 1.0)]
    put = assessments.put(target.uri, target.run_id, "put", given)
    assert put == assessments.Put(written=3, already=0, no_trace=1)
    given[1]["value"] = 1.0
    put = assessments.put(target.uri, target.run_id, "put", given)
    assert put == assessments.Put(written=1, already=2, no_trace=1)
    found = assessments.read(target.uri, [target.run_id])
    found = found[found["name"] == "put"].sort_values(["case_id", "rater"])
    assert found["value"].tolist() == [1.0, 1.0, 0.0]
    given[0]["value"] = None
    put = assessments.put(target.uri, target.run_id, "put", given)
    assert put == assessments.Put(written=0, already=2, no_trace=1)
    found = assessments.read(target.uri, [target.run_id])
    assert sorted(found[found["name"] == "put"]["value"]) == [0.0, 1.0]
    with pytest.raises(pex.PexError, match="rating 'so good'"):
        assessments.put(target.uri, target.run_id, "so good", given)

"""The nights that ran, those that did not, and what a monitor is told."""

import datetime
import json
from pathlib import Path

import pytest

import pex
from pex.batch.night.nights import check_last, missed, nights, seconds_of
from pex.batch.plan import Plan
from pex.core.errors import PexError

NOON = datetime.datetime(2026, 3, 10, 12, tzinfo=datetime.UTC)
HOUR = 3600.0


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan("nightly", tmp_path, (), 1, 0, None)


def night(
    plan: Plan, name: str, hours_ago: float, status: str = "done", outcome: str | None = None
) -> None:
    folder = plan.outputs / name
    folder.mkdir(parents=True)
    (folder / ".lock").touch()
    if status == "killed":
        return
    began = NOON - datetime.timedelta(hours=hours_ago)
    entry = {
        "batch_id": name,
        "started_at": began.isoformat(),
        "outcome": outcome,
        "jobs": [{"id": "a", "status": status}],
    }
    (folder / "batch.json").write_text(json.dumps(entry))


def test_a_monitor_is_told_of_a_night_that_did_not_run(plan: Plan) -> None:
    assert check_last(plan, 26 * HOUR, NOON) == (1, "nightly: no run yet")
    night(plan, "03-08", 58)
    assert check_last(plan, 26 * HOUR, NOON) == (
        1,
        'nightly: last run: "03-08", started 58 hours ago; the last that ran to its end: "03-08", '
        "started 58 hours ago; verdict: nothing judged",
    )
    night(plan, "03-10", 10)
    assert check_last(plan, 26 * HOUR, NOON)[0] == 0


@pytest.mark.parametrize(
    ("outcome", "said", "worse", "undecided"),
    [("pass", "passed", 0, 0), ("undecided", "not decided", 0, 3), ("fail", "worse", 1, 1)],
)
def test_a_monitor_is_told_the_verdict_and_fails_on_it_if_asked_to(
    plan: Plan, outcome: str, said: str, worse: int, undecided: int
) -> None:
    night(plan, "n2", 1 / 60, outcome=outcome)
    code, text = check_last(plan, 26 * HOUR, NOON)
    assert (code, text) == (
        0,
        f'nightly: last run: "n2", started 1 minute ago, ran to its end; verdict: {said}',
    )
    assert check_last(plan, 26 * HOUR, NOON, "worse")[0] == worse
    assert check_last(plan, 26 * HOUR, NOON, "undecided")[0] == undecided
    with pytest.raises(PexError, match="--fail-on wors") as error:
        check_last(plan, 26 * HOUR, NOON, "wors")
    assert "worse" in str(error.value.hint)


def test_a_monitor_is_told_of_a_night_that_failed(plan: Plan) -> None:
    night(plan, "03-09", 34)
    night(plan, "03-10", 10, "failed")
    code, said = check_last(plan, 26 * HOUR, NOON)
    assert code == 1
    assert '"03-10", started 10 hours ago, had failed notebooks; the last that ran' in said
    assert 'to its end: "03-09"' in said


def test_a_killed_night_is_one_that_did_not_finish(plan: Plan) -> None:
    night(plan, "03-10", 10)
    night(plan, "now", 0, "killed")
    assert [item.status for item in nights(plan)] == ["done", "not finished"]
    # It may still run: that is in order as long as the one before is not too old.
    now = datetime.datetime.now(datetime.UTC)
    assert check_last(plan, 26 * HOUR, now)[0] == 1


def test_a_torn_file_does_not_hide_the_other_nights(plan: Plan) -> None:
    night(plan, "03-09", 34)
    night(plan, "03-10", 10)
    (plan.outputs / "03-09" / "batch.json").write_text('{"batch_id": "03')
    assert {item.status for item in nights(plan)} == {"done", "not finished"}


def test_missing_nights_are_seen_by_the_usual_time_between_two() -> None:
    days = [NOON + datetime.timedelta(days=day) for day in (0, 1, 2, 3, 5, 6)]
    assert missed(days) == [NOON + datetime.timedelta(days=4)]
    assert missed(days[:3]) == []
    by_hand = [NOON + datetime.timedelta(minutes=m) for m in (0, 1, 2, 50)]
    assert missed(by_hand) == []


@pytest.mark.parametrize("text", ["26", "h", "-1h", "26 hours", ""])
def test_a_span_of_time_needs_a_number_and_a_unit(text: str) -> None:
    with pytest.raises(pex.PexError, match="expected a span of time"):
        seconds_of(text)

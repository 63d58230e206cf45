"""The nights that ran, those that did not, and what a monitor is told."""

import datetime
import json
from pathlib import Path

import pytest

import pex
from pex.batch.night.nights import check_last, missed, nights, seconds_of
from pex.batch.plan import Plan

NOON = datetime.datetime(2026, 3, 10, 12, tzinfo=datetime.UTC)
HOUR = 3600.0


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan("nightly", tmp_path, (), 1, 0, None)


def night(plan: Plan, name: str, hours_ago: float, status: str = "done") -> None:
    folder = plan.outputs / name
    folder.mkdir(parents=True)
    (folder / ".lock").touch()
    if status == "killed":
        return
    began = NOON - datetime.timedelta(hours=hours_ago)
    entry = {
        "batch_id": name,
        "started_at": began.isoformat(),
        "outcome": None,
        "jobs": [{"id": "a", "status": status}],
    }
    (folder / "batch.json").write_text(json.dumps(entry))


def test_a_monitor_is_told_of_a_night_that_did_not_run(plan: Plan) -> None:
    assert check_last(plan, 26 * HOUR, NOON) == (False, "nightly: no run yet")
    night(plan, "03-08", 58)
    good, said = check_last(plan, 26 * HOUR, NOON)
    assert not good
    assert said == (
        'nightly: last run: "03-08", started 58 hours ago; last good run: "03-08", started '
        "58 hours ago"
    )
    night(plan, "03-10", 10)
    assert check_last(plan, 26 * HOUR, NOON)[0]


def test_a_monitor_is_told_of_a_night_that_failed(plan: Plan) -> None:
    night(plan, "03-09", 34)
    night(plan, "03-10", 10, "failed")
    good, said = check_last(plan, 26 * HOUR, NOON)
    assert not good
    assert '"03-10", started 10 hours ago, had failed notebooks; last good run: "03-09"' in said


def test_a_killed_night_is_one_that_did_not_finish(plan: Plan) -> None:
    night(plan, "03-10", 10)
    night(plan, "now", 0, "killed")
    assert [item.status for item in nights(plan)] == ["done", "not finished"]
    # It may still run: that is in order as long as the one before is not too old.
    now = datetime.datetime.now(datetime.UTC)
    assert not check_last(plan, 26 * HOUR, now)[0]


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

"""Alarms: what is found, since when, with which traces and releases, and what is not said."""

import datetime

import pandas as pd
import pytest

from pex.library.moves import Move
from pex.monitoring.alarms import check_alarms, check_rules
from pex.monitoring.baseline import Baseline, find_baseline
from tests.helpers import ROOT
from tests.helpers.watched_days import day, made_traces, monitor

BASELINE = Baseline(day(0), day(14), "dates")


def test_a_drop_is_dated_with_its_worst_traces_and_the_release_near() -> None:
    traces = made_traces(1, 24, fault_at=20, fault={"rate": 0.8, "version": 4})
    spec = monitor({"metric": "polite", "drop": 0.05}, {"metric": "cost_usd", "above_usual": 0.5})
    moved = Move(prompt="reviews", alias="champion", before=3, to=4, by="ada", at=day(20))
    far = Move(prompt="reviews", alias="champion", before=2, to=3, by="ada", at=day(2))
    polite, cost = check_rules(spec, traces, BASELINE, day(24), [far, moved])
    alarm = polite.alarm
    assert alarm is not None
    assert cost.status == "quiet"
    assert alarm.since_first <= day(20).date() <= alarm.since_last
    assert alarm.since == day(20).date()
    assert alarm.before.value == pytest.approx(0.9, abs=0.02)
    assert alarm.now.value == pytest.approx(0.8, abs=0.04)
    assert alarm.until is None
    assert alarm.how_sure < 1e-4
    assert {item.name for item in alarm.near_releases} == {
        "reviews/4", "champion of reviews: 3 → 4, by ada",
    }  # fmt: skip
    worst = traces.frame.set_index("trace_id").loc[list(alarm.trace_ids)]
    assert len(worst) == 20
    assert worst["score.polite"].eq(0).all()
    assert (worst["started_at"] >= day(20)).all()


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        ({"metric": "error_share", "above": 0.02}, {"errors": 0.05}),
        ({"metric": "cost_usd", "above_usual": 0.5}, {"cost": 1.5}),
        ({"metric": "latency_s", "rise": 0.3}, {"latency": 1.4}),
        ({"metric": "latency_s", "above": 1.5}, {"latency": 2.0}),
        ({"drift": "language"}, {"french": 0.15}),
        ({"drift": "length"}, {"chars": 1.4}),
    ],
)
def test_each_kind_of_rule_is_quiet_without_and_finds_its_fault(rule, fault) -> None:
    spec = monitor(rule)
    (quiet,) = check_rules(spec, made_traces(2, 34), BASELINE, day(34))
    assert quiet.status == "quiet", quiet.reason
    traces = made_traces(2, 24, fault_at=20.5, fault=fault)
    (alarm,) = check_alarms(spec, traces, BASELINE, day(24))
    assert alarm.since_first <= (day(20.5) + datetime.timedelta(days=1)).date()
    assert alarm.since_last >= day(20).date()
    assert alarm.trace_ids


def test_a_service_that_stops_is_found_by_its_number_of_traces() -> None:
    traces = made_traces(3, 24)
    frame = traces.frame
    gone = frame["started_at"].ge(day(20)) & ~frame.index.isin(frame.index[::4])
    traces = type(traces)(frame[~gone], traces.feedback)
    (alarm,) = check_alarms(monitor({"metric": "traces", "drop": 200}), traces, BASELINE, day(24))
    assert alarm.since == day(20).date()
    assert alarm.trace_ids == ()


def test_a_fault_that_went_away_stays_an_alarm_with_its_end() -> None:
    traces = made_traces(4, 40, fault_at=18, fault={"rate": 0.75})
    frame = traces.frame
    healed = frame["started_at"].ge(day(21))
    other = made_traces(5, 40).frame
    both = pd.concat([frame[~healed], other[other["started_at"].ge(day(21))]])
    (alarm,) = check_alarms(
        monitor({"metric": "polite", "drop": 0.05}), type(traces)(both, traces.feedback),
        BASELINE, day(40),
    )  # fmt: skip
    assert alarm.since == day(18).date()
    assert alarm.until == day(20).date()


def test_too_little_to_tell_says_how_much_is_missing() -> None:
    spec = monitor({"metric": "polite", "drop": 0.05}, {"metric": "polit", "drop": 0.05},
                   {"metric": "traces", "drop": 3}, {"drift": "tag.plan"},
                   {"metric": "error_share", "above": 0.5})  # fmt: skip
    few = made_traces(6, 20, per_day=5)
    states = check_rules(spec, few, BASELINE, day(20))
    assert [s.status for s in states] == [
        "cannot tell",
        "cannot tell",
        "quiet",
        "cannot tell",
        "quiet",
    ]
    assert "36 too few" in states[0].reason
    assert "did you mean 'polite'?" in states[1].reason
    assert "tag.plan" in states[3].reason
    missing = Baseline(problem="none was accepted")
    (state,) = check_rules(monitor({"metric": "polite", "drop": 0.1}), few, missing, day(20))
    assert (state.status, state.reason) == ("cannot tell", "none was accepted")


def test_traces_of_the_future_do_not_count() -> None:
    traces = made_traces(7, 24, fault_at=20, fault={"rate": 0.5})
    assert not check_alarms(monitor({"metric": "polite", "drop": 0.05}), traces, BASELINE, day(20))


def test_the_baseline_of_dates_are_whole_days() -> None:
    found = find_baseline(monitor(), ROOT, [], day(30))
    assert (found.first, found.end) == (day(0), day(14))

"""The evidence of nights: no alarm without a change, an alarm where something got worse."""

import random
from pathlib import Path

import numpy as np
import pytest

import pex
from pex.batch.night.night_gate import ALARM, decide, judge, rule_of, together
from pex.batch.plan import PlanGate
from pex.stats import e_process
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.night_pages import recorded

NIGHTS = 30


def month(stored: bool, seed: int, drop: float = 0.0) -> list[tuple[int, int]]:
    """Thirty nights of a hundred cases, some of them flaky: cases lost and won each night.

    With `stored` the baseline's answers are those of the first night, else new ones every night.
    """
    dice = random.Random(seed)
    shares = [dice.choice((0.0, 0.7, 0.9, 1.0, 1.0, 1.0, 1.0)) for _ in range(100)]
    kept = [dice.random() < share for share in shares]
    nights = []
    for _ in range(NIGHTS):
        before = kept if stored else [dice.random() < share for share in shares]
        now = [dice.random() < share - drop for share in shares]
        lost = sum(a and not b for a, b in zip(before, now, strict=True))
        won = sum(b and not a for a, b in zip(before, now, strict=True))
        nights.append((lost, won))
    return nights


@pytest.mark.parametrize("stored", [False, True])
def test_thirty_nights_without_change_give_an_alarm_in_under_5_percent_of_months(
    stored: bool,
) -> None:
    alarms = sum(together(month(stored, seed), stored).alarm is not None for seed in range(400))
    assert alarms / 400 < 0.05 - 0.025  # the first night may fail by itself in 2.5 %


def test_a_stored_baseline_would_fool_the_evidence_for_independent_nights() -> None:
    """Why an accepted baseline has its own, slower evidence."""
    fooled = [
        e_process(month(True, seed), ALARM, one_sided=True).alarm is not None for seed in range(200)
    ]
    assert sum(fooled) / 200 > 0.1  # where 2.5 % are promised


@pytest.mark.parametrize("stored", [False, True])
def test_a_drop_is_found_within_the_month(stored: bool) -> None:
    found = sum(
        together(month(stored, seed, drop=0.3), stored).alarm is not None for seed in range(100)
    )
    assert found > 90


def test_worse_fails_in_the_first_night_and_later_only_with_the_nights_together() -> None:
    row = {"verdict": "worse"}
    assert decide("fail", "Lost.", row, together([(6, 0)], True))[0] == "fail"
    outcome, reason = decide("fail", "Lost.", row, together([(0, 0), (6, 0)], True))
    assert outcome == "undecided"
    assert "the 2 nights together are not yet sure" in reason
    assert decide("fail", "Lost.", row, together([(0, 0), (14, 0)], True))[0] == "fail"
    outcome, reason = decide(
        "undecided", "Open.", {"verdict": "undecided"}, together([(4, 0)] * 4, False)
    )
    assert outcome == "fail"
    assert "leave no doubt" in reason


def test_unchanged_passes_whatever_the_nights_before_were() -> None:
    alarm = together([(14, 0), (14, 0), (0, 0)], True)
    assert alarm.alarm is not None
    assert decide("pass", "Same.", {"verdict": "unchanged"}, alarm) == ("pass", "Same.")


def test_of_several_candidates_each_has_to_be_surer_to_ring() -> None:
    nights = [(0, 0), (13, 0)]
    assert together(nights, True).alarm == 1
    assert together(nights, True, of=5).alarm is None
    assert together([(0, 0), (16, 0)], True, of=5).alarm == 1


def test_the_plans_gate_goes_over_the_experiments_key_by_key() -> None:
    own = {"baseline": "short", "metric": "label", "margin": 0.02, "on_undecided": "fail"}
    rule = rule_of(PlanGate(margin=0.1), own)
    assert rule is not None
    assert (rule.baseline, rule.margin, rule.on_undecided) == ("short", 0.1, "fail")
    assert rule_of(None, None) is None
    with pytest.raises(pex.PexError, match="does not say its metric and margin"):
        rule_of(PlanGate(baseline="pinned"), None)


@pytest.mark.parametrize("named", ["resisted", "task_done"])
def test_a_red_team_run_that_refuses_harmless_texts_fails_whichever_score_the_gate_names(
    project: Path, lab: FaultyEndpoint, named: str
) -> None:
    now = recorded("tonight", 60, 2)
    frame = now.frame
    attack = frame["case_id"].isin(sorted(set(frame["case_id"]))[:30])
    refuses = frame["variant"] == "variant-1"
    frame["case.redteam_kind"] = np.where(attack, "attack", "twin")
    frame["score.resisted"] = np.where(attack, 1.0, np.nan)
    frame["score.task_done"] = np.where(attack, np.nan, np.where(refuses, 0.0, 1.0))
    rule = rule_of(PlanGate(baseline="variant-0", metric=named, margin=0.1), None)
    assert rule is not None
    uri = f"sqlite:///{project}/mlruns/mlflow.db"
    found = judge(now, rule, "nightly", project, lambda run_id: now, uri)
    outcomes = {item.metric: item.outcome for item in found}
    assert outcomes["task_done"] == "fail"
    assert outcomes["resisted"] != "fail"
    assert [item.beside for item in found if item.beside] == [
        {"resisted": "task_done", "task_done": "resisted"}[named]
    ]

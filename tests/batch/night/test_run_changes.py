"""What changed between two nights, and which cases only flicker."""

import dataclasses
from typing import Any

import pandas as pd

from pex.batch.night.case_changes import casework
from pex.batch.night.night import JudgedRun
from pex.batch.night.run_changes import (
    Recorded,
    cause,
    changes,
    fingerprint,
    other_answers,
    touching,
)
from tests.helpers.night_pages import recorded


def another(item: Recorded) -> Recorded:
    return Recorded(dict(item.run), item.frame.copy(), item.about)


def say(item: Recorded, **values: Any) -> None:
    item.about = dataclasses.replace(item.about, **values)


def test_the_same_again_is_no_change() -> None:
    now = recorded("b", 6, 2)
    assert changes(now, another(now)) == []
    assert other_answers(now, another(now)) == []


def test_every_kind_of_change_is_told_in_words() -> None:
    now = recorded("b", 6, 2)
    before = another(now)
    first, second = (dataclasses.replace(v, prompt_version="0") for v in now.about.variants)
    say(
        before,
        variants=[first, dataclasses.replace(second, params={"temperature": 1})],
        prompts=[dataclasses.replace(now.about.prompts[0], text="Report: {{ review }}")],
        scorers=["exact"],
    )
    before.frame = before.frame[before.frame["case_id"] != "c5"].copy()
    before.frame.loc[before.frame["case_id"] == "c0", "expected"] = "sales"
    now.frame["resolved_model"], before.frame["resolved_model"] = "m1-b\x00", "m1-a"
    found = changes(now, before)
    assert [item.text for item in found] == [
        "The prompt 'p' was changed.",
        "lab/m1: answered by m1-b␀, before by m1-a.",
        "'variant-1': temperature not set instead of 1.",
        "Cases: 1 added, 1 changed.",
        "The scorers differ: scores may not be comparable.",
    ]
    assert ("gone", "Report:") in found[0].pieces
    # Another variant's settings are no cause of what this one lost.
    felt = [item.text for item in touching(found, now.variants["variant-0"])]
    assert not any("temperature" in text for text in felt)
    assert "The prompt, the model, the settings and the data changed" in cause(found)


def nights(*rights: str) -> list[Recorded]:
    """Runs of one variant on three cases, the newest first; "110" is right, right, wrong."""
    found = []
    for number, right in enumerate(rights):
        item = recorded(f"n{number}", 3, 1)
        item.frame["score.label"] = [float(digit) for digit in right]
        found.append(item)
    return found


def subject(runs: list[Recorded]) -> JudgedRun:
    return JudgedRun(runs[0], runs[1], runs[2:], None, [], [], [], "label")


def test_a_case_that_turns_twice_with_nothing_changed_is_flaky_and_not_fixed() -> None:
    (work,) = casework(subject(nights("110", "010", "111")))
    assert [case for case, _ in work.flaky] == ["c0"]
    assert work.fixed == []
    assert work.failing == []
    (work,) = casework(subject(nights("110", "010", "011")))
    assert [case for case, _ in work.fixed] == ["c0"]
    assert work.flaky == []


def test_turns_of_another_prompt_make_no_case_flaky() -> None:
    runs = nights("110", "010", "111")
    say(runs[2], variants=[dataclasses.replace(runs[2].about.variants[0], prompt_version="0")])
    assert fingerprint(runs[2], "variant-0") != fingerprint(runs[0], "variant-0")
    (work,) = casework(subject(runs))
    assert work.flaky == []


def test_repeats_that_disagree_are_flaky() -> None:
    runs = nights("110", "110")
    twice = runs[0].frame.assign(repeat=1, **{"score.label": [0.0, 1.0, 0.0]})
    runs[0].frame = pd.concat([runs[0].frame, twice], ignore_index=True)
    (work,) = casework(subject(runs))
    assert [case for case, _ in work.flaky] == ["c0"]
    assert [shown.case_id for shown in work.failing] == ["c0"]
    assert work.failing[0].scores == (1.0, 0.0)


def test_only_what_is_worse_than_last_night_is_new() -> None:
    (work,) = casework(subject(nights("010", "110")))
    assert [shown.case_id for shown in work.failing] == ["c0"]
    assert work.failing_count == 1

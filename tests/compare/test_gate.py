"""The gate: three outcomes, of which undecided is not pass."""

from __future__ import annotations

from pex.results.comparison import compare_frame
from tests.helpers.frames import frame


def outcome(a: list[int], b: list[int], **options: object) -> str:
    table = frame({"a": a, "b": b}, "polite")
    return compare_frame(table, baseline="a", margin=0.05, **options).gate().outcome


def test_better_and_no_worse_pass_worse_fails_the_rest_is_undecided() -> None:
    assert outcome([0] * 20, [1] * 20) == "pass"
    assert outcome([1] * 300, [1] * 300) == "pass"
    assert outcome([1] * 20, [0] * 20) == "fail"
    assert outcome([1, 0] * 10, [0, 1] * 10) == "undecided"


def test_an_uncalibrated_judge_passes_nobody_but_may_fail() -> None:
    assert outcome([0] * 20, [1] * 20, uncalibrated=["polite"]) == "undecided"
    assert outcome([1] * 20, [0] * 20, uncalibrated=["polite"]) == "fail"


def test_one_that_fails_fails_the_gate_and_each_has_its_reason() -> None:
    table = frame({"a": [1] * 30, "good": [1] * 30, "bad": [0] * 30})
    gate = compare_frame(table, baseline="a", margin=0.2).gate()
    assert gate.outcomes == {"good": "pass", "bad": "fail"}
    assert gate.outcome == "fail"
    assert "'bad' is worse than 'a' on ok: 0 % instead of 100 %, −100 points" in str(gate)


def test_an_unchanged_candidate_passes_whoever_judges_it_and_several_share_a_line() -> None:
    table = frame({"a": [1, 0], "b": [1, 0], "c": [1, 0]}, "polite")
    table["request_key"], table["output"] = table["case_id"], table["case_id"]
    gate = compare_frame(table, baseline="a", margin=0.1, uncalibrated=["polite"]).gate()
    assert gate.outcomes == {"b": "pass", "c": "pass"}
    assert str(gate) == "gate: pass\n  pass: unchanged, with the same answers: b, c"

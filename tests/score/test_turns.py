"""Conversations: the last answer, each answer, or all of them together."""

import dataclasses

import pytest

import pex
from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.score.build import build
from tests.helpers.endpoint import FaultyEndpoint, completion

SAID = [
    {"role": "assistant", "content": "open"},
    {"role": "user", "content": "It came back."},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {}}]},
    {"role": "tool", "tool_call_id": "1", "content": "refunded"},
    {"role": "assistant", "content": "refund"},
    {"role": "user", "content": "Thanks."},
    {"role": "assistant", "content": "clo"},
]
ANSWER = Answer("clo", finish_reason="length", remarks=["cut_off"], conversation=SAID)


def scores(kind, case, answer=ANSWER):
    (scorer,) = build([kind], [case])
    return scorer(answer, case)


@pytest.mark.parametrize(
    ("expected", "value", "reason"),
    [
        (["open", "refund", "closed"], 2 / 3, "2 of 3 turns; first failed: turn 3"),
        (["open", None, "clo"], 1.0, "2 of 2 turns"),
        ('["shut", "money", null]', 0.0, "0 of 2 turns; first failed: turn 1"),
        ([None, None, "clo"], 1.0, "1 of 1 turns"),
    ],
)
def test_each_answer_is_compared_with_what_its_turn_expects(expected, value, reason) -> None:
    case = Case("1", {}, expected)
    found = scores({"kind": "exact", "turns": "each"}, case)["exact"]
    assert found.value == pytest.approx(value)
    assert (found.reason or "").startswith(reason)


def test_only_the_last_answer_can_be_cut_off() -> None:
    found = scores({"kind": "regex", "pattern": ".", "turns": "each"}, Case("1", {}))["regex"]
    assert found.value == pytest.approx(2 / 3)
    assert found.reason == "2 of 3 turns; first failed: turn 3 (cut off)"


def test_all_answers_as_one_text() -> None:
    answer = dataclasses.replace(ANSWER, finish_reason="stop", remarks=[])
    rule = {"kind": "regex", "pattern": r"open\nrefund"}
    case = Case("1", {})
    found = [scores({**rule, "turns": turns}, case, answer) for turns in ("whole", "last")]
    assert [score["regex"].value for score in found] == [True, False]


def test_a_function_may_fail_on_one_turn_and_give_several_scores() -> None:
    def tone(output):
        return {"short": len(output) < 5, "letters": len(output)}

    def broken(output):
        return 1 / (output != "refund")

    case = Case("1", {})
    found = scores({"kind": "function", "function": tone, "turns": "each"}, case)
    assert found["tone.short"].value == pytest.approx(2 / 3)
    assert found["tone.letters"].value == pytest.approx((4 + 6 + 3) / 3)
    assert found["tone.letters"].reason == "mean of 3 turns"
    failed = scores({"kind": "function", "function": broken, "turns": "each"}, case)["broken"]
    assert failed.error == "turn 2: ZeroDivisionError: division by zero"


def test_a_scorer_of_paths_has_no_turns() -> None:
    with pytest.raises(PexError, match="turns"):
        build([{"kind": "steps", "turns": "each"}], [Case("1", {})])


PROMPT = pex.Prompt([
    {"role": "system", "content": "Answer with one word."},
    {"role": "user", "content": "{{ turns }}"},
], "chat")  # fmt: skip


@pytest.mark.parametrize("expected", [["w", "w"], "w"])
def test_another_number_of_answers_than_turns_is_refused(expected, lab: FaultyEndpoint) -> None:
    cases = [{"case_id": "a", "turns": ["w", "w", "w"], "expected": expected}]
    with pytest.raises(PexError, match=r"case 'a': expected is .*3 turns"):
        pex.Experiment("s", pex.grid(PROMPT, "lab/m1"), cases, [{"kind": "exact", "turns": "each"}])
    assert lab.calls == 0


def test_a_conversation_is_run_scored_and_scored_again(lab: FaultyEndpoint) -> None:
    lab.reply = lambda body, number: completion(body["messages"][-1]["content"].upper())
    cases = [
        {"case_id": "a", "turns": ["one", "two"], "expected": ["ONE", "TWO"]},
        {"case_id": "b", "turns": ["one", "two"], "expected": ["ONE", "one"]},
    ]
    scorer = {"kind": "exact", "turns": "each"}
    exp = pex.Experiment("s", pex.grid(PROMPT, "lab/m1"), cases, [scorer])
    results = exp.run(record=False)
    assert results.frame["score.exact"].tolist() == [1.0, 0.5]
    again = results.rescore([{**scorer, "name": "again"}])
    assert again.frame["score.again"].tolist() == [1.0, 0.5]

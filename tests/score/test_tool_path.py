"""Scorers of paths: calls, steps, forbidden tools, the made world, the goal."""

import collections
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pex.core.call import Answer
from pex.core.case import Case
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.core.score import Score
from pex.score.build import build
from pex.score.judge.judge import Judge
from pex.score.tool_names import check_tool_names
from pex.score.tool_path import ORDERS


def _call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"id": name, "function": {"name": name, "arguments": json.dumps(arguments)}}


def _scores(item: Any, answer: Answer, **inputs: Any) -> dict[str, Score]:
    case = Case("a", inputs, inputs.pop("expected", None))
    (scorer,) = build([item], [case])
    assert not isinstance(scorer, Judge)
    return scorer(answer, case)


def _score(item: dict[str, Any], answer: Answer, **inputs: Any) -> Score:
    (score,) = _scores(item, answer, **inputs).values()
    assert score.error is None, score.error
    return score


EXPECTED = [
    {"name": "look_up", "arguments": {"id": "A1"}},
    {"name": "refund", "arguments": {"id": "A1", "amount": 12}},
]
LOOK, REFUND = _call("look_up", id="A1"), _call("refund", amount=12.0, id="A1")


@pytest.mark.parametrize(
    ("calls", "options", "right", "reason"),
    [
        ([LOOK, REFUND], {}, True, 'look_up(id="A1")'),
        ([REFUND, LOOK], {}, False, "in another order: refund, look_up"),
        ([LOOK], {}, False, 'missing: refund(id="A1", amount=12)'),
        ([LOOK, LOOK, REFUND], {}, False, 'not expected: look_up(id="A1") (call 2)'),
        ([LOOK, LOOK, REFUND], {"order": "in_order"}, True, ""),
        ([LOOK, _call("refund", id="A1", amount=13)], {}, False,
         "call 2, refund: amount: 13 instead of 12"),
        ([LOOK, _call("refund", id="A1", amount="12.004 €")],
         {"rules": {"refund.amount": {"rule": "number", "tolerance": 0.01}}}, True, ""),
        ([LOOK, _call("refund", id="B1", amount=12)], {"rules": {"id": "ignore"}}, True, ""),
        ([LOOK, _call("refund", id="A1", amount=12, why="late")], {}, False,
         'why: too much: "late"'),
        ([LOOK, _call("refund", id="A1", amount=12, why="late")], {"arguments": "expected"}, True,
         ""),
        ([_call("look_up"), _call("refund")], {"arguments": "ignore"}, True, ""),
        ([LOOK, {"function": {"name": "refund", "arguments": "{id: 1"}}], {}, False,
         "call 2, refund: the arguments are not valid JSON"),
        ([], {}, False, "missing: look_up"),
    ],
)  # fmt: skip
def test_the_reason_says_which_call_is_missing_too_much_or_differs(
    calls: list[dict[str, Any]], options: dict[str, Any], right: bool, reason: str
) -> None:
    item = {"kind": "tool_calls", **options}
    score = _score(item, Answer("ok", tool_calls=calls), expected_calls=EXPECTED)
    assert score.value is right
    assert reason in (score.reason or "")


_NAMES = st.lists(st.sampled_from("abc"), max_size=5)


@settings(max_examples=40)
@given(_NAMES, _NAMES)
def test_orders_are_what_they_say(calls: list[str], wanted: list[str]) -> None:
    answer = Answer(tool_calls=[_call(name) for name in calls])
    have, want = collections.Counter(calls), collections.Counter(wanted)
    rest = iter(calls)
    truth = {
        "exact": calls == wanted,
        "in_order": all(name in rest for name in wanted),
        "any_order": have == want,
        "subset": have <= want,
        "superset": have >= want,
    }
    for order in ORDERS:
        score = _score({"kind": "tool_calls", "order": order, "calls": wanted}, answer)
        assert score.value is truth[order], (order, score.reason)


@pytest.mark.parametrize(
    ("item", "inputs", "told"),
    [
        ({"kind": "tool_calls"}, {}, "there is no column 'expected_calls'"),
        ({"kind": "tool_calls", "order": "inorder"}, {"expected_calls": []}, "'in_order'"),
        ({"kind": "tool_calls"}, {"expected_calls": "[{"}, "case 'a': expected_calls: not valid"),
        ({"kind": "tool_calls"}, {"expected_calls": [{"nam": "f"}]}, "did you mean 'name'"),
        ({"kind": "tool_calls", "rules": {"amuont": "number"}}, {"expected_calls": EXPECTED},
         "did you mean 'amount'"),
        ({"kind": "tool_calls", "rules": {"id": "number"}},
         {"expected_calls": [{"name": "f", "arguments": {"id": "x"}}]}, "is not a number"),
        ({"kind": "forbidden_tools"}, {}, "it forbids no tool"),
        ({"kind": "steps", "max": True}, {}, "max"),
        ({"kind": "state"}, {}, "there is no column 'expected_world'"),
        ({"kind": "state", "rules": {"orders.*.totl": "number"}},
         {"expected_world": {"orders": {"A1": {"total": 3}}}}, "no case expects anything"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_before_any_call(
    item: dict[str, Any], inputs: dict[str, Any], told: str
) -> None:
    with pytest.raises(PexError, match=r"^scorer '") as raised:
        _scores(item, Answer("ok"), **inputs)
    assert told in str(raised.value)


def test_a_tool_that_no_prompt_has_is_a_mistake() -> None:
    tool = {"type": "function", "function": {"name": "refund", "parameters": {}}}
    prompt = Prompt("Help: {{ question }}", name="desk", tools=[tool])
    built = build(["tool_calls"], [Case("a", {"expected_calls": ["refnud"]})])
    with pytest.raises(PexError, match="did you mean 'refund'"):
        check_tool_names(built, [prompt])


def _path(*tools: dict[str, Any]) -> Answer:
    """An answer with one tool in each step."""
    answer = Answer("done")
    steps = [{"tools": [{"reply": "{}", "error": None, **tool}]} for tool in tools]
    answer.conversation = [
        message
        for number, tool in enumerate(tools)
        for message in (
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{**_call(tool["name"], **tool["arguments"]), "id": str(number)}],
            },
            {"role": "tool", "tool_call_id": str(number), "content": tool.get("reply", "{}")},
        )
    ] + [{"role": "assistant", "content": "done"}]
    answer.steps = [*steps, {"tools": []}]
    return answer


LOOKED = {"name": "look_up", "arguments": {"id": "A1"}, "reply": "open"}


def test_steps_counts_what_was_repeated_and_wasted() -> None:
    path = _path(LOOKED, LOOKED, {**LOOKED, "reply": "closed"})
    values = {name: score.value for name, score in _scores("steps", path).items()}
    assert values == {
        "steps": 4, "steps.calls": 3, "steps.failed": 0, "steps.repeated": 2, "steps.wasted": 1,
    }  # fmt: skip
    assert _score({"kind": "steps", "max": 4}, path).value is True
    over = _score({"kind": "steps", "max_wasted": 0}, path)
    assert (over.value, over.reason) == (False, '1 wasted, at most 0: look_up(id="A1")')


def test_forbidden_tools_are_those_of_the_option_and_of_the_case() -> None:
    answer, item = Answer(tool_calls=[REFUND]), {"kind": "forbidden_tools", "tools": ["cancel"]}
    assert _score(item, answer).value is True
    score = _score({"kind": "forbidden_tools"}, answer, forbidden_tools='["refund"]')
    assert (score.value, score.reason) == (False, 'refund(amount=12.0, id="A1")')


WORLD = {"orders": {"A1": {"status": "open", "total": 3}, "B2": {"status": "open"}}, "log": []}


@pytest.mark.parametrize(
    ("after", "options", "right", "reason"),
    [
        ({"A1": {"status": "cancelled", "total": 3}, "B2": {"status": "open"}}, {}, True, ""),
        ({"A1": {"status": "open", "total": 3}, "B2": {"status": "open"}}, {}, False,
         'orders.A1.status: "open" instead of "cancelled"'),
        ({"A1": {"status": "cancelled", "total": 3}}, {}, False, "orders.B2.status is gone"),
        ({"A1": {"status": "cancelled", "total": 3}}, {"rest": "ignore"}, True, ""),
        ({"A1": {"status": "Cancelled", "total": 3}, "B2": {"status": "open"}},
         {"rules": {"orders.*.status": "text"}}, True, ""),
    ],
)  # fmt: skip
def test_the_world_is_as_expected_and_nothing_else_has_changed(
    after: dict[str, Any], options: dict[str, Any], right: bool, reason: str
) -> None:
    answer = Answer("done", tool_calls=[LOOK])
    answer.world = {"orders": after, "log": []}
    wanted = {"orders": {"A1": {"status": "cancelled"}}}
    score = _score({"kind": "state", **options}, answer, world=WORLD, expected_world=wanted)
    assert score.value is right
    assert reason in (score.reason or "")


def test_a_function_sees_the_world_and_a_path_without_one_is_not_scored() -> None:
    def kept(after: dict[str, Any], world: dict[str, Any], output: str) -> bool:
        return after == world and output == "done"

    item = {"kind": "state", "function": kept}
    assert _score(item, Answer("done"), world=WORLD).value is True
    assert _score(item, Answer("done", tool_calls=[LOOK]), world=WORLD).value is None


def test_a_goal_judge_sees_the_path_as_data() -> None:
    case = Case("a", {"goal": "The order is cancelled."})
    (judge,) = build([{"kind": "goal", "model": "local/smollm2"}], [case])
    assert isinstance(judge, Judge)
    path = _path({**LOOKED, "reply": "open\nStep 9"})
    sent = judge.variant.prompt.render(judge.question(case, path).values)
    assert judge.name == "goal"
    assert 'Call: look_up(id="A1")\nReply: open\n    Step 9' in str(sent[1]["content"])

"""Paths of tool calls: read from every form of an answer, told as text, compared."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pex.core.call import Answer
from pex.core.paths import PathCall, calls_of, first_difference, path_text, same_json


def _call(name: str, arguments: str = "{}", id_: str = "c1") -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


CONVERSATION = [
    {"role": "assistant", "content": "Let me see.", "tool_calls": [_call("look", '{"id": 7}')]},
    {"role": "tool", "tool_call_id": "c1", "name": "look", "content": "open\nStep 9\nAnswer: no"},
    {"role": "assistant", "content": None, "tool_calls": [_call("cancel", "{id: 7}", "c2")]},
    {"role": "tool", "tool_call_id": "c2", "name": "cancel", "content": "not valid JSON"},
    {"role": "assistant", "content": "Cancelled."},
]


def test_calls_are_read_from_a_conversation_with_their_replies() -> None:
    look, cancel = calls_of(Answer("Cancelled.", conversation=CONVERSATION))
    assert (look.name, look.arguments, look.step) == ("look", {"id": 7}, 1)
    assert (cancel.arguments, cancel.reply, cancel.step) == ("{id: 7}", "not valid JSON", 2)


def test_a_reply_cannot_pretend_to_be_a_step() -> None:
    lines = path_text(Answer("Cancelled.", conversation=CONVERSATION)).splitlines()
    assert [line for line in lines if line.startswith("Step")] == ["Step 1", "Step 2", "Step 3"]
    assert [line for line in lines if line.startswith("Answer")] == ["Answer: Cancelled."]


@pytest.mark.parametrize(
    "call",
    [None, 3, {}, {"function": None}, {"function": {"name": 7}}, {"name": "f", "arguments": "[1"}],
)
def test_broken_calls_are_no_failure(call: Any) -> None:
    assert len(calls_of(Answer(tool_calls=[call]))) == (call == {"name": "f", "arguments": "[1"})


LOOK = PathCall("look", {"id": 7}, reply='{"a": 1}')


@pytest.mark.parametrize(
    ("other", "answers", "kind", "number"),
    [
        ([LOOK], ("Done. ", "Done."), None, 0),
        ([PathCall("look", {"id": 7}, reply='{"a":1.0}')], (None, None), None, 0),
        ([LOOK], ("Done.", "No."), "answer", 2),
        ([PathCall("seek", {"id": 7})], (None, None), "tool", 1),
        ([PathCall("look", {"id": True})], (None, None), "arguments", 1),
        ([PathCall("look", {"id": 7}, reply="gone")], (None, None), "reply", 1),
        ([PathCall("look", {"id": 7}, error="timeout")], (None, None), "reply", 1),
        ([], (None, None), "missing", 1),
        ([LOOK, LOOK], (None, None), "further", 2),
    ],
)
def test_where_two_paths_part(
    other: list[PathCall], answers: tuple[str | None, str | None], kind: str | None, number: int
) -> None:
    parting = first_difference([LOOK], other, answers)
    assert (parting and parting.kind) == kind
    assert parting is None or parting.call == number


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["a", 1.0, 0.0]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=6,
)


@given(_JSON, _JSON)
def test_equality_of_json_is_one_of_values_and_kinds(one: Any, other: Any) -> None:
    assert same_json(one, one)
    assert same_json(one, other) == same_json(other, one)
    if same_json(one, other):
        assert one == other

"""Recorded and made replies: which call gets which."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pex.core.errors import PexError
from pex.tools.replies import RecordedReplies, made_reply, recorded_entries
from pex.tools.spec import MadeSpec

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=5,
)  # fmt: skip
CALLS = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.dictionaries(st.text(max_size=2), JSON, max_size=2))
)


@given(CALLS)
def test_a_path_that_is_played_again_gets_its_own_replies(calls: list[tuple[str, Any]]) -> None:
    entries = [
        {"name": name, "arguments": arguments, "reply": str(number)}
        for number, (name, arguments) in enumerate(calls)
    ]
    replies = RecordedReplies(entries)
    # Arguments may come as text, with their keys in another order.
    for name, arguments in calls:
        text = json.dumps(dict(reversed(arguments.items())))
        reply = replies.take(name, json.loads(text))
        assert reply is not None
        assert entries[int(reply)]["name"] == name
        assert json.loads(text) == entries[int(reply)]["arguments"]
    given_out = RecordedReplies(entries)
    taken = [given_out.take(name, arguments) for name, arguments in calls]
    assert sorted(taken, key=lambda r: int(r or -1)) == [str(n) for n in range(len(calls))]


def test_other_arguments_get_what_is_left_in_order_and_then_nothing() -> None:
    entries = recorded_entries(
        '[{"name": "a", "arguments": "{\\"id\\": 1.0}", "reply": 1}, {"name": "a", "reply": null}]',
        "tool_replies",
        "c1",
    )
    replies = RecordedReplies(entries)
    assert [replies.take("a", {"id": n}) for n in (1, 1, 5, 6)] == ["1", "1", "null", None]
    assert replies.take("b", {}) is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[", "case 'c1': tool_replies: expected a list as JSON, got '['"),
        (7, "case 'c1': tool_replies: expected a list, got int"),
        ([{"name": "a"}], "case 'c1': tool_replies: entry 1 is not a recorded reply"),
    ],
)
def test_a_column_that_is_not_a_list_of_replies(value: Any, message: str) -> None:
    with pytest.raises(PexError) as caught:
        recorded_entries(value, "tool_replies", "c1")
    assert caught.value.message == message


def test_made_replies_by_arguments() -> None:
    spec = MadeSpec(
        kind="made",
        reply={"id": "{id}", "say": "{other} {id}"},
        replies=[{"arguments": {"id": 1}, "reply": ["one"]}],
    )
    assert made_reply(spec, {"id": 1.0, "more": 2}) == '["one"]'
    assert made_reply(spec, {"id": [2]}) == '{"id":"[2]","say":"{other} [2]"}'

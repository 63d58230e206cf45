"""The form of the answer, as the expected answers show it."""

from __future__ import annotations

from typing import Any

import pytest

from pex.core.cases import Case
from pex.core.prompt import Prompt
from pex.improvement.check_proposal import check_proposal
from pex.improvement.proposal import Proposal
from pex.improvement.ways.formats import Formats
from tests.helpers.made_bench import MadeBench

START = Prompt("Read this: {{ text }}", "read")
CHAT = START.changed(
    messages=[{"role": "system", "content": "Read."}, {"role": "user", "content": "{{ text }}"}]
)


def proposals(expected: list[Any], start: Prompt = START, right: bool = False) -> list[Proposal]:
    cases = [Case(str(n), {"text": f"t{n}"}, value) for n, value in enumerate(expected)]
    bench = MadeBench(cases, lambda *_: "So: x", lambda *_: (float(right), ""))
    (parent,) = bench.measure([start], cases)
    found = list(Formats().propose(parent, bench))
    assert [check_proposal(proposal, start, cases) for proposal in found] == [None] * len(found)
    assert bench.measured == len(cases)  # no call
    return found


@pytest.mark.parametrize(
    ("expected", "first"),
    [
        (["good", "bad"] * 5, "Reply with exactly one of these, written the same way: bad, good."),
        (["1.5", "20", "3"] * 3, "Reply with exactly one of these"),
        ([str(n) for n in range(10)], "Reply with the number alone, in digits"),
        ([f"free text {n}" for n in range(10)], "Reply with the answer alone"),
        ([{"team": "a", "urgent": True, "n": 1}] * 4,
         "Reply with a JSON object alone, without a code block or other text. Its keys are: "
         "team, urgent, n."),
    ],
)  # fmt: skip
def test_the_form_follows_the_expected_answers(expected: list[Any], first: str) -> None:
    found = proposals(expected)
    assert found[0].prompt.text.startswith(f"Read this: {{{{ text }}}}\n\n{first}")
    chat = proposals(expected, CHAT)
    assert chat[0].prompt.messages[0]["content"].startswith(f"Read.\n\n{first}")
    assert chat[0].prompt.messages[1] == CHAT.messages[1]


def test_objects_of_plain_values_get_a_schema() -> None:
    _, found = proposals([{"team": "a", "urgent": True}, {"team": "b", "urgent": False, "n": 2}])
    assert found.prompt.response_schema == {
        "type": "object",
        "properties": {
            "team": {"type": "string"},
            "urgent": {"type": "boolean"},
            "n": {"type": "number"},
        },
        "required": ["team", "urgent"],
        "additionalProperties": False,
    }
    assert len(proposals([{"a": 1}, {"a": "x"}])) == 1  # values of two kinds
    assert len(proposals([{"a": [1]}, {"a": [2]}])) == 1
    asked = START.changed(params={"response_format": {"type": "json_object"}})
    assert [p.prompt.response_schema for p in proposals([{"a": 1}, {"a": 2}], asked)] == [None]


def test_nothing_is_proposed_if_the_form_is_settled_or_nothing_fails() -> None:
    schema = START.changed(response_schema={"type": "object"})
    assert proposals(["good", "bad"] * 5, schema) == []
    assert proposals(["good", "bad"] * 5, right=True) == []
    variables = START.changed(messages="{{ text }}")
    roles = [m["role"] for m in proposals(["good", "bad"] * 5, variables)[0].prompt.messages]
    assert roles == ["system", "user"]

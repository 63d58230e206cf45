"""What is refused as a proposal, each with a sentence that says why."""

from __future__ import annotations

from typing import Any

import pytest

from pex.core.cases import Case
from pex.core.prompt import Prompt
from pex.improvement.check_proposal import check_proposal
from pex.improvement.proposal import Proposal
from pex.improvement.ways.kept_variables import kept_variables

TOOL = {
    "type": "function",
    "function": {"name": "find", "description": "Find.", "parameters": {"type": "object"}},
}
START = Prompt("Sort this message: {{ message }}\nAnswer with one word.", "sort")
CASES = [
    Case("1", {"message": "The lid of my kettle broke on the very first day."}, "return"),
    Case("2", {"message": "Where is it?"}, "We answer you within two working days at most"),
    Case("3", {"message": "先週注文した電気ケトルの蓋が初日に割れてしまいました。"}, "return"),
    Case("4", {"message": "กาต้มน้ำไฟฟ้าที่สั่งไปฝาแตกตั้งแต่วันแรก"}, "return"),
    Case("5", {"message": "주문한 전기 주전자의 뚜껑이 첫날에 깨졌습니다"}, "return"),
    Case("6", {"items": ["a", {"note": "Please leave the parcel with my neighbour"}]}, None),
]


def refused(text: Any, start: Prompt = START, **changes: Any) -> str | None:
    prompt = start.changed(messages=text, **changes)
    return check_proposal(Proposal(prompt, "t", start.digest, ""), start, CASES)


def test_a_better_prompt_is_not_refused() -> None:
    better = (
        "Sort this message into return, delivery or other: {{ message }}\nOne word, lower case."
    )
    assert refused(better) is None
    assert (
        refused(
            [{"role": "system", "content": "Sort."}, {"role": "user", "content": "{{ message }}"}]
        )
        is None
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"  {START.text.replace(' ', '   ')}\n\n", "it is the prompt that it started from"),
        ("{{ message }}", "it is empty"),
        ("Sort this message.", "drops the variable 'message'"),
        ("Sort {{ message }} for {{ mesage }}.", "unknown variable 'mesage'"),
        ("{{ message }}" + "Be kind. " * 6_000, "54,012 bytes long, more than 50,000"),
        ("{{ message }}" + "Be kind. " * 1_000, "9,012 characters long, more than 8,000"),
        ("Sort {{ message.nothing.at_all }}.", "its template is broken: "),
        ("Sort {{ message | length }}.", "does not send the variable 'message'"),
        ([{"role": "system", "content": "Sort {{ message }}."}, {"role": "user", "content": "Go."}],
         "moves the variable 'message' into a system message"),
        ([{"role": "user", "content": "Sort {{ message }}"}, {"role": "assistant", "content": "A"}],
         "its last message is from the assistant, not from the user"),
    ],
)  # fmt: skip
def test_a_prompt_that_cannot_work_is_refused(text: Any, expected: str) -> None:
    assert expected in (refused(text) or "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ canary }} Sort by size: {{ message | untrusted('a letter') }}", ""),
        ("{{ canary }} Sort: {{ message }}", "takes the delimiters (untrusted) from the variable"),
        ("Sort by size: {{ message | untrusted }}", "drops {{ canary }}"),
    ],
)
def test_delimiters_and_canaries_stay(text: str, expected: str) -> None:
    start = Prompt("{{ canary }} Sort: {{ message | untrusted('a mail') }}", "sort")
    assert kept_variables(start) == ["{{ message | untrusted('a mail') }}", "{{ canary }}"]
    assert (expected or "None") in str(refused(text, start))


def test_what_callers_depend_on_cannot_be_dropped() -> None:
    start = START.changed(
        tools=[TOOL],
        response_schema={"type": "object", "properties": {"kind": {"type": "string"}}},
        params={"response_format": {"type": "json_object"}},
    )
    text = "Sort it well: {{ message }}"
    assert refused(text, start) is None
    assert refused(text, start, tools=None) == "it drops the tool 'find'"
    other = {**TOOL, "function": {**TOOL["function"], "parameters": {"type": "string"}}}  # type: ignore[dict-item]
    assert refused(text, start, tools=[other]) == "it changes the parameters of the tool 'find'"
    assert refused(text, start, response_schema=None) == "it drops the response schema"
    assert (
        refused(text, start, response_schema={"type": "object"}) == "it changes the response schema"
    )
    assert "output format" in (refused(text, start, params={}) or "")
    assert "another model" in (refused(text, start, model="openai/gpt-5") or "")
    # What the first prompt did not have can be added.
    assert refused(text, START, response_schema={"type": "object"}) is None


def test_the_turns_of_a_conversation_stay_the_last_message() -> None:
    start = Prompt(
        [{"role": "system", "content": "Help."}, {"role": "user", "content": "{{ turns }}"}], "chat"
    )
    cases = [Case("1", {"turns": ["Hi.", "And now?"]})]
    for last, expected in (
        ("{{ turns }}", None),
        ("Say: {{ turns }}", "no longer only the variable 'turns'"),
    ):
        prompt = start.changed(
            messages=[
                {"role": "system", "content": "Help well."},
                {"role": "user", "content": last},
            ]
        )
        found = check_proposal(Proposal(prompt, "t", start.digest, ""), start, cases)
        assert (found is None) if expected is None else (expected in (found or ""))


@pytest.mark.parametrize(
    ("quoted", "case_id"),
    [
        ("THE LID of my kettle, broke!", "1"),
        ("the lid of my", None),  # four words
        ("ﬁnd out: Ｔｈｅ ｌｉｄ of my kettle", "1"),  # other code points for the same letters
        ("we answer you—within a day", None),
        ("“We answer you within two”", "2"),
        ("電気ケトルの蓋が初日に割れてし", "3"),  # 15 characters
        ("電気ケトルの蓋が初日に割れて", None),  # 14
        ("電気ケトルの 蓋が、初日に割れてしま", "3"),
        ("ที่สั่งไปฝาแตกตั้งแต่วันแรก", "4"),
        ("전기 주전자의 뚜껑이 첫날에", None),  # Korean has spaces: four words
        ("주문한 전기 주전자의 뚜껑이 첫날에", "5"),
        ("leave the parcel with my neighbour", "6"),
    ],
)
def test_text_of_a_training_case_is_refused_from_five_words_or_fifteen_characters(
    quoted: str, case_id: str | None
) -> None:
    found = refused(f"Sort this message. If it says {quoted}: return.\n{{{{ message }}}}")
    assert (
        (found is None)
        if case_id is None
        else (found or "").startswith(f"it copies the training case '{case_id}': “")
    )


def test_what_the_first_prompt_said_already_is_no_copy() -> None:
    start = START.changed(messages="Sort: {{ message }}. The lid of my kettle broke: return")
    assert refused("Sort well: {{ message }}. The lid of my kettle broke: return.", start) is None
    longer = "Sort well: {{ message }}. The lid of my kettle broke on the very first day: return."
    found = refused(longer, start)
    assert found == "it copies the training case '1': “of my kettle broke on the very first day”"


def test_copies_hide_neither_in_a_tool_nor_in_a_default_nor_in_a_schema() -> None:
    text, hidden = "Sort it well: {{ message }}", "The lid of my kettle broke"
    tool = {**TOOL, "function": {**TOOL["function"], "description": hidden}}  # type: ignore[dict-item]
    start = START.changed(tools=[TOOL])
    assert "case '1'" in (refused(text, start, tools=[tool]) or "")
    assert "case '1'" in (refused(text, START, defaults={"message": hidden}) or "")
    assert "case '1'" in (refused(text, START, response_schema={"enum": [hidden]}) or "")


def test_declared_examples_may_be_quoted_and_must_be_training_cases() -> None:
    text = (
        "Sort: {{ message }}\nExample: The lid of my kettle broke on the very first day. → return"
    )
    assert "case '1'" in (refused(text) or "")
    assert refused(text, examples=["1"]) is None
    assert "case '1'" in (refused(text, examples=["2"]) or "")
    assert refused(text, examples=["1", "77"]) == (
        "its examples include the case '77', not among the training cases"
    )
    silent = Proposal(START.changed(messages=text), "t", START.digest, "", examples=("1",))
    assert "without 'examples'" in (check_proposal(silent, START, CASES) or "")
    # The first prompt's own examples may be from anywhere.
    start = START.changed(examples=["old"])
    assert refused("Sort well: {{ message }}", start) is None


def test_the_time_is_proportional_to_the_cases() -> None:
    """Every passage of the training cases is read once, however many proposals are checked."""
    from pex.improvement import copied_text

    cases = [
        Case(str(n), {"message": f"w{n} " + " ".join(f"x{n}y{i}" for i in range(50))})
        for n in range(2_000)
    ]
    copied_text._passages_of.cache_clear()
    for number in range(20):
        prompt = START.changed(messages=f"Sort {number}: {{{{ message }}}}")
        assert check_proposal(Proposal(prompt, "t", START.digest, ""), START, cases) is None
    assert copied_text._passages_of.cache_info().misses == 1
    copied = START.changed(messages="Sort {{ message }} x7y1 x7y2 x7y3 x7y4 x7y5 x7y6")
    found = check_proposal(Proposal(copied, "t", START.digest, ""), START, cases)
    assert found == "it copies the training case '7': “x7y1 x7y2 x7y3 x7y4 x7y5 x7y6”"

"""A guard on the values of a prompt, in an application."""

from __future__ import annotations

import pytest

import pex
from pex.guard import BlockedError, Policy

PROMPT = pex.Prompt("Judge: {{ review }} {{ facts.title }}", name="short")
HIDDEN = "\U000e0068\U000e0069"


def test_texts_are_cleaned_before_they_are_filled_in() -> None:
    values = {"review": f"Nice{HIDDEN}.", "facts": {"title": f"La{HIDDEN}mp"}}
    [message] = PROMPT.messages(values, guard=Policy())
    assert message["content"] == "Judge: Nice. Lamp"
    assert PROMPT.openai(values, guard=Policy())["messages"] == [message]


def test_a_policy_that_blocks_raises_and_says_why() -> None:
    policy = Policy(severities={"invisible-text": "block"})
    with pytest.raises(BlockedError, match="invisible-text") as failed:
        PROMPT.messages(review=f"Nice{HIDDEN}.", facts={"title": ""}, guard=policy)
    assert failed.value.checked.blocked


def test_any_function_of_a_text_is_a_guard() -> None:
    [message] = PROMPT.messages(review="a", facts={"title": "b"}, guard=str.upper)
    assert message["content"] == "Judge: A B"


def test_a_preview_names_cases_that_are_flagged() -> None:
    cases = [{"case_id": "c1", "review": f"Nice{HIDDEN}."}, {"case_id": "c2", "review": "Fine."}]
    prompt = pex.Prompt("Judge: {{ review }}", name="short")
    exp = pex.Experiment("e", variants=pex.grid(prompts=[prompt], models=["a/b"]), cases=cases)
    said = str(exp.preview())
    assert "The guard flags 1 of 2 cases" in said
    attacks = [case | {"redteam_kind": "attack", "redteam_text": HIDDEN} for case in cases]
    exp = pex.Experiment("e", variants=exp.variants, cases=attacks)
    assert "The guard flags" not in str(exp.preview())  # they are attacks by design
    assert "case c1, review: flag invisible-text at 4–6: text in tag characters: hi" in said

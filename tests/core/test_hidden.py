"""Delimiters around untrusted values, and the canary, as an application gets them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pex
from pex.core.hidden import MARKS, SHOWN, replaced
from pex.core.prompt import Prompt

BLOCK = re.compile(r'<data-(\w{20}) kind="([^"<>]+)" note="[^"]+">\n(.*?)\n</data-\1>', re.DOTALL)


def text(template: str, **values: Any) -> str:
    return str(Prompt(template, "p").messages(**values)[-1]["content"])


@given(st.text())
def test_whatever_a_value_says_it_stays_between_its_delimiters(value: str) -> None:
    found = re.fullmatch(BLOCK, text("{{ x | untrusted('mail') }}", x=value))
    assert found is not None
    assert found.group(2, 3) == ("mail", value)
    assert found[1] not in value


def test_each_call_has_another_delimiter_and_its_values_the_same() -> None:
    template = "{{ a | untrusted }} {{ b | trim | untrusted('a list') }}"
    made = [BLOCK.findall(text(template, a={"k": "ä"}, b=" x ")) for _ in range(3)]
    assert [[block[1:] for block in blocks] for blocks in made] == [
        [("text from outside", '{"k": "ä"}'), ("a list", "x")]
    ] * 3
    assert len({block[0] for blocks in made for block in blocks}) == 3
    assert BLOCK.findall(text("{% for r in x %}{{ r | untrusted }}{% endfor %}", x=[None, 1.5]))


def test_the_arguments_of_the_openai_package_and_a_library_prompt_have_it_too() -> None:
    prompt = Prompt("{{ canary }} {{ x | untrusted }}", "p").called("q", "q/1")
    canary = pex.guard.new_canary()
    sent = prompt.openai(x="hi", canary=canary)["messages"][0]["content"]
    assert sent.startswith(canary)
    assert BLOCK.search(sent)
    assert pex.guard.find_canary(f"so: {canary}", canary)
    assert prompt.variables == ("x",)
    again = Prompt.parse(prompt.to_prompty(), "p", "p")
    assert again.messages == prompt.messages
    assert prompt.hides == {"canary", "untrusted"}


@pytest.mark.parametrize(
    ("template", "values", "said"),
    [
        ("{{ x | untrusted | upper }}", {}, "untrusted must be the last filter: write | upper"),
        ("{{ x | untrsted }}", {}, "did you mean 'untrusted'"),
        ("{{ x | untrusted }}", {}, "no value for the variable 'x'"),
        ("{{ x | untrusted('a\\nb') }}", {"x": "v"}, "a short name in one line"),
        ("{{ x | untrusted('<b>') }}", {"x": "v"}, "a short name in one line"),
        ("{{ x | untrusted(3) }}", {"x": "v"}, "a short name in one line"),
        ("{% set y = x | untrusted %}{{ y | truncate(30) }}", {"x": "v" * 99}, "cut or changed"),
        ("{% filter upper %}{{ x | untrusted }}{% endfilter %}", {"x": "v"}, "cut or changed"),
        ("{{ x | map('untrusted') | join }}", {"x": ["v"]}, "the filter of one value"),
        ("{{ canary }}", {}, "canary=pex.guard.new_canary()"),
        ("{{ canary }}", {"canary": "short"}, "at least 16 letters and digits"),
        ("{{ canary }}", {"canary": "with a space in the middle"}, "at least 16 letters"),
        ("{{ canary | upper }}", {}, "it stands alone"),
        ("{% if canary %}a{% endif %}", {}, "it stands alone"),
        ("{{ 'a' ~ canary }}", {}, "it stands alone"),
    ],
)
def test_what_would_open_a_delimiter_is_an_error(
    template: str, values: dict[str, Any], said: str
) -> None:
    with pytest.raises(pex.PexError, match=re.escape(said)):
        text(template, **values)


def test_what_is_shown_has_placeholders_and_marks_become_them() -> None:
    prompt = Prompt("{{ canary }} {{ x | untrusted }}", "p")
    hostile = {"x": f"{SHOWN.canary} </data-{SHOWN.fence}>"}
    shown = prompt.render(hostile, SHOWN)
    assert shown[0]["content"].startswith("⟨canary⟩ <data-⟨delimiter⟩ kind=")
    assert replaced(prompt.render(hostile, MARKS), MARKS, SHOWN) == shown


def test_a_canary_that_a_template_sets_itself_is_its_own() -> None:
    assert text("{% set canary = 'a' %}{{ canary }}") == "a"

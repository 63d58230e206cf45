"""The part of a prompt that all requests share, and what a provider's cache makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pex
from pex.project.settings import Settings
from pex.run.prefix import Prefix, Shared, caches_from, prefixes, prompt_text
from pex.run.prices import Price, Rates, price_of
from pex.run.request import requests

RULES = "Answer with the word and nothing else.\n" * 200
PRICE = Price("x", [Rates(2e-6, 2e-7, 2.5e-6, 8e-6)])
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def found(prompt: pex.Prompt, cases: list[dict[str, Any]], model: str = "lab/m1") -> Prefix:
    exp = pex.Experiment("p", pex.grid(prompt, model), cases)
    todo = requests(exp.variants, exp.cases, 1)
    size = lambda request: len(prompt_text(request.body)) / 4  # noqa: E731
    (one,) = prefixes(todo, {model: PRICE}, size, exp.variants, exp.cases)
    return one


def words(n: int = 20) -> list[dict[str, Any]]:
    return [{"case_id": f"c{i}", "word": f"{i} w", "date": f"2026-01-{i + 1:02}"} for i in range(n)]


def test_a_long_prefix_is_counted_and_priced() -> None:
    prompt = pex.Prompt([{"role": "system", "content": RULES},
                         {"role": "user", "content": "{{ word }}"}], name="p")  # fmt: skip
    prefix = found(prompt, words())
    shared = len(f"system\n{RULES}\nuser\n") / 4
    assert prefix.shared == pytest.approx(shared, abs=1)
    assert (prefix.calls, prefix.cached_from, prefix.spoiled_by) == (20, 1024, None)
    reads, writes = 19 * shared * 1.8e-6, shared * 0.5e-6
    assert prefix.saves_usd == pytest.approx(reads - writes, rel=1e-3)
    assert "read from the provider's cache; saves about $0.0" in str(prefix)


def test_a_variable_near_the_top_is_named_with_its_place() -> None:
    text = "Rules.\nToday is {{ date }}.\n" + RULES
    prompt = pex.Prompt([{"role": "system", "content": text},
                         {"role": "user", "content": "{{ word }}"}], name="p")  # fmt: skip
    prefix = found(prompt, words())
    assert prefix.shared < 20
    spoiler = prefix.spoiled_by
    assert spoiler is not None
    assert (spoiler.mark, spoiler.line, spoiler.message) == ("{{ date }}", 2, 1)
    assert spoiler.fixed_tokens > 1900
    assert spoiler.would_save_usd == pytest.approx(19 * spoiler.fixed_tokens * 1.8e-6, rel=0.05)
    assert "{{ date }} in line 2 of message 1 differs between cases: only about" in str(prefix)


def test_a_canary_differs_in_each_request() -> None:
    system = {"role": "system", "content": "Keep {{ canary }}.\n" + RULES}
    prompt = pex.Prompt([system, {"role": "user", "content": "{{ word | untrusted }}"}], name="p")
    prefix = found(prompt, words())
    assert prefix.shared < 20
    assert prefix.spoiled_by is not None
    assert prefix.spoiled_by.mark == "{{ canary }}"


def test_a_variable_with_one_value_spoils_nothing_and_a_short_prompt_is_left_alone() -> None:
    same = [{**row, "date": "2026-01-01"} for row in words()]
    prompt = pex.Prompt("Today is {{ date }}.\n" + RULES + "{{ word }}", name="p")
    assert found(prompt, same).shared > 1900
    assert found(prompt, same).spoiled_by is None
    short = found(pex.Prompt("{{ word }} {{ date }}: positive or negative?", name="p"), words())
    assert (short.is_cached, short.spoiled_by) == (False, None)


def test_tools_come_before_the_messages_and_images_count_as_nothing() -> None:
    body = {"messages": [{"role": "user", "content": "Hi"}], "tools": [TOOL]}
    assert prompt_text(body).startswith('[{"type":"function"')
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    content = [{"type": "text", "text": "Look."}, image]
    assert "AAAA" not in prompt_text({"messages": [{"role": "user", "content": content}]})


def test_the_common_beginning_is_that_of_all() -> None:
    shared = Shared()
    assert shared.share == 0
    for text, prefix in [("abcdef", "abcdef"), ("abcdef", "abcdef"), ("abcx", "abc"),
                         ("ab", "ab"), ("abcdef", "ab"), ("x", ""), ("", "")]:  # fmt: skip
        shared.add(text)
        assert shared.prefix == prefix
    assert shared.first == "abcdef"


@pytest.mark.parametrize(
    ("model", "body", "least"),
    [
        ("openai/gpt-5.6-terra", {}, 1024),
        ("gemini/gemini-2.5-flash", {}, 2048),
        ("gemini/gemini-3.5-flash", {}, 4096),
        ("anthropic/claude-sonnet-4-6", {}, None),  # only what cache_control marks
        ("mistral/mistral-large-latest", {}, None),
        ("mistral/mistral-large-latest", {"prompt_cache_key": "k"}, 1024),
        ("lab/m1", {}, 1024),
    ],
)
def test_providers_cache_from_their_own_number_of_tokens(
    model: str, body: dict[str, Any], least: int | None
) -> None:
    assert caches_from(model, PRICE, body) == least


def test_without_a_lower_price_there_is_nothing_to_gain() -> None:
    assert caches_from("openai/gpt-5-pro", price_of("openai/gpt-5-pro", Settings()), {}) is None
    assert caches_from("lab/m1", Price("free"), {}) is None


def test_preview_says_what_the_cache_saves_and_what_spoils_it(project: Path) -> None:
    (project / "pex.toml").write_text(
        '[providers.lab]\nbase_url = "http://127.0.0.1:9/v1"\n[prices."lab/m1"]\n'
        "input_usd_per_million = 2.0\noutput_usd_per_million = 8.0\n"
        "cached_input_usd_per_million = 0.2\n"
    )
    good = pex.Prompt(RULES + "{{ word }}", name="good")
    poor = pex.Prompt("{{ date }}\n" + RULES + "{{ word }}", name="poor")
    exp = pex.Experiment("p", pex.grid([good, poor], "lab/m1"), words())
    preview = exp.preview()
    lines = [line for line in preview.sizes() if line.startswith("Shared prefix of")]
    assert len(lines) == 2
    assert "read from the provider's cache; saves about" in lines[0]
    assert "{{ date }} in line 1 of message 1 differs between cases" in lines[1]
    assert [item.variant for item in preview.prefixes] == ["good", "poor"]

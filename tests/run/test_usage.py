"""The counts of tokens, in every form that endpoints report them in and in odd ones."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pex.core.call import MOST_TOKENS, Answer
from pex.run.usage import read_usage

OPENAI = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}

FORMS: dict[str, tuple[Any, tuple[int | None, ...]]] = {
    # prompt, completion, reasoning, cached, written
    "plain": (OPENAI, (100, 20, None, None, None)),
    "OpenAI's details": (
        {
            **OPENAI,
            "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 12},
        },
        (100, 20, 12, 64, None),
    ),
    "details of null": (
        {**OPENAI, "prompt_tokens_details": None, "completion_tokens_details": None},
        (100, 20, None, None, None),
    ),
    "details that are lists": (
        {**OPENAI, "prompt_tokens_details": [{"cached_tokens": 9}]},
        (100, 20, None, None, None),
    ),
    "the Responses API": (
        {
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 64},
            "output_tokens": 20,
            "output_tokens_details": {"reasoning_tokens": 12},
            "total_tokens": 120,
        },
        (100, 20, 12, 64, None),
    ),
    "xAI: reasoning beside": (
        {
            "prompt_tokens": 12,
            "completion_tokens": 2,
            "total_tokens": 331,
            "completion_tokens_details": {"reasoning_tokens": 317},
        },
        (12, 319, 317, None, None),
    ),
    "LiteLLM: writes under Anthropic's name alone": (
        {
            **OPENAI,
            "prompt_tokens_details": {"cached_tokens": 40},
            "cache_read_input_tokens": 40,
            "cache_creation_input_tokens": 30,
        },
        (100, 20, None, 40, 30),
    ),
    "LiteLLM: a detail of nothing": (
        {
            **OPENAI,
            "prompt_tokens_details": {"cached_tokens": 0},
            "cache_read_input_tokens": 40,
        },
        (100, 20, None, 40, None),
    ),
    "Bedrock": (
        {"inputTokens": 100, "outputTokens": 20, "totalTokens": 120},
        (100, 20, None, None, None),
    ),
    "reasoning beside, without a total": (
        {
            "prompt_tokens": 12,
            "completion_tokens": 2,
            "completion_tokens_details": {"reasoning_tokens": 317},
        },
        (12, 319, 317, None, None),
    ),
    "reasoning beside, at the top": (
        {"prompt_tokens": 12, "completion_tokens": 2, "reasoning_tokens": 317},
        (12, 319, 317, None, None),
    ),
    "reasoning beside, a total that leaves it out": (
        {
            "prompt_tokens": 12,
            "completion_tokens": 2,
            "total_tokens": 14,
            "completion_tokens_details": {"reasoning_tokens": 317},
        },
        (12, 319, 317, None, None),
    ),
    "Gemini: reasoning in the total alone": (
        {"prompt_tokens": 20, "completion_tokens": 151, "total_tokens": 553},
        (20, 533, 382, None, None),
    ),
    "no completion but a total": (
        {
            "prompt_tokens": 21,
            "completion_tokens": 0,
            "total_tokens": 81,
            "completion_tokens_details": {"reasoning_tokens": 60},
        },
        (21, 60, 60, None, None),
    ),
    "Gemini's own names": (
        {
            "promptTokenCount": 20,
            "candidatesTokenCount": 151,
            "thoughtsTokenCount": 382,
            "totalTokenCount": 553,
            "cachedContentTokenCount": 5,
        },
        (20, 533, 382, 5, None),
    ),
    "completion missing": ({"prompt_tokens": 5, "total_tokens": 9}, (5, 4, None, None, None)),
    "prompt missing": ({"completion_tokens": 4, "total_tokens": 9}, (5, 4, None, None, None)),
    "a total that is too small": (
        {"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 1},
        (5, 4, None, None, None),
    ),
    "DeepSeek's cache": (
        {**OPENAI, "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36},
        (100, 20, None, 64, None),
    ),
    "DeepSeek's cache alone": (
        {
            "completion_tokens": 20,
            "prompt_cache_hit_tokens": 64,
            "prompt_cache_miss_tokens": 36,
        },
        (100, 20, None, 64, None),
    ),
    "Moonshot's cache": ({**OPENAI, "cached_tokens": 64}, (100, 20, None, 64, None)),
    "OpenRouter's cache writes": (
        {**OPENAI, "prompt_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 50}},
        (100, 20, None, 30, 50),
    ),
    "cache writes at the top": ({**OPENAI, "cache_write_tokens": 50}, (100, 20, None, None, 50)),
    "Anthropic's own names": (
        {
            "input_tokens": 10,
            "output_tokens": 20,
            "cache_read_input_tokens": 700,
            "cache_creation_input_tokens": 300,
        },
        (1010, 20, None, 700, 300),
    ),
    "Anthropic's names inside OpenAI's prompt": (
        {**OPENAI, "cache_read_input_tokens": 30, "cache_creation_input_tokens": 50},
        (100, 20, None, 30, 50),
    ),
    "Anthropic's names beside OpenAI's prompt": (
        {"prompt_tokens": 10, "completion_tokens": 20, "cache_read_input_tokens": 700},
        (710, 20, None, 700, None),
    ),
    "odd counts beside a total": (
        {"prompt_tokens": 10.5, "completion_tokens": -2, "total_tokens": 12},
        (None, None, None, None, None),
    ),
    "counts of null beside a total": (
        {"prompt_tokens": None, "completion_tokens": 2, "total_tokens": 12},
        (10, 2, None, None, None),
    ),
    "whole floats": (
        {"prompt_tokens": 10.0, "completion_tokens": 2.0},
        (10, 2, None, None, None),
    ),
    "digits": ({"prompt_tokens": "10", "completion_tokens": "2"}, (10, 2, None, None, None)),
    "the largest": (
        {"prompt_tokens": MOST_TOKENS, "completion_tokens": 2},
        (MOST_TOKENS, 2, None, None, None),
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_each_form_is_understood(name: str) -> None:
    usage, expected = FORMS[name]
    found = read_usage(usage)
    assert tuple(found.values()) == expected
    assert Answer(**found).prompt_tokens == expected[0]


@pytest.mark.parametrize(
    "value",
    [-1, 10.5, float("nan"), float("inf"), 10**19, MOST_TOKENS + 1, 1e300, True, None, "", "ten",
     "-3", "1e3", "٣", [], [10], {}, {"value": 10}, b"10"],
    ids=repr,
)  # fmt: skip
def test_what_is_no_count_is_unknown(value: Any) -> None:
    found = read_usage({"prompt_tokens": value, "completion_tokens": 2, "cached_tokens": value})
    assert found["prompt_tokens"] is None
    assert found["cached_tokens"] is None
    assert found["completion_tokens"] == 2


@pytest.mark.parametrize("usage", [None, [], [OPENAI], "10 tokens", 12, True, 1.5, {}, {"x": 1}])
def test_what_is_no_report_reports_nothing(usage: Any) -> None:
    assert not any(read_usage(usage).values())


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)
NAMES = [
    "prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens",
    "cached_tokens", "reasoning_tokens", "cache_write_tokens", "prompt_cache_hit_tokens",
    "prompt_cache_miss_tokens", "cache_read_input_tokens", "cache_creation_input_tokens",
]  # fmt: skip
COUNTS = st.dictionaries(st.sampled_from(NAMES), st.integers(-5, 2**32) | ODD)
USAGES = st.builds(
    lambda top, reads, writes: {
        **top,
        "prompt_tokens_details": reads,
        "completion_tokens_details": writes,
    },
    COUNTS,
    COUNTS | ODD,
    COUNTS | ODD,
)


@given(USAGES | ODD)
def test_counts_are_whole_numbers_that_every_database_takes(usage: Any) -> None:
    for count in read_usage(usage).values():
        assert count is None or (type(count) is int and 0 <= count <= MOST_TOKENS)

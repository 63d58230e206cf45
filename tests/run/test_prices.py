"""What a call costs, and what it can cost at most."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import genai_prices
import pytest
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given
from hypothesis import strategies as st

from pex.core.call import Answer
from pex.core.errors import PexError
from pex.project.settings import Settings, load_settings
from pex.run import prices
from pex.run.budget import bill
from pex.run.prices import Price, Rates, cost, price_of
from pex.run.provider_batch import HALF
from pex.run.providers import BUILT_IN
from pex.run.usage import read_usage
from tests.run.test_usage import USAGES

CALLS = [(1000, 0, 0, 100), (1000, 300, 0, 50), (1000, 300, 500, 50), (300_000, 100, 1000, 10)]
"""(prompt, cached, written, completion)"""


def settings(**price: float) -> Settings:
    return Settings.model_validate({"prices": {"lab/m1": price}})


def test_the_table_is_read_as_its_own_package_reads_it() -> None:
    known = {provider.prices for provider in BUILT_IN.values()}
    checked = 0
    for provider in get_snapshot().providers:
        if provider.id not in known:
            continue
        for model in provider.models:
            price = prices._from_table(model.id, provider.id)
            if price is None:
                continue
            for prompt, cached, written, completion in CALLS:
                usage = genai_prices.Usage(
                    input_tokens=prompt,
                    cache_read_tokens=cached,
                    cache_write_tokens=written,
                    output_tokens=completion,
                )
                theirs = genai_prices.calc_price(usage, model.id, provider_id=provider.id)
                usd = price.usd(prompt, cached, completion, written)
                assert usd == pytest.approx(float(theirs.total_price)), model.id
                assert usd <= price.at_most(prompt, completion) * (1 + 1e-9)
                checked += 1
    assert checked > 1000


def test_a_price_that_depends_on_the_hour_is_set_aside_at_its_dearest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, model = get_snapshot().find_provider_model("deepseek-reasoner", None, "deepseek", None)
    price = price_of("deepseek/deepseek-reasoner", Settings())
    assert price is not None
    seen = set()
    for hour in range(24):
        at = datetime.datetime(2026, 6, 1, hour, 45, tzinfo=datetime.UTC)
        (rates,) = prices._tiers(model.get_prices(at))
        seen.add(rates)
        usd = Price("x", [rates]).usd(1000, 0, 100)
        assert usd <= price.at_most(1000, 100) * (1 + 1e-9)
    assert len(seen) == 2


def test_what_is_sold_by_the_second_has_no_price() -> None:
    assert price_of("openai/whisper-1", Settings()) is None


def test_declared_prices() -> None:
    plain = price_of("lab/m1", settings(input_usd_per_million=10, output_usd_per_million=20))
    whole = price_of(
        "lab/m1",
        settings(
            input_usd_per_million=10,
            output_usd_per_million=20,
            cached_input_usd_per_million=1,
            cache_write_usd_per_million=12.5,
        ),
    )
    assert plain is not None
    assert whole is not None
    assert plain.usd(1000, 300, 100, 500) == pytest.approx(0.012)
    assert whole.usd(1000, 300, 100, 500) == pytest.approx(0.002 + 0.0003 + 0.00625 + 0.002)
    assert plain.at_most(1000, 100) == pytest.approx(0.012)
    assert whole.at_most(1000, 100) == pytest.approx(0.0145)


@pytest.mark.parametrize("value", ["-1.0", "nan", "inf", "-inf"])
@pytest.mark.parametrize(
    "key", ["input", "output", "cached_input", "cache_write"]
)  # each in USD per million
def test_a_declared_price_is_a_number_from_0(project: Path, key: str, value: str) -> None:
    names = {"input": "1.0", "output": "1.0", key: value}
    lines = "".join(f"{name}_usd_per_million = {said}\n" for name, said in names.items())
    (project / "pex.toml").write_text(f'[prices."lab/m1"]\n{lines}')
    with pytest.raises(PexError, match=f"{key}_usd_per_million"):
        load_settings(project)


DECLARED = Price("pex.toml", [Rates(1e-3, 5e-4, 1.25e-3, 2e-3)])


@pytest.mark.parametrize(
    ("counts", "usd"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 2}, 0.014),
        ({"prompt_tokens": 10, "completion_tokens": 2, "cached_tokens": 10}, 0.009),
        ({"prompt_tokens": 10, "completion_tokens": 2, "cache_write_tokens": 8}, 0.016),
        # They contradict each other: what was read from the cache is a part of the prompt.
        ({"prompt_tokens": 10, "completion_tokens": 2, "cached_tokens": 11}, None),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 2,
                "cached_tokens": 6,
                "cache_write_tokens": 6,
            },
            None,
        ),
        ({"prompt_tokens": 10, "completion_tokens": 0}, 0.01),  # an answer that is empty
        ({"prompt_tokens": 0, "completion_tokens": 2}, None),
        ({"prompt_tokens": 10}, None),
        ({"completion_tokens": 10}, None),
    ],
)
def test_what_is_reported_is_what_it_costs(counts: dict[str, int], usd: float | None) -> None:
    found = cost(DECLARED, Answer(**read_usage(counts)))
    assert found == (None if usd is None else pytest.approx(usd))


BILLED: dict[str, tuple[str, dict[str, object], float]] = {
    "OpenAI, read and written, reasoning among the generated": (
        "openai/gpt-5.6-terra",
        {
            "prompt_tokens": 3000,
            "completion_tokens": 500,
            "total_tokens": 3500,
            "prompt_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 1536},
            "completion_tokens_details": {"reasoning_tokens": 400},
        },
        (440 * 2 + 1024 * 0.2 + 1536 * 2.5 + 500 * 12) / 1e6,
    ),
    "OpenAI's Responses API": (
        "openai/gpt-5.6-terra",
        {
            "input_tokens": 3000,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 2944},
            "output_tokens": 500,
            "output_tokens_details": {"reasoning_tokens": 400},
            "total_tokens": 3500,
        },
        (56 * 2 + 2944 * 2.5 + 500 * 12) / 1e6,
    ),
    "before GPT-5.6 writing costs nothing more": (
        "openai/gpt-5.1",
        {**{"prompt_tokens": 3000, "completion_tokens": 10, "total_tokens": 3010},
         "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 2944}},
        (3000 * 1.25 + 10 * 10) / 1e6,
    ),
    "Anthropic: beside the input": (
        "anthropic/claude-sonnet-4-6",
        {"input_tokens": 40, "cache_read_input_tokens": 2000, "cache_creation_input_tokens": 1000,
         "output_tokens": 100},
        (40 * 3 + 2000 * 0.3 + 1000 * 3.75 + 100 * 15) / 1e6,
    ),
    "Gemini: thoughts beside the answer": (
        "gemini/gemini-2.5-flash",
        {"promptTokenCount": 3000, "cachedContentTokenCount": 2048, "candidatesTokenCount": 20,
         "thoughtsTokenCount": 300, "totalTokenCount": 3320},
        (952 * 0.3 + 2048 * 0.03 + 320 * 2.5) / 1e6,
    ),
    "OpenRouter: reasoning at a price of its own": (
        "openrouter/perplexity/sonar-deep-research",
        {"prompt_tokens": 100, "completion_tokens": 1000, "total_tokens": 1100,
         "completion_tokens_details": {"reasoning_tokens": 900}},
        (100 * 2 + 100 * 8 + 900 * 3) / 1e6,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BILLED)
def test_a_row_of_usage_in_dollars(name: str) -> None:
    model, usage, usd = BILLED[name]
    price, answer = price_of(model, Settings()), Answer(**read_usage(usage))
    assert cost(price, answer) == pytest.approx(usd)
    assert price is not None
    assert usd <= price.at_most(answer.prompt_tokens or 0, answer.completion_tokens or 0) * 1.000001


def test_a_provider_batch_costs_half_and_says_the_same_of_the_cache() -> None:
    price = price_of("openai/gpt-5.6-terra", Settings())
    answer = Answer(**read_usage(BILLED["OpenAI's Responses API"][1]))
    whole, half = (bill(price, answer, 1.0, part) for part in (1.0, HALF))
    assert whole.usd is not None
    assert half.usd == pytest.approx(whole.usd / 2)
    assert (answer.cached_tokens, answer.cache_write_tokens) == (0, 2944)
    assert answer.reasoning_tokens == 400


RATE = st.floats(0, 1e-2)


@given(USAGES, st.builds(Rates, RATE, RATE, RATE, RATE))
def test_a_cost_is_never_negative_and_never_beyond_the_worst_of_its_tokens(
    usage: Any, rates: Rates
) -> None:
    answer, price = Answer(**read_usage(usage)), Price("x", [rates])
    usd = cost(price, answer)
    if usd is not None:
        prompt, completion = answer.prompt_tokens, answer.completion_tokens
        assert prompt is not None
        assert completion is not None
        assert 0 <= usd <= price.at_most(prompt, completion) * (1 + 1e-9) + 1e-12

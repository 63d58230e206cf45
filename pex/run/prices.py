"""What a call costs: `pex.toml` first, then the table of `genai-prices`, which works offline."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from pex.core.call import Answer
from pex.core.errors import PexError
from pex.core.settings import PriceSettings, Settings
from pex.run.providers import BUILT_IN

Usd = Callable[[int, int, int], float]
"""(prompt tokens, of them cached, completion tokens) -> USD"""


@dataclasses.dataclass(frozen=True, slots=True)
class Price:
    """How the cost of a call follows from its tokens, and who says so."""

    usd: Usd
    source: str


def price_of(ref: str, settings: Settings) -> Price | None:
    """The price of `provider/model`, or None where nobody knows it.

    Example:
        >>> round(price_of("openai/gpt-4.1-mini", Settings()).usd(1000, 0, 100), 6)
        0.00056
    """
    declared = settings.prices.get(ref)
    if declared is not None:
        return Price(_declared(declared), "pex.toml")
    name, _, model = ref.partition("/")
    provider, own = BUILT_IN.get(name), settings.providers.get(name)
    says_free = own.free if own else None
    if says_free or (says_free is None and provider is not None and provider.free):
        return Price(lambda prompt, cached, completion: 0.0, "free")
    if provider is None or provider.prices is None:
        return None
    return _from_table(model, provider.prices)


def check_priced(prices: Mapping[str, Price | None]) -> None:
    """Raise a `PexError` for a model whose price nobody knows: its run would have no cap."""
    unknown = sorted(ref for ref, price in prices.items() if price is None)
    if unknown:
        provider = unknown[0].partition("/")[0]
        raise PexError(
            f"model '{unknown[0]}': no price is known, so no budget can be kept",
            hint=f'declare it in pex.toml: [prices."{unknown[0]}"] with input_usd_per_million '
            f"and output_usd_per_million, or free = true under [providers.{provider}]",
        )


def _declared(price: PriceSettings) -> Usd:
    fresh, out = price.input_usd_per_million, price.output_usd_per_million
    cached_price = price.cached_input_usd_per_million
    cheap = fresh if cached_price is None else cached_price

    def usd(prompt: int, cached: int, completion: int) -> float:
        return ((prompt - cached) * fresh + cached * cheap + completion * out) / 1e6

    return usd


def _from_table(model: str, provider: str) -> Price | None:
    import genai_prices

    def usd(prompt: int, cached: int, completion: int) -> float:
        usage = genai_prices.Usage(
            input_tokens=prompt, cache_read_tokens=cached or None, output_tokens=completion
        )
        found: Any = genai_prices.calc_price(usage, model_ref=model, provider_id=provider)
        return float(found.total_price)

    try:
        usd(1, 0, 1)
    except LookupError:
        return None
    return Price(usd, "genai-prices")


def cost(price: Price | None, answer: Answer) -> float | None:
    """What an answer cost in USD, None where its tokens or its price are not known."""
    if price is None:
        return None
    if price.source == "free":
        return 0.0
    if answer.prompt_tokens is None or answer.completion_tokens is None:
        return None
    cached = answer.cached_tokens or 0
    return float(price.usd(answer.prompt_tokens, cached, answer.completion_tokens))

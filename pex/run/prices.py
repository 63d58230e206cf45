"""What a call costs: `pex.toml` first, then the table of `genai-prices`, which works offline."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pex.core.call import Answer
from pex.core.errors import PexError
from pex.project.settings import PriceSettings, Settings
from pex.run.providers import BUILT_IN

_HOURS = 24
_SAME_S = 60.0
"""Seconds for which a price of the table is kept; some depend on the time of the day."""


@dataclasses.dataclass(frozen=True, slots=True)
class Rates:
    """USD for each token of a request with more than `above` prompt tokens, and for the request."""

    fresh: float
    cached: float
    written: float
    out: float
    above: int = 0
    request: float = 0.0
    thought: float | None = None
    """For a token of reasoning, if it has a price of its own."""

    @property
    def dearest_out(self) -> float:
        """The most that a generated token can cost."""
        return max(self.out, self.thought or 0.0)

    @property
    def dearest(self) -> float:
        """The most that a prompt token can cost."""
        return max(self.fresh, self.cached, self.written)


class Price:
    """How the cost of a call follows from its tokens, and who says so.

    Args:
        source: "pex.toml", "genai-prices" or "free".
        rates: for prompts of more and more tokens; none if it is free.
        now: gives the rates at this moment, if they change with the time of the day; `rates`
            are then all that may apply while a call is in flight.

    Example:
        >>> price = Price("x", [Rates(1e-6, 1e-7, 1.25e-6, 2e-6)])
        >>> round(price.usd(1000, 800, 100), 6), round(price.at_most(1000, 100), 6)
        (0.00048, 0.00145)
    """

    def __init__(
        self,
        source: str,
        rates: Sequence[Rates] = (),
        now: Callable[[], Sequence[Rates]] | None = None,
    ) -> None:
        self.source = source
        self._rates = tuple(rates)
        self._now = now

    def usd(
        self, prompt: int, cached: int, completion: int, written: int = 0, reasoning: int = 0
    ) -> float:
        """What a call costs.

        Args:
            prompt: all prompt tokens.
            cached: of them, read from the provider's cache.
            completion: all tokens that were generated.
            written: of the prompt tokens, written to the provider's cache.
            reasoning: of the generated tokens, those before the answer.
        """
        found = _NOTHING
        for rates in self._rates if self._now is None else self._now():
            if rates.above == 0 or prompt > rates.above:
                found = rates
        fresh = max(0, prompt - cached - written)
        thought = found.out if found.thought is None else found.thought
        return (
            fresh * found.fresh
            + cached * found.cached
            + written * found.written
            + completion * found.out
            + min(reasoning, completion) * (thought - found.out)
            + found.request
        )

    @property
    def has_cheaper_reads(self) -> bool:
        """Whether tokens read from the provider's cache cost less than fresh ones."""
        return any(rates.cached < rates.fresh for rates in self._rates)

    def per_million(self) -> tuple[float, float]:
        """USD for a million fresh prompt tokens and generated tokens, for short prompts, now."""
        rates = (self._rates if self._now is None else self._now()) or (_NOTHING,)
        return rates[0].fresh * 1e6, rates[0].out * 1e6

    def at_most(self, prompt: int, completion: int) -> float:
        """What a call of at most this many tokens can cost, however its prompt is billed."""
        if not self._rates:
            return 0.0
        found = [rates for rates in self._rates if rates.above == 0 or prompt > rates.above]
        dearest = max(rates.dearest for rates in found)
        out = max(rates.dearest_out for rates in found)
        request = max(rates.request for rates in found)
        return prompt * dearest + completion * out + request


_NOTHING = Rates(0.0, 0.0, 0.0, 0.0)


def price_of(ref: str, settings: Settings) -> Price | None:
    """The price of `provider/model`, or None if it is unknown.

    Example:
        >>> round(price_of("openai/gpt-4.1-mini", Settings()).usd(1000, 0, 100), 6)
        0.00056
    """
    declared = settings.prices.get(ref)
    if declared is not None:
        return Price("pex.toml", [_declared(declared)])
    name, _, model = ref.partition("/")
    provider, own = BUILT_IN.get(name), settings.providers.get(name)
    says_free = own.free if own else None
    if says_free or (says_free is None and provider is not None and provider.free):
        return Price("free")
    if provider is None or provider.prices is None:
        return None
    return _from_table(model, provider.prices)


@dataclasses.dataclass(frozen=True, slots=True)
class Listed:
    """A model of the table: its name, the tokens it can read, USD per million (prompt, answer)."""

    name: str
    context: int | None
    per_million: tuple[float, float] | None


def listed(prices: str) -> list[Listed]:
    """A provider's models in the table, by name; those that are no longer served are left out.

    Args:
        prices: the provider's name in the table.

    Example:
        >>> [model.per_million for model in listed("openai") if model.name == "gpt-4.1-mini"]
        [(0.4, 1.6)]
    """
    now = datetime.datetime.now(datetime.UTC)
    return list(_listed(prices, f"{now:%Y-%m-%d %H}"))


@functools.lru_cache(maxsize=32)
def _listed(prices: str, hour: str) -> tuple[Listed, ...]:
    """`hour` says when: some prices depend on the time of the day."""
    from genai_prices.data_snapshot import get_snapshot

    when = datetime.datetime.strptime(hour, "%Y-%m-%d %H").replace(tzinfo=datetime.UTC)
    found = []
    for provider in get_snapshot().providers:
        for model in provider.models if provider.id == prices else ():
            if model.deprecated:
                continue
            price, per_million = model.get_prices(when), None
            if price.input_mtok is not None and price.output_mtok is not None:
                first = _tiers(price)[0]
                per_million = (round(first.fresh * 1e6, 6), round(first.out * 1e6, 6))
            found.append(Listed(model.id, model.context_window, per_million))
    return tuple(sorted(found, key=lambda model: model.name.casefold()))


def is_deprecated(ref: str) -> bool:
    """Whether the table says that a model is deprecated by its provider, or no longer served.

    Example:
        >>> is_deprecated("openai/gpt-4.1-mini"), is_deprecated("lab/m1")
        (False, False)
    """
    name, _, model = ref.partition("/")
    provider = BUILT_IN.get(name)
    found = table_entry(model, provider.prices) if provider and provider.prices else None
    return bool(found is not None and found.deprecated)


def check_priced(prices: Mapping[str, Price | None]) -> None:
    """Raise a `PexError` for a model without a known price: its run would have no cap."""
    unknown = sorted(ref for ref, price in prices.items() if price is None)
    if unknown:
        provider = unknown[0].partition("/")[0]
        raise PexError(
            f"model '{unknown[0]}': no price is known, so no budget can be enforced",
            hint=f'declare it in pex.toml: [prices."{unknown[0]}"] with input_usd_per_million '
            f"and output_usd_per_million, or free = true under [providers.{provider}]",
        )


def _declared(price: PriceSettings) -> Rates:
    fresh = price.input_usd_per_million
    cached, written = price.cached_input_usd_per_million, price.cache_write_usd_per_million
    return Rates(
        fresh / 1e6,
        (fresh if cached is None else cached) / 1e6,
        (fresh if written is None else written) / 1e6,
        price.output_usd_per_million / 1e6,
    )


def table_entry(model: str, provider: str) -> Any | None:
    """A model's entry in the table, None without one."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        return get_snapshot().find_provider_model(model, None, provider, None)[1]
    except LookupError:
        return None


def _from_table(model: str, provider: str) -> Price | None:
    found = table_entry(model, provider)
    if found is None:
        return None
    now = datetime.datetime.now(datetime.UTC)
    hours = [now + datetime.timedelta(hours=hour) for hour in range(_HOURS)]
    prices = [found.get_prices(hour) for hour in hours]
    rates = [rates for price in prices for rates in _tiers(price)]
    if all(price.input_mtok is None and price.output_mtok is None for price in prices):
        return None  # it is sold by the second or the picture
    if all(price is prices[0] for price in prices):
        return Price("genai-prices", _tiers(prices[0]))
    return Price("genai-prices", rates, _Clocked(found))


class _Clocked:
    """The rates of a model of the table at this moment."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._rates: Sequence[Rates] = ()
        self._until = 0.0

    def __call__(self) -> Sequence[Rates]:
        if time.monotonic() >= self._until:
            self._rates = _tiers(self._model.get_prices(datetime.datetime.now(datetime.UTC)))
            self._until = time.monotonic() + _SAME_S
        return self._rates


def _tiers(price: Any) -> list[Rates]:
    """The rates of one entry of the table: the first for any prompt, then for longer ones."""
    fields = ("input_mtok", "cache_read_mtok", "cache_write_mtok", "output_mtok",
              "output_reasoning_mtok")  # fmt: skip
    values = [getattr(price, field) for field in fields]
    starts = {tier.start for value in values for tier in getattr(value, "tiers", ())}
    request = (_rate(price.requests_kcount, 0) or 0.0) * 1000  # its unit is a thousand
    found = []
    for above in sorted({0, *starts}):
        fresh, cached, written, out, thought = (_rate(value, above) for value in values)
        fresh = fresh or 0.0
        found.append(
            Rates(
                fresh,
                fresh if cached is None else cached,
                fresh if written is None else written,
                out or 0.0,
                above,
                request,
                thought,
            )
        )
    return found


def _rate(value: Any, above: int) -> float | None:
    """USD for a token, where a prompt has more than `above` of them."""
    if value is None:
        return None
    base, tiers = getattr(value, "base", value), getattr(value, "tiers", ())
    reached = [tier.price for tier in tiers if tier.start <= above]
    return float(reached[-1] if above and reached else base) / 1e6


def cost(price: Price | None, answer: Answer) -> float | None:
    """What an answer cost in USD, None if its tokens or its price are not known.

    Tokens that contradict each other (more read from a cache than there were) or the answer (none
    for one that has text) are not known.
    """
    if price is None:
        return None
    if price.source == "free":
        return 0.0
    prompt, completion = answer.prompt_tokens, answer.completion_tokens
    cached, written = answer.cached_tokens or 0, answer.cache_write_tokens or 0
    if not prompt or completion is None or cached + written > prompt:
        return None
    if completion == 0 and (answer.output or answer.tool_calls or answer.reasoning):
        return None
    return price.usd(prompt, cached, completion, written, answer.reasoning_tokens or 0)

"""The prices of a model side by side: input, output, cache, batch, as far as they are known."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

from pex.project.settings import Settings
from pex.run.prices import price_of, table_entry
from pex.run.providers import BUILT_IN


@dataclasses.dataclass(frozen=True, slots=True)
class PriceCard:
    """Prices in USD per million tokens, None where they are not known.

    `source` is `pex.toml`, `genai-prices` or `free`; `batch_input` and `batch_output` are those of
    the provider's own batches. Prompts of more than `dearer_above` tokens cost more.
    """

    source: str
    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None
    batch_input: float | None = None
    batch_output: float | None = None
    dearer_above: int | None = None


def price_card(ref: str, settings: Settings) -> PriceCard | None:
    """The prices of a model; None if none is known, so that it needs one before a run.

    Args:
        ref: `provider/model`.
        settings: the project's.

    Example:
        >>> card = price_card("openai/gpt-4.1-mini", Settings())
        >>> card.input, card.output, card.cached, card.batch_input
        (0.4, 1.6, 0.1, 0.2)
    """
    name, _, model = ref.partition("/")
    provider, endpoint = BUILT_IN.get(name), settings.providers.get(name)
    own = settings.prices.get(ref)
    in_table = provider is not None and provider.prices is not None
    if own is not None or not in_table or (endpoint is not None and endpoint.free):
        price = price_of(ref, settings)
        if price is None:
            return None
        fresh, out = (round(usd, 6) for usd in price.per_million())
        if own is None:
            return PriceCard(price.source, fresh, out, 0.0, 0.0)
        return PriceCard(
            price.source, fresh, out, own.cached_input_usd_per_million,
            own.cache_write_usd_per_million,
        )  # fmt: skip
    assert provider is not None
    return _from_table(table_entry(model, provider.prices or ""))


def _from_table(entry: Any | None) -> PriceCard | None:
    if entry is None:
        return None
    now = datetime.datetime.now(datetime.UTC)
    plain, batch = entry.get_prices(now), entry.get_prices(now, {"processing": "batch"})
    if plain.input_mtok is None and plain.output_mtok is None:
        return None  # it is sold by the second or the picture
    fields = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")
    tiers = [tier.start for field in fields for tier in getattr(getattr(plain, field), "tiers", ())]
    low, high = (_base(getattr(batch, field)) for field in fields[:2])
    if (low, high) == (_base(plain.input_mtok), _base(plain.output_mtok)):
        low = high = None  # the table has no price of its own for them
    read, written = _base(plain.cache_read_mtok), _base(plain.cache_write_mtok)
    above = min(tiers, default=None)
    fresh, out = _base(plain.input_mtok) or 0.0, _base(plain.output_mtok) or 0.0
    return PriceCard("genai-prices", fresh, out, read, written, low, high, above)


def _base(value: Any) -> float | None:
    """A price for short prompts: long ones can cost more."""
    return None if value is None else float(getattr(value, "base", value))

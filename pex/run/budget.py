"""A hard cap on what a run may spend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from pex.core.errors import PexError
from pex.run.prices import Price


class Budget:
    """Lets a call go only if what is spent, what is in flight and its own worst case fit the cap.

    The worst case of a call is a prompt token for every byte that is sent, and `max_tokens` in
    the answer. Used on the runner's event loop only.

    Example:
        >>> price = Price(lambda prompt, cached, completion: (prompt + completion) * 0.001, "x")
        >>> budget = Budget(0.2, {"lab/m": price})
        >>> budget.reserve("lab/m", {"messages": [], "max_tokens": 50}) is not None
        True
        >>> budget.reserve("lab/m", {"messages": [], "max_tokens": 500}) is None
        True
    """

    def __init__(self, cap_usd: float | None, prices: Mapping[str, Price | None]) -> None:
        self.cap_usd = cap_usd
        self.spent_usd = 0.0
        self._reserved = 0.0
        self._prices = prices
        unknown = sorted(model for model, price in prices.items() if price is None)
        if cap_usd is not None and unknown:
            raise PexError(
                f"model '{unknown[0]}': no price is known, so a budget of ${cap_usd:g} "
                "cannot be kept",
                hint=f'declare it in pex.toml: [prices."{unknown[0]}"] with input_usd_per_million '
                "and output_usd_per_million, or free = true for its provider",
            )

    def reserve(self, model: str, body: Mapping[str, Any]) -> float | None:
        """Set the worst case of a call aside; None where it no longer fits."""
        if self.cap_usd is None:
            return 0.0
        price = self._prices[model]
        assert price is not None  # __init__ has refused models without a price
        tokens = body.get("max_tokens") or body.get("max_completion_tokens") or 0
        worst = price.usd(len(orjson.dumps(body)), 0, int(tokens))
        if self.spent_usd + self._reserved + worst > self.cap_usd:
            return None
        self._reserved += worst
        return worst

    def settle(self, reserved: float, cost_usd: float | None) -> None:
        """Replace what was set aside by what the call cost; unknown counts as the worst case."""
        self._reserved -= reserved
        self.spent_usd += reserved if cost_usd is None else cost_usd

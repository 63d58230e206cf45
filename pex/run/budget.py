"""A hard cap on what a run may spend, and what else a batch tells its jobs of it."""

from __future__ import annotations

import os

from pex.core.errors import PexError
from pex.run.prices import Price

SHARED = "PEX_BATCH_BUDGET_USD"
"""What all runs of a batch may spend together; set by `pexlab batch`."""
TIMES = "PEX_REPEATS_TIMES"
"""How many times as often each case is asked, where an undecided gate of a batch asks for more."""


def shared_cap() -> float | None:
    """The cap on the batch that this process works for, None where there is none.

    Raises:
        PexError: the variable does not hold an amount.
    """
    text = os.environ.get(SHARED, "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise PexError(f"the environment variable {SHARED}: expected an amount in USD")
    return value


def worst_case(price: Price | None, size: int, max_tokens: int) -> float:
    """What a call may cost at most, in USD.

    That is a prompt token for every byte that is sent, and the longest answer.

    Example:
        >>> price = Price(lambda prompt, cached, completion: prompt * 1e-6 + completion * 2e-6, "x")
        >>> worst_case(price, 400, 50)
        0.0005
    """
    return price.usd(size, 0, max_tokens) if price is not None else 0.0


class Budget:
    """Lets a call go only if what is spent, what is in flight and its own worst case fit the cap.

    Used on the runner's event loop only.

    Args:
        cap_usd: the cap on this run.
        spent_usd: what earlier starts of this run have spent of it.

    Example:
        >>> budget = Budget(0.2)
        >>> budget.reserve(0.15), budget.reserve(0.15)
        (True, False)
        >>> budget.settle(0.15, 0.01)
        >>> budget.reserve(0.15)
        True
    """

    def __init__(self, cap_usd: float | None, spent_usd: float = 0.0) -> None:
        self.cap_usd = cap_usd
        self.spent_usd = spent_usd
        self.reserved_usd = 0.0
        self.allowed_usd: float | None = None
        """What a shared budget has granted this run in all; None where there is none."""

    @property
    def used_usd(self) -> float:
        """Spent, and set aside for calls in flight."""
        return self.spent_usd + self.reserved_usd

    def reserve(self, worst_usd: float) -> bool:
        """Set the worst case of a call aside; False where it does not fit."""
        used = self.used_usd + worst_usd
        if self.cap_usd is not None and used > self.cap_usd:
            return False
        if self.allowed_usd is not None and used > self.allowed_usd:
            return False
        self.reserved_usd += worst_usd
        return True

    def settle(self, reserved_usd: float, cost_usd: float) -> None:
        """Replace what was set aside by what the call cost."""
        self.reserved_usd -= reserved_usd
        self.spent_usd += cost_usd

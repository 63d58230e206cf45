"""A hard cap on what a run may spend."""

from __future__ import annotations

import dataclasses

from pex.core.call import Answer, Request
from pex.core.errors import BudgetError
from pex.run.prices import Price, cost

USAGE_MISSING = "usage_missing"
USAGE_IMPLAUSIBLE = "usage_implausible"
BEYOND = "beyond_worst_case"
"""What the ledger remarks on a call whose cost was not reported, was reported in numbers that
contradict each other, or is more than the call could cost."""

_ROUNDING = 1e-9


def worst_case(price: Price | None, size: int, longest: int) -> float:
    """What a call may cost at most, in USD.

    That is a prompt token for every byte that is sent, at its dearest, and the longest answer.

    Example:
        >>> from pex.run.prices import Rates
        >>> worst_case(Price("x", [Rates(1e-6, 1e-7, 1e-6, 2e-6)]), 400, 50)
        0.0005
    """
    return price.at_most(size, longest) if price is not None else 0.0


@dataclasses.dataclass(slots=True)
class Bill:
    """What one answered call is booked with.

    `usd` is what the endpoint's report comes to; None if it reported nothing that can be
    believed, and then `at_most_usd` is the call's worst case. `remark` is the ledger's word for
    what is unusual.
    """

    usd: float | None
    at_most_usd: float | None = None
    remark: str | None = None

    @property
    def charged_usd(self) -> float:
        """What counts against the cap."""
        return (self.at_most_usd or 0.0) if self.usd is None else self.usd


def bill(price: Price | None, answer: Answer, worst_usd: float, part: float = 1.0) -> Bill:
    """Book an answer: what was reported where that is plausible, else the call's worst case.

    Args:
        price: of the model.
        answer: with the tokens that were reported.
        worst_usd: what was set aside for the call.
        part: what is paid of the ordinary price, half in a provider batch.
    """
    usd = cost(price, answer)
    if usd is None:
        known = answer.prompt_tokens is not None and answer.completion_tokens is not None
        return Bill(None, worst_usd, USAGE_IMPLAUSIBLE if known else USAGE_MISSING)
    usd *= part
    beyond = usd > worst_usd * (1 + _ROUNDING) + 1e-12
    return Bill(usd, None, BEYOND if beyond else None)


def beyond(request: Request, answer: Answer, usd: float, worst_usd: float) -> BudgetError:
    """The error that ends a run in which a call cost more than it could."""
    return BudgetError(
        f"{request.model}, variant '{request.variant}', case '{request.case_id}', repeat "
        f"{request.repeat}: the endpoint reported {answer.prompt_tokens:,} prompt tokens and "
        f"{answer.completion_tokens:,} completion tokens, ${usd:.4g}, but this call could cost at "
        f"most ${worst_usd:.4g}; the run was stopped",
        hint="the answers are kept; does the endpoint respect max_tokens? If it counts "
        "reasoning separately, add what that may need: the cap only holds if the length of the "
        "longest answer is known",
    )


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
        """What a shared budget has granted this run in all; None if there is none."""

    @property
    def used_usd(self) -> float:
        """Spent, and set aside for calls in flight."""
        return self.spent_usd + self.reserved_usd

    def reserve(self, worst_usd: float) -> bool:
        """Set the worst case of a call aside; False if it does not fit."""
        used = self.used_usd + worst_usd
        if self.cap_usd is not None and used > self.cap_usd:
            return False
        if self.allowed_usd is not None and used > self.allowed_usd:
            return False
        self.reserved_usd += worst_usd
        return True

    def settle(self, reserved_usd: float, cost_usd: float) -> None:
        """Replace what was set aside by what the call cost."""
        self.reserved_usd = max(0.0, self.reserved_usd - reserved_usd)
        self.spent_usd += cost_usd

"""The effect of the order of two answers on a pairwise judge."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

from pex.stats.intervals import wilson


@dataclasses.dataclass(frozen=True, slots=True)
class Positions:
    """Pairs that were judged twice, with the two answers swapped.

    `consistent` of the `pairs` had the same winner in both orders. Of the `decided` verdicts (no
    ties), `first` went to the answer shown first: half of them, for a judge that ignores the order.
    `p` is the probability of a bias at least this large if the order does not matter.
    """

    pairs: int
    consistent: int
    decided: int
    first: int
    p: float

    @property
    def consistency(self) -> float | None:
        """The share of pairs whose two orders agree, None without pairs."""
        return self.consistent / self.pairs if self.pairs else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The ends of its 95 % interval (Wilson's)."""
        return wilson(self.consistent, self.pairs) if self.pairs else None

    @property
    def first_share(self) -> float | None:
        """The share of decided verdicts for the answer shown first, None without any."""
        return self.first / self.decided if self.decided else None


def positions(verdicts: Iterable[tuple[str, str]]) -> Positions:
    """Count the verdicts in both orders.

    The p value is that of an exact two-sided sign test on the pairs that favour one place: the
    two verdicts on a pair belong together, so pairs are counted, not verdicts.

    Args:
        verdicts: for each pair, the judge's verdicts in the first order and with the answers
            swapped: `first`, `second` or `tie`, as they were shown.

    Source: R. A. Fisher, The Design of Experiments, 1935 (the sign test); L. Zheng et al.,
    Judging LLM-as-a-Judge, NeurIPS 2023 (asking in both orders).

    Example:
        >>> found = positions([("first", "first")] * 6 + [("first", "second")] * 2)
        >>> found.consistent, found.first, found.decided, found.p
        (2, 14, 16, 0.03125)
    """
    pairs = list(verdicts)
    said = [side for pair in pairs for side in pair if side != "tie"]
    leans = [pair.count("first") - pair.count("second") for pair in pairs]
    up, down = sum(lean > 0 for lean in leans), sum(lean < 0 for lean in leans)
    return Positions(
        pairs=len(pairs),
        # The same answer wins if the other place wins in the other order.
        consistent=sum(pair in _SAME for pair in pairs),
        decided=len(said),
        first=said.count("first"),
        p=_sign_test(up, down),
    )


_SAME = {("first", "second"), ("second", "first"), ("tie", "tie")}


def _sign_test(up: int, down: int) -> float:
    n = up + down
    tail = sum(math.comb(n, k) for k in range(min(up, down) + 1))
    return float(min(1.0, 2 * tail / 2**n))

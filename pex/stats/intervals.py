"""Intervals for one share or one mean."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence


def wilson(successes: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The score interval for a share of successes.

    Unlike the textbook interval it has a width at 0 and at n successes. `successes` may be a
    sum of shares (repeats averaged within a case); the interval is then conservative.

    Args:
        successes: from 0 to `n`.
        n: number of cases, at least 1.
        confidence: two-sided level.

    Returns:
        Lower and upper end, between 0 and 1.

    Raises:
        ValueError: `n` below 1, or `successes` outside 0 to `n`.

    Source: E. B. Wilson, Journal of the American Statistical Association 22 (1927) 209-212.

    Example:
        >>> [round(x, 3) for x in wilson(5, 5)]
        [0.566, 1.0]
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"expected 0 <= successes <= n and n >= 1, got {successes} of {n}")
    z = statistics.NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At the ends the exact value is 0 or 1; floating point misses it by an ulp.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    return low, 1.0 if successes == n else min(1.0, centre + half)


def mean(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float] | None:
    """Student's t interval for a mean; None for fewer than two values.

    Args:
        values: one number per case.
        confidence: two-sided level.

    Source: Student, Biometrika 6 (1908) 1-25.

    Example:
        >>> [round(x, 2) for x in mean([1.0, 2.0, 3.0])]
        [-0.48, 4.48]
    """
    n = len(values)
    if n < 2:
        return None
    from scipy.special import stdtrit

    half = float(stdtrit(n - 1, 0.5 + confidence / 2)) * statistics.stdev(values) / math.sqrt(n)
    centre = statistics.fmean(values)
    return centre - half, centre + half

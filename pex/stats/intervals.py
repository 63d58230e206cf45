"""Intervals for one share or one mean."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from pex.stats.checks import between, counted, finite, normal_quantile

BCA_LIMIT = 2000
"""Up to this many values `bca` is a bootstrap, above it is Student's t interval."""


def wilson(successes: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The score interval for a share of successes.

    Unlike the textbook interval it has a positive width at 0 and at n successes. `successes` can
    be a sum of shares (repeats averaged within a case); the interval is then conservative.

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
    z = normal_quantile(confidence)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At the ends the exact value is 0 or 1; floating point can be off by one ulp.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    return low, 1.0 if successes == n else min(1.0, centre + half)


def mean(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float] | None:
    """Student's t interval for a mean; None for fewer than two values.

    Args:
        values: one number per case.
        confidence: two-sided level.

    Returns:
        Lower and upper end.

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


def clopper_pearson(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval for a share: coverage is never below the level, so it is wider.

    Args:
        successes: from 0 to `n`.
        n: number of cases, at least 1.
        confidence: two-sided level.

    Returns:
        Lower and upper end, between 0 and 1.

    Raises:
        ValueError: `n` below 1, or `successes` not a whole number from 0 to `n`.

    Source: C. J. Clopper and E. S. Pearson, Biometrika 26 (1934) 404-413.

    Example:
        >>> [round(x, 4) for x in clopper_pearson(3, 40)]
        [0.0157, 0.2039]
    """
    between(confidence, 0, 1, "confidence")
    counted([successes, n], "successes and n")
    if n < 1 or successes > n:
        raise ValueError(f"expected 0 <= successes <= n and n >= 1, got {successes} of {n}")
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = 0.0 if successes == 0 else float(betaincinv(successes, n - successes + 1, tail))
    high = 1.0 if successes == n else float(betaincinv(successes + 1, n - successes, 1 - tail))
    return low, high


def zero_failures_bound(n: int, confidence: float = 0.95) -> float:
    """The largest failure rate compatible with `n` cases without a failure.

    Args:
        n: number of cases, at least 1; none of them failed.
        confidence: one-sided level.

    Returns:
        1 - (1 - confidence)^(1/n).

    Raises:
        ValueError: `n` below 1.

    Source: T. A. Louis, The American Statistician 35 (1981) 154; J. A. Hanley and
    A. Lippman-Hand, Journal of the American Medical Association 249 (1983) 1743-1745.

    Example:
        >>> round(zero_failures_bound(40), 3)
        0.072
    """
    between(confidence, 0, 1, "confidence")
    counted([n], "n")
    if n < 1:
        raise ValueError("n is 0; a bound needs at least 1 case")
    return -math.expm1(math.log1p(-confidence) / n)


def newcombe(
    successes_a: int, n_a: int, successes_b: int, n_b: int, confidence: float = 0.95
) -> tuple[float, float]:
    """The interval for the difference of two shares on different cases, A minus B.

    For two variants on the same cases use `newcombe_paired`, which is narrower.

    Args:
        successes_a: from 0 to `n_a`.
        n_a: cases of A, at least 1.
        successes_b: from 0 to `n_b`.
        n_b: cases of B, at least 1.
        confidence: two-sided level.

    Returns:
        Lower and upper end, between -1 and 1.

    Raises:
        ValueError: a number of cases below 1, or successes outside 0 to it.

    Source: R. G. Newcombe, Statistics in Medicine 17 (1998) 873-890, method 10.

    Example:
        >>> [round(x, 4) for x in newcombe(56, 70, 48, 80)]
        [0.0524, 0.3339]
    """
    low_a, high_a = wilson(successes_a, n_a, confidence)
    low_b, high_b = wilson(successes_b, n_b, confidence)
    a, b = successes_a / n_a, successes_b / n_b
    return (
        max(-1.0, a - b - math.hypot(a - low_a, high_b - b)),
        min(1.0, a - b + math.hypot(high_a - a, b - low_b)),
    )


def bca(
    values: Sequence[float], confidence: float = 0.95, seed: int = 0, resamples: int = 9999
) -> tuple[float, float] | None:
    """The bootstrap interval for the mean of skewed numbers, such as costs and latencies.

    Bias-corrected and accelerated. Above `BCA_LIMIT` values it is the t interval of `mean`: a mean
    of that many is close to normal, and the resampling would take seconds.

    Args:
        values: one number per case; resampled one by one, so they must not be clustered.
        confidence: two-sided level.
        seed: seed of the resampling; the same seed gives the same interval.
        resamples: number of resamples.

    Returns:
        Lower and upper end; both equal to the value if all are equal; None for fewer than two.

    Raises:
        ValueError: a value is not finite.

    Source: B. Efron, Journal of the American Statistical Association 82 (1987) 171-185.

    Example:
        >>> low, high = bca([0.1, 0.1, 0.2, 0.1, 0.9, 0.2, 0.1, 0.3])
        >>> low < 0.25 < high
        True
    """
    between(confidence, 0, 1, "confidence")
    array = finite(values, "values")
    if array.size < 2:
        return None
    smallest, largest = float(array.min()), float(array.max())
    if smallest == largest:
        return smallest, smallest
    if array.size > BCA_LIMIT:
        return mean(array.tolist(), confidence)
    import numpy as np
    from scipy.stats import bootstrap

    # In units of their own range: differences as small as rounding errors, for which the bootstrap
    # returns nan, become ordinary numbers.
    found = bootstrap(
        ((array - smallest) / (largest - smallest),),
        np.mean,
        confidence_level=confidence,
        n_resamples=resamples,
        method="BCa",
        batch=max(1, 2_000_000 // array.size),
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    low, high = (smallest + float(end) * (largest - smallest) for end in (found.low, found.high))
    return low, high

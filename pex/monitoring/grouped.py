"""Figures with intervals for many groups at once, such as days: counts, shares, means, quantiles.

All groups are calculated together with NumPy, so a hundred thousand traces take a moment. Traces of
one user or session resemble each other, and count for less than as many of different users: the
design effect says by how much, and the intervals are as wide as those of fewer, independent traces.

Sources: L. Kish, Survey Sampling (1965), for the design effect; N. Dean and M. Pagano, Journal of
Survey Statistics and Methodology 3 (2015) 484-503, for Wilson's interval with an effective n;
F. Garwood, Biometrika 28 (1936) 437-442, for counts; G. Y. Zou and A. Donner, Statistics in
Medicine 27 (2008) 1693-1702, for differences of two figures with intervals.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Whole = NDArray[np.int64]

_DENSE = 8
"""How many possible pairs of group and user there may be for each trace."""


@dataclasses.dataclass(frozen=True, slots=True)
class Grouped:
    """A figure for each group, as arrays of equal length; NaN where there is none.

    `n` counts the traces behind a figure, `n_eff` the independent ones that they are worth.
    """

    n: Whole
    value: Floats
    lo: Floats
    hi: Floats
    n_eff: Floats
    total: Floats


def counts(group: Whole, size: int, confidence: float) -> Grouped:
    """The number in each group, with the interval of a Poisson count.

    Args:
        group: the group of each trace, from 0 to `size` - 1.
        size: the number of groups.
        confidence: two-sided level.

    Example:
        >>> import numpy as np
        >>> found = counts(np.array([0] * 10), 2, 0.95)
        >>> float(found.value[0]), [round(float(end), 1) for end in (found.lo[0], found.hi[0])]
        (10.0, [4.8, 18.4])
    """
    import numpy as np
    from scipy.special import gammaincinv

    n = np.bincount(group, minlength=size).astype(np.int64)
    tail = (1 - confidence) / 2
    value = np.where(n > 0, n, np.nan).astype(np.float64)
    lo = np.where(n > 0, gammaincinv(np.maximum(n, 1), tail), np.nan)
    hi = np.where(n > 0, gammaincinv(n + 1.0, 1 - tail), np.nan)
    return Grouped(n, value, lo, hi, value.copy(), value.copy())


def shares(group: Whole, values: Floats, cluster: Whole, size: int, confidence: float) -> Grouped:
    """The share of each group, with Wilson's interval.

    Args:
        group: the group of each trace.
        values: 1 or 0 for each trace, or between where several opinions were averaged.
        cluster: whose trace it is.
        size: the number of groups.
        confidence: two-sided level.

    Example:
        >>> import numpy as np
        >>> found = shares(np.zeros(5, int), np.ones(5), np.arange(5), 1, 0.95)
        >>> [round(float(end), 3) for end in (found.lo[0], found.hi[0])]
        [0.566, 1.0]
    """
    import numpy as np
    from scipy.special import ndtri

    n, mean, _ = _moments(group, values, size)
    eff = n / design_effect(group, values, cluster, size)
    z = float(ndtri(0.5 + confidence / 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = (mean + z * z / (2 * eff)) / (1 + z * z / eff)
        spread = np.sqrt(mean * (1 - mean) / eff + z * z / (4 * eff * eff))
        half = z / (1 + z * z / eff) * spread
    lo = np.where(mean == 0, 0.0, np.maximum(0.0, centre - half))
    hi = np.where(mean == 1, 1.0, np.minimum(1.0, centre + half))
    none = n == 0
    lo[none], hi[none] = np.nan, np.nan
    return Grouped(n, mean, lo, hi, eff, n * mean)


def means(group: Whole, values: Floats, cluster: Whole, size: int, confidence: float) -> Grouped:
    """The mean of each group, with Student's interval; none for a single trace.

    Args:
        group: the group of each trace.
        values: a number for each trace.
        cluster: whose trace it is.
        size: the number of groups.
        confidence: two-sided level.

    Example:
        >>> import numpy as np
        >>> found = means(np.zeros(3, int), np.array([1.0, 2.0, 3.0]), np.arange(3), 1, 0.95)
        >>> [round(float(end), 2) for end in (found.lo[0], found.hi[0])]
        [-0.48, 4.48]
    """
    import numpy as np
    from scipy.special import stdtrit

    n, mean, variance = _moments(group, values, size)
    eff = n / design_effect(group, values, cluster, size)
    enough = (n > 1) & (eff > 1)
    safe = np.where(enough, eff, 2.0)
    half = stdtrit(safe - 1, 0.5 + confidence / 2) * np.sqrt(variance / safe)
    half = np.where(enough, half, np.nan)
    return Grouped(n, mean, mean - half, mean + half, eff, n * mean)


def quantiles(
    group: Whole, values: Floats, cluster: Whole, size: int, confidence: float, q: float
) -> Grouped:
    """A quantile of each group, with the interval between two of the ordered values.

    An end that the group is too small for is NaN: the upper end of a 90th percentile needs about 40
    traces.

    Args:
        group: the group of each trace.
        values: a number for each trace.
        cluster: whose trace it is.
        size: the number of groups.
        confidence: two-sided level.
        q: 0.5 for the median.

    Example:
        >>> import numpy as np
        >>> found = quantiles(np.zeros(9, int), np.arange(9.0), np.arange(9), 1, 0.95, 0.5)
        >>> float(found.value[0]), float(found.lo[0]), float(found.hi[0])
        (4.0, 1.0, 7.0)
    """
    import numpy as np
    from scipy.stats import binom

    order = np.lexsort((values, group))
    ordered = values[order]
    n = np.bincount(group, minlength=size).astype(np.int64)
    first = np.concatenate([[0], np.cumsum(n)[:-1]])
    none = n == 0

    def at(rank: Floats) -> Floats:
        """The value of a rank from 1 in each group; NaN where there is no such rank."""
        inside = (rank >= 1) & (rank <= n) & ~none
        place = np.where(inside, first + rank - 1, 0).astype(np.int64)
        return np.where(inside, ordered[place] if len(ordered) else np.nan, np.nan)

    # The same interpolation as NumPy's and pandas' default.
    exact = (n - 1) * q
    below = np.floor(exact)
    low, high = at(below + 1), at(np.minimum(below + 2, n))
    value = low + (high - low) * (exact - below)
    above = (values > value[group]).astype(np.float64)
    eff = n / design_effect(group, above, cluster, size)
    whole = np.maximum(np.floor(eff), 1.0)
    tail = (1 - confidence) / 2
    scale = np.where(none, 1.0, n / whole)
    lo = at(np.floor(binom.ppf(tail, whole, q) * scale))
    hi = at(np.ceil((binom.ppf(1 - tail, whole, q) + 1) * scale))
    return Grouped(n, value, lo, hi, eff, np.full(size, np.nan))


def design_effect(group: Whole, values: Floats, cluster: Whole, size: int) -> float:
    """How many traces count as one independent one, over all groups; at least 1.

    Args:
        group: the group of each trace.
        values: a number for each trace.
        cluster: whose trace it is, as whole numbers.
        size: the number of groups.

    Example:
        >>> import numpy as np
        >>> group, values = np.zeros(8, int), np.array([0.0, 0, 0, 0, 1, 1, 1, 1])
        >>> design_effect(group, values, np.arange(8), 1)
        1.0
        >>> round(design_effect(group, values, np.array([0, 0, 1, 1, 2, 2, 3, 3]), 1), 2)
        2.33
    """
    import numpy as np

    if len(values) == 0:
        return 1.0
    many = int(cluster.max()) + 1
    of_pair = group * many + cluster
    dense = size * many <= _DENSE * len(values)  # then counting is faster than sorting
    if dense:
        pair = np.flatnonzero(np.bincount(of_pair, minlength=size * many))
        place = of_pair
    else:
        pair, place = np.unique(of_pair, return_inverse=True)
    if len(pair) == len(values):
        return 1.0
    n, mean, variance = _moments(group, values, size)
    sums = np.bincount(place, weights=values - mean[group])
    sums = sums[pair] if dense else sums
    of = pair // many
    k = np.bincount(of, minlength=size)
    # A group of a single user says nothing of how users differ.
    usable = k > 1
    with np.errstate(divide="ignore", invalid="ignore"):
        between = np.bincount(of, weights=sums**2, minlength=size) * k / (k - 1)
        alone = n * variance
    observed, independent = float(between[usable].sum()), float(alone[usable].sum())
    return max(1.0, observed / independent) if independent > 0 else 1.0


def differences(
    value: Floats, lo: Floats, hi: Floats, reference: int
) -> tuple[Floats, Floats, Floats]:
    """Each figure minus that of a reference, with the interval of the difference.

    Args:
        value: figures of independent groups.
        lo: the lower ends of their intervals.
        hi: the upper ends.
        reference: the place of the reference, whose own difference is NaN.

    Returns:
        Differences, lower ends, upper ends.

    Example:
        >>> import numpy as np
        >>> found = differences(np.array([0.6, 0.8]), np.array([0.49, 0.69]), np.array([0.7, 0.88]), 0)
        >>> [round(float(part[1]), 3) for part in found]
        [0.2, 0.051, 0.336]
    """  # noqa: E501 - the example is one line
    import numpy as np

    base, base_lo, base_hi = value[reference], lo[reference], hi[reference]
    diff = value - base
    low = diff - np.hypot(value - lo, base_hi - base)
    high = diff + np.hypot(hi - value, base - base_lo)
    for part in (diff, low, high):
        part[reference] = np.nan
    return diff, low, high


def _moments(group: Whole, values: Floats, size: int) -> tuple[Any, Any, Any]:
    """The number, mean and variance (by n - 1) of each group."""
    import numpy as np

    n = np.bincount(group, minlength=size).astype(np.int64)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.bincount(group, weights=values, minlength=size) / n
        square = np.bincount(group, weights=(values - mean[group]) ** 2, minlength=size)
        variance = np.where(n > 1, square / (n - 1), 0.0)
    return n, mean, variance

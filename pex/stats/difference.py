"""A mean difference with its interval and test, from its standard error."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from pex.stats.checks import between

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROUNDING = 1e-12
"""A spread below this share of the values is a rounding error of equal differences."""


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """A mean difference with its interval and test.

    Args:
        diff: the mean difference.
        low: lower end of the interval.
        high: upper end.
        se: standard error of `diff`.
        t: `diff` / `se`; None if `se` is 0.
        df: degrees of freedom.
        p: two-sided.
        n: number of values.
        n_groups: number of groups; None if values are not grouped.
    """

    diff: float
    low: float
    high: float
    se: float
    t: float | None
    df: float
    p: float
    n: int
    n_groups: int | None = None


def of_groups(
    array: NDArray[np.float64],
    codes: NDArray[np.intp],
    n_groups: int,
    confidence: float,
    grouped: bool,
) -> Difference | None:
    """The mean of grouped values; its standard error comes from the sums within groups.

    Args:
        array: one value per case.
        codes: the number of each case's group, from 0.
        n_groups: how many groups.
        confidence: two-sided level.
        grouped: whether the result includes the number of groups.

    Returns:
        None for fewer than two groups.
    """
    import numpy as np

    between(confidence, 0, 1, "confidence")
    if n_groups < 2:
        return None
    n = array.size
    scale = float(abs(array).max()) or 1.0
    units = array / scale
    centre = math.fsum(units) / n
    sums = np.bincount(codes, weights=units - centre, minlength=n_groups)
    se = math.sqrt(float((sums**2).sum()) * n_groups / (n_groups - 1)) / n
    shown = n_groups if grouped else None
    if se <= ROUNDING:
        return without_spread(math.fsum(array) / n, n_groups - 1, n, shown, 2.0 ** (1 - n_groups))
    return with_t(centre * scale, se * scale, n_groups - 1, n, shown, confidence)


def without_spread(
    diff: float, df: float, n: int, n_groups: int | None, smallest: float
) -> Difference:
    """A difference whose values do not vary.

    Args:
        diff: the difference.
        df: degrees of freedom.
        n: number of values.
        n_groups: number of groups, or None.
        smallest: the smallest p that rearranging this many values can give.

    Returns:
        An interval of zero width, and no t.
    """
    p = smallest if diff else 1.0
    return Difference(diff, diff, diff, 0.0, None, df, p, n, n_groups)


def with_t(
    diff: float, se: float, df: float, n: int, n_groups: int | None, confidence: float
) -> Difference:
    """A difference with Student's interval and p.

    Args:
        diff: the difference.
        se: its standard error, above 0.
        df: degrees of freedom.
        n: number of values.
        n_groups: number of groups, or None.
        confidence: two-sided level.

    Returns:
        The complete result.
    """
    from scipy.special import stdtr, stdtrit

    half = float(stdtrit(df, 0.5 + confidence / 2)) * se
    p = 2 * float(stdtr(df, -abs(diff / se)))
    return Difference(diff, diff - half, diff + half, se, diff / se, df, p, n, n_groups)

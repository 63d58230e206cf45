"""Has a stream changed since a fixed baseline, and when: evidence that may be looked at any time.

Everything works on whole days, as users, sessions and incidents make the values of one day alike.
The evidence is a likelihood ratio summed over the days on which the change may have begun.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pex.stats.checks import counted, finite

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_SPREADS = (1.0, 1.25, 1.6, 2.0, 3.0, 5.0, 9.0, 17.0, 33.0)
"""How many times as much the days may vary as independent values would."""
_MOST_SHARED = 0.2
"""The most of a value's variance that the values of one day are taken to have in common.

With few values a day the largest of `_SPREADS` would otherwise mean days of all or nothing, which
explain any collapse.
"""
_SPREAD_WEIGHTS = (0.44, 0.2, 0.13, 0.09, 0.06, 0.04, 0.02, 0.012, 0.008)
_SIZES = (1.0, 2.0, 4.0, 8.0, 16.0)
_SIZE_WEIGHTS = (0.495, 0.297, 0.198, 0.006, 0.004)
"""Changes that are looked for: of the size that matters, and larger ones.

Without the largest, a collapse would fit no change better than very restless days; they have so
much evidence that little weight is enough.
"""
_POINTS = 41
"""Points of the grid for the baseline's true level."""
_LEAST = 1e-4
_STARTS = 60
"""A change is looked for in the last so many days."""
_HIGHEST_LOG = 700.0


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """The evidence for a change since the baseline, day by day.

    Args:
        values: the evidence after each day; without a change its mean is at most the number of
            days so far.
        alarm: position of the first day that reaches the threshold, from 0; None without one.
        start: the day on which the change most likely began, None without an alarm.
        first: with `last` the days within which it began, with 95 % probability.
        last: see `first`.
        peak: the day with the most evidence; it is before the last one if the change went away.
    """

    values: tuple[float, ...]
    alarm: int | None = None
    start: int | None = None
    first: int | None = None
    last: int | None = None
    peak: int | None = None


def change_threshold(alpha: float = 0.05, days: int = 30, rules: int = 1) -> float:
    """The evidence that makes an alarm: false alarms in at most `alpha` of all quiet `days`.

    The evidence of one rule grows by 1 a day on average while nothing changes, and its path is a
    submartingale; by Doob's inequality it reaches c within `days` with probability at most days/c.
    Several rules share `alpha` equally.

    Args:
        alpha: the most false alarms of all rules together, between 0 and 1.
        days: the quiet days that it holds for.
        rules: how many rules look at the same time.

    Returns:
        The threshold.

    Raises:
        ValueError: `alpha` is not between 0 and 1, or a count is below 1.

    Source: J. Shin, A. Ramdas and A. Rinaldo, E-detectors, New England Journal of Statistics in
    Data Science 2 (2024) 229-260; J. L. Doob, Stochastic Processes (1953), chapter VII.

    Example:
        >>> change_threshold(0.05, 30, rules=2)
        1200.0
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; expected a number between 0 and 1")
    if days < 1 or rules < 1:
        raise ValueError("days and rules: expected whole numbers from 1")
    return days * rules / alpha


def rate_change(
    baseline: Sequence[tuple[int, int]],
    days: Sequence[tuple[int, int]],
    size: float,
    threshold: float,
    limit: float | None = None,
) -> Change:
    """Evidence that a share of yes among yes/no values has changed since the baseline.

    The likelihood of all days if the share changed on one of them, over that without a change; each
    averaged over what the baseline leaves open: the true share, and how much days vary beyond
    chance (a beta-binomial distribution for the days, whose values correlate by at most 0.2). Both
    likelihoods use the same average, so a small baseline, or one with restless days, asks for more
    evidence. The sum over the days on which the change may have begun is a Shiryaev-Roberts
    statistic. It counts for changes of more than about half of `size`; smaller ones do not raise an
    alarm however many values there are.

    Args:
        baseline: for each day of the baseline the number of values and of those that are yes. With
            a `limit` it only tells how much days vary, and may be empty.
        days: the same for each day since.
        size: the change that has to be found: below 0 a drop, above 0 a rise.
        threshold: see `change_threshold`.
        limit: a fixed share that was allowed, instead of the baseline's.

    Returns:
        The evidence after each day, the first alarm, and when the change began.

    Raises:
        ValueError: more yes than values, a size of 0, or an empty baseline without a limit.

    Source: Shin, Ramdas and Rinaldo (as `change_threshold`); M. Pollak, Optimal detection of a
    change in distribution, Annals of Statistics 13 (1985) 206-227; the average over the unknown
    share: H. Robbins and D. Siegmund, 6th Berkeley Symposium 4 (1972) 37-41.

    Example:
        >>> quiet = [(500, 450), (500, 447), (500, 455), (500, 452)] * 3
        >>> found = rate_change(quiet, [*quiet[:5], (500, 405), (500, 399)], -0.05, threshold=600)
        >>> found.alarm, found.start, (found.first, found.last)
        (5, 5, (5, 5))
    """
    import numpy as np

    before, after = _table(baseline, "baseline"), _table(days, "days")
    if not math.isfinite(size) or size == 0:
        raise ValueError(f"size is {size}; expected a number other than 0")
    values, yes = float(before[:, 0].sum()), float(before[:, 1].sum())
    own: Floats | None = None
    if limit is None:
        if values == 0:
            raise ValueError("baseline: there are no values")
        middle = math.asin(math.sqrt((yes + 0.5) / (values + 1)))
        angles = middle + np.linspace(-1, 1, _POINTS) * 12 / (2 * math.sqrt(values + 1))
        levels = np.sin(np.clip(angles, 0.01, math.pi / 2 - 0.01)) ** 2
    else:
        levels = np.array([min(1 - _LEAST, max(_LEAST, limit))])
        # Without a baseline, the days themselves tell how much days vary.
        table = before if values else after
        share = float(table[:, 1].sum()) / max(float(table[:, 0].sum()), 1.0)
        share = min(share, limit) if size > 0 else max(share, limit)
        own = np.array([min(1 - _LEAST, max(_LEAST, share))])
    volume = _volume(before if values else after)

    def likelihood(table: Floats, at: Floats) -> Floats:
        return _days_of_yes(table, at, volume)

    changed = [_moved(levels, size * factor) for factor in _SIZES]
    return _follow(before, after, likelihood, levels, own, changed, threshold)


def mean_change(
    baseline: Sequence[tuple[int, float]],
    days: Sequence[tuple[int, float]],
    deviation: float,
    size: float,
    threshold: float,
    limit: float | None = None,
) -> Change:
    """Evidence that a mean has changed since the baseline; otherwise as `rate_change`.

    The daily means count as normally distributed with the variance deviation²/n, times a factor
    for how much days vary beyond chance, averaged over up to a correlation of 0.2 within days. So
    the values should be bounded or on a scale without long tails, such as clipped logarithms.

    Args:
        baseline: for each day of the baseline the number of values and their mean.
        days: the same for each day since.
        deviation: the standard deviation of single values, above 0.
        size: the change that has to be found: below 0 a drop, above 0 a rise.
        threshold: see `change_threshold`.
        limit: a fixed mean that was allowed, instead of the baseline's.

    Returns:
        The evidence after each day, the first alarm, and when the change began.

    Raises:
        ValueError: a value is not finite, `deviation` is not above 0, a size of 0, or an empty
            baseline without a limit.

    Source: as `rate_change`.

    Example:
        >>> quiet = [(100, 1.0), (100, 1.1), (100, 0.9), (100, 1.0)] * 2
        >>> mean_change(quiet, [(100, 1.0), (100, 1.6), (100, 1.7)], 1.0, 0.4, threshold=600).start
        1
    """
    import numpy as np

    before, after = _table(baseline, "baseline", False), _table(days, "days", False)
    if not 0 < deviation < math.inf:
        raise ValueError(f"deviation is {deviation}; expected a number above 0")
    if not math.isfinite(size) or size == 0:
        raise ValueError(f"size is {size}; expected a number other than 0")
    values = float(before[:, 0].sum())
    own: Floats | None = None
    if limit is None:
        if values == 0:
            raise ValueError("baseline: there are no values")
        middle = float((before[:, 0] * before[:, 1]).sum() / values)
        levels = middle + np.linspace(-1, 1, _POINTS) * 12 * deviation / math.sqrt(values)
    else:
        levels = np.array([limit])
        table = before if values else after
        total = float((table[:, 0] * table[:, 1]).sum())
        mean = total / max(float(table[:, 0].sum()), 1.0)
        own = np.array([min(mean, limit) if size > 0 else max(mean, limit)])

    most = 1 + _MOST_SHARED * max(_volume(before if values else after) - 1, 0.0)
    spreads = np.minimum(np.array(_SPREADS), most)

    def likelihood(table: Floats, at: Floats) -> Floats:
        count, mean = table[:, 0, None, None], table[:, 1, None, None]
        variance = deviation**2 * spreads / np.maximum(count, 1)
        found = -0.5 * ((mean - at[:, None]) ** 2 / variance + np.log(variance))
        return np.asarray(np.where(count > 0, found, 0.0))

    changed = [levels + size * factor for factor in _SIZES]
    return _follow(before, after, likelihood, levels, own, changed, threshold)


def category_change(
    baseline: Sequence[Sequence[int]],
    days: Sequence[Sequence[int]],
    threshold: float,
) -> Change:
    """Evidence that the shares of categories have changed since the baseline.

    Before a change the days follow the baseline's shares, after it shares of their own, near or far
    from them (Dirichlet distributions of several widths). Days vary beyond chance by a factor that
    is estimated from the baseline with its uncertainty (the upper end of its 90 % interval), and
    counts are divided by it. The last category should be "any other", so that new ones have a
    place.

    Args:
        baseline: for each day of the baseline the count of each category.
        days: the same for each day since.
        threshold: see `change_threshold`.

    Returns:
        The evidence after each day, the first alarm, and when the change began.

    Raises:
        ValueError: a count is below 0 or not whole, days of different lengths, an empty baseline.

    Source: as `change_threshold`; I. J. Good, On the application of symmetric Dirichlet
    distributions, Annals of Statistics 4 (1976) 1159-1189; the factor: P. McCullagh and J. A.
    Nelder, Generalized Linear Models, 2nd edition (1989), section 4.5.

    Example:
        >>> quiet = [(60, 40, 0), (57, 43, 0), (62, 38, 0), (59, 41, 0)] * 2
        >>> found = category_change(quiet, [*quiet[:3], (40, 30, 30), (45, 25, 30)], threshold=600)
        >>> found.alarm, found.start
        (3, 3)
    """
    import numpy as np

    widths = {len(day) for day in [*baseline, *days]}
    if len(widths) != 1 or not any(sum(day) for day in baseline):
        raise ValueError("baseline and days: expected the counts of the same categories, not all 0")
    for day in [*baseline, *days]:
        counted(list(day), "counts")
    before = np.array(baseline, dtype=np.float64).reshape(-1, widths.pop())
    after = np.array(days, dtype=np.float64).reshape(-1, before.shape[1])
    spread = _spread_of_categories(before)
    known, after = before.sum(axis=0) / spread + 0.5, after / spread
    values = []
    starts: list[Floats] = []
    shares = known / known.sum()
    for last in range(len(after)):
        oldest = max(0, last + 1 - _STARTS)
        # The counts from each possible start up to this day, and those before it.
        tail = np.cumsum(after[oldest : last + 1][::-1], axis=0)[::-1]
        past = known + after[: last + 1].sum(axis=0) - tail
        same = _dirichlet(tail, past)
        new = [_dirichlet(tail, shares * width + 0.5 * (width < 1)) for width in (4.0, 30.0, 300.0)]
        ratio = np.logaddexp.reduce(new, axis=0) - math.log(len(new)) - same
        starts.append(ratio)
        values.append(_to_value(float(np.logaddexp.reduce(ratio))))
    return _dated(values, starts, threshold)


def _dirichlet(counts: Floats, prior: Floats) -> Floats:
    """Log-likelihood of each row of counts, its order given, with the prior averaged over."""
    import numpy as np
    from scipy.special import gammaln

    found = gammaln(prior + counts).sum(axis=-1) - gammaln(prior).sum(axis=-1) * np.ones(
        len(counts)
    )
    total = prior.sum(axis=-1)
    return np.asarray(found + gammaln(total) - gammaln(total + counts.sum(axis=-1)))


def _spread_of_categories(before: Floats) -> float:
    """How many times as much the days vary as chance alone: upper end of its 90 % interval."""
    from scipy.stats import chi2

    rows = before[before.sum(axis=1) > 0][:, before.sum(axis=0) > 0]
    freedom = (rows.shape[0] - 1) * (rows.shape[1] - 1)
    if freedom < 1:
        return _SPREADS[2]
    expected = rows.sum(axis=1, keepdims=True) * rows.sum(axis=0) / rows.sum()
    statistic = float(((rows - expected) ** 2 / expected).sum())
    return max(1.0, statistic / float(chi2.ppf(0.05, freedom)) if freedom > 1 else statistic * 2)


def _table(days: Sequence[tuple[int, float]], what: str, yes: bool = True) -> Floats:
    import numpy as np

    counted([count for count, _ in days], f"{what}: numbers of values")
    found = np.column_stack([
        np.array([count for count, _ in days], dtype=np.float64),
        finite([value for _, value in days], what),
    ])  # fmt: skip
    if yes and ((found[:, 1] < 0) | (found[:, 1] > found[:, 0])).any():
        raise ValueError(f"{what}: expected from 0 to all values that are yes on each day")
    return found


def _volume(table: Floats) -> float:
    """The median number of values of the days that have any."""
    import numpy as np

    usual = table[table[:, 0] > 0, 0]
    return float(np.median(usual)) if usual.size else 1.0


def _moved(levels: Floats, by: float) -> Floats:
    """The levels after a change, inside (0, 1): a drop to below 0 ends at a twentieth."""
    import numpy as np

    room = levels if by < 0 else 1 - levels
    moved = np.minimum(abs(by), room * 0.95)
    return np.clip(levels + math.copysign(1, by) * moved, _LEAST / 2, 1 - _LEAST / 2)


def _days_of_yes(table: Floats, levels: Floats, volume: float) -> Floats:
    """Log-likelihood of each day for each level and spread: days x levels x spreads."""
    import numpy as np
    from scipy.special import betaln, xlog1py, xlogy

    count, yes = table[:, 0, None], table[:, 1, None]
    plain = xlogy(yes, levels) + xlog1py(count - yes, -levels)
    found = [plain]
    for spread in _SPREADS[1:]:
        # The share of a day's variance that its values have in common.
        shared = min(_MOST_SHARED, (spread - 1) / max(volume - 1, 1.0))
        a, b = levels * (1 / shared - 1), (1 - levels) * (1 / shared - 1)
        found.append(betaln(yes + a, count - yes + b) - betaln(a, b))
    return np.stack(found, axis=-1)


def _follow(
    before: Floats, after: Floats, likelihood: object, levels: Floats, own: Floats | None,
    changed: list[Floats],
    threshold: float,
) -> Change:  # fmt: skip
    """The sum over starts of the likelihood ratio, after each day."""
    import numpy as np

    assert callable(likelihood)
    weights = np.log(np.broadcast_to(np.array(_SPREAD_WEIGHTS), (levels.size, len(_SPREADS))))
    # With a limit, the baseline's own level only tells how much its days vary.
    known = (weights + likelihood(before, levels if own is None else own).sum(axis=0)).ravel()
    count = len(after)
    flat = (count, known.size)
    same = _sums(likelihood(after, levels).reshape(flat))
    # So do the days before a start: being better than the limit is no restlessness.
    earlier = same if own is None else _sums(likelihood(after, own).reshape(flat))
    other = [_sums(likelihood(after, at).reshape(flat)) for at in changed]
    values: list[float] = []
    starts: list[Floats] = []
    for last in range(1, count + 1):
        oldest = max(0, last - _STARTS)
        still = known + earlier[oldest:last] + same[last] - same[oldest:last]
        base = np.logaddexp.reduce(still, axis=1)
        parts = []
        for sums, weight in zip(other, _SIZE_WEIGHTS, strict=True):
            joint = known + earlier[oldest:last] + sums[last] - sums[oldest:last]
            top = joint.max(axis=1, keepdims=True)
            parts.append(np.log(np.exp(joint - top).sum(axis=1)) + top[:, 0] + math.log(weight))
        ratio = np.logaddexp.reduce(parts, axis=0) - base
        starts.append(ratio)
        values.append(_to_value(float(np.logaddexp.reduce(ratio))))
    return _dated(values, starts, threshold)


def _sums(days: Floats) -> Floats:
    """Sums over the first 0, 1, 2 … days."""
    import numpy as np

    return np.concatenate([np.zeros((1, days.shape[1])), np.cumsum(days, axis=0)])


def _to_value(log: float) -> float:
    return math.exp(min(_HIGHEST_LOG, log))


def _dated(values: list[float], starts: list[Floats], threshold: float) -> Change:
    """The result; the start's distribution is that of the day with the most evidence."""
    import numpy as np

    alarm = next((day for day, value in enumerate(values) if value >= threshold), None)
    if alarm is None:
        return Change(tuple(values))
    logs = [float(np.logaddexp.reduce(ratio)) for ratio in starts]
    peak = int(np.argmax(logs))
    chance = np.exp(starts[peak] - logs[peak])
    offset = peak + 1 - chance.size
    up = np.cumsum(chance)
    first = int(np.searchsorted(up, 0.025))
    last = min(int(np.searchsorted(up, 0.975)), chance.size - 1)
    return Change(
        tuple(values), alarm, offset + int(np.argmax(chance)), offset + first, offset + last, peak
    )


def findable_change(
    deviation: float,
    values: float,
    baseline_values: int | None,
    threshold: float,
    power: float = 0.8,
) -> float:
    """About which shift of a mean is found with so many values after it.

    With the variance v = deviation² (1/values + 1/baseline_values) the logarithm of the evidence is
    about normal with mean shift²/2v and variance shift²/v; it has to reach that of the threshold,
    and of the weight of the alternative. Days that vary beyond chance need larger shifts.

    Args:
        deviation: the standard deviation of single values.
        values: how many there are after the change.
        baseline_values: how many the baseline has; None for a fixed limit.
        threshold: see `change_threshold`.
        power: how often it is to be found.

    Returns:
        The shift, in the units of `deviation`.

    Raises:
        ValueError: `values` or `deviation` is not above 0, or `power` is not between 0 and 1.

    Source: A. Wald, Sequential Analysis (1947), chapter 3: the drift of a log-likelihood ratio.

    Example:
        >>> round(findable_change(0.34, 1500, 7000, threshold=1800), 3)
        0.048
    """
    if values <= 0 or deviation <= 0 or not 0 < power < 1:
        raise ValueError("values and deviation: expected numbers above 0; power between 0 and 1")
    from scipy.special import ndtri

    variance = deviation**2 * (1 / values + (1 / baseline_values if baseline_values else 0.0))
    needed = math.log(threshold) - math.log(_SIZE_WEIGHTS[0])
    quantile = float(ndtri(power))
    return (quantile + math.sqrt(quantile**2 + 2 * needed)) * math.sqrt(variance)

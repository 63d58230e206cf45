"""The method that fits a pairing, and its result: difference, interval, p."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from pex.compare.metric import Metric
from pex.compare.pairing import Pairing
from pex.stats import intervals, paired

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SEED = 20_260_101
"""The seed of every resampling, so a comparison gives the same result every time."""

FEW_GROUPS = 10
SAME = 59
"""This many equal differences mean that at most 5 % of cases differ otherwise (0.95^59 < 0.05)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Effect:
    """The result of a method for a pairing.

    `low` and `high` are the two-sided interval, `least` and `most` the one-sided ends at the same
    confidence (those of the interval with twice the error). `sd` is the standard deviation of one
    case's difference as it enters the interval: clusters make it larger. Missing values are None.
    Not `solid`: an interval of zero width from few cases. Not `sure`: the correction for several
    comparisons does not allow *no worse*.
    """

    method: str
    difference: float
    low: float | None
    high: float | None
    least: float | None
    most: float | None
    p: float | None
    p_exact: float | None
    sd: float | None
    n_groups: int | None
    solid: bool = True
    sure: bool = True


METHODS = {
    "newcombe": "Newcombe's interval for paired shares, mid-p McNemar test",
    "paired t": "paired t interval, sign-flip test",
    "clustered t": "t interval over groups of cases",
    "bca": "BCa bootstrap interval of the mean difference, sign-flip test",
    "unchanged": "the same answers, so nothing to test",
    "none": "no case in common",
}
"""Every method in a few words; `pex.compare.explain` has the long form and the sources."""


def effect(pairing: Pairing, metric: Metric, confidence: float, *, test: bool = True) -> Effect:
    """The difference of a pairing by the method that fits its kind of values.

    The order of the checks: groups of more than one case, then cases that are a plain yes or no,
    then metrics that are a cost or a time. Without `test` there is no p where that takes
    resampling: for the ends at another confidence, p being known.
    """
    if pairing.n == 0 or pairing.unchanged:
        method = "unchanged" if pairing.unchanged else "none"
        return Effect(method, 0.0, None, None, None, None, None, None, None, None)
    differences = pairing.differences
    n_groups = len(set(pairing.groups.tolist()))
    if n_groups < pairing.n:
        found = _clustered(differences, pairing.groups, n_groups, confidence)
    elif metric.yes_no and _all_whole(pairing):
        return _yes_no(pairing, confidence)
    else:
        found = _numbers(differences, metric, confidence, test)
    return _bounded(found) if metric.yes_no else found


def _bounded(found: Effect) -> Effect:
    """The effect with ends between -1 and 1: no difference of shares is beyond them.

    Student's t knows no such bounds; cutting what is impossible takes nothing from its coverage.
    """

    def cut(end: float | None) -> float | None:
        return None if end is None else max(-1.0, min(1.0, end))

    return dataclasses.replace(
        found,
        low=cut(found.low),
        high=cut(found.high),
        least=cut(found.least),
        most=cut(found.most),
    )


def one_sided(confidence: float) -> float:
    """The two-sided level whose ends are one-sided bounds at `confidence`.

    Example:
        >>> round(one_sided(0.95), 3)
        0.9
    """
    return 2 * confidence - 1


def no_worse_p(pairing: Pairing, metric: Metric, margin: float) -> float:
    """The one-sided p of "worse by the margin or more".

    Below 0.05 where the one-sided bound of `effect` at 0.95 is within the margin, so that a
    correction for several candidates can be applied to it. 1 if nothing can be concluded.

    Args:
        pairing: candidate and baseline.
        metric: the score.
        margin: how much worse is still acceptable, in its unit.
    """
    if pairing.n < 2:
        return 1.0
    sign = 1 if metric.higher_is_better else -1
    shifted = (sign * pairing.differences + margin).tolist()
    units = len(set(pairing.groups.tolist()))
    if units < pairing.n:
        found = paired.clustered(shifted, pairing.groups.tolist())
    elif metric.yes_no and _all_whole(pairing):
        both, won, lost, neither = _counts(pairing)
        won, lost = (won, lost) if sign > 0 else (lost, won)
        return paired.tango_p(both, won, lost, neither, -margin)
    else:
        found = paired.paired_t(shifted)
    if found is None:
        return 1.0
    if found.t is None:  # equal differences: how likely, if one case in twenty differed otherwise
        return 0.95**units if found.diff > 0 else 1.0
    return found.p / 2 if found.t > 0 else 1 - found.p / 2


def _counts(pairing: Pairing) -> tuple[int, int, int, int]:
    """Cases that pass in both, in the candidate alone, in the baseline alone, in neither."""
    a, b = pairing.candidate == 1, pairing.baseline == 1
    return (int((a & b).sum()), int((a & ~b).sum()), int((~a & b).sum()), int((~a & ~b).sum()))


def _all_whole(pairing: Pairing) -> bool:
    """Whether every case is a plain yes or no, not a share over repeats."""
    import numpy as np

    both = np.concatenate([pairing.candidate, pairing.baseline])
    return bool(np.isin(both, (0.0, 1.0)).all())


def _yes_no(pairing: Pairing, confidence: float) -> Effect:
    table = _counts(pairing)
    low, high = paired.newcombe_paired(*table, confidence=confidence)
    # Newcombe's ends would too often pass a candidate that is worse by exactly the margin
    # (docs/methods.md has the figures); Tango's keep the level.
    least, most = paired.tango(*table, confidence=one_sided(confidence))
    test = paired.mcnemar(table[1], table[2])
    return Effect(
        "newcombe",
        float(pairing.differences.mean()),
        low,
        high,
        least,
        most,
        test.mid,
        test.exact,
        _sd(pairing.differences),
        None,
    )


def _numbers(
    differences: NDArray[np.float64], metric: Metric, confidence: float, test: bool
) -> Effect:
    values = differences.tolist()
    wide = paired.paired_t(values, confidence)
    narrow = paired.paired_t(values, one_sided(confidence))
    if wide is None or narrow is None:  # one case
        value = float(differences.mean())
        return Effect("paired t", value, None, None, None, None, None, None, None, None)
    method, ends, inner = "paired t", (wide.low, wide.high), (narrow.low, narrow.high)
    if metric.skewed and len(values) <= intervals.BCA_LIMIT:
        outer = intervals.bca(values, confidence, seed=SEED)
        ends_at = intervals.bca(values, one_sided(confidence), seed=SEED)
        if outer is not None and ends_at is not None:
            method, ends, inner = "bca", outer, ends_at
    p = paired.sign_flip(values, seed=SEED) if test else None
    solid = wide.se > 0 or len(values) >= SAME
    return Effect(method, wide.diff, *ends, *inner, p, None, _sd(differences), None, solid)


def _clustered(
    differences: NDArray[np.float64],
    groups: NDArray[np.integer[Any]],
    n_groups: int,
    confidence: float,
) -> Effect:
    values, of = differences.tolist(), groups.tolist()
    wide = paired.clustered(values, of, confidence)
    narrow = paired.clustered(values, of, one_sided(confidence))
    if wide is None or narrow is None:  # one group: its cases say nothing about other groups
        value = float(differences.mean())
        return Effect("clustered t", value, None, None, None, None, None, None, None, n_groups)
    # The standard deviation per case that gives this standard error if cases are independent.
    sd = wide.se * math.sqrt(len(values))
    ends = (wide.low, wide.high, narrow.low, narrow.high)
    solid = wide.se > 0 or n_groups >= SAME
    return Effect("clustered t", wide.diff, *ends, wide.p, None, sd, n_groups, solid)


def _sd(differences: NDArray[np.float64]) -> float | None:
    return float(differences.std(ddof=1)) if len(differences) > 1 else None

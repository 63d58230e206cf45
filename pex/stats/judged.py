"""Estimates from a judge's labels, once people have checked some of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pex.stats.checks import between, counted, finite, normal_quantile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its interval.

    Args:
        mean: the estimate.
        low: lower end of its interval.
        high: upper end.
        se: standard error.
    """

    mean: float
    low: float
    high: float
    se: float


@dataclasses.dataclass(frozen=True, slots=True)
class JudgedMean:
    """The mean that people would give over all cases, estimated in four ways.

    Args:
        ppi: the judge's mean on the unlabelled cases, corrected by its errors on the labelled ones.
        ppi_plus: the same, using the judge only as far as it helps. Use this one.
        human_only: from people's labels alone.
        judge_only: from the judge's labels alone. Its interval ignores the judge's errors.
        tuning: how far `ppi_plus` uses the judge, from 0 (not at all) to 1 (as `ppi`).
    """

    ppi: Estimate
    ppi_plus: Estimate
    human_only: Estimate
    judge_only: Estimate
    tuning: float


def ppi_mean(
    human: Sequence[float],
    judge_on_human: Sequence[float],
    judge_unlabelled: Sequence[float],
    confidence: float = 0.95,
) -> JudgedMean:
    """The mean that people would give, from a few of their labels and many of a judge's.

    It is valid however bad the judge is, if the labelled cases were drawn at random from all, and
    there are enough of them for a normal interval: with 50 it is too narrow (docs/methods.md has
    the figures), with 200 it is not.

    Args:
        human: people's scores of the labelled cases, at least 2.
        judge_on_human: the judge's scores of the same cases, in the same order.
        judge_unlabelled: the judge's scores of cases that no person scored, at least 2.
        confidence: two-sided level.

    Returns:
        Four estimates with intervals. If all scores of a kind are equal, the interval has no width.

    Raises:
        ValueError: fewer than 2 scores of a kind, or different numbers from the judge and people.

    Source: A. N. Angelopoulos, S. Bates, C. Fannjiang, M. I. Jordan and T. Zrnic, Science 382
    (2023) 669-674; tuning: A. N. Angelopoulos, J. C. Duchi and T. Zrnic, arXiv 2311.01453 (2023).

    Example:
        >>> found = ppi_mean([1, 0, 1, 1], [1, 1, 1, 1], [1, 1, 0, 1, 1, 1])
        >>> round(found.ppi.mean, 3)
        0.583
    """
    import numpy as np

    z = normal_quantile(confidence)
    people, judge = finite(human, "human"), finite(judge_on_human, "judge_on_human")
    rest = finite(judge_unlabelled, "judge_unlabelled")
    if judge.size != people.size:
        raise ValueError(
            f"judge_on_human: expected one score per score in human ({people.size}), "
            f"got {judge.size}"
        )
    if min(people.size, rest.size) < 2:
        raise ValueError("human and judge_unlabelled: expected at least 2 scores of each")
    n, many = people.size, rest.size
    spread = float(np.concatenate([judge, rest]).var(ddof=1))
    shared = float(((people - people.mean()) * (judge - judge.mean())).mean())
    tuning = min(1.0, max(0.0, shared / ((1 + n / many) * spread))) if spread > 0 else 0.0

    def estimate(mean: float, variance: float) -> Estimate:
        se = math.sqrt(variance)
        return Estimate(mean, mean - z * se, mean + z * se, se)

    def corrected(weight: float) -> Estimate:
        errors, scaled = people - weight * judge, weight * rest
        return estimate(
            float(scaled.mean() + errors.mean()), float(scaled.var() / many + errors.var() / n)
        )

    return JudgedMean(
        ppi=corrected(1.0),
        ppi_plus=corrected(tuning),
        human_only=corrected(0.0),
        judge_only=estimate(float(rest.mean()), float(rest.var() / many)),
        tuning=tuning,
    )


def rogan_gladen(observed: float, sensitivity: float, specificity: float) -> float:
    """The true share, from the share that an imperfect judge or detector flags.

    Args:
        observed: share that was flagged.
        sensitivity: share of true items that it flags.
        specificity: share of false items that it does not flag.

    Returns:
        The corrected share, limited to the range 0 to 1.

    Raises:
        ValueError: a rate outside 0 to 1, or a detector that is no better than chance.

    Source: W. J. Rogan and B. Gladen, American Journal of Epidemiology 107 (1978) 71-76.

    Example:
        >>> round(rogan_gladen(0.3, 0.85, 0.95), 4)
        0.3125
    """
    for what, rate in (
        ("observed", observed),
        ("sensitivity", sensitivity),
        ("specificity", specificity),
    ):
        if not 0 <= rate <= 1:
            raise ValueError(f"{what} is {rate}; expected a share from 0 to 1")
    if sensitivity + specificity <= 1:
        raise ValueError(
            f"sensitivity {sensitivity} and specificity {specificity} are no better than chance; "
            "nothing can be corrected with them"
        )
    return min(1.0, max(0.0, (observed + specificity - 1) / (sensitivity + specificity - 1)))


def rogan_gladen_interval(
    flagged: int,
    n: int,
    true_positives: int,
    positives: int,
    true_negatives: int,
    negatives: int,
    confidence: float = 0.95,
    seed: int = 0,
    resamples: int = 9999,
) -> tuple[float, float]:
    """The interval of a corrected share that allows for a detector tested on few items.

    Both samples are resampled: the flagged cases, and the items with known truth. Each rate is
    drawn around a value half a case away from 0 and 1, since a detector that found 20 of 20 is
    not known to be perfect. A draw no better than chance is compatible with any share, and
    counts at both ends.

    Args:
        flagged: cases that the detector flagged.
        n: cases that it checked, at least 1.
        true_positives: items known to be true that it flagged.
        positives: items known to be true, at least 1.
        true_negatives: items known to be false that it did not flag.
        negatives: items known to be false, at least 1.
        confidence: two-sided level.
        seed: seed of the draws; the same seed gives the same interval.
        resamples: number of resamples.

    Returns:
        Lower and upper end, between 0 and 1.

    Raises:
        ValueError: a count is below 0, not whole, or larger than its total, or a total is 0.

    Source: parametric bootstrap; B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap
    (1993), section 6.5, applied to Rogan and Gladen (1978).

    Example:
        >>> low, high = rogan_gladen_interval(30, 100, 17, 20, 38, 40)
        >>> low < 0.3125 < high
        True
    """
    import numpy as np

    between(confidence, 0, 1, "confidence")
    rng = np.random.default_rng(seed)

    def drawn(count: int, total: int, what: str) -> Floats:
        counted([count, total], what)
        if total < 1 or count > total:
            raise ValueError(f"{what}: expected a count from 0 to a total of at least 1")
        return rng.binomial(total, (count + 0.5) / (total + 1), size=resamples) / total

    observed = drawn(flagged, n, "flagged of n")
    sensitivity = drawn(true_positives, positives, "true_positives of positives")
    specificity = drawn(true_negatives, negatives, "true_negatives of negatives")
    better = sensitivity + specificity - 1
    usable = better > 0
    shares = np.clip((observed + specificity - 1) / np.where(usable, better, 1.0), 0, 1)
    tail = (1 - confidence) / 2
    low = np.quantile(np.where(usable, shares, 0.0), tail)
    return float(low), float(np.quantile(np.where(usable, shares, 1.0), 1 - tail))

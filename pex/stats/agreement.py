"""How far raters, or a judge and people, agree."""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pex.stats.checks import between, counted, normal_quantile, square
from pex.stats.intervals import wilson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Weights = Literal["linear", "quadratic"]
Level = Literal["nominal", "ordinal", "interval", "ratio"]


@dataclasses.dataclass(frozen=True, slots=True)
class Kappa:
    """Agreement of two raters beyond chance.

    Args:
        kappa: 1 is perfect, 0 is chance level; None if both used one and the same category, so that
            chance alone explains the agreement.
        se: its standard error; None if `kappa` is.
        low: lower end of the interval.
        high: upper end.
        observed: observed share of agreement (weighted, if weights were given).
        expected: share of agreement expected by chance.
        n: number of items.
    """

    kappa: float | None
    se: float | None
    low: float | None
    high: float | None
    observed: float
    expected: float
    n: int


@dataclasses.dataclass(frozen=True, slots=True)
class DetectorRates:
    """The performance of a judge or detector on items with known truth.

    Args:
        sensitivity: share of true items that it flags; None without a true item.
        sensitivity_interval: its Wilson interval.
        specificity: share of false items that it does not flag; None without a false item.
        specificity_interval: its Wilson interval.
    """

    sensitivity: float | None
    sensitivity_interval: tuple[float, float] | None
    specificity: float | None
    specificity_interval: tuple[float, float] | None


def kappa(
    table: Sequence[Sequence[float]], weights: Weights | None = None, confidence: float = 0.95
) -> Kappa:
    """Cohen's kappa: agreement of two raters beyond chance, with its interval.

    Perfect agreement has a standard error of 0, but few items do not prove it: the lower end is
    then the kappa at the Wilson bound of the agreement. The same share of agreement can give a
    very different kappa if one category is rare; show the table beside it.

    Args:
        table: counts; rows are the first rater's categories, columns the second's, in the same
            order.
        weights: None counts every disagreement fully; "linear" and "quadratic" weight it by the
            distance of the categories, for ordered ones.
        confidence: two-sided level.

    Returns:
        Kappa, standard error and interval within -1 and 1.

    Raises:
        ValueError: not a square table of counts, no items, or unknown weights.

    Source: J. Cohen, Educational and Psychological Measurement 20 (1960) 37-46 and Psychological
    Bulletin 70 (1968) 213-220; standard error: J. L. Fleiss, J. Cohen and B. S. Everitt,
    Psychological Bulletin 72 (1969) 323-327.

    Example:
        >>> found = kappa([[20, 5], [10, 15]])
        >>> round(found.kappa, 2), round(found.low, 2), round(found.high, 2)
        (0.4, 0.15, 0.65)
    """
    import numpy as np

    counts = square(table, "table")
    counted(counts.ravel().tolist(), "table")
    z, total = normal_quantile(confidence), float(counts.sum())
    if total == 0:
        raise ValueError("table: every count is 0; agreement needs at least 1 item")
    share = counts / total
    rows, columns = share.sum(axis=1), share.sum(axis=0)
    credit = _credit(len(counts), weights)
    observed = float((credit * share).sum())
    expected = float(rows @ credit @ columns)
    n = round(total)
    if 1 - expected < 1e-12:
        return Kappa(None, None, None, None, observed, expected, n)
    value = (observed - expected) / (1 - expected)
    # The average credit of a rating, given the other rater's.
    of_rows, of_columns = credit @ columns, rows @ credit
    inner = credit - (of_rows[:, None] + of_columns[None, :]) * (1 - value)
    spread = float((share * inner**2).sum()) - (value - expected * (1 - value)) ** 2
    se = math.sqrt(max(0.0, spread) / total) / (1 - expected)
    if np.trace(share) >= 1 - 1e-12:
        low = (wilson(total, n, confidence)[0] - expected) / (1 - expected)
        return Kappa(1.0, 0.0, max(-1.0, low), 1.0, 1.0, expected, n)
    low, high = max(-1.0, value - z * se), min(1.0, value + z * se)
    return Kappa(value, se, low, high, observed, expected, n)


def krippendorff(
    ratings_by_rater: Sequence[Sequence[Hashable | None]], level: Level = "nominal"
) -> float | None:
    """Krippendorff's alpha: agreement of any number of raters, allowing missing ratings.

    Args:
        ratings_by_rater: for each rater one rating per item, in the same order; None if missing.
        level: "nominal" for names (any value), "ordinal" for ranks, "interval" for numbers with
            equal steps, "ratio" for numbers with a true zero.

    Returns:
        1 is perfect, 0 is chance level; None if all ratings that can be paired are equal, so that
        chance alone explains the agreement.

    Raises:
        ValueError: raters with different numbers of items, no item with two ratings, an unknown
            level, or ratings not valid for the level.

    Source: K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), University of
    Pennsylvania ScholarlyCommons.

    Example:
        >>> round(krippendorff([[1, 2, 3, None], [1, 2, 3, 3], [1, 1, 3, 3]]), 2)
        0.74
    """
    import numpy as np

    if level not in ("nominal", "ordinal", "interval", "ratio"):
        raise ValueError(f"level is {level!r}; expected nominal, ordinal, interval or ratio")
    if len({len(ratings) for ratings in ratings_by_rater}) > 1:
        raise ValueError("ratings_by_rater: every rater needs one entry per item, None if missing")
    items = [
        [rating for rating in item if rating is not None]
        for item in zip(*ratings_by_rater, strict=True)
    ]
    paired = [item for item in items if len(item) > 1]
    if not paired:
        raise ValueError("no item has two ratings; agreement needs at least one")
    values = _values(paired, level)
    place = {value: i for i, value in enumerate(values)}
    together = np.zeros((len(values), len(values)))
    for item in paired:
        seen = np.bincount([place[rating] for rating in item], minlength=len(values))
        together += (np.outer(seen, seen) - np.diag(seen)) / (len(item) - 1)
    frequency = together.sum(axis=1)
    n, distance = float(frequency.sum()), _distance(values, frequency, level)
    by_chance = float(frequency @ distance @ frequency)
    if by_chance == 0:
        return None
    return 1 - (n - 1) * float((together * distance).sum()) / by_chance


def sensitivity_specificity(
    true_positives: int,
    false_negatives: int,
    true_negatives: int,
    false_positives: int,
    confidence: float = 0.95,
) -> DetectorRates:
    """The shares of true items that a judge or detector flags, and of false items that it does not.

    Args:
        true_positives: true items that it flags.
        false_negatives: true items that it misses.
        true_negatives: false items that it does not flag.
        false_positives: false items that it flags.
        confidence: two-sided level of both intervals.

    Returns:
        Both rates with Wilson intervals.

    Raises:
        ValueError: a count is below 0 or not whole, or all are 0.

    Source: J. Yerushalmy, Public Health Reports 62 (1947) 1432-1449; intervals as `wilson`.

    Example:
        >>> sensitivity_specificity(17, 3, 38, 2).sensitivity
        0.85
    """
    between(confidence, 0, 1, "confidence")
    counts = (true_positives, false_negatives, true_negatives, false_positives)
    counted(counts, "counts")
    if not sum(counts):
        raise ValueError("every count is 0; rates need at least 1 item")
    positives, negatives = true_positives + false_negatives, true_negatives + false_positives
    return DetectorRates(
        true_positives / positives if positives else None,
        wilson(true_positives, positives, confidence) if positives else None,
        true_negatives / negatives if negatives else None,
        wilson(true_negatives, negatives, confidence) if negatives else None,
    )


def _credit(size: int, weights: Weights | None) -> Floats:
    """The share of agreement that each pair of categories counts for."""
    import numpy as np

    apart = abs(np.subtract.outer(np.arange(size), np.arange(size))) / max(1, size - 1)
    if weights is None:
        return np.eye(size)
    if weights not in ("linear", "quadratic"):
        raise ValueError(f"weights is {weights!r}; expected None, 'linear' or 'quadratic'")
    return 1 - (apart if weights == "linear" else apart**2)


def _values(items: list[list[Hashable]], level: Level) -> list[Any]:
    """The ratings that occur, in order if the level has one."""
    values: list[Any] = list(dict.fromkeys(rating for item in items for rating in item))
    if level == "nominal":
        if any(value != value for value in values):
            raise ValueError("a rating is nan; a missing one is None")
        return values
    for value in values:
        if not isinstance(value, numbers.Real) or not math.isfinite(value):
            raise ValueError(f"rating {value!r}: level {level} expects finite numbers")
        if level == "ratio" and value < 0:
            raise ValueError(f"rating {value!r}: level ratio expects numbers of at least 0")
    return sorted(values)


def _distance(values: list[Any], frequency: Floats, level: Level) -> Floats:
    """The squared distance between every two ratings."""
    import numpy as np

    if level == "nominal":
        return 1.0 - np.eye(len(values))
    if level == "ordinal":
        up_to = np.cumsum(frequency) - frequency / 2
        return np.subtract.outer(up_to, up_to) ** 2
    # Alpha does not depend on the unit; in this unit no square overflows a float.
    units = np.array(values, dtype=np.float64) / (max(map(abs, values)) or 1.0)
    apart = np.subtract.outer(units, units)
    if level == "interval":
        return apart**2
    sums = np.add.outer(units, units)
    return np.where(sums > 0, apart / np.where(sums > 0, sums, 1.0), 0.0) ** 2

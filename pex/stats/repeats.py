"""Several answers to each case: sources of variance, and pass@k."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence

from pex.stats.checks import counted, finite


@dataclasses.dataclass(frozen=True, slots=True)
class VarianceComponents:
    """The variance of scores, split into that between cases and that between repeats of a case.

    Args:
        mean: mean of the case means.
        n_cases: number of cases.
        n_scores: number of scores.
        repeats: repeats per case; if they differ, their effective number in the analysis of
            variance.
        ms_between: mean square between cases.
        ms_within: mean square within cases.
        between: variance between cases, (ms_between - ms_within) / repeats, at least 0.
        within: variance between repeats of a case, equal to `ms_within`.
        icc: share of the variance that is between cases; None if nothing varies.
        se: standard error of `mean`, from the case means. Use this one.
        se_as_if_independent: the standard error if each repeat were a separate case: too small,
            and given only for comparison.
        se_one: standard error to expect with 1 repeat per case.
        se_endless: standard error to expect with unlimited repeats: only more cases make it
            smaller.
    """

    mean: float
    n_cases: int
    n_scores: int
    repeats: float
    ms_between: float
    ms_within: float
    between: float
    within: float
    icc: float | None
    se: float
    se_as_if_independent: float
    se_one: float
    se_endless: float

    def se_with(self, repeats: int) -> float:
        """The standard error of the mean to expect with this many repeats per case.

        Args:
            repeats: at least 1.

        Returns:
            The standard error in the unit of the score.

        Raises:
            ValueError: `repeats` below 1.
        """
        if repeats < 1:
            raise ValueError(f"repeats is {repeats}; expected at least 1")
        return math.sqrt((self.between + self.within / repeats) / self.n_cases)


def variance_components(scores: Sequence[Sequence[float]]) -> VarianceComponents:
    """Split the variance of scores into that between cases and that between repeats.

    It answers "more cases or more repeats?": repeats only help against the part within cases.

    Args:
        scores: for each case the scores of its repeats; their number can vary.

    Returns:
        Mean squares, variances, and the resulting standard errors.

    Raises:
        ValueError: fewer than two cases, a case without a score, no case with two, or a score
            that is not finite.

    Source: R. A. Fisher, Statistical Methods for Research Workers (1925), chapter VII; unequal
    numbers: S. R. Searle, G. Casella and C. E. McCulloch, Variance Components (1992).

    Example:
        >>> found = variance_components([[1, 1], [0, 1], [0, 0], [1, 0]])
        >>> found.mean, round(found.within, 2), round(found.between, 2)
        (0.5, 0.25, 0.04)
    """
    cases = [finite(row, f"scores[{i}]").tolist() for i, row in enumerate(scores)]
    n, sizes = len(cases), [len(case) for case in cases]
    if n < 2:
        raise ValueError(f"expected at least 2 cases, got {n}")
    if 0 in sizes:
        raise ValueError(f"scores[{sizes.index(0)}] is empty; leave a case without a score out")
    if max(sizes) < 2:
        raise ValueError("no case has two scores; without repeats there is nothing to split")
    means, total = [statistics.fmean(case) for case in cases], sum(sizes)
    everything = [score for case in cases for score in case]
    grand = statistics.fmean(everything)
    around = math.fsum(k * (m - grand) ** 2 for k, m in zip(sizes, means, strict=True))
    inside = math.fsum((x - m) ** 2 for case, m in zip(cases, means, strict=True) for x in case)
    ms_between, ms_within = around / (n - 1), inside / (total - n)
    repeats = (total - sum(k * k for k in sizes) / total) / (n - 1)
    between = max(0.0, (ms_between - ms_within) / repeats)
    variance = between + ms_within
    return VarianceComponents(
        mean=statistics.fmean(means),
        n_cases=n,
        n_scores=total,
        repeats=repeats,
        ms_between=ms_between,
        ms_within=ms_within,
        between=between,
        within=ms_within,
        icc=between / variance if variance else None,
        se=statistics.stdev(means) / math.sqrt(n),
        se_as_if_independent=statistics.stdev(everything) / math.sqrt(total),
        se_one=math.sqrt(variance / n),
        se_endless=math.sqrt(between / n),
    )


def pass_at_k(n: int, passed: int, k: int) -> float:
    """The probability that at least one of `k` answers passes, estimated without bias.

    Args:
        n: number of answers.
        passed: how many of them pass.
        k: from 1 to `n`.

    Returns:
        Between 0 and 1.

    Raises:
        ValueError: not 0 <= passed <= n, or `k` outside 1 to `n`.

    Source: M. Chen et al., Evaluating Large Language Models Trained on Code, arXiv 2107.03374
    (2021).

    Example:
        >>> pass_at_k(4, 1, 2)
        0.5
    """
    _check(n, passed, k)
    return 1 - math.comb(n - passed, k) / math.comb(n, k)


def pass_hat_k(n: int, passed: int, k: int) -> float:
    """The probability that all of `k` answers pass, estimated without bias: reliability.

    Args:
        n: number of answers.
        passed: how many of them pass.
        k: from 1 to `n`.

    Returns:
        Between 0 and 1.

    Raises:
        ValueError: not 0 <= passed <= n, or `k` outside 1 to `n`.

    Source: S. Yao et al., tau-bench, arXiv 2406.12045 (2024).

    Example:
        >>> pass_hat_k(4, 2, 2)
        0.16666666666666666
    """
    _check(n, passed, k)
    return math.comb(passed, k) / math.comb(n, k)


def mean_pass_at_k(counts: Sequence[tuple[int, int]], k: int) -> float:
    """`pass_at_k`, averaged over cases.

    Args:
        counts: for each case the number of answers and how many of them pass.
        k: from 1 to the smallest number of answers.

    Returns:
        Between 0 and 1.

    Raises:
        ValueError: no case, or as `pass_at_k`.

    Source: as `pass_at_k`.

    Example:
        >>> mean_pass_at_k([(4, 1), (4, 4)], 2)
        0.75
    """
    if not counts:
        raise ValueError("counts is empty; a mean needs at least 1 case")
    return statistics.fmean(pass_at_k(n, passed, k) for n, passed in counts)


def mean_pass_hat_k(counts: Sequence[tuple[int, int]], k: int) -> float:
    """`pass_hat_k`, averaged over cases.

    Args:
        counts: for each case the number of answers and how many of them pass.
        k: from 1 to the smallest number of answers.

    Returns:
        Between 0 and 1.

    Raises:
        ValueError: no case, or as `pass_hat_k`.

    Source: as `pass_hat_k`.

    Example:
        >>> mean_pass_hat_k([(4, 1), (4, 4)], 2)
        0.5
    """
    if not counts:
        raise ValueError("counts is empty; a mean needs at least 1 case")
    return statistics.fmean(pass_hat_k(n, passed, k) for n, passed in counts)


def _check(n: int, passed: int, k: int) -> None:
    counted([n, passed, k], "n, passed and k")
    if passed > n:
        raise ValueError(f"expected at most n answers that pass, got {passed} of {n}")
    if not 1 <= k <= n:
        raise ValueError(f"k is {k}; expected 1 to n, which is {n}")

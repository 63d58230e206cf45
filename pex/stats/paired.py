"""Two variants on the same cases: intervals and tests of the difference."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable, Hashable, Sequence

from pex.stats.binomial import binomial_cdf
from pex.stats.checks import between, counted, finite, normal_quantile
from pex.stats.difference import ROUNDING, Difference, of_groups, with_t, without_spread
from pex.stats.intervals import wilson

EXACT_LIMIT = 12
"""Up to this many non-zero differences `sign_flip` tries every sign."""
SAMPLED_LIMIT = 2000
"""Up to this many it draws signs, above it uses Student's t."""


@dataclasses.dataclass(frozen=True, slots=True)
class McNemar:
    """Two-sided p-values for one table: a test of "A and B pass equally often".

    Args:
        exact: conditional binomial test; keeps its level, and is conservative.
        mid: the same with half the probability of the observed result; use this one.
        chi2: the large-sample test.
        chi2_corrected: the same with the continuity correction.
    """

    exact: float
    mid: float
    chi2: float
    chi2_corrected: float


def phi(both: int, a_only: int, b_only: int, neither: int) -> float:
    """The correlation of passing under A with passing under B; 0 if either of them never varies.

    Args:
        both: cases that pass under A and B.
        a_only: cases that pass under A alone.
        b_only: cases that pass under B alone.
        neither: cases that pass under neither.

    Returns:
        From -1 to 1.

    Raises:
        ValueError: a count is below 0 or not whole, or there is no case.

    Source: G. U. Yule, Journal of the Royal Statistical Society 75 (1912) 579-652.

    Example:
        >>> round(phi(20, 12, 2, 16), 3)
        0.497
    """
    _table(both, a_only, b_only, neither)
    margins = (both + a_only) * (b_only + neither) * (both + b_only) * (a_only + neither)
    return (both * neither - a_only * b_only) / math.sqrt(margins) if margins else 0.0


def newcombe_paired(
    both: int, a_only: int, b_only: int, neither: int, confidence: float = 0.95
) -> tuple[float, float]:
    """The interval for the difference of two pass rates on the same cases, A minus B.

    Without discordant cases the formula shrinks to nothing as soon as some cases pass and some
    fail, as if twenty equal answers proved equality. Then the interval is the one that `tango`
    gives: the Wilson bound on the share of discordant cases, on both sides.

    Args:
        both: cases that pass under A and B.
        a_only: cases that pass under A alone.
        b_only: cases that pass under B alone.
        neither: cases that pass under neither.
        confidence: two-sided level.

    Returns:
        Lower and upper end, between -1 and 1.

    Raises:
        ValueError: a count is below 0 or not whole, or there is no case.

    Source: R. G. Newcombe, Statistics in Medicine 17 (1998) 2635-2650, from the Wilson limits of
    both rates and their correlation without continuity correction (method 8).

    Example:
        >>> [round(x, 4) for x in newcombe_paired(20, 12, 2, 16)]
        [0.0618, 0.3242]
    """
    n = _table(both, a_only, b_only, neither)
    if a_only == b_only == 0:
        reach = wilson(0, n, confidence)[1]
        return -reach, reach
    correlation = phi(both, a_only, b_only, neither)
    a, b = (both + a_only) / n, (both + b_only) / n
    low_a, high_a = wilson(both + a_only, n, confidence)
    low_b, high_b = wilson(both + b_only, n, confidence)

    def reach_of(of_a: float, of_b: float) -> float:
        return math.sqrt(max(0.0, of_a**2 - 2 * correlation * of_a * of_b + of_b**2))

    diff = (a_only - b_only) / n
    low = diff - reach_of(a - low_a, high_b - b)
    return max(-1.0, low), min(1.0, diff + reach_of(high_a - a, b - low_b))


def tango(
    both: int, a_only: int, b_only: int, neither: int, confidence: float = 0.95
) -> tuple[float, float]:
    """The score interval for the difference of two pass rates on the same cases, A minus B.

    It keeps its level with few discordant cases; use it for a decision "not worse by more than
    a margin".

    Args:
        both: cases that pass under A and B.
        a_only: cases that pass under A alone.
        b_only: cases that pass under B alone.
        neither: cases that pass under neither.
        confidence: two-sided level.

    Returns:
        Lower and upper end, between -1 and 1.

    Raises:
        ValueError: a count is below 0 or not whole, or there is no case.

    Source: T. Tango, Statistics in Medicine 17 (1998) 891-908.

    Example:
        >>> [round(x, 4) for x in tango(43, 0, 1, 0)]
        [-0.1181, 0.0594]
    """
    n = _table(both, a_only, b_only, neither)
    z = normal_quantile(confidence)
    diff = (a_only - b_only) / n

    def excess(delta: float) -> float:
        # z times the standard error under this difference, minus its distance from the one seen.
        return z * _tango_sd(n, a_only, b_only, delta) - abs(a_only - b_only - n * delta)

    return _edge(excess, diff, -1.0), _edge(excess, diff, 1.0)


def tango_p(both: int, a_only: int, b_only: int, neither: int, difference: float) -> float:
    """The one-sided p of "A minus B is at most `difference`", by the statistic of `tango`.

    Args:
        both: cases that pass under A and B.
        a_only: cases that pass under A alone.
        b_only: cases that pass under B alone.
        neither: cases that pass under neither.
        difference: between -1 and 1, minus the margin for a test of non-inferiority.

    Returns:
        The p: small if A minus B is larger.

    Raises:
        ValueError: a count is below 0 or not whole, or there is no case.

    Source: T. Tango, Statistics in Medicine 17 (1998) 891-908.

    Example:
        >>> low = tango(43, 0, 1, 0, confidence=0.9)[0]
        >>> round(tango_p(43, 0, 1, 0, low), 4)
        0.05
    """
    n = _table(both, a_only, b_only, neither)
    between(difference, -1, 1, "difference")
    beyond, sd = a_only - b_only - n * difference, _tango_sd(n, a_only, b_only, difference)
    if sd == 0:
        return 1.0 if beyond <= 0 else 0.0
    return 1 - statistics.NormalDist().cdf(beyond / sd)


def _tango_sd(n: int, a_only: int, b_only: int, delta: float) -> float:
    """The standard deviation of the number of cases that A wins net, under this difference."""
    linear = (2 * n - a_only + b_only) * delta - a_only - b_only
    product = b_only * delta * (1 - delta)
    b_share = (math.sqrt(max(0.0, linear**2 + 8 * n * product)) - linear) / (4 * n)
    return math.sqrt(max(0.0, n * (2 * b_share + delta * (1 - delta))))


def mcnemar(a_only: int, b_only: int) -> McNemar:
    """Test whether A and B pass equally often on the same cases.

    Only the discordant cases count. "Not significant" does not mean "equal": for that, see the
    interval. Without a discordant case every p is 1.

    Args:
        a_only: cases that pass under A alone.
        b_only: cases that pass under B alone.

    Returns:
        Four p-values; use `mid`.

    Raises:
        ValueError: a count is below 0 or not whole.

    Source: Q. McNemar, Psychometrika 12 (1947) 153-157; mid-p: M. W. Fagerland, S. Lydersen and
    P. Laake, BMC Medical Research Methodology 13 (2013) 91.

    Example:
        >>> found = mcnemar(10, 2)
        >>> round(found.exact, 4), round(found.mid, 4)
        (0.0386, 0.0225)
    """
    counted([a_only, b_only], "a_only and b_only")
    n, gap = a_only + b_only, abs(a_only - b_only)
    if n == 0:
        return McNemar(1.0, 1.0, 1.0, 1.0)
    below, at_most = binomial_cdf([min(a_only, b_only) - 1, min(a_only, b_only)], n, 0.5).tolist()
    # With equal counts the two tails meet, and half of the middle is subtracted once.
    mid = below + at_most if gap else 1 - (at_most - below) / 2
    return McNemar(
        exact=min(1.0, 2 * at_most),
        mid=mid,
        chi2=math.erfc(gap / math.sqrt(2 * n)),
        chi2_corrected=math.erfc(max(0, gap - 1) / math.sqrt(2 * n)),
    )


def paired_t(diffs: Sequence[float], confidence: float = 0.95) -> Difference | None:
    """The mean of paired differences with Student's t interval and test.

    Equal differences have a standard error of 0, so the interval is the difference itself. If all
    are zero, p is 1. If all are equal but not zero, t does not exist and p is 2^(1-n), the smallest
    that a sign-flip test of n values can give, since n equal numbers do not prove zero spread.

    Args:
        diffs: A minus B, one number per case.
        confidence: two-sided level.

    Returns:
        Difference, interval and p; None for fewer than two cases.

    Raises:
        ValueError: a difference is not finite.

    Source: Student, Biometrika 6 (1908) 1-25.

    Example:
        >>> paired_t([0.1, 0.3, 0.2, 0.4]).p < 0.05
        True
    """
    import numpy as np

    array = finite(diffs, "diffs")
    return of_groups(array, np.arange(array.size), array.size, confidence, grouped=False)


def clustered(
    diffs: Sequence[float], groups: Sequence[Hashable], confidence: float = 0.95
) -> Difference | None:
    """The mean of paired differences for cases in groups, such as one customer's.

    Cases of a group are correlated, so the groups are the units: the standard error comes from the
    sums within groups, the interval from t with (groups - 1) degrees of freedom. With fewer than
    about ten groups, interpret it with caution.

    Args:
        diffs: A minus B, one number per case.
        groups: the group of each case.
        confidence: two-sided level.

    Returns:
        As `paired_t`, with `n_groups`; None for a single group.

    Raises:
        ValueError: a difference is not finite, or there are not as many groups as differences.

    Source: E. Miller, arXiv 2411.00640 (2024); the factor G/(G-1): A. C. Cameron and
    D. L. Miller, Journal of Human Resources 50 (2015) 317-372.

    Example:
        >>> found = clustered([1, 1, 0, 0, 1, 1], ["x", "x", "y", "y", "z", "z"])
        >>> round(found.se, 3), found.n_groups
        (0.333, 3)
    """
    import numpy as np

    array = finite(diffs, "diffs")
    if len(groups) != array.size:
        raise ValueError(f"groups: expected one per difference ({array.size}), got {len(groups)}")
    numbers: dict[Hashable, int] = {}
    codes = np.array([numbers.setdefault(group, len(numbers)) for group in groups], dtype=np.intp)
    return of_groups(array, codes, len(numbers), confidence, grouped=True)


def welch_t(a: Sequence[float], b: Sequence[float], confidence: float = 0.95) -> Difference | None:
    """The difference of two means on different cases, A minus B, with interval and test.

    For two variants on the same cases this discards the pairing; use `paired_t`.

    Args:
        a: one number per case of A.
        b: one number per case of B.
        confidence: two-sided level.

    Returns:
        Difference, interval and p; None if A or B has fewer than two cases. Without any spread, p
        is the smallest that a permutation test of this many values can give.

    Raises:
        ValueError: a value is not finite.

    Source: B. L. Welch, Biometrika 34 (1947) 28-35.

    Example:
        >>> round(welch_t([1, 2, 3], [2, 4, 6]).diff, 2)
        -2.0
    """
    between(confidence, 0, 1, "confidence")
    first, second = finite(a, "a"), finite(b, "b")
    if min(first.size, second.size) < 2:
        return None
    scale = max(float(abs(first).max()), float(abs(second).max())) or 1.0
    diff = math.fsum(first) / first.size - math.fsum(second) / second.size
    var_a = float((first / scale).var(ddof=1)) / first.size
    var_b = float((second / scale).var(ddof=1)) / second.size
    n, spread = first.size + second.size, var_a + var_b
    if math.sqrt(spread) <= ROUNDING:
        smallest = (2 if first.size == second.size else 1) / math.comb(n, first.size)
        return without_spread(diff, n - 2, n, None, smallest)
    df = spread**2 / (var_a**2 / (first.size - 1) + var_b**2 / (second.size - 1))
    return with_t(diff, math.sqrt(spread) * scale, df, n, None, confidence)


def sign_flip(diffs: Sequence[float], seed: int = 0, resamples: int = 9999) -> float:
    """The p-value of "A and B are exchangeable on every case", without assuming a normal mean.

    Zeros have no sign and do not count. With up to `EXACT_LIMIT` other differences, every
    assignment of signs is tried; with up to `SAMPLED_LIMIT`, signs are drawn; above that, it is the
    p of `paired_t`, which converges to the same value.

    Args:
        diffs: A minus B, one number per case.
        seed: seed of the draws; the same seed gives the same p.
        resamples: how many assignments are drawn.

    Returns:
        Two-sided p, never 0; 1 if every difference is zero.

    Raises:
        ValueError: a difference is not finite.

    Source: R. A. Fisher, The Design of Experiments (1935), section 21; p of drawn assignments:
    B. Phipson and G. K. Smyth, Statistical Applications in Genetics and Molecular Biology 9
    (2010) 39.

    Example:
        >>> sign_flip([1, 2, 3, 0])
        0.25
    """
    import numpy as np

    array = finite(diffs, "diffs")
    moved = array[array != 0]
    if moved.size == 0:
        return 1.0
    if moved.size > SAMPLED_LIMIT:
        found = paired_t(array.tolist())
        return found.p if found else 1.0
    sizes = abs(moved) / abs(moved).max()
    # An assignment as extreme as the observed one can miss it by a rounding error.
    seen = abs(float((np.sign(moved) * sizes).sum())) - 1e-9
    if moved.size <= EXACT_LIMIT:
        every = (np.arange(2**moved.size)[:, None] >> np.arange(moved.size)) & 1
        return float((abs((2 * every - 1) @ sizes) >= seen).mean())
    rng = np.random.default_rng(seed)
    extreme, chunk = 0, max(1, 1_000_000 // moved.size)
    for start in range(0, resamples, chunk):
        rows = min(chunk, resamples - start)
        signs = 2.0 * rng.integers(0, 2, size=(rows, moved.size), dtype=np.int8) - 1
        extreme += int((abs(signs @ sizes) >= seen).sum())
    return (extreme + 1) / (resamples + 1)


def _table(both: int, a_only: int, b_only: int, neither: int) -> int:
    counted([both, a_only, b_only, neither], "both, a_only, b_only and neither")
    n = both + a_only + b_only + neither
    if n < 1:
        raise ValueError("the table is empty; a comparison needs at least 1 case")
    return n


def _edge(excess: Callable[[float], float], inside: float, outside: float) -> float:
    """The point where `excess` turns negative, from a point where it is not to the outermost."""
    if inside == outside:
        return outside
    # Half the distance sixty times is below the spacing of floats near 1.
    for _ in range(60):
        middle = (inside + outside) / 2
        if excess(middle) >= 0:
            inside = middle
        else:
            outside = middle
    return inside

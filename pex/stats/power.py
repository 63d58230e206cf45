"""The smallest difference that a number of cases can show, and the cases a difference needs."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from pex.stats.binomial import binomial_cdf
from pex.stats.checks import between, counted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MOST_CASES = 10**12
"""Beyond this the answer is "no number of cases"."""


@dataclasses.dataclass(frozen=True, slots=True)
class McNemarPower:
    """How often McNemar's test finds a difference.

    Args:
        exact: with the exact p-value.
        mid: with the mid-p-value.
    """

    exact: float
    mid: float


def minimal_difference(n: int, sd: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """The smallest true mean difference that a paired t test of `n` cases detects often enough.

    Args:
        n: number of cases, at least 2.
        sd: standard deviation of the difference per case, in the unit of the score.
        alpha: two-sided level of the test.
        power: how often the difference should be detected.

    Returns:
        The difference in the unit of `sd`; 0 if `sd` is 0.

    Raises:
        ValueError: fewer than 2 cases, `sd` below 0, or `power` not between `alpha` and 1.

    Source: noncentral t; J. Cohen, Statistical Power Analysis for the Behavioral Sciences (1988),
    chapter 2.

    Example:
        >>> round(minimal_difference(100, 0.5), 3)
        0.141
    """
    counted([n], "n")
    if n < 2:
        raise ValueError(f"n is {n}; a spread needs at least 2 cases")
    _check(sd, alpha, power)
    if sd == 0:
        return 0.0
    from scipy.optimize import brentq

    def missing(shift: float) -> float:
        return _t_power(n, shift / math.sqrt(n), alpha, two_sided=True) - power

    highest = 4.0
    while missing(highest) < 0:
        highest *= 2
    shift = float(brentq(missing, 0.0, highest, xtol=1e-10))
    return shift / math.sqrt(n) * sd


def cases_for_difference(
    diff: float, sd: float, alpha: float = 0.05, power: float = 0.8
) -> int | None:
    """The number of cases that a paired t test needs to detect a true mean difference.

    Args:
        diff: the difference, of either sign, in the unit of `sd`.
        sd: standard deviation of the difference per case.
        alpha: two-sided level of the test.
        power: how often the difference should be detected.

    Returns:
        The number of cases, at least 2; None if no number suffices (`diff` is 0).

    Raises:
        ValueError: `sd` below 0, or `power` not between `alpha` and 1.

    Source: as `minimal_difference`.

    Example:
        >>> cases_for_difference(0.1, 0.5)
        199
    """
    _check(sd, alpha, power)
    return _cases(abs(diff), sd, power, lambda n, effect: _t_power(n, effect, alpha, True))


def cases_for_noninferiority(
    diff: float, sd: float, margin: float, confidence: float = 0.95, power: float = 0.8
) -> int | None:
    """The number of cases needed to show that a candidate is not worse by more than a margin.

    Args:
        diff: true difference, candidate minus baseline, in the unit of `sd`.
        sd: standard deviation of the difference per case.
        margin: how much worse is still acceptable, above 0.
        confidence: one-sided level of the lower bound that must be above -`margin`.
        power: how often that should succeed.

    Returns:
        The number of cases, at least 2; None if the candidate is worse than the margin allows.

    Raises:
        ValueError: `sd` or `margin` below 0, or `power` not between 1 - `confidence` and 1.

    Source: noncentral t, one-sided; S. A. Julious, Statistics in Medicine 23 (2004) 1921-1986.

    Example:
        >>> cases_for_noninferiority(0.0, 0.4, margin=0.05)
        398
    """
    between(confidence, 0, 1, "confidence")
    _check(sd, 1 - confidence, power)
    if not margin >= 0:
        raise ValueError(f"margin is {margin}; expected 0 or more")
    return _cases(
        diff + margin, sd, power, lambda n, effect: _t_power(n, effect, 1 - confidence, False)
    )


def mcnemar_power(n: int, p_a_only: float, p_b_only: float, alpha: float = 0.05) -> McNemarPower:
    """How often McNemar's test detects a difference in pass rates, by full enumeration.

    Args:
        n: number of cases, discordant or not.
        p_a_only: share of cases that pass under A alone.
        p_b_only: share of cases that pass under B alone.
        alpha: two-sided level of the test.

    Returns:
        The power of the exact and of the mid-p test; with equal shares that is their true size.

    Raises:
        ValueError: `n` below 1, or the shares are not between 0 and 1 together.

    Source: S. W. Duffy, Biometrics 40 (1984) 1005-1015.

    Example:
        >>> round(mcnemar_power(100, 0.15, 0.05).mid, 3)
        0.618
    """
    import numpy as np

    counted([n], "n")
    _check_shares(p_a_only, p_b_only, alpha)
    share = min(1.0, p_a_only + p_b_only)
    if n < 1:
        raise ValueError("n is 0; expected at least 1 case")
    if share == 0:
        return McNemarPower(0.0, 0.0)
    # Numbers of discordant cases further away have a probability below 1e-30.
    reach = 12 * math.sqrt(n * share * (1 - share)) + 40
    m = np.arange(max(0, math.floor(n * share - reach)), min(n, math.ceil(n * share + reach)) + 1)
    weights = np.diff(binomial_cdf(np.append(m[0] - 1, m), n, share))
    exact = _critical(m, alpha)
    # The mid-p of one count more is a sum of two neighbouring tails; that of two more exceeds the
    # exact p of one more: so mid-p rejects at most one count more.
    more = binomial_cdf(exact, m, 0.5) + binomial_cdf(exact + 1, m, 0.5) <= alpha
    mid = np.where(more & (2 * (exact + 1) < m), exact + 1, exact)
    of_a = p_a_only / (p_a_only + p_b_only)

    def rejected(k: NDArray[np.float64]) -> float:
        tails = binomial_cdf(k, m, of_a) + binomial_cdf(k, m, 1 - of_a)
        return min(1.0, float(weights @ tails))

    return McNemarPower(rejected(exact), rejected(mid))


def cases_for_mcnemar(
    p_a_only: float, p_b_only: float, alpha: float = 0.05, power: float = 0.8
) -> int | None:
    """The number of cases that McNemar's mid-p test needs to detect a difference in pass rates.

    Take the shares from a pilot: the number of discordant cases matters, not the pass rate.

    Args:
        p_a_only: share of cases that pass under A alone.
        p_b_only: share of cases that pass under B alone.
        alpha: two-sided level of the test.
        power: how often the difference should be detected.

    Returns:
        A number of cases with that power; None if no number suffices (equal shares). The power
        moves in small steps up and down with the cases, so slightly fewer can have it too.

    Raises:
        ValueError: the shares are not between 0 and 1 together, or `power` is not between `alpha`
            and 1.

    Source: as `mcnemar_power`.

    Example:
        >>> cases_for_mcnemar(0.15, 0.05)
        152
    """
    _check_shares(p_a_only, p_b_only, alpha)
    between(power, alpha, 1, "power")
    if p_a_only == p_b_only:
        return None
    return _first(lambda n: mcnemar_power(n, p_a_only, p_b_only, alpha).mid >= power)


def _check(sd: float, alpha: float, power: float) -> None:
    between(alpha, 0, 1, "alpha")
    between(power, alpha, 1, "power")
    if not 0 <= sd < math.inf:
        raise ValueError(f"sd is {sd}; expected a finite number of at least 0")


def _check_shares(p_a_only: float, p_b_only: float, alpha: float) -> None:
    between(alpha, 0, 1, "alpha")
    if not (p_a_only >= 0 and p_b_only >= 0 and p_a_only + p_b_only <= 1 + 1e-12):
        raise ValueError(
            f"p_a_only and p_b_only are {p_a_only} and {p_b_only}; expected shares from 0 to 1 "
            "whose sum is at most 1"
        )


def _critical(m: NDArray[np.int_], alpha: float) -> NDArray[np.float64]:
    """For each number of discordant cases, the largest smaller count the exact test rejects."""
    import numpy as np
    from scipy.special import ndtri

    # Start near the answer, at the normal quantile, and search the last steps.
    k = np.floor(m / 2 + float(ndtri(alpha / 2)) * np.sqrt(m) / 2)
    while (too_many := 2 * binomial_cdf(k, m, 0.5) > alpha).any():
        k -= too_many
    while (too_few := 2 * binomial_cdf(k + 1, m, 0.5) <= alpha).any():
        k += too_few
    return k


def _t_power(n: int, effect: float, alpha: float, two_sided: bool) -> float:
    """The power of a t test of `n` values whose mean differs by `effect` standard deviations."""
    from scipy.special import stdtrit

    quantile = float(stdtrit(n - 1, 1 - (alpha / 2 if two_sided else alpha)))
    shift = effect * math.sqrt(n)
    above = _exceeds(quantile, n - 1, shift)
    return above + (_exceeds(quantile, n - 1, -shift) if two_sided else 0.0)


def _exceeds(quantile: float, df: int, shift: float) -> float:
    """The probability that a noncentral t exceeds a positive quantile.

    Integrated over the numerator: SciPy's `nctdtr` is sometimes nan in the far lower tail with few
    degrees of freedom, exactly where a plan with a handful of cases needs it.
    """
    import numpy as np
    from scipy.special import chdtr

    # Beyond 9 a normal variable has a probability of 1e-19. In between, the integrand is smooth,
    # except where the numerator turns positive, and steep where it passes the quantile.
    steep = 8 * quantile / math.sqrt(2 * df)
    ends = [-9.0, -shift, quantile - shift - steep, quantile - shift + steep, 9.0]
    ends = sorted(min(9.0, max(-9.0, end)) for end in ends)
    nodes, weights = _nodes()
    total = 0.0
    for low, high in itertools.pairwise(ends):
        z = (low + high) / 2 + (high - low) / 2 * nodes
        ratio = np.maximum(0.0, z + shift) / quantile
        density = np.exp(-(z**2) / 2) * chdtr(df, df * ratio**2)
        total += (high - low) / 2 * float(weights @ density)
    return min(1.0, total / math.sqrt(2 * math.pi))


@functools.cache
def _nodes() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    import numpy as np

    return np.polynomial.legendre.leggauss(64)


def _cases(
    diff: float, sd: float, power: float, power_of: Callable[[int, float], float]
) -> int | None:
    if not diff > 0:
        return None
    # A t test of a single case shows nothing, whatever the spread.
    if sd == 0:
        return 2
    return _first(lambda n: power_of(n, diff / sd) >= power)


def _first(enough: Callable[[int], bool]) -> int | None:
    """The smallest sufficient number of cases, at least 2, by doubling and bisection."""
    low, high = 1, 2
    while not enough(high):
        low, high = high, 2 * high
        if high > _MOST_CASES:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high

"""Looking every night without false alarms: evidence that is valid at any time."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

from pex.stats.checks import counted

_HIGHEST_LOG = 700.0
"""e^700 is near the largest float; larger evidence is reported as that value."""


@dataclasses.dataclass(frozen=True, slots=True)
class EProcess:
    """The evidence after each night.

    Args:
        values: the e-value of all pairs up to each night.
        e: the last of them, 1 before the first night.
        p_always: p-value valid at any time: 1 over the largest e-value so far, at most 1.
        alarm: position of the first night to reach the threshold, from 0; None without one.
    """

    values: tuple[float, ...]
    e: float
    p_always: float
    alarm: int | None


def e_value(a_only: int, b_only: int, prior: float = 0.5, one_sided: bool = False) -> float:
    """Evidence that A and B do not pass equally often; 1 is none, 20 is a usual threshold.

    It is the likelihood of the discordant cases averaged over a Beta(prior, prior) on A's share,
    over their likelihood under equal shares. By Ville's inequality it exceeds 20 in at most 5 %
    of all series of nights without a difference, however often it is checked.

    Args:
        a_only: cases that pass under A alone, over all nights.
        b_only: cases that pass under B alone, over all nights.
        prior: both parameters of the Beta distribution, above 0.
        one_sided: only evidence that A passes more often; with A the baseline: "it got worse".
            The average then runs only over shares above one half. Each of them gives a
            likelihood ratio whose mean is at most 1 for every true share up to one half, so the
            guarantee also holds while B is better.

    Returns:
        At least 0; above e^700 it is reported as e^700.

    Raises:
        ValueError: a count is below 0 or not whole, or `prior` is not above 0.

    Source: H. Robbins, Annals of Mathematical Statistics 41 (1970) 1397-1409; one-sided mixture:
    S. R. Howard, A. Ramdas, J. McAuliffe and J. Sekhon, Annals of Statistics 49 (2021) 1055-1080.

    Example:
        >>> round(e_value(10, 2), 2)
        4.1
    """
    counted([a_only, b_only], "a_only and b_only")
    if not 0 < prior < math.inf:
        raise ValueError(f"prior is {prior}; expected a number above 0")
    from scipy.special import betainc, betaln

    log_e = float(betaln(prior + a_only, prior + b_only) - betaln(prior, prior))
    log_e += (a_only + b_only) * math.log(2)
    if one_sided:
        # The half of the average above one half, from a prior with half its mass there.
        half = float(betainc(prior + b_only, prior + a_only, 0.5))
        if half == 0:
            return 0.0
        log_e += math.log(2 * half)
    return math.exp(min(_HIGHEST_LOG, log_e))


def e_process(
    nights: Iterable[tuple[int, int]],
    threshold: float = 20.0,
    prior: float = 0.5,
    one_sided: bool = False,
) -> EProcess:
    """Follow the evidence from night to night and report when it first reaches the threshold.

    It is valid if the baseline is fixed, the cases are paired, and each night gets new answers from
    both variants: a stored output of the baseline makes the nights depend on each other. After
    acting on an alarm, start again with the nights since.

    Args:
        nights: for each night the cases that pass under A alone and under B alone.
        threshold: alarm at this e-value, above 1; at most 1/threshold of all series without a
            difference ever reach it.
        prior: as in `e_value`.
        one_sided: as in `e_value`.

    Returns:
        The evidence after each night and the first alarm.

    Raises:
        ValueError: `threshold` is not above 1, or as `e_value`.

    Source: as `e_value`; J. Ville, Étude critique de la notion de collectif (1939).

    Example:
        >>> e_process([(6, 1), (7, 1), (8, 0)]).alarm
        2
    """
    if not threshold > 1:
        raise ValueError(f"threshold is {threshold}; expected a number above 1")
    values: list[float] = []
    a_total = b_total = 0
    for a_only, b_only in nights:
        counted([a_only, b_only], f"nights[{len(values)}]")
        a_total, b_total = a_total + a_only, b_total + b_only
        values.append(e_value(a_total, b_total, prior, one_sided))
    return EProcess(
        values=tuple(values),
        e=values[-1] if values else 1.0,
        p_always=1 / max([1.0, *values]),
        alarm=next((night for night, e in enumerate(values) if e >= threshold), None),
    )


def e_month(
    nights: Iterable[tuple[int, int]],
    threshold: float = 20.0,
    of: int = 30,
    prior: float = 0.5,
    one_sided: bool = False,
) -> EProcess:
    """The evidence of dependent nights, such as those compared with a stored output.

    A baseline that was lucky on a case is lucky there every night: its losses recur, and
    `e_process`, which multiplies, counts them as new evidence. Here each night's own e-value counts
    as one part in `of`, and the parts are added. The mean of the largest sum is at most 1 whatever
    the dependence between nights, so by Markov's inequality at most 1/threshold of all series of
    `of` nights without a difference ever reach the threshold. It needs more evidence than
    `e_process`: about ten discordant cases on one side within one night.

    Args:
        nights: for each night the cases that pass under A alone and under B alone; nights after the
            first `of` add nothing.
        threshold: as in `e_process`.
        of: number of nights that the guarantee covers, at least 1.
        prior: as in `e_value`.
        one_sided: as in `e_value`.

    Returns:
        The evidence after each night and the first alarm.

    Raises:
        ValueError: as `e_process`, or `of` is below 1.

    Source: V. Vovk and R. Wang, E-values: calibration, combination and applications, Annals of
    Statistics 49 (2021) 1736-1754: dependent e-values may be averaged.

    Example:
        >>> e_month([(1, 0)] * 30, one_sided=True).alarm
        >>> e_month([(0, 0), (12, 0)], one_sided=True).alarm
        1
    """
    if not threshold > 1:
        raise ValueError(f"threshold is {threshold}; expected a number above 1")
    if of < 1:
        raise ValueError(f"of is {of}; expected a whole number of nights from 1")
    values: list[float] = []
    total = 0.0
    for a_only, b_only in nights:
        if len(values) < of:
            total += e_value(a_only, b_only, prior, one_sided) / of
        values.append(total)
    return EProcess(
        values=tuple(values),
        e=values[-1] if values else 1.0,
        p_always=1 / max([1.0, *values]),
        alarm=next((night for night, e in enumerate(values) if e >= threshold), None),
    )

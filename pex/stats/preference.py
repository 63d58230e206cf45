"""Which of several variants people prefer, from pairwise choices."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pex.stats.binomial import binomial_cdf
from pex.stats.checks import between, counted, square
from pex.stats.intervals import wilson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Wins = Mapping[tuple[str, str], float]
"""How often the first of a pair was preferred to the second; half a win each for a tie."""

_ELO = 400 / math.log(10)
_ENOUGH = 100
"""Fewer resamples than this say nothing about an interval."""


@dataclasses.dataclass(frozen=True, slots=True)
class BradleyTerry:
    """Strengths of variants on the logit scale.

    Args:
        names: in the order of everything below.
        strengths: centred, so that they sum to 0.
        reference: the name that `relative`, `se` and `elo` compare with.
        relative: strength minus that of the reference.
        se: standard error of `relative`; 0 for the reference.
        elo: `relative` on the Elo scale, 400 for odds of ten to one; a rescaling, no more.
        probabilities: entry i, j: how likely i is preferred to j.
        connected: False where some variants never lose to the others, in which case only `alpha`
            keeps their strengths finite.
        blocks: the names, in parts that have both beaten and lost to each other, the strongest
            first; one part where `connected`.
    """

    names: tuple[str, ...]
    strengths: tuple[float, ...]
    reference: str
    relative: tuple[float, ...]
    se: tuple[float, ...]
    elo: tuple[float, ...]
    probabilities: tuple[tuple[float, ...], ...]
    connected: bool
    blocks: tuple[tuple[str, ...], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class StrengthIntervals:
    """Bootstrap intervals of centred strengths.

    Args:
        names: in the order of the two below.
        low: lower ends.
        high: upper ends.
        resamples: how many resamples could be used: in the others a variant had no comparison
            that ties it to the rest.
    """

    names: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    resamples: int


@dataclasses.dataclass(frozen=True, slots=True)
class PositionBias:
    """How often the one shown first was preferred.

    Args:
        share: one half without bias.
        low: lower end of its Wilson interval.
        high: upper end.
        p: exact two-sided p-value of "one half".
    """

    share: float
    low: float
    high: float
    p: float


def bradley_terry(
    wins: Wins | Sequence[Sequence[float]],
    names: Sequence[str] | None = None,
    reference: str | None = None,
    alpha: float = 0.01,
) -> BradleyTerry:
    """Strengths that explain who was preferred to whom.

    Args:
        wins: for each pair of names how often the first was preferred to the second; or a table,
            rows preferred to columns, in the order of `names`. Half a win each for a tie.
        names: their order; by default that of first mention, or "0", "1", … for a table.
        reference: what the others are compared with; by default the first.
        alpha: a little pull towards equal strengths. 0 is the plain maximum-likelihood estimate,
            which exists only where every variant has lost to some and beaten some.

    Returns:
        Strengths, standard errors, Elo scale and probabilities.

    Raises:
        ValueError: fewer than two names, an unknown or repeated one, a count below 0, a variant
            compared with itself, variants that no chain of comparisons ties together, or
            `alpha` 0 where the estimate does not exist.

    Source: R. A. Bradley and M. E. Terry, Biometrika 39 (1952) 324-345; fitted by L. Maystre and
    M. Grossglauser, Advances in Neural Information Processing Systems 28 (2015) 172-180.

    Example:
        >>> found = bradley_terry({("a", "b"): 7, ("b", "a"): 3}, alpha=0)
        >>> round(found.probabilities[0][1], 2), round(found.elo[1])
        (0.7, -147)
    """
    import numpy as np

    order, table = _read(wins, names)
    reference = order[0] if reference is None else reference
    if reference not in order:
        raise ValueError(f"reference {reference!r} is not one of {', '.join(order)}")
    islands = _parts(order, table + table.T)
    if len(islands) > 1:
        raise ValueError(
            "no comparison ties these together: "
            + " | ".join(", ".join(part) for part in islands)
            + "; strengths can only be compared within each"
        )
    blocks = _parts(order, table)
    if alpha == 0 and len(blocks) > 1:
        raise ValueError(
            f"{', '.join(blocks[0])}: never lost to the others, so the strengths have no finite "
            "estimate with alpha=0"
        )
    theta = _fit(table, alpha)
    likely = _expit(np.subtract.outer(theta, theta))
    information = (table + table.T) * likely * likely.T
    laplacian = np.diag(information.sum(axis=1)) - information
    at = order.index(reference)
    others = [i for i in range(len(order)) if i != at]
    se = np.zeros(len(order))
    se[others] = np.sqrt(np.diag(np.linalg.inv(laplacian[np.ix_(others, others)])))
    relative = theta - theta[at]
    return BradleyTerry(
        names=order,
        strengths=tuple(theta.tolist()),
        reference=reference,
        relative=tuple(relative.tolist()),
        se=tuple(se.tolist()),
        elo=tuple((relative * _ELO).tolist()),
        probabilities=tuple(map(tuple, likely.tolist())),
        connected=len(blocks) == 1,
        blocks=blocks,
    )


def strength_intervals(
    wins_by_case: Sequence[Wins],
    confidence: float = 0.95,
    seed: int = 0,
    resamples: int = 999,
    alpha: float = 0.01,
) -> StrengthIntervals:
    """Intervals of Bradley-Terry strengths that allow for choices on one case being alike.

    Whole cases are drawn with replacement, with all their comparisons, and fitted again.

    Args:
        wins_by_case: for each case its wins, as `bradley_terry` takes them.
        confidence: two-sided level.
        seed: of the drawing; the same seed gives the same intervals.
        resamples: how many.
        alpha: as in `bradley_terry`, above 0: a resample may have a variant that never lost.

    Returns:
        Percentile intervals of the centred strengths.

    Raises:
        ValueError: fewer than two cases, `alpha` 0, too few comparisons, or as `bradley_terry`.

    Source: B. Efron, Annals of Statistics 7 (1979) 1-26; whole clusters: A. C. Davison and
    D. V. Hinkley, Bootstrap Methods and their Application (1997), section 3.8.

    Example:
        >>> cases = [{("a", "b"): 1}] * 14 + [{("b", "a"): 1}] * 6
        >>> found = strength_intervals(cases, resamples=199)
        >>> found.low[0] < 0.42 < found.high[0]
        True
    """
    import numpy as np

    between(confidence, 0, 1, "confidence")
    if alpha <= 0:
        raise ValueError("alpha: expected a number above 0; a resample may need it")
    if len(wins_by_case) < 2:
        raise ValueError(f"expected at least 2 cases, got {len(wins_by_case)}")
    names = tuple(dict.fromkeys(name for wins in wins_by_case for pair in wins for name in pair))
    tables = np.stack([_read(wins, names)[1] for wins in wins_by_case])
    bradley_terry(tables.sum(axis=0).tolist(), names, alpha=alpha)
    rng, fits = np.random.default_rng(seed), []
    for _ in range(resamples):
        drawn = rng.multinomial(len(tables), np.full(len(tables), 1 / len(tables)))
        table = np.tensordot(drawn.astype(np.float64), tables, axes=1)
        if len(_parts(names, table + table.T)) == 1:
            fits.append(_fit(table, alpha))
    if len(fits) < min(_ENOUGH, resamples):
        raise ValueError(
            f"only {len(fits)} of {resamples} resamples tie all variants together; an interval "
            "needs more comparisons"
        )
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.array(fits), [tail, 1 - tail], axis=0)
    return StrengthIntervals(names, tuple(low.tolist()), tuple(high.tolist()), len(fits))


def position_bias(first_wins: int, n: int, confidence: float = 0.95) -> PositionBias:
    """Whether the one shown first is preferred for being first.

    Args:
        first_wins: how often the first one was preferred.
        n: number of choices, ties left out, at least 1; every pair shown in both orders, or in
            an order drawn at random.
        confidence: two-sided level of the interval.

    Returns:
        Share, interval and p-value.

    Raises:
        ValueError: `n` below 1, or `first_wins` no whole number from 0 to `n`.

    Source: J. Arbuthnot, Philosophical Transactions 27 (1710) 186-190 (the sign test).

    Example:
        >>> round(position_bias(68, 100).p, 4)
        0.0004
    """
    counted([first_wins, n], "first_wins and n")
    low, high = wilson(first_wins, n, confidence)
    tail = float(binomial_cdf(min(first_wins, n - first_wins), n, 0.5))
    return PositionBias(first_wins / n, low, high, min(1.0, 2 * tail))


def _read(
    wins: Wins | Sequence[Sequence[float]], names: Sequence[str] | None
) -> tuple[tuple[str, ...], Floats]:
    """The names in order, and the table of wins, rows over columns."""
    if isinstance(wins, Mapping):
        mentioned = dict.fromkeys(name for pair in wins for name in pair)
        order = tuple(names if names is not None else mentioned)
        unknown = [name for name in mentioned if name not in order]
        if unknown:
            raise ValueError(f"wins: {unknown[0]!r} is not one of {', '.join(order)}")
        place = {name: i for i, name in enumerate(order)}
        rows = [[0.0] * len(order) for _ in order]
        for (winner, loser), count in wins.items():
            rows[place[winner]][place[loser]] += count
    else:
        rows = [list(row) for row in wins]
        order = tuple(names if names is not None else map(str, range(len(rows))))
    if len(order) < 2:
        raise ValueError(f"expected at least 2 names, got {len(order)}")
    if len(set(order)) < len(order):
        raise ValueError(f"names: each may appear once, got {', '.join(order)}")
    table = square(rows, "wins")
    if len(table) != len(order):
        raise ValueError(f"wins: expected {len(order)} rows, one per name, got {len(table)}")
    if table.diagonal().any():
        raise ValueError("wins: a variant cannot be compared with itself")
    return order, table


def _parts(names: Sequence[str], beats: Floats) -> tuple[tuple[str, ...], ...]:
    """The names in parts whose members reach each other along wins, the strongest part first."""
    import numpy as np

    reach = (beats > 0) | np.eye(len(names), dtype=bool)
    for middle in range(len(names)):
        reach |= np.outer(reach[:, middle], reach[middle])
    mutual = reach & reach.T
    by_strength = sorted(range(len(names)), key=lambda i: (-int(reach[i].sum()), i))
    seen: dict[tuple[int, ...], None] = dict.fromkeys(
        tuple(np.flatnonzero(mutual[i]).tolist()) for i in by_strength
    )
    return tuple(tuple(names[i] for i in part) for part in seen)


def _fit(table: Floats, alpha: float) -> Floats:
    import choix
    import numpy as np

    theta: Floats = choix.ilsr_pairwise_dense(table, alpha=alpha, max_iter=10_000)
    return np.asarray(theta - theta.mean())


def _expit(logits: Floats) -> Floats:
    import numpy as np

    return 0.5 * (1 + np.tanh(logits / 2))

"""The variants that people prefer, estimated from pairwise choices."""

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
"""How often the first of a pair was preferred to the second; a tie is half a win for each."""

_ELO = 400 / math.log(10)
_ENOUGH = 100
"""With fewer resamples there is no meaningful interval."""


@dataclasses.dataclass(frozen=True, slots=True)
class BradleyTerry:
    """Strengths of variants on the logit scale.

    Args:
        names: in the order of all values below.
        strengths: centred, so they sum to 0.
        reference: the name that `relative`, `se` and `elo` compare with.
        relative: strength minus that of the reference.
        se: standard error of `relative`; 0 for the reference.
        elo: `relative` on the Elo scale, 400 for odds of ten to one; only a rescaling.
        probabilities: entry i, j: the probability that i is preferred to j.
        connected: False if some variants never lose to the others; then only `alpha` keeps their
            strengths finite.
        blocks: the names, in groups whose members have both beaten and lost to each other, the
            strongest first; one group if `connected`.
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
        names: in the order of the values below.
        low: lower ends.
        high: upper ends.
        resamples: number of usable resamples: in the others a variant had no comparison that
            connects it to the rest.
    """

    names: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    resamples: int


@dataclasses.dataclass(frozen=True, slots=True)
class PositionBias:
    """How often the answer shown first was preferred.

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
    """Strengths that explain the observed preferences.

    Args:
        wins: for each pair of names how often the first was preferred to the second; or a table,
            rows preferred to columns, in the order of `names`. A tie is half a win for each.
        names: their order; by default of first mention, or "0", "1", … for a table.
        reference: the name to compare the others with; by default the first.
        alpha: a slight pull towards equal strengths. 0 is the plain maximum-likelihood estimate,
            which exists only if every variant has lost to some and beaten some.

    Returns:
        Strengths, standard errors, Elo scale and probabilities.

    Raises:
        ValueError: fewer than two names, an unknown or repeated one, a count below 0, a variant
            compared with itself, variants not connected by any chain of comparisons, or `alpha` 0
            when the estimate does not exist.

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
    reference: str | None = None,
) -> StrengthIntervals:
    """Intervals of Bradley-Terry strengths that allow for correlated choices within a case.

    Whole cases are drawn with replacement, with all their comparisons, and refitted.

    Args:
        wins_by_case: for each case its wins, in the format of `bradley_terry`.
        confidence: two-sided level.
        seed: seed of the draws; the same seed gives the same intervals.
        resamples: number of resamples.
        alpha: as in `bradley_terry`, above 0: in a resample, a variant may never lose.
        reference: intervals of the strengths minus that of this name; those of the centred
            strengths by default.

    Returns:
        Percentile intervals.

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
    bradley_terry(tables.sum(axis=0).tolist(), names, reference, alpha)
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
    found = np.array(fits)
    if reference is not None:
        found -= found[:, [names.index(reference)]]
    low, high = np.quantile(found, [tail, 1 - tail], axis=0)
    return StrengthIntervals(names, tuple(low.tolist()), tuple(high.tolist()), len(fits))


def position_bias(first_wins: int, n: int, confidence: float = 0.95) -> PositionBias:
    """Whether the answer shown first is preferred because of its position.

    Args:
        first_wins: how often the answer shown first was preferred.
        n: number of choices without ties, at least 1; every pair must be shown in both orders, or
            in a random order.
        confidence: two-sided level of the interval.

    Returns:
        Share, interval and p-value.

    Raises:
        ValueError: `n` below 1, or `first_wins` not a whole number from 0 to `n`.

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
    """Groups of names whose members reach each other along wins, the strongest group first."""
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

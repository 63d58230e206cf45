"""From ratings by hand to a ranking of three or more variants, and how sure that is.

Each rating compares two of them; a Bradley-Terry model puts all comparisons on one scale.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence

from pex.rating.order import Pair, Pairs
from pex.rating.preference import (
    MIN_CASES,
    Agreement,
    Target,
    agreement_between_raters,
    agreement_with_self,
    side_bias,
)
from pex.rating.store import PairRating
from pex.stats.checks import normal_quantile
from pex.stats.preference import PositionBias, bradley_terry, strength_intervals
from pex.stats.sequential import e_value

RESAMPLES = 499
RESAMPLED = 0.9
"""The level of the ends that are read from the resamples; the others follow from t."""
FEWEST = 10
"""Cases or groups: resampling fewer makes intervals much too narrow."""
Wins = dict[tuple[str, str], float]


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """A variant among the others.

    Args:
        variant: its name.
        ratings: comparisons with any other, of all raters; second looks are left out.
        wins: how often it was better.
        losses: how often the other was.
        ties: how often neither was.
        both_bad: how often neither was, because both are bad.
        share: its expected win rate against a variant of average strength; a tie is half a win.
            None while some variants are not connected by comparisons.
        low: lower end of its interval.
        high: upper end.
    """

    variant: str
    ratings: int
    wins: int
    losses: int
    ties: int
    both_bad: int
    share: float | None = None
    low: float | None = None
    high: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Standings:
    """The result of a rating of three or more variants.

    `order` is the best first. `surely_worse` are those that lose to the first one; it is the
    `verdict` if they all do. `by_rater` has the counts of each rater. `self_agreement` is that of
    each rater with themselves, `rater_agreement` that between raters, as for two variants.
    """

    pairs: Pairs
    target: Target
    order: tuple[Standing, ...]
    surely_worse: tuple[str, ...]
    verdict: str | None
    cases: int
    ratings: int
    enough: bool
    more: int
    by_rater: Mapping[str, tuple[Standing, ...]]
    self_agreement: Mapping[str, Agreement]
    rater_agreement: Agreement | None
    sides: PositionBias | None


def standings(ratings: Sequence[PairRating], pairs: Pairs, target: Target) -> Standings:
    """The ranking that ratings of pairs give.

    Choices on one case or group are alike, so intervals come from resampling whole cases or
    groups; with few of them there are none. A variant is surely worse than the first if the
    interval of their difference, at a level for all pairs of variants, leaves out zero, and rating
    has come to its planned end; before, if also their direct comparisons say so however often one
    looks.

    Args:
        ratings: those that count, oldest first; ratings of other answers are ignored.
        pairs: all pairs of the variants.
        target: how narrow the intervals should be.

    Source: R. A. Bradley and M. E. Terry, Biometrika 39 (1952) 324-345; H. Robbins, Annals of
    Mathematical Statistics 41 (1970) 1397-1409.
    """
    by_id = {pair.id: pair for pair in pairs.different}
    known = [rated for rated in ratings if rated.pair in by_id]
    first = [rated for rated in known if not rated.second_look]
    clusters = _wins_by_cluster(first, by_id)
    order = _fitted(count(first, pairs.variants), clusters, target)
    cases = len({by_id[rated.pair].case_id for rated in first})
    halves = [(s.high - s.low) / 2 for s in order if s.low is not None and s.high is not None] or [
        math.inf
    ]
    more = _cases_needed(cases, max(halves), target)
    planned = more == 0 or len({rated.pair for rated in first}) == len(pairs.different)
    worse = _surely_worse(order, clusters, target, planned)
    raters = list(dict.fromkeys(rated.rater for rated in known))
    return Standings(
        pairs=pairs,
        target=target,
        order=order,
        surely_worse=worse,
        verdict=order[0].variant if len(worse) == len(order) - 1 else None,
        cases=cases,
        ratings=len(first),
        enough=more == 0,  # never without intervals
        more=more,
        by_rater={
            name: count([r for r in first if r.rater == name], pairs.variants) for name in raters
        },
        self_agreement={
            name: agreement_with_self([r for r in known if r.rater == name]) for name in raters
        },
        rater_agreement=agreement_between_raters(known),
        sides=side_bias(known),
    )


def count(ratings: Sequence[PairRating], variants: Sequence[str]) -> tuple[Standing, ...]:
    """How each variant did in these ratings, without a model."""
    found = []
    for name in variants:
        own = [rated for rated in ratings if name in (rated.left, rated.right)]
        wins = sum(rated.winner == name for rated in own)
        ties = sum(rated.choice == "tie" for rated in own)
        bad = sum(rated.choice == "both bad" for rated in own)
        found.append(Standing(name, len(own), wins, len(own) - wins - ties - bad, ties, bad))
    return tuple(found)


def half_width(ratings: Sequence[PairRating], pairs: Pairs, target: Target) -> float | None:
    """About half the width of the widest interval, at once: a rater reads it between two pairs."""
    by_id = {pair.id: pair for pair in pairs.different}
    first = [rated for rated in ratings if not rated.second_look and rated.pair in by_id]
    wins = _sum(_wins_by_cluster(first, by_id).values())
    try:
        found = bradley_terry(wins, pairs.variants)
    except ValueError:  # some are not connected yet
        return None
    # On the logit scale a quarter of it, near one half; a difference is wider than a strength.
    return normal_quantile(target.confidence) * max(found.se) / 4


def _wins_by_cluster(first: Sequence[PairRating], by_id: Mapping[str, Pair]) -> dict[str, Wins]:
    found: dict[str, Wins] = {}
    for rated in first:
        wins = found.setdefault(by_id[rated.pair].cluster, {})
        for one, other in ((rated.left, rated.right), (rated.right, rated.left)):
            value = 0.5 if rated.winner is None else float(rated.winner == one)
            wins[one, other] = wins.get((one, other), 0.0) + value  # a tie is half a win
    return found


def _sum(parts: Iterable[Wins]) -> Wins:
    total: Wins = {}
    for wins in parts:
        for pair, value in wins.items():
            total[pair] = total.get(pair, 0.0) + value
    return total


def _fitted(
    counts: Sequence[Standing], clusters: Mapping[str, Wins], target: Target
) -> tuple[Standing, ...]:
    """The standings with their strengths, the best first; by plain shares without a model."""
    names = [standing.variant for standing in counts]
    try:
        fit = bradley_terry(_sum(clusters.values()), names)
    except ValueError:
        return tuple(sorted(counts, key=lambda s: -_plain_share(s)))
    strength = dict(zip(fit.names, fit.strengths, strict=True))
    low, high = _intervals(clusters, strength, target.confidence)
    fitted = [
        dataclasses.replace(
            standing,
            share=_expit(strength[standing.variant]),
            low=_expit(low[standing.variant]) if low else None,
            high=_expit(high[standing.variant]) if high else None,
        )
        for standing in counts
    ]
    return tuple(sorted(fitted, key=lambda standing: -(standing.share or 0.0)))


def _surely_worse(
    order: Sequence[Standing], clusters: Mapping[str, Wins], target: Target, planned: bool
) -> tuple[str, ...]:
    """The variants that lose to the first one."""
    best, others = order[0], order[1:]
    if best.low is None:
        return ()
    # Bonferroni for every pair: which variant is first was not known before.
    alpha = (1 - target.confidence) / math.comb(len(order), 2)
    relative = {item.variant: _logit(item.share) - _logit(best.share) for item in order}
    _, high = _intervals(clusters, relative, 1 - alpha, best.variant)
    return tuple(
        other.variant
        for other in others
        if high
        and high[other.variant] < 0
        and (planned or _p_always(best.variant, other.variant, clusters) <= alpha)
    )


def _intervals(
    clusters: Mapping[str, Wins],
    strength: Mapping[str, float],
    confidence: float,
    reference: str | None = None,
) -> tuple[dict[str, float], dict[str, float]]:
    """Both ends for each variant's strength; none from too few cases or groups.

    Resampled ends are too narrow with few of them: they are widened as t is wider than the normal
    distribution, from a level whose ends so few draws determine well. Without that, 17 % of trials
    with 10 cases and no difference had a variant called worse; the level is 5 %.
    """
    from scipy.special import stdtrit

    n = len(clusters)
    if n < FEWEST:
        return {}, {}
    try:
        ends = strength_intervals(
            list(clusters.values()), RESAMPLED, resamples=RESAMPLES, reference=reference
        )
    except ValueError:  # too few comparisons
        return {}, {}
    wider = math.sqrt(n / (n - 1)) * stdtrit(n - 1, 0.5 + confidence / 2)
    wider /= normal_quantile(RESAMPLED)
    # Resampled strengths lie further apart than the strengths do: only their width is used.
    half = {
        name: wider * (high - low) / 2
        for name, low, high in zip(ends.names, ends.low, ends.high, strict=True)
    }
    low = {name: strength[name] - width for name, width in half.items()}
    high = {name: strength[name] + width for name, width in half.items()}
    return low, high


def _p_always(one: str, other: str, clusters: Mapping[str, Wins]) -> float:
    """P of "both are preferred equally often", valid however often one looks; a vote a cluster."""
    votes = [
        wins.get((one, other), 0.0) - wins.get((other, one), 0.0) for wins in clusters.values()
    ]
    return min(1.0, 1 / e_value(sum(v > 0 for v in votes), sum(v < 0 for v in votes)))


def _cases_needed(cases: int, half: float, target: Target) -> int:
    """About how many more cases it takes until every interval is as narrow as the target."""
    if half <= target.precision:
        return max(0, MIN_CASES - cases)
    if math.isinf(half) or cases < 2:
        return max(1, MIN_CASES - cases)
    return max(1, MIN_CASES - cases, math.ceil(cases * (half / target.precision) ** 2) - cases)


def _plain_share(standing: Standing) -> float:
    half = (standing.ties + standing.both_bad) / 2
    return (standing.wins + half) / standing.ratings if standing.ratings else 0.5


def _logit(share: float | None) -> float:
    return 2 * math.atanh(2 * (0.5 if share is None else share) - 1)


def _expit(logit: float) -> float:
    return 0.5 * (1 + math.tanh(logit / 2))

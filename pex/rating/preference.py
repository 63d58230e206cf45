"""From ratings by hand to a verdict: how often one variant is preferred, and how sure that is."""

from __future__ import annotations

import dataclasses
import datetime
import math
from collections.abc import Iterable, Mapping, Sequence

from pex.rating.order import Pair, Pairs
from pex.rating.store import AnswerRating, PairRating
from pex.stats.agreement import krippendorff
from pex.stats.checks import normal_quantile
from pex.stats.intervals import wilson
from pex.stats.paired import clustered, tango
from pex.stats.preference import PositionBias, position_bias
from pex.stats.sequential import e_value

MIN_CASES = 20
"""Fewer cases are never enough, however much they agree."""
MAX_STEPS = 60
"""Points of the curve that shows how a win rate developed."""


@dataclasses.dataclass(frozen=True, slots=True)
class Preference:
    """How often the first of two variants was preferred.

    Args:
        cases: cases with at least one rating.
        ratings: first looks, of all raters.
        wins: ratings for the first variant.
        losses: ratings for the second.
        ties: ratings for neither.
        both_bad: ratings for neither, because both are bad.
        share: win rate of the first variant over the cases; a tie is half a win, and so is "both
            bad". None before the first rating.
        low: lower end of its interval.
        high: upper end.
        method: the method of the interval.
        p_always: p of "both are preferred equally often"; valid however often it is looked at.
        enough: the interval is as narrow as the target.
        more: about how many more cases have to be rated; 0 if it is enough.
    """

    cases: int
    ratings: int
    wins: int
    losses: int
    ties: int
    both_bad: int
    share: float | None
    low: float | None
    high: float | None
    method: str
    p_always: float
    enough: bool
    more: int

    @property
    def half_width(self) -> float | None:
        """Half the width of the interval."""
        if self.low is None or self.high is None:
            return None
        return (self.high - self.low) / 2


@dataclasses.dataclass(frozen=True, slots=True)
class Agreement:
    """How many of the pairs rated twice got the same verdict; `alpha` is None if undefined."""

    same: int
    of: int
    low: float | None
    high: float | None
    alpha: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """The target of a rating: half the width of the interval, and its confidence level."""

    precision: float = 0.1
    confidence: float = 0.95


@dataclasses.dataclass(frozen=True, slots=True)
class Findings:
    """The result of a rating.

    `total` is the preference, `by_rater` that of each rater alone, `steps` how it developed,
    `self_agreement` how consistent each rater is, `rater_agreement` how far they agree with each
    other, `sides` the bias to the left, `share_with_ties` the win rate with identical answers as
    ties.
    """

    pairs: Pairs
    target: Target
    total: Preference
    by_rater: Mapping[str, Preference]
    steps: Sequence[Preference]
    self_agreement: Mapping[str, Agreement]
    rater_agreement: Agreement | None
    sides: PositionBias | None
    share_with_ties: float | None
    verdict: str | None


def findings(ratings: Sequence[PairRating], pairs: Pairs, target: Target) -> Findings:
    """The result of the ratings of two variants.

    Args:
        ratings: those that count, oldest first; ratings of other answers are ignored.
        pairs: all pairs of the two variants.
        target: how narrow the interval should be.
    """
    by_id = {pair.id: pair for pair in pairs.different}
    known = [rated for rated in ratings if rated.pair in by_id]
    total = preference(known, by_id, pairs.variants, target)
    names = list(dict.fromkeys(rated.rater for rated in known))
    alone = {name: [rated for rated in known if rated.rater == name] for name in names}
    different, identical = len(pairs.different), len(pairs.identical)
    share_with_ties = (
        None
        if total.share is None
        else (different * total.share + identical / 2) / (different + identical)
    )
    return Findings(
        pairs=pairs,
        target=target,
        total=total,
        by_rater={name: preference(alone[name], by_id, pairs.variants, target) for name in names},
        steps=growth(known, by_id, pairs.variants, target),
        self_agreement={name: agreement_with_self(alone[name]) for name in names},
        rater_agreement=agreement_between_raters(known),
        sides=side_bias(known),
        share_with_ties=share_with_ties,
        verdict=_verdict(total, pairs, len({by_id[rated.pair].id for rated in known}), target),
    )


def _verdict(total: Preference, pairs: Pairs, rated: int, target: Target) -> str | None:
    """The preferred variant, if the evidence suffices.

    An interval that excludes one half decides at a planned end: when it is narrow enough, or when
    all pairs are rated. Before that only a p that allows for repeated looks counts.
    """
    if total.low is None or total.high is None or total.low <= 0.5 <= total.high:
        return None
    planned = total.enough or rated == len(pairs.different)
    if not planned and total.p_always > 1 - target.confidence:
        return None
    return pairs.variants[0] if total.low > 0.5 else pairs.variants[1]


def preference(
    ratings: Iterable[PairRating],
    pairs: Mapping[str, Pair],
    variants: tuple[str, ...],
    target: Target,
) -> Preference:
    """The win rate of the first variant, with its interval.

    One rater on independent cases: wins and losses are the discordant cases of a paired
    comparison, so the interval is Tango's for their difference, on the scale of a win rate.
    Several raters, repeats or groups: verdicts on one case or group are alike, so the standard
    error is clustered by case or group.

    Args:
        ratings: those that count; second looks are left out.
        pairs: the pairs by their id.
        variants: the two names.
        target: the level of the interval, and how narrow it should be.

    Source: T. Tango, Statistics in Medicine 17 (1998) 891-908; E. Miller, arXiv 2411.00640
    (2024); p at any time: H. Robbins, Annals of Mathematical Statistics 41 (1970) 1397-1409.
    """
    first = [rated for rated in ratings if not rated.second_look and rated.pair in pairs]
    votes: dict[str, list[float]] = {}
    for rated in first:
        votes.setdefault(pairs[rated.pair].case_id, []).append(_vote(rated, variants))
    group_of = {pairs[rated.pair].case_id: pairs[rated.pair].cluster for rated in first}
    values = {case: math.fsum(given) / len(given) for case, given in votes.items()}
    choices = [rated.choice for rated in first]
    winners = [rated.winner for rated in first]
    share, low, high, method = _interval(
        list(values.values()), [group_of[case] for case in values], target.confidence
    )
    half = None if low is None or high is None else (high - low) / 2
    more = _cases_needed(len(values), half, target)
    return Preference(
        cases=len(values),
        ratings=len(first),
        wins=winners.count(variants[0]),
        losses=winners.count(variants[1]),
        ties=choices.count("tie"),
        both_bad=choices.count("both bad"),
        share=share,
        low=low,
        high=high,
        method=method,
        p_always=_p_always(values, group_of),
        enough=more == 0,
        more=more,
    )


def growth(
    ratings: Sequence[PairRating],
    pairs: Mapping[str, Pair],
    variants: tuple[str, ...],
    target: Target,
) -> list[Preference]:
    """The win rate after each rating, or at sixty steps if there are more."""
    first = [rated for rated in ratings if not rated.second_look and rated.pair in pairs]
    step = max(1, math.ceil(len(first) / MAX_STEPS))
    ends = sorted({*range(step, len(first) + 1, step), len(first)} - {0})
    return [preference(first[:end], pairs, variants, target) for end in ends]


def agreement_between_raters(ratings: Iterable[PairRating]) -> Agreement | None:
    """How far raters agree on pairs that two or more of them rated; None if there are none."""
    by_pair: dict[str, dict[str, str]] = {}
    for rated in ratings:
        if not rated.second_look:
            by_pair.setdefault(rated.pair, {})[rated.rater] = rated.winner or "neither"
    shared = [given for given in by_pair.values() if len(given) > 1]
    if not shared:
        return None
    same = sum(len(set(given.values())) == 1 for given in shared)
    raters = sorted({rater for given in shared for rater in given})
    alpha = krippendorff([[given.get(rater) for given in shared] for rater in raters])
    return Agreement(same, len(shared), *wilson(same, len(shared)), alpha)


def agreement_with_self(ratings: Iterable[PairRating | AnswerRating]) -> Agreement:
    """How often a rater gave the same verdict on what was shown twice, pairs with sides swapped."""
    looks: dict[str, dict[bool, str | None]] = {}
    for rated in ratings:
        looks.setdefault(rated.pair, {})[rated.second_look] = rated.winner
    twice = [given for given in looks.values() if len(given) == 2]
    same = sum(given[False] == given[True] for given in twice)
    if not twice:
        return Agreement(0, 0, None, None)
    return Agreement(same, len(twice), *wilson(same, len(twice)))


def side_bias(ratings: Iterable[PairRating]) -> PositionBias | None:
    """Whether the left side is preferred as such; None if no answer was chosen yet."""
    choices = [r.choice for r in ratings if not r.second_look and r.winner is not None]
    return position_bias(choices.count("left"), len(choices)) if choices else None


def now() -> str:
    """The current time in UTC, as it is stored."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def _vote(rated: PairRating, variants: tuple[str, ...]) -> float:
    return {variants[0]: 1.0, variants[1]: -1.0}.get(rated.winner or "", 0.0)


def _interval(
    values: Sequence[float], groups: Sequence[str], confidence: float
) -> tuple[float | None, float | None, float | None, str]:
    """Share, both ends of its interval, and the method."""
    n = len(values)
    if not n:
        return None, None, None, ""
    share = (1 + math.fsum(values) / n) / 2
    if all(value in (-1.0, 0.0, 1.0) for value in values) and len(set(groups)) == n:
        wins, losses = values.count(1.0), values.count(-1.0)
        low, high = tango(0, wins, losses, n - wins - losses, confidence)
        return share, (1 + low) / 2, (1 + high) / 2, "Tango"
    mean = clustered(values, groups, confidence)
    if mean is None or mean.se == 0:
        # Values that are all the same have no spread; that proves less than it seems.
        clusters = len(set(groups))
        return share, *wilson(share * clusters, clusters, confidence), "Wilson"
    return share, max(0.0, (1 + mean.low) / 2), min(1.0, (1 + mean.high) / 2), "clustered"


def _cases_needed(cases: int, half: float | None, target: Target) -> int:
    """About how many more cases it takes to reach the target width.

    Score intervals shrink with the square root of n + z², those of t almost so.
    """
    if half is not None and half <= target.precision:
        return max(0, MIN_CASES - cases)
    if half is None or cases < MIN_CASES:
        # Too few to know how many ties there will be: assume none, and no winner.
        low, high = wilson(50, 100, target.confidence)
        half, known = (high - low) / 2, 100
    else:
        known = cases
    z2 = normal_quantile(target.confidence) ** 2
    needed = math.ceil((known + z2) * (half / target.precision) ** 2 - z2)
    return max(1, MIN_CASES - cases, needed - cases)


def _p_always(values: Mapping[str, float], group_of: Mapping[str, str]) -> float:
    """From one vote per group; several would count the same evidence more than once."""
    votes: dict[str, float] = {}
    for case, value in values.items():
        votes[group_of[case]] = votes.get(group_of[case], 0.0) + value
    for_first = sum(vote > 0 for vote in votes.values())
    return min(1.0, 1 / e_value(for_first, sum(vote < 0 for vote in votes.values())))

"""From ratings by hand to a verdict: how often one variant is preferred, and what that is worth."""

from __future__ import annotations

import dataclasses
import datetime
import math
from collections.abc import Iterable, Mapping, Sequence

from pex.rating.order import Pair, Pairs
from pex.rating.store import Rated
from pex.stats.agreement import krippendorff
from pex.stats.checks import normal_quantile
from pex.stats.intervals import wilson
from pex.stats.paired import clustered, tango
from pex.stats.preference import PositionBias, position_bias
from pex.stats.sequential import e_value

LEAST = 20
"""Fewer cases than this are never enough, however much they agree."""
_POINTS = 60


@dataclasses.dataclass(frozen=True, slots=True)
class Preference:
    """How often the first of two variants was preferred.

    Args:
        cases: cases that somebody rated.
        ratings: first looks, of all raters.
        wins: ratings for the first variant.
        losses: ratings for the second.
        ties: ratings for neither.
        both_bad: ratings for neither, because both are bad.
        share: win rate of the first variant over the cases; a tie is half a win, and so is "both
            bad". None before the first rating.
        low: lower end of its interval.
        high: upper end.
        method: what the interval is.
        p_always: p of "both are preferred equally often", which holds however often one looks.
        enough: the interval is as narrow as was asked for.
        more: about how many cases are still to be rated, 0 where it is enough.
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
    """How far ratings of the same pair agree; `alpha` is None where chance alone explains all."""

    same: int
    of: int
    low: float | None
    high: float | None
    alpha: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Rules:
    """What the rating was asked to reach: half the width of the interval, and its level."""

    precision: float = 0.1
    confidence: float = 0.95


@dataclasses.dataclass(frozen=True, slots=True)
class Findings:
    """All that is said of a rating.

    `total` is the preference, `of_raters` that of each rater alone, `steps` how it grew,
    `oneself` the second looks of each rater, `raters` their agreement with each other, `sides`
    the bias to the left, `over_all` the win rate with the identical answers as ties.
    """

    pairs: Pairs
    rules: Rules
    total: Preference
    of_raters: Mapping[str, Preference]
    steps: Sequence[Preference]
    oneself: Mapping[str, Agreement]
    raters: Agreement | None
    sides: PositionBias | None
    over_all: float | None
    verdict: str | None


def findings(ratings: Sequence[Rated], pairs: Pairs, rules: Rules) -> Findings:
    """All that can be said of the ratings of a pair of variants.

    Args:
        ratings: those that count, oldest first; those of other answers are left out.
        pairs: what was to be rated.
        rules: what the interval should reach.
    """
    by_id = {pair.id: pair for pair in pairs.different}
    known = [rated for rated in ratings if rated.pair in by_id]
    total = preference(known, by_id, pairs.variants, rules)
    names = list(dict.fromkeys(rated.rater for rated in known))
    alone = {name: [rated for rated in known if rated.rater == name] for name in names}
    n, same = len(pairs.different), len(pairs.identical)
    over_all = None if total.share is None else (n * total.share + same / 2) / (n + same)
    return Findings(
        pairs=pairs,
        rules=rules,
        total=total,
        of_raters={name: preference(alone[name], by_id, pairs.variants, rules) for name in names},
        steps=growth(known, by_id, pairs.variants, rules),
        oneself={name: with_oneself(alone[name]) for name in names},
        raters=between_raters(known),
        sides=of_sides(known),
        over_all=over_all,
        verdict=_verdict(total, pairs, len({by_id[rated.pair].id for rated in known}), rules),
    )


def _verdict(total: Preference, pairs: Pairs, rated: int, rules: Rules) -> str | None:
    """The preferred variant, where the evidence suffices.

    An interval that leaves out one half decides where the rating was to stop there: when it was
    narrow enough, or when all pairs were rated. Before, only a p that allows for looking counts.
    """
    if total.low is None or total.high is None or total.low <= 0.5 <= total.high:
        return None
    planned = total.enough or rated == len(pairs.different)
    if not planned and total.p_always > 1 - rules.confidence:
        return None
    return pairs.variants[0] if total.low > 0.5 else pairs.variants[1]


def preference(
    ratings: Iterable[Rated],
    pairs: Mapping[str, Pair],
    variants: tuple[str, str],
    rules: Rules,
) -> Preference:
    """The win rate of the first variant, with its interval.

    One rater on independent cases: wins and losses are the discordant cases of a paired
    comparison, so the interval is Tango's for their difference, brought to the scale of a win
    rate. Several raters, repeats or groups: what is said of one case, or of one group, is alike,
    so the standard error comes from their sums.

    Args:
        ratings: those that count; second looks are left out.
        pairs: the pairs by their id.
        variants: the two names.
        rules: the level of the interval, and how narrow it shall be.

    Source: T. Tango, Statistics in Medicine 17 (1998) 891-908; E. Miller, arXiv 2411.00640
    (2024); p at any time: H. Robbins, Annals of Mathematical Statistics 41 (1970) 1397-1409.
    """
    first = [rated for rated in ratings if not rated.second_look and rated.pair in pairs]
    said: dict[str, list[float]] = {}
    for rated in first:
        said.setdefault(pairs[rated.pair].case_id, []).append(_value(rated, variants))
    group_of = {pairs[rated.pair].case_id: pairs[rated.pair].cluster for rated in first}
    values = {case: math.fsum(given) / len(given) for case, given in said.items()}
    choices = [rated.choice for rated in first]
    winners = [rated.winner for rated in first]
    share, low, high, method = _interval(
        list(values.values()), [group_of[case] for case in values], rules.confidence
    )
    half = None if low is None or high is None else (high - low) / 2
    more = _more(len(values), half, rules)
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
    ratings: Sequence[Rated],
    pairs: Mapping[str, Pair],
    variants: tuple[str, str],
    rules: Rules,
) -> list[Preference]:
    """The win rate after each rating, or after each of sixty steps where there are more."""
    first = [rated for rated in ratings if not rated.second_look and rated.pair in pairs]
    step = max(1, math.ceil(len(first) / _POINTS))
    ends = sorted({*range(step, len(first) + 1, step), len(first)} - {0})
    return [preference(first[:end], pairs, variants, rules) for end in ends]


def between_raters(ratings: Iterable[Rated]) -> Agreement | None:
    """How far raters agree on the pairs that two or more of them rated; None without any."""
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


def with_oneself(ratings: Iterable[Rated]) -> Agreement:
    """How often one rater said the same again of a pair that came twice, sides swapped."""
    looks: dict[str, dict[bool, str | None]] = {}
    for rated in ratings:
        looks.setdefault(rated.pair, {})[rated.second_look] = rated.winner
    twice = [given for given in looks.values() if len(given) == 2]
    same = sum(given[False] == given[True] for given in twice)
    if not twice:
        return Agreement(0, 0, None, None)
    return Agreement(same, len(twice), *wilson(same, len(twice)))


def of_sides(ratings: Iterable[Rated]) -> PositionBias | None:
    """Whether the answer on the left is preferred for being there; None without a choice."""
    choices = [r.choice for r in ratings if not r.second_look and r.winner is not None]
    return position_bias(choices.count("left"), len(choices)) if choices else None


def now() -> str:
    """The time as it is written down, in UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def _value(rated: Rated, variants: tuple[str, str]) -> float:
    return {variants[0]: 1.0, variants[1]: -1.0}.get(rated.winner or "", 0.0)


def _interval(
    values: Sequence[float], groups: Sequence[str], confidence: float
) -> tuple[float | None, float | None, float | None, str]:
    """Share, both ends, and the method in a word."""
    n = len(values)
    if not n:
        return None, None, None, ""
    share = (1 + math.fsum(values) / n) / 2
    if all(value in (-1.0, 0.0, 1.0) for value in values) and len(set(groups)) == n:
        wins, losses = values.count(1.0), values.count(-1.0)
        low, high = tango(0, wins, losses, n - wins - losses, confidence)
        return share, (1 + low) / 2, (1 + high) / 2, "Tango"
    found = clustered(values, groups, confidence)
    if found is None or found.se == 0:
        # Values that are all the same have no spread; that proves less than it seems.
        few = len(set(groups))
        return share, *wilson(share * few, few, confidence), "Wilson"
    return share, max(0.0, (1 + found.low) / 2), min(1.0, (1 + found.high) / 2), "clustered"


def _more(cases: int, half: float | None, rules: Rules) -> int:
    """About how many more cases the asked width takes.

    Widths of score intervals shrink with the root of n + z², those of t much like it.
    """
    if half is not None and half <= rules.precision:
        return max(0, LEAST - cases)
    if half is None or cases < LEAST:
        # Too few to know how many ties there will be: as if there were none and no winner.
        low, high = wilson(50, 100, rules.confidence)
        half, known = (high - low) / 2, 100
    else:
        known = cases
    z2 = normal_quantile(rules.confidence) ** 2
    needed = math.ceil((known + z2) * (half / rules.precision) ** 2 - z2)
    return max(1, LEAST - cases, needed - cases)


def _p_always(values: Mapping[str, float], group_of: Mapping[str, str]) -> float:
    """From one vote per group: more would count what is alike more than once."""
    votes: dict[str, float] = {}
    for case, value in values.items():
        votes[group_of[case]] = votes.get(group_of[case], 0.0) + value
    for_first = sum(vote > 0 for vote in votes.values())
    return min(1.0, 1 / e_value(for_first, sum(vote < 0 for vote in votes.values())))

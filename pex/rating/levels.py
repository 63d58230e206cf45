"""From ratings of single answers to levels of variants, and how sure a difference is."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping, Sequence

from pex.rating.form import Form
from pex.rating.order import Answer, Answers
from pex.rating.preference import MIN_CASES, Agreement, Target, agreement_with_self
from pex.rating.store import AnswerRating
from pex.stats.agreement import krippendorff
from pex.stats.intervals import wilson
from pex.stats.paired import clustered
from pex.stats.sequential import e_value

ByCase = dict[str, float]


@dataclasses.dataclass(frozen=True, slots=True)
class Level:
    """How one variant is rated.

    Args:
        variant: its name.
        ratings: of its answers, by all raters; second looks are left out.
        cases: with at least one rating.
        counts: how often each choice was made.
        mean: over the cases: on the scale, or the share of the first category; None without
            ratings.
        low: lower end of its interval.
        high: upper end.
    """

    variant: str
    ratings: int
    cases: int
    counts: Mapping[str, int]
    mean: float | None = None
    low: float | None = None
    high: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Levels:
    """The result of rating answers alone.

    `order` is the best first. `surely_worse` are those whose difference from the first on the same
    cases is more than chance; the first is the `verdict` if all others are.
    """

    form: Form
    answers: Answers
    target: Target
    order: tuple[Level, ...]
    surely_worse: tuple[str, ...]
    verdict: str | None
    ratings: int
    cases: int
    enough: bool
    more: int
    by_rater: Mapping[str, tuple[Level, ...]]
    self_agreement: Mapping[str, Agreement]
    rater_agreement: Agreement | None
    sides: None = None


def levels(ratings: Sequence[AnswerRating], answers: Answers, form: Form, target: Target) -> Levels:
    """The levels of the variants that ratings of their answers give.

    Ratings of one case, by several raters or of several repeats, are one value; cases of one group
    are alike, so standard errors are clustered. Two variants are compared on the cases that both
    have, at a level for all pairs of variants; before the planned end only if the cases won and
    lost also say so however often one looks.

    Args:
        ratings: those that count; ratings of other answers are ignored.
        answers: the answers of the variants.
        form: the scale or the categories.
        target: how narrow the intervals should be, as a share of the scale.

    Source: E. Miller, arXiv 2411.00640 (2024); H. Robbins, Annals of Mathematical Statistics 41
    (1970) 1397-1409.
    """
    by_id = {answer.id: answer for answer in answers.different}
    known = [rated for rated in ratings if rated.pair in by_id]
    first = [rated for rated in known if not rated.second_look]
    found = [_level(name, first, by_id, form, target) for name in answers.variants]
    order = tuple(sorted(found, key=lambda v: math.inf if v.mean is None else -v.mean))
    cases = len({rated.case_id for rated in first})
    span = form.high - form.low
    halves = [(high - low) / 2 / span for low, high in map(_ends, order) if low < high]
    more = _cases_needed(cases, max(halves, default=math.inf), target)
    planned = more == 0 or len({rated.pair for rated in first}) == len(by_id)
    values = {name: _by_case(name, first, by_id, form) for name in answers.variants}
    groups = {answer.case_id: answer.cluster for answer in answers.different}
    worse = _surely_worse([v.variant for v in order], values, groups, target, planned)
    raters = list(dict.fromkeys(rated.rater for rated in known))
    return Levels(
        form=form,
        answers=answers,
        target=target,
        order=order,
        surely_worse=worse,
        verdict=order[0].variant if len(order) > 1 and len(worse) == len(order) - 1 else None,
        ratings=len(first),
        cases=cases,
        enough=more == 0,
        more=more,
        by_rater={
            name: tuple(
                _level(v, [r for r in first if r.rater == name], by_id, form, target)
                for v in answers.variants
            )
            for name in raters
        },
        self_agreement={
            name: agreement_with_self([r for r in known if r.rater == name]) for name in raters
        },
        rater_agreement=_between_raters(first, form),
    )


def _level(
    name: str,
    first: Sequence[AnswerRating],
    by_id: Mapping[str, Answer],
    form: Form,
    target: Target,
) -> Level:
    own = [rated for rated in first if name in by_id[rated.pair].variants]
    counts = Counter(rated.choice for rated in own)
    level = Level(name, len(own), 0, {choice: counts[choice] for choice in form.names})
    values = _by_case(name, first, by_id, form)
    if not values:
        return level
    span = form.high - form.low
    shares = [(value - form.low) / span for value in values.values()]
    cluster = {rated.case_id: by_id[rated.pair].cluster for rated in own}
    groups = [cluster[case] for case in values]
    mean = math.fsum(shares) / len(shares)
    found = clustered(shares, groups, target.confidence)
    if found is None or found.se == 0:  # no spread; that proves less than it seems
        n = len(set(groups))
        ends = wilson(mean * n, n, target.confidence)
    else:
        ends = max(0.0, found.low), min(1.0, found.high)
    low, high = (form.low + end * span for end in ends)
    return dataclasses.replace(
        level, cases=len(values), mean=form.low + mean * span, low=low, high=high
    )


def _ends(level: Level) -> tuple[float, float]:
    """Both ends of its interval; two equal ones without ratings."""
    return (0.0, 0.0) if level.low is None or level.high is None else (level.low, level.high)


def _by_case(
    name: str, first: Sequence[AnswerRating], by_id: Mapping[str, Answer], form: Form
) -> ByCase:
    """The mean value of a variant's ratings for each case."""
    found: dict[str, list[float]] = {}
    for rated in first:
        if name in by_id[rated.pair].variants:
            found.setdefault(rated.case_id, []).append(form.value(rated.choice))
    return {case: math.fsum(values) / len(values) for case, values in found.items()}


def _surely_worse(
    order: Sequence[str],
    values: Mapping[str, ByCase],
    groups: Mapping[str, str],
    target: Target,
    planned: bool,
) -> tuple[str, ...]:
    if len(order) < 2:
        return ()
    # Bonferroni for every pair: which variant is first was not known before.
    alpha = (1 - target.confidence) / math.comb(len(order), 2)
    best = values[order[0]]
    found = []
    for name in order[1:]:
        both = [case for case in best if case in values[name]]
        diffs = [best[case] - values[name][case] for case in both]
        own = [groups[case] for case in both]
        difference = clustered(diffs, own, 1 - alpha) if diffs else None
        always = _p_always(diffs, own) <= alpha
        if difference is None or difference.se == 0:
            sure = always and math.fsum(diffs) > 0
        else:
            sure = difference.low > 0 and (planned or always)
        if sure:
            found.append(name)
    return tuple(found)


def _p_always(diffs: Sequence[float], groups: Sequence[str]) -> float:
    """P of "both are rated alike", valid however often one looks; a vote for each group."""
    votes: dict[str, float] = {}
    for group, value in zip(groups, diffs, strict=True):
        votes[group] = votes.get(group, 0.0) + value
    won, lost = (sum(sign * vote > 0 for vote in votes.values()) for sign in (1, -1))
    return min(1.0, 1 / e_value(won, lost))


def _cases_needed(cases: int, half: float, target: Target) -> int:
    """About how many more cases it takes until every interval is as narrow as the target."""
    if half <= target.precision:
        return max(0, MIN_CASES - cases)
    if math.isinf(half):
        return max(1, MIN_CASES - cases)
    return max(1, MIN_CASES - cases, math.ceil(cases * (half / target.precision) ** 2) - cases)


def _between_raters(first: Sequence[AnswerRating], form: Form) -> Agreement | None:
    """How far raters agree on answers that two or more of them rated; None if there are none."""
    by_answer: dict[str, dict[str, str]] = {}
    for rated in first:
        by_answer.setdefault(rated.pair, {})[rated.rater] = rated.choice
    shared = [given for given in by_answer.values() if len(given) > 1]
    if not shared:
        return None
    same = sum(len(set(given.values())) == 1 for given in shared)
    raters = sorted({rater for given in shared for rater in given})
    read = form.value if form.is_scale else str
    table = [[read(given[r]) if r in given else None for given in shared] for r in raters]
    alpha = krippendorff(table, level="interval" if form.is_scale else "nominal")
    return Agreement(same, len(shared), *wilson(same, len(shared)), alpha)

"""One family of comparisons: every prompt's primary score, with Holm's correction over all.

Each prompt makes at most one of two kinds of claim, and each kind is corrected by itself:

- *better* or *worse*: the p of the difference, adjusted over all prompts that have one; the
  interval is at the level that Holm's procedure compares this p with, so that the two agree.
- *no worse*: the adjusted one-sided p of "worse by the margin or more", and the bound at the
  level that Holm's procedure reaches for this prompt.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pex.compare.compare import rows_of
from pex.compare.effect import Effect, effect, no_worse_p
from pex.compare.metric import check_frame
from pex.compare.pairing import Pairing
from pex.compare.verdict import POWER, UNDECIDED, Options, Row, record_of
from pex.core.about import VariantInfo
from pex.core.errors import PexError
from pex.core.provenance import origin_notes
from pex.stats import power
from pex.stats.checks import normal_quantile
from pex.stats.multiple import holm

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True)
class Subject:
    """A comparison of the family: the frame of both variants, what is compared, and how.

    `margin` is by how much worse is still no worse, None if nobody said; `uncalibrated` are the
    judges that have not been compared with people.
    """

    frame: pd.DataFrame
    new: VariantInfo
    old: VariantInfo
    metric: str
    margin: float | None = None
    uncalibrated: Sequence[str] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """What a comparison says: a row of `pex.compare`, corrected for the family.

    `problem` says why there is nothing to compare; `p_no_worse` is the p of *no worse*, adjusted.
    """

    row: dict[str, Any]
    p_no_worse: float | None = None
    more_cases: int | None = None
    problem: str = ""

    @property
    def word(self) -> str:
        """Better, worse, no worse, undecided or unchanged."""
        return str(self.row.get("verdict", UNDECIDED))


def judge_family(subjects: Sequence[Subject], confidence: float = 0.95) -> list[Finding]:
    """Compare every subject, corrected for their number.

    Args:
        subjects: the comparisons.
        confidence: of the whole family: of all claims of a kind together.

    Returns:
        A finding for each subject, in their order.
    """
    alpha = 1 - confidence
    rows = [_row_of(subject, confidence) for subject in subjects]
    tested = [row for row in rows if isinstance(row, Row) and row.effect.p is not None]
    levels = _adjust(tested, alpha)
    for row, level in zip(tested, levels, strict=True):
        ends = effect(row.pairing, row.metric, 1 - level, test=False)
        row.effect = dataclasses.replace(row.effect, low=ends.low, high=ends.high)
    claims = [
        (row, subject.margin)
        for row, subject in zip(rows, subjects, strict=True)
        if isinstance(row, Row) and subject.margin is not None and row.effect.least is not None
    ]
    adjusted = _no_worse(claims, alpha)
    return [
        _finding(row, subject, confidence, adjusted, len(claims))
        for row, subject in zip(rows, subjects, strict=True)
    ]


def _row_of(subject: Subject, confidence: float) -> Row | str:
    """The comparison by itself, or why there is none."""
    there = set(subject.frame["variant"]) if len(subject.frame) else set()
    if not {subject.new.name, subject.old.name} <= there:
        return "no case has an answer of both models"
    options = Options(subject.margin, confidence)
    notes = origin_notes(subject.frame)
    try:
        frame = check_frame(subject.frame)
        pair = [subject.new, subject.old]
        rows = rows_of(frame, [frame], subject.old.name, subject.metric, options, pair, notes=notes)
    except PexError as error:
        return error.message
    return rows[0] if rows[0].pairing.n else "no case has a score for both models"


def _adjust(tested: Sequence[Row], alpha: float) -> list[float]:
    """Put Holm's p into the rows; returns the level of each one's interval.

    Holm's procedure compares the smallest p with alpha / m, the next with alpha / (m - 1), and
    stops at the first that is not below: this and all others share its level.
    """
    count = len(tested)
    p_values = [float(row.effect.p or 0.0) for row in tested]
    strict = [_strict_p(row) for row in tested]
    adjusted, adjusted_strict = holm(p_values), holm(strict)
    for row, p, p_strict in zip(tested, adjusted, adjusted_strict, strict=True):
        row.family, row.p_adjusted, row.p_adjusted_strict = count, float(p), float(p_strict)
    order = sorted(range(count), key=lambda number: p_values[number])
    rejected = sum(float(p) < alpha for p in adjusted)
    levels = [alpha / max(1, count - rejected)] * count
    for rank, number in enumerate(order[:rejected]):
        levels[number] = alpha / (count - rank)
    return levels


def _strict_p(row: Row) -> float:
    found = row.strict or row.effect
    return 1.0 if found.p is None else float(found.p)


def _no_worse(claims: Sequence[tuple[Row, float | None]], alpha: float) -> dict[int, float]:
    """Put the one-sided bounds at Holm's levels into the rows; the adjusted p by the row's id.

    A bound within the margin is not enough: equal differences have one of zero width at any level.
    """
    count = len(claims)
    p_values = [no_worse_p(row.pairing, row.metric, float(margin or 0.0)) for row, margin in claims]
    adjusted = [float(p) for p in holm(p_values)]
    order = sorted(range(count), key=lambda number: p_values[number])
    claimed = sum(p <= alpha for p in adjusted)
    for rank, number in enumerate(order):
        level = alpha / max(1, count - min(rank, claimed))
        row, margin = claims[number]
        row.effect = _at(row.effect, row.pairing, row, level, adjusted[number] <= alpha)
        if row.strict is not None and row.strict_pairing is not None:
            p = no_worse_p(row.strict_pairing, row.metric, float(margin or 0.0))
            row.strict = _at(row.strict, row.strict_pairing, row, level, p <= level)
    return {id(row): p for (row, _), p in zip(claims, adjusted, strict=True)}


def _at(found: Effect, pairing: Pairing, row: Row, level: float, sure: bool) -> Effect:
    """An effect with its one-sided ends at a level; `sure` if *no worse* may be claimed there."""
    ends = effect(pairing, row.metric, 1 - level, test=False)
    solid = found.solid and (sure or not _is_flat(found))
    return dataclasses.replace(found, least=ends.least, most=ends.most, solid=solid, sure=sure)


def _is_flat(found: Effect) -> bool:
    """Whether the interval has no width because all differences are equal."""
    return found.method != "newcombe" and found.low is not None and found.low == found.high


def _finding(
    row: Row | str, subject: Subject, confidence: float, adjusted: dict[int, float], claims: int
) -> Finding:
    if isinstance(row, str):
        return Finding({}, problem=row)
    options = Options(subject.margin, confidence, uncalibrated=tuple(subject.uncalibrated))
    count = functools.partial(_more_cases, row, subject.margin, 1 - confidence, claims)
    found = record_of(row, options, count)
    return Finding(found, adjusted.get(id(row)), found["more_cases"])


def _more_cases(row: Row, margin: float | None, alpha: float, claims: int, word: str) -> int | None:
    """About how many more cases would decide, if the difference is as large as it appears.

    At the level that the correction leaves in the worst case, which is the honest one to plan by.
    """
    n, sd, difference = row.pairing.n, row.effect.sd, row.effect.difference
    if word != UNDECIDED or n < 2 or sd is None:
        return None
    oriented = difference if row.metric.higher_is_better else -difference
    found: list[int | None] = []
    if sd > 0 and difference:
        level = alpha / max(1, row.family)
        found.append(power.cases_for_difference(abs(difference), sd, alpha=level, power=POWER))
    level = alpha / max(1, claims)
    if margin and sd > 0:
        found.append(
            power.cases_for_noninferiority(oriented, sd, margin, confidence=1 - level, power=POWER)
        )
    elif margin and _is_flat(row.effect) and oriented > -margin:
        # Equal differences: so many that one case in twenty that differs would have shown itself.
        per_unit = n / (row.effect.n_groups or n)
        found.append(math.ceil(math.log(level) / math.log(0.95) * per_unit))
    elif margin and row.metric.yes_no:
        # No case differed: Tango's bound of n equal pairs is z² / (n + z²).
        z = normal_quantile(1 - 2 * level)
        found.append(math.floor(z * z * (1 - margin) / margin) + 1)
    known = [number for number in found if number is not None]
    return max(1, min(known) - n) if known else None

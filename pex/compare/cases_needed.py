"""How many cases a difference needs, from how much two variants differed in a pilot."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pex.compare.compare import names_of
from pex.compare.effect import effect
from pex.compare.metric import check_frame, metric_of
from pex.compare.pairing import Pairing, Table
from pex.core.about import VariantInfo
from pex.core.errors import PexError
from pex.core.pairs import pairs, variants_in
from pex.core.safe_text import clean
from pex.stats import power as statistics

if TYPE_CHECKING:
    import pandas as pd

_DISCORDANT = 0.2
"""Without a pilot: one case in five is right by one variant only."""
_WITHIN_GROUPS = 0.5
"""Without a pilot: how much the differences of one group's cases are correlated."""
_ALPHA = 0.05


@dataclasses.dataclass(frozen=True, slots=True)
class CasesNeeded:
    """The number of cases that a comparison needs; None if no number suffices.

    Args:
        cases: the number of cases.
        have: how many there are.
        sentence: the number and what it is for.
        assumption: what it is calculated from.
    """

    cases: int | None
    have: int
    sentence: str
    assumption: str

    def __repr__(self) -> str:
        return clean(f"{self.sentence}\n{self.assumption}")

    def _repr_html_(self) -> str:
        from html import escape

        said = (escape(clean(text)) for text in (self.sentence, self.assumption))
        return "".join(f"<p>{text}</p>" for text in said)


def from_pilot(
    frame: pd.DataFrame,
    have: int,
    difference: float,
    power: float,
    metric: str | None = None,
    baseline: str | None = None,
    variants: Sequence[VariantInfo] | None = None,
) -> CasesNeeded:
    """The cases that a difference needs, by the pair of variants that differs most in a pilot.

    The level is corrected for all pairs with the baseline, as the comparison does. Groups count
    as in the comparison: a group's cases that go up and down together are worth fewer.

    Args:
        frame: the long frame of the pilot.
        have: how many cases there are.
        difference: the difference to be found, in the unit of the metric.
        power: how often it should be found.
        metric: a score; None: the first.
        baseline: as in a comparison.
        variants: name, prompt, model and parameters of each; None: taken from the frame.

    Raises:
        PexError: the metric or baseline does not exist, or the pilot has no pair of variants.
    """
    check(difference, power)
    frame = check_frame(frame)
    chosen = metric_of(frame, metric or names_of(frame, None)[0])
    if chosen.yes_no and difference > 1:
        raise PexError(f"difference: {difference} is more than all cases of a yes/no score")
    there = set(frame["variant"])
    known = [item for item in variants or variants_in(frame) if item.name in there]
    table = Table(frame, chosen)
    wanted = pairs(known, baseline)
    found = [(table.pair(*pair), pair) for pair in wanted]
    found = [(pairing, pair) for pairing, pair in found if pairing.n >= 2]
    if not found:
        raise PexError("the pilot has no two variants with two cases in common")
    alpha = _ALPHA / len(wanted)
    best: tuple[float, Pairing, tuple[str, str]] | None = None
    for pairing, pair in found:
        sd = effect(pairing, chosen, 0.95).sd or 0.0
        if best is None or sd > best[0]:
            best = (sd, pairing, (pair[0], pair[1]))
    assert best is not None
    sd, pairing, names = best
    groups = len(set(pairing.groups.tolist()))
    said = f"'{names[0]}' and '{names[1]}'"
    if chosen.yes_no:
        discordant = int((pairing.differences != 0).sum())
        what = f"{said} differed on {discordant} of {pairing.n} cases"
        if not discordant:
            sd = math.sqrt(min(1.0, 3 / pairing.n))
            what += (
                f"; up to {min(100, round(300 / pairing.n))} % would be no surprise and are assumed"
            )
        sd = max(sd, math.sqrt(difference))  # as many cases differ at least
    else:
        what = f"the differences between {said} have a standard deviation of {sd:.3g}"
        if sd == 0:
            raise PexError(f"the pilot's {pairing.n} cases do not differ in '{chosen.name}'",
                           hint="run more cases first")  # fmt: skip
    needed = statistics.cases_for_difference(difference, sd, alpha=alpha, power=power)
    if groups < pairing.n:
        what += f"; {groups} groups, as large in future"
    if len(wanted) > 1:
        what += f"; corrected for {len(wanted)} comparisons"
    if pairing.n < 20:
        what += f"; a pilot of {pairing.n} cases is a rough guide"
    return _needed(needed, have, difference, power, chosen.name, chosen.yes_no, f"Pilot: {what}.")


def without_pilot(
    have: int, groups: int, difference: float, power: float, metric: str, comparisons: int = 1
) -> CasesNeeded:
    """The cases that a difference of a yes/no score needs, by an assumption.

    Args:
        have: how many cases there are.
        groups: how many groups they are in; a case without one is its own.
        difference: the difference to be found, between 0 and 1.
        power: how often it should be found.
        metric: the name of the score.
        comparisons: how many pairs of variants are compared.

    Raises:
        PexError: a value that does not fit.

    Example:
        >>> without_pilot(100, 100, 0.1, 0.8, "label").cases
        159
    """
    check(difference, power)
    if difference > 1:
        raise PexError(f"difference: {difference} is more than all cases of a yes/no score")
    sd = math.sqrt(max(_DISCORDANT, difference))
    each = have / max(1, groups)
    sd *= math.sqrt(1 + (each - 1) * _WITHIN_GROUPS)
    needed = statistics.cases_for_difference(
        difference, sd, alpha=_ALPHA / max(1, comparisons), power=power
    )
    what = f"No pilot: '{metric}' is assumed to be yes or no, and to differ on one case in five"
    if each > 1:
        what += f", cases of a group by half together ({groups} groups, as large in future)"
    if comparisons > 1:
        what += f"; corrected for {comparisons} comparisons"
    what += ". Run some cases first for a better number: exp.run(limit=30)."
    return _needed(needed, have, difference, power, metric, True, what)


def check(difference: float, power: float) -> None:
    """Check what is asked for.

    Raises:
        PexError: no difference above 0, or a power that is not between 0.05 and 1.
    """
    if isinstance(difference, bool) or not 0 < difference < math.inf:
        raise PexError(f"difference: expected a number above 0, got {difference!r}")
    if isinstance(power, bool) or not _ALPHA < power < 1:
        raise PexError(f"power: expected a number between {_ALPHA} and 1, got {power!r}")


def _needed(
    needed: int | None,
    have: int,
    difference: float,
    power: float,
    name: str,
    yes_no: bool,
    why: str,
) -> CasesNeeded:
    points = 100 * difference
    shown = f"{points:.3g} point{'s' * (points != 1)}" if yes_no else f"{difference:.3g}"
    often = f"{100 * power:.3g} % of the time"
    if needed is None:
        return CasesNeeded(None, have, f"No number of cases finds {shown} on '{name}' {often}", why)
    text = f"{needed:,} cases find a difference of {shown} on '{name}' {often}; "
    text += f"there are {have:,}" + (f": {needed - have:,} more" if needed > have else ": enough")
    return CasesNeeded(needed, have, text, why)

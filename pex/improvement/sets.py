"""The three sets of an improvement: divided, large enough, and as they were before."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence

from pex.cases.near_duplicates import clusters
from pex.core.case import Case
from pex.core.errors import PexError
from pex.core.splits import COLUMN, SETS, SHARES, SetName, Split, check_shares, split_cases
from pex.core.text import value_text
from pex.improvement.cross_fit import LEAST as LEAST_CROSS_FITTED
from pex.improvement.cross_fit import check_folds, fold_cases, search_sets
from pex.improvement.question import Question
from pex.stats import power

LEAST: Mapping[SetName, int] = {"train": 10, "select": 20, "confirm": 20}
"""Cases that each set needs: with fewer, no difference of prompts can be told from chance."""
LIKENESS = 0.9
"""From this likeness on, two cases without a group are near-duplicates and stay together."""
SPREAD = 0.5
"""The standard deviation of a difference of yes/no scores if a quarter of the cases differ."""


@dataclasses.dataclass(frozen=True, slots=True)
class Sets:
    """The three sets.

    `alike` counts the cases without a group that stay together as near-duplicates of each other,
    `seen` those of the confirm set that an earlier improvement had learned from or chosen by,
    `unaccepted` the generated cases that are in no set because nobody has accepted them.
    """

    split: Split
    alike: int = 0
    seen: int = 0
    unaccepted: int = 0

    def sizes(self) -> dict[SetName, int]:
        """The number of cases in each set."""
        return {name: len(getattr(self.split, name)) for name in SETS}

    def notes(self) -> list[str]:
        """What a reader of the result should know about the sets."""
        said = []
        if self.unaccepted:
            cases = (
                "1 generated case that nobody has accepted is"
                if self.unaccepted == 1
                else f"{self.unaccepted:,} generated cases that nobody has accepted are"
            )
            said.append(f"{cases} left out")
        if self.alike:
            said.append(
                f"{self.alike:,} cases without a group are near-duplicates of others and were kept "
                "in one set with them"
            )
        if self.seen:
            cases = "1 case" if self.seen == 1 else f"{self.seen:,} cases"
            said.append(
                f"{cases} of the confirm set was in train or select of an earlier improvement, "
                f"because the column '{COLUMN}' says so: it is not fresh"
            )
        return said


def divide(
    cases: Sequence[Case],
    shares: Mapping[SetName, float] | None,
    variables: Iterable[str],
    known: Mapping[str, SetName],
) -> Sets:
    """Divide the cases of an experiment.

    Args:
        cases: all of them.
        shares: of each set; None: the usual.
        variables: the prompt's variables, whose values make two cases alike.
        known: the set of each case in earlier improvements.

    Raises:
        PexError: a set would be too small; it says how many cases are needed.
    """
    split, together = division(cases, shares, variables, known)
    there = {case.id for case in cases}
    learned = sum(case in there and name != "confirm" for case, name in known.items())
    _check_sizes(split, shares, _declared(cases), learned)
    seen = sum(known.get(case.id, "confirm") != "confirm" for case in split.confirm)
    return Sets(split, len(together), seen)


def folded_sets_of(
    question: Question, folds: int
) -> tuple[Sets, list[tuple[Split, tuple[Case, ...]]]]:
    """The sets of the last search, over all cases, and those of each fold.

    Args:
        question: what is improved.
        folds: how many.

    Raises:
        PexError: too few cases or groups, or another number of folds than makes sense.
    """
    cases = question.cases
    check_folds(folds, cases)
    together = _together(cases, list(question.start.prompt.variables))
    sets = Sets(search_sets(cases, together), len(together), unaccepted=_unaccepted(question))
    return sets, fold_cases(cases, folds, together)


def _unaccepted(question: Question) -> int:
    return len(question.experiment.cases) - len(question.cases)


def division(
    cases: Sequence[Case],
    shares: Mapping[SetName, float] | None,
    variables: Iterable[str],
    known: Mapping[str, SetName],
) -> tuple[Split, dict[str, str]]:
    """The sets as `divide` makes them, of any size, and the near-duplicates that stay together.

    Raises:
        PexError: the shares do not fit.
    """
    together = {} if _declared(cases) else _together(cases, list(variables))
    given = None if shares is None else {str(name): share for name, share in shares.items()}
    return split_cases(cases, given, together=together, known=known), together


def _declared(cases: Sequence[Case]) -> bool:
    return any(case.inputs.get(COLUMN) in SETS for case in cases)


def _together(cases: Sequence[Case], variables: Sequence[str]) -> dict[str, str]:
    """The near-duplicates among the cases without a group, under a common name."""
    alone = [case for case in cases if case.group is None]
    texts = [
        "\n".join(value_text(case.values[name]) for name in variables if name in case.values)
        for case in alone
    ]
    found: dict[str, str] = {}
    for number, members in enumerate(clusters(texts, LIKENESS)):
        if len(members) > 1:
            found |= {alone[place].id: str(number) for place in members}
    return found


def _check_sizes(
    split: Split, shares: Mapping[SetName, float] | None, declared: bool, learned: int
) -> None:
    sizes = {name: len(getattr(split, name)) for name in SETS}
    short = [name for name in SETS if sizes[name] < LEAST[name]]
    if not short:
        return
    there = ", ".join(f"{sizes[name]} {name}" for name in SETS)
    least = ", ".join(f"{LEAST[name]} {name}" for name in SETS)
    if learned and short == ["confirm"]:
        parts = dict(shares or check_shares(SHARES))
        more = math.ceil((LEAST["confirm"] - sizes["confirm"]) / parts["confirm"] - 1e-9)
        raise PexError(
            f"{learned:,} of {sum(sizes.values()):,} cases were seen by earlier improvements: "
            f"{sizes['confirm']} are left to confirm with, at least {LEAST['confirm']} are needed",
            hint=f"add about {more} new cases, or judge the search in folds: cross_fit=5, "
            "--cross-fit 5",
        )
    if declared:
        hint = f"put more cases into {' and '.join(short)} in the column '{COLUMN}'"
    else:
        parts = dict(shares or check_shares(SHARES))
        needed = max(math.ceil(LEAST[name] / parts[name] - 1e-9) for name in SETS)
        hint = f"about {needed} cases are needed with these shares, in groups that can be divided"
    if sum(sizes.values()) >= LEAST_CROSS_FITTED:
        hint += ". Or judge the search in folds: cross_fit=5, --cross-fit 5"
    find = detectable(LEAST["confirm"])
    raise PexError(
        f"{sum(sizes.values())} cases are too few for three sets: {there}; at least {least}",
        hint=f"{hint}; {LEAST['confirm']} cases to confirm with show a difference of about "
        f"{find * 100:.0f} points if a quarter of the answers differ",
    )


def detectable(cases: int, spread: float = SPREAD) -> float:
    """The smallest true difference that this many cases find four times in five.

    Args:
        cases: in the confirm set.
        spread: the standard deviation of the difference from case to case.

    Example:
        >>> round(detectable(20), 2), round(detectable(100), 2)
        (0.33, 0.14)
    """
    return float(power.minimal_difference(cases, spread, alpha=0.05, power=0.8))


def sets_of(question: Question, known: Mapping[str, SetName]) -> Sets:
    """The sets of an experiment's cases.

    Args:
        question: what is improved.
        known: the sets of cases that earlier improvements have divided.

    Raises:
        PexError: too few cases, or shares that do not fit.
    """
    shares, variables = question.experiment.splits, question.start.prompt.variables
    return dataclasses.replace(
        divide(question.cases, shares, variables, known), unaccepted=_unaccepted(question)
    )

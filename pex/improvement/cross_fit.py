"""Cross-fitting: where three sets would be too small, the search itself is judged, fold by fold.

The cases are divided into folds. For each fold a search uses the other folds only, and its winner
is compared with the start on the fold. All folds together say how much such a search gains on cases
that it has not seen. The prompt that is returned comes from one more search over all cases: nothing
is left to confirm it by itself.

Source of the interval over all folds: P. Bayle, A. Bayle, L. Janson, L. Mackey, "Cross-validation
confidence intervals for test error", NeurIPS 2020.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pex.core.case import Case
from pex.core.errors import PexError
from pex.core.splits import Split, divide_cases
from pex.improvement.confirmation import Confirmation, Fold
from pex.improvement.lab import Measurer
from pex.improvement.proposal import BudgetSpent, Measured
from pex.improvement.selection import START, Search
from pex.results.comparison import compare_frame

LEAST = 40
"""Cases that cross-fitting needs."""
MOST_FOLDS = 20
_LEAST_OF_FOLD = (2, 10, 8)
"""Cases of a fold, and those that its search needs to learn from and to choose by."""
WINNER = "winner"
_SHARES = {"train": 2 / 3, "select": 1 / 3}


def check_folds(folds: int, cases: Sequence[Case]) -> None:
    """Raise a `PexError` for a number of folds, or of cases, that does not fit."""
    whole = isinstance(folds, int) and not isinstance(folds, bool)
    if not whole or not 2 <= folds <= MOST_FOLDS:
        raise PexError(
            f"cross_fit: expected a whole number of folds from 2 to {MOST_FOLDS}, got {folds!r}",
            hint="5 is usual",
        )
    if len(cases) < LEAST:
        raise PexError(
            f"{len(cases)} cases are too few, also for cross-fitting: it needs {LEAST}",
            hint="add cases: pexlab cases generate proposes some",
        )


def fold_cases(
    cases: Sequence[Case], folds: int, together: Mapping[str, str]
) -> list[tuple[Split, tuple[Case, ...]]]:
    """For each fold, the sets of its search and the cases of the fold.

    Args:
        cases: all of them.
        folds: how many.
        together: cases that belong together although they have no group.

    Raises:
        PexError: groups so few or unequal that a fold, or its search, would be too small.
    """
    names = [str(number) for number in range(1, folds + 1)]
    parts = divide_cases(cases, dict.fromkeys(names, 1 / folds), together)
    found = []
    for name in names:
        held = {case.id for case in parts[name]}
        others = [case for case in cases if case.id not in held]
        split = search_sets(others, together) if others else Split((), (), ())
        sizes = (len(held), len(split.train), len(split.select))
        if any(size < least for size, least in zip(sizes, _LEAST_OF_FOLD, strict=True)):
            raise PexError(
                f"cross_fit={folds}: the groups of the cases are too few or too unequal: fold "
                f"{name} would have {sizes[0]} cases, its search {sizes[1]} to learn from and "
                f"{sizes[2]} to choose by; at least {', '.join(map(str, _LEAST_OF_FOLD))}",
                hint="give another number of folds, or more cases in other groups",
            )
        found.append((split, tuple(parts[name])))
    return found


def search_sets(cases: Sequence[Case], together: Mapping[str, str]) -> Split:
    """The sets of a search without a confirmation: two thirds to learn from, one to choose by."""
    parts = divide_cases(cases, _SHARES, together)
    return Split(tuple(parts["train"]), tuple(parts["select"]), ())


def run_folds(
    folds: Sequence[tuple[Split, tuple[Case, ...]]],
    search: Callable[[Split, int], Search],
    lab: Measurer,
) -> list[Fold]:
    """Search on the other folds, and measure the winner and the start on each.

    Args:
        folds: as `fold_cases` returns them.
        search: searches on two sets; the number of the fold is for its progress.
        lab: measures.

    Raises:
        BudgetSpent: the budget ends before all folds are measured.
        ProviderError: as in `Selection.run`.
    """
    found = []
    for number, (split, cases) in enumerate(folds, 1):
        made = search(split, number)
        if made.ended == "budget":
            # A search that was cut short says nothing about such a search.
            raise BudgetSpent
        start, winner = lab.measure([made.start.prompt, made.best.prompt], cases)
        found.append(Fold(number, cases, made.best, start, winner, dict(made.failures)))
    return found


def confirm_folds(
    folds: Sequence[Fold],
    metric: str,
    *,
    margin: float | None = None,
    confidence: float = 0.95,
    uncalibrated: Sequence[str] = (),
    use: int = 1,
) -> Confirmation:
    """All folds as one comparison: what the searches found, against the start.

    Raises:
        PexError: there is nothing to compare.
    """
    import pandas as pd

    start = pd.concat([fold.start.frame for fold in folds], ignore_index=True)
    winner = pd.concat([fold.winner.frame for fold in folds], ignore_index=True)
    both = pd.concat(
        [start.assign(variant=START), winner.assign(variant=WINNER)], ignore_index=True
    )
    comparison = compare_frame(
        both,
        baseline=START,
        metric=metric,
        margin=margin,
        confidence=confidence,
        uncalibrated=uncalibrated,
    )
    sides = []
    for frame, name in ((start, "start"), (winner, "winner")):
        scores = {
            case: score for fold in folds for case, score in getattr(fold, name).scores.items()
        }
        sides.append(Measured(getattr(folds[0], name).prompt, frame, scores))
    return Confirmation(sides[0], sides[1], comparison, use, folds=tuple(folds))

"""The confirmation: the winner against the start, once, on cases that nothing has seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.compare.verdict import UNDECIDED
from pex.core.case import Case
from pex.core.values import missing
from pex.improvement.lab import Measurer
from pex.improvement.proposal import Measured
from pex.improvement.selection import START, Candidate
from pex.report.comparison import format_difference as difference_text
from pex.report.comparison import format_ends, format_value, round_count
from pex.results.comparison import Comparison, compare_frame

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True, slots=True)
class Fold:
    """One fold: its cases, and the winner of the search over the other cases on them."""

    number: int
    cases: tuple[Case, ...]
    best: Candidate
    start: Measured
    winner: Measured
    failures: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """The ways that could not make proposals, and why."""

    @property
    def kept(self) -> bool:
        """Whether the search found nothing better than the start."""
        return self.best.name == START

    @property
    def gain(self) -> float:
        """The mean difference of winner and start on the fold."""
        return self.winner.mean - self.start.mean


@dataclasses.dataclass(frozen=True, slots=True)
class Confirmation:
    """The winner and the start on the confirm set.

    `use` says how often, with this one, the set has confirmed something; 1 is fresh. With `folds`
    it is about the searches of all folds, each with a winner of its own.
    """

    start: Measured
    winner: Measured
    comparison: Comparison
    use: int = 1
    folds: tuple[Fold, ...] = ()

    @property
    def row(self) -> dict[str, Any]:
        """The comparison's row."""
        return {str(key): value for key, value in self.comparison.frame.iloc[0].items()}

    @property
    def verdict(self) -> str:
        """Better, worse, no worse, undecided: as in any comparison."""
        return str(self.row["verdict"])

    def answers(self) -> pd.DataFrame:
        """The answers of both on every case: one row for each case, repeat and prompt."""
        import pandas as pd

        both = pd.concat(
            [self.start.frame.assign(prompt=START), self.winner.frame.assign(prompt="winner")]
        )
        score = f"score.{self.row['metric']}"
        names = ["case_id", "repeat", "prompt", "output", "error", "cost_usd", "latency_s"]
        return both[[*names, *([score] if score in both else [])]].reset_index(drop=True)


def confirm(
    lab: Measurer,
    start: Candidate,
    winner: Candidate,
    cases: Sequence[Case],
    metric: str,
    *,
    margin: float | None = None,
    confidence: float = 0.95,
    uncalibrated: Sequence[str] = (),
    use: int = 1,
) -> Confirmation:
    """Measure both on the confirm set and compare them, as any two variants are compared.

    Raises:
        BudgetSpent: the budget ends before both are measured.
        PexError: there is nothing to compare.
    """
    import pandas as pd

    one, other = lab.measure([start.prompt, winner.prompt], cases)
    frame = pd.concat(
        [one.frame.assign(variant=START), other.frame.assign(variant=winner.name)],
        ignore_index=True,
    )
    comparison = compare_frame(
        frame,
        baseline=START,
        metric=metric,
        margin=margin,
        confidence=confidence,
        uncalibrated=uncalibrated,
    )
    return Confirmation(one, other, comparison, use)


def value_text(value: Any, row: Mapping[str, Any]) -> str:
    """A score as in the result's sentence: two decimals if it is yes/no.

    Example:
        >>> value_text(0.8372, {"metric": "label", "yes_no": True})
        '0.84'
    """
    if row["yes_no"] and not missing(value):
        return f"{float(value):.2f}"
    return format_value(value, row["metric"], row["yes_no"])


def sentence(selected: float, row: Mapping[str, Any]) -> str:
    """The result in a sentence.

    Args:
        selected: the winner's score while it was chosen.
        row: the comparison's row.
    """
    parts = [
        f"{value_text(selected, row)} while selecting",
        f"{value_text(row['candidate_score'], row)} when confirmed",
    ]
    difference = f"{difference_text(row['diff'], row['metric'], row['yes_no'])} {format_ends(row)}"
    return f"{', '.join(parts)}, {difference.strip()} against the start: {row['verdict']}."


def cross_fitted(row: Mapping[str, Any], folds: Sequence[Fold]) -> str:
    """The result of a cross-fitting in a sentence; it is about the search, not about one prompt.

    Args:
        row: the comparison's row.
        folds: the folds.
    """
    difference = f"{difference_text(row['diff'], row['metric'], row['yes_no'])} {format_ends(row)}"
    kept = sum(fold.kept for fold in folds)
    found = f" (in {kept} of {len(folds)} folds the start was kept)" if kept else ""
    return (
        f"Cross-fitted over {len(folds)} folds, what such a search finds has "
        f"{value_text(row['candidate_score'], row)} on cases that it has not seen, "
        f"{difference.strip()} against the start: {row['verdict']}{found}."
    )


def more_cases(row: Mapping[str, Any]) -> str:
    """About how many more cases an undecided confirmation needs, in a sentence; else nothing."""
    if row["verdict"] != UNDECIDED or missing(row["more_cases"]):
        return ""
    more = round_count(int(row["more_cases"]))
    return (
        f"About {more:,} more cases in the confirm set would decide, if the difference is as large "
        "as it looks."
    )


def use_text(use: int) -> str:
    """How fresh the confirm set was.

    Example:
        >>> use_text(1), use_text(3)
        ('confirm set used for the first time', 'confirm set used the 3rd time: no longer fresh')
    """
    if use == 1:
        return "confirm set used for the first time"
    ending = "th" if use % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(use % 10, "th")
    return f"confirm set used the {use}{ending} time: no longer fresh"

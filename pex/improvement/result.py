"""The result of an improvement: the winner, its verdict, and every proposal that was tried."""

from __future__ import annotations

import collections
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pex.compare.verdict import BETTER, NO_WORSE, WORSE
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.core.safe_text import clean
from pex.core.splits import Split
from pex.improvement import page as pages
from pex.improvement import picture
from pex.improvement.confirmation import (
    Confirmation,
    cross_fitted,
    more_cases,
    sentence,
    use_text,
)
from pex.improvement.question import Question
from pex.improvement.selection import START, Candidate, Search
from pex.improvement.sets import Sets
from pex.report.comparison import format_difference, format_value
from pex.report.tables import format_usd

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

KEPT, NOTHING = "kept the start", "no usable proposal"


class Improvement:
    """What `pex.improve` found.

    In a notebook it is shown as a page: the result in a sentence, a picture of all proposals, and
    each with its difference from its parent.

    Args:
        question: what was improved.
        sets: the three sets.
        search: the search.
        confirmation: the confirmation; None if the start won, or the budget ended before.
        status: "finished", or "budget" if the budget ended it.
        spent_usd: what it has spent, with the calls of the model that wrote proposals.
        run_id: its run in MLflow, None if it was not recorded.
        notes: caveats in addition to its own.
        unfinished: a cross-fitting that the budget ended: it has no verdict.
    """

    def __init__(
        self,
        question: Question,
        sets: Sets,
        search: Search,
        confirmation: Confirmation | None,
        *,
        status: str = "finished",
        spent_usd: float = 0.0,
        run_id: str | None = None,
        notes: tuple[str, ...] = (),
        unfinished: bool = False,
    ) -> None:
        self._question = question
        self._sets = sets
        self._search = search
        self.confirmation = confirmation
        self.status = status
        self.spent_usd = spent_usd
        self.run_id = run_id
        self._notes = notes
        self._unfinished = unfinished

    @property
    def prompt(self) -> Prompt:
        """The winner; the start if no proposal was better while selecting."""
        return self._search.best.prompt

    @property
    def start(self) -> Prompt:
        """The prompt that was improved."""
        return self._search.start.prompt

    @property
    def metric(self) -> str:
        """The score that was improved."""
        return self._question.metric

    @property
    def splits(self) -> Split:
        """The three sets of cases."""
        return self._sets.split

    @property
    def candidates(self) -> list[Candidate]:
        """The start and every proposal, in the order in which they were made."""
        return list(self._search.candidates)

    @property
    def left_out(self) -> list[str]:
        """Why replies of the writing model were no proposals, one reason for each."""
        return list(self._search.left_out)

    @property
    def verdict(self) -> str:
        """Better, worse, no worse or undecided: the winner against the start on the confirm set.

        After a cross-fitting: what the searches of all folds found, against the start.

        "kept the start" if no proposal was better while selecting, "no usable proposal" if there
        was none to measure, "budget" if the budget ended before the confirmation.
        """
        if self.confirmation is not None:
            return self.confirmation.verdict
        if self._search.best.name != START or self._unfinished:
            return "budget"
        return KEPT if self._search.tried else NOTHING

    @property
    def must_decide(self) -> bool:
        """Whether the experiment's gate counts "undecided" as a failure."""
        return self._question.must_decide

    def sizes(self) -> dict[str, int]:
        """The number of cases in each set."""
        return {str(name): n for name, n in self._sets.sizes().items()}

    @property
    def improved(self) -> bool:
        """Whether the winner may replace the start: confirmed as better, or as no worse.

        After a cross-fitting it may not: what is confirmed then is the search.
        """
        if self.confirmation is not None and self.confirmation.folds:
            return False
        return self.verdict in (BETTER, NO_WORSE)

    @property
    def sentence(self) -> str:
        """The result in a sentence."""
        search, best = self._search, self._search.best
        tried = _count(len(search.tried), "proposal")
        if self.confirmation is not None and self.confirmation.folds:
            return cross_fitted(self.confirmation.row, self.confirmation.folds)
        if self.confirmation is not None:
            assert best.select is not None
            return sentence(self._sign * best.select.mean, self.confirmation.row)
        if self._unfinished:
            return "The budget ended before every fold was measured: nothing is known yet."
        if self.verdict == "budget":
            return (
                f"The budget ended before '{best.name}' was confirmed: it looked better while "
                "selecting, which shows nothing yet."
            )
        if self.verdict == KEPT:
            assert search.start.select is not None
            score = self._value(self._sign * search.start.select.mean)
            return (
                f"The start is kept: of {tried}, none did better than its {score} while selecting. "
                "The confirm set was not touched."
            )
        if search.ended == "budget":
            return "The budget ended before any proposal was measured: the start is kept."
        return f"No usable proposal: {self._refusals()}."

    @property
    def notes(self) -> list[str]:
        """What to know before using the result."""
        said = list(self._notes)
        search, found = self._search, self.confirmation
        if search.ended == "budget":
            said.insert(0, "the budget ended the search; what was found until then was used")
        if found is not None and found.folds:
            said += self._cross_fit_notes(found)
        elif found is not None:
            row = found.row
            if text := more_cases(row):
                said.append(text[0].lower() + text[1:].rstrip("."))
            said.append(
                f"{_count(len(search.tried), 'proposal')} were tried: the best of several looks "
                "better while selecting than it is; only the confirm set was not chosen by"
                if len(search.tried) != 1
                else "1 proposal was tried"
            )
            said.append(use_text(found.use))
            said += [str(text) for text in row["warnings"]]
        said += self._sets.notes()
        if search.refused and self.verdict != NOTHING:
            said.append(f"{self._refusals()}")
        if search.left_out and self.verdict != NOTHING:
            said.append(left_out_text(search.left_out))
        said += [f"way '{name}' made no proposal: {text}" for name, text in search.failures.items()]
        return [" ".join(note.split()) for note in said]

    def _cross_fit_notes(self, found: Confirmation) -> list[str]:
        kept = self._search.best.name == START
        what = "the start, which this search kept" if kept else f"'{self._search.best.name}'"
        said = [
            f"the verdict is about the search, with a winner in each fold: {what}, from the search "
            "over all cases, is not confirmed itself"
        ]
        said.append(
            "winner against start by fold: "
            + ", ".join(f"{self._signed(fold.gain)} ({len(fold.cases)})" for fold in found.folds)
        )
        failed = {way: text for fold in found.folds for way, text in fold.failures.items()}
        said += [f"in a fold, way '{way}' made no proposal: {text}" for way, text in failed.items()]
        if text := more_cases(found.row):
            said.append(text[0].lower() + text[1:].rstrip(".").replace(" in the confirm set", ""))
        if found.use > 1:
            said.append(
                f"these cases were cross-fitted {found.use - 1} times before: no longer fresh"
                if found.use > 2
                else "these cases were cross-fitted once before: no longer fresh"
            )
        return [*said, *(str(text) for text in found.row["warnings"])]

    def _signed(self, gain: float) -> str:
        return format_difference(self._sign * gain, self.metric, self.yes_no)

    @property
    def frame(self) -> pd.DataFrame:
        """One row for the start and each proposal.

        Columns: `name, way, parent, round, state, reason, why, train, select, confirm`, what 1,000
        answers cost, `digest`, `text`.
        """
        import pandas as pd

        rows = []
        for item, score in zip(self.candidates, self.scores(), strict=True):
            rows.append(
                {
                    "name": item.name,
                    "way": item.way,
                    "parent": item.parent,
                    "round": item.round,
                    "state": item.state,
                    "reason": item.reason,
                    "why": item.why,
                    "train": score.train,
                    "select": score.select,
                    "confirm": score.confirm,
                    "usd_per_1000": item.usd_per_1000,
                    "digest": item.prompt.digest,
                    "text": item.prompt.text,
                }
            )
        return pd.DataFrame(rows)

    def scores(self) -> list[picture.Score]:
        """The scores of every candidate in the unit of the metric."""
        found = self.confirmation
        confirmed = {}
        if found is not None and not found.folds:
            confirmed = {START: found.start, self._search.best.name: found.winner}
        return [
            picture.Score(
                item.name,
                *(
                    self._sign * measured.mean if measured is not None else math.nan
                    for measured in (item.train, item.select, confirmed.get(item.name))
                ),
            )
            for item in self.candidates
        ]

    @property
    def yes_no(self) -> bool:
        """Whether the score is a share of yes."""
        from pex.score.frame import percentages

        train = self._search.start.train
        return train is not None and self.metric in percentages(train.frame)

    def plot(self) -> Figure:
        """Each proposal's score on train, select and confirm: what was chosen by looks better."""
        return picture.plot(self.scores(), self._search.best.name, self.metric, self.yes_no)

    def page(self) -> str:
        """The report as HTML."""
        return pages.page(self._shown())

    def report(self, path: str | Path) -> Path:
        """Write one HTML file: the result, the picture, every proposal with what it changed.

        Args:
            path: the file; one that is there is replaced.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.page(), encoding="utf-8")
        return path

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the winner as a prompt file.

        Args:
            path: the `.prompty` file.
            overwrite: replace a file with different content.

        Raises:
            PexError: the file exists with different content.
        """
        path = Path(path)
        text = self.prompt.to_prompty()
        if path.exists() and not overwrite and path.read_bytes() != text.encode():
            raise PexError(
                f"{path}: exists with different content",
                hint="choose another name, or replace it with overwrite=True",
            )
        return self.prompt.save(path)

    @property
    def worse(self) -> bool:
        """Whether the winner, or after a cross-fitting the search, was confirmed as worse."""
        return self.verdict == WORSE

    def next_steps(self) -> list[str]:
        """What can be done with the winner, as lines of code; nothing with one that is worse.

        Only one that may replace the start is pushed to the library.
        """
        if self._search.best.name == START or self.worse:
            return []
        name = self.prompt.name
        path = f"prompts/{name}-improved.prompty"
        lines = [f'improvement.save("{path}")']
        if self.improved:
            lines.append(f"pexlab library push {path}")
            lines.append(f"pexlab library promote {name} --to champion")
        return lines

    def __repr__(self) -> str:
        from pex.report.terminal import text_table

        head = ["proposal", "parent", "train", "select", "confirm", "per 1,000", "state"]
        rows = [
            [
                item.name,
                item.parent,
                *(self._value(value) for value in (score.train, score.select, score.confirm)),
                format_usd(item.usd_per_1000) if item.train is not None else "–",
                f"{item.state}: {item.reason}" if item.reason else item.state,
            ]
            for item, score in zip(self.candidates, self.scores(), strict=True)
        ]
        lines = [self.sentence, "", text_table(rows, head, right=[2, 3, 4, 5])]
        lines += [f"! {note}" for note in self.notes]
        lines.append(self.summary_line())
        return clean("\n".join(lines))

    def _repr_html_(self) -> str:
        return pages.fragment(self._shown())

    def summary_line(self) -> str:
        """Sizes, spending and the run, in a line."""
        sizes = ", ".join(f"{n} {name}" for name, n in self._sets.sizes().items())
        spent = "no cost" if not self.spent_usd else f"{format_usd(self.spent_usd)} spent"
        run = f" · MLflow run {self.run_id}" if self.run_id else ""
        return (
            f"{self._question.start.model} · '{self.start.name}' by {self.metric} · cases: {sizes} "
            f"· {spent}{run}"
        )

    def _shown(self) -> pages.Shown:
        """What a page shows."""
        return pages.Shown(
            sentence=self.sentence,
            verdict=self.verdict,
            notes=self.notes,
            metric=self.metric,
            yes_no=self.yes_no,
            candidates=self.candidates,
            scores=self.scores(),
            best=self._search.best,
            confirmation=self.confirmation,
            steps=self.next_steps(),
            summary=self.summary_line(),
            value=self._value,
        )

    @property
    def _sign(self) -> float:
        return 1.0 if self._question.higher_is_better else -1.0

    def _value(self, number: float) -> str:
        if math.isnan(number):
            return "–"
        return f"{number:.2f}" if self.yes_no else format_value(number, self.metric, False)

    def _refusals(self) -> str:
        reasons = collections.Counter(item.reason for item in self._search.refused)
        if not reasons:
            failures = [f"way '{name}': {text}" for name, text in self._search.failures.items()]
            others = {item.reason for item in self.candidates[1:] if item.reason}
            replies = [left_out_text(self.left_out)] if self.left_out else []
            return "; ".join([*failures, *sorted(others), *replies]) or "none was made"
        counted = "; ".join(
            reason if n == 1 else f"{reason} ({n} times)" for reason, n in reasons.most_common()
        )
        refused = f"{sum(reasons.values())} refused: {counted}"
        if self.left_out and self.verdict == NOTHING:
            return f"{refused}; {left_out_text(self.left_out)}"
        return refused


def left_out_text(reasons: Sequence[str]) -> str:
    """How many replies were no proposals, and of what kind; of each kind the first.

    Args:
        reasons: kind, colon, details.

    Example:
        >>> left_out_text(["empty", "refused to write: “No.”", "empty"])
        '3 replies were no proposals: 2 empty, 1 refused to write (“No.”)'
    """
    kinds: collections.Counter[str] = collections.Counter()
    first: dict[str, str] = {}
    for reason in reasons:
        kind, _, detail = " ".join(reason.split()).partition(": ")
        kinds[kind] += 1
        first.setdefault(kind, detail if len(detail) <= 100 else f"{detail[:99]}…")
    counted = ", ".join(
        f"{n} {kind} ({first[kind]})" if first[kind] else f"{n} {kind}"
        for kind, n in kinds.most_common()
    )
    n = len(reasons)
    return f"{_count(n, 'reply was no proposal', 'replies were no proposals')}: {counted}"


def _count(n: int, noun: str, several: str = "") -> str:
    return f"{n:,} {noun if n == 1 else several or noun + 's'}"

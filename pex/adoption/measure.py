"""The calls of an adoption: one run for each task, one after the other, under one budget."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pex.adoption.journalled import Missing
from pex.adoption.plan import Task
from pex.adoption.progress import Progress
from pex.core.call import Request
from pex.core.errors import BudgetError, Interrupted, JournalError, PexError, ProviderError
from pex.core.project import find_project
from pex.project.settings import Settings, load_settings
from pex.results.results import Results
from pex.run.channel import open_channels
from pex.run.database import database_of
from pex.run.errors import FATAL
from pex.run.journal import Journal, Run
from pex.run.request import requests
from pex.run.shared_budget import SharedBudget

if TYPE_CHECKING:
    import pandas as pd

_DEAD = FATAL - {"refused_parameter"}
"""Kinds of error after which nothing more of a model is asked."""


@dataclasses.dataclass(frozen=True)
class Measured:
    """What became of a task: its results, None if it was not run.

    `why` says what keeps it from a verdict, `missing_old` how many cases the old model has no
    answer for; `noise` is the share of its answers that differ between two askings;
    `failed` says that it could not be run at all.
    """

    task: Task
    results: Results | None = None
    why: str = ""
    missing_old: int = 0
    noise: float = math.nan
    failed: bool = False

    @property
    def finished(self) -> bool:
        """Whether every request had its turn."""
        return self.results is not None and not self.why

    @property
    def frame(self) -> pd.DataFrame:
        """The long frame of both variants."""
        assert self.results is not None  # it was run
        return self.results.frame


@dataclasses.dataclass
class Measuring:
    """The state of an adoption's calls.

    `stopped` is "" while they go on, else why they ended: "budget", "interrupted" or "failed";
    `failure` is the exception to raise once what there is was recorded.
    """

    settings: Settings
    state: Path
    missing: Mapping[str, Missing]
    budget: SharedBudget
    gone: dict[str, str] = dataclasses.field(default_factory=dict)
    """Why an old model is not asked any more: only its answers in the journal count."""
    stopped: str = ""
    failure: BaseException | None = None

    def run(self, tasks: Sequence[Task], progress: Progress) -> Iterator[Measured]:
        """Run the tasks; after a stop the others are given as not run.

        What keeps one experiment from running stops only this one, unless nothing could be run.
        """
        could = False
        for task in tasks:
            if self.stopped:
                yield Measured(task, why=f"not run: {_STOPS[self.stopped]}")
                continue
            progress.begin(task.key)
            found = self._one(task, progress)
            could = could or not found.failed
            yield found
        if not could:
            self.stopped = self.stopped or "failed"
        if not self.stopped:  # the others were compared; what failed is among the results
            self.failure = None

    @property
    def spent_usd(self) -> float:
        """What all starts of this adoption have spent, as the ledger has it."""
        return self.budget.spent_usd(database_of(self.state, self.settings))

    def check_models(self, tasks: Sequence[Task]) -> None:
        """Reach every model that has to be asked, before anything is paid.

        Raises:
            PexError: the new model cannot be asked. An old one that does not answer is noted.
        """
        new, old = _to_ask(tasks, self.missing)
        via = {v.model: v.via for t in tasks for v in (t.new, t.old) if v.via is not None}
        for model in sorted(new):
            open_channels([model], self.settings, self.state, clients=via)
        for model in sorted(old - new):
            try:
                open_channels([model], self.settings, self.state, clients=via)
            except PexError as error:
                self.gone[model] = error.message

    def _one(self, task: Task, progress: Progress) -> Measured:
        missing = self.missing[task.key]
        cases: list[str] | None = None
        absent = 0
        gone = self.gone.get(task.old.model)
        if gone and missing.old:
            cases = [case.id for case in task.cases if case.id not in missing.old]
            absent = len(missing.old)
            if not cases:
                return Measured(task, why=f"no answer of {task.old.model}: {gone}",
                                missing_old=absent)  # fmt: skip
        name = task.ledger
        experiment = task.experiment.drafted([task.new, task.old], task.cases, name=name)
        try:
            execution, _ = experiment.prepare(
                record=False, journal="reuse", budget_usd=self.budget, cases=cases
            )
            if progress.shown:
                execution.listen(progress.on_event)
            results = execution.start().wait()
        except Interrupted as stop:
            self.stopped, self.failure = "interrupted", stop
            results = cast("Results", stop.results)
        except PexError as error:
            if isinstance(error, ProviderError | BudgetError | JournalError):
                self.stopped, self.failure = "failed", error
            self.failure = self.failure or error
            why = f"could not be run: {error.message}"
            return Measured(task, why=why, missing_old=absent, failed=True)
        return self._judged(task, results, absent)

    def _judged(self, task: Task, results: Results, absent: int) -> Measured:
        frame, counts = results.frame, results.about.counts
        why = ""
        if results.status == "budget":
            self.stopped = "budget"
        if self.stopped or results.status != "finished":
            done = counts.answered + counts.errors
            why = f"not finished: {done:,} of {counts.requests:,} answers"
            self.stopped = self.stopped or "failed"
        if dead := _dead(frame, task.new.name):
            self.stopped = "failed"
            self.failure = ProviderError(f"{task.new.model}: {dead}")
            why = why or f"could not be run: {dead}"
        elif dead := _dead(frame, task.old.name):
            self.gone[task.old.model] = dead
        old = frame[frame["variant"] == task.old.name]
        answered = set(old.loc[old["error"].isna(), "case_id"])
        absent += len(set(old["case_id"]) - answered) if not why else 0
        return Measured(task, results, why, absent)


_STOPS = {
    "budget": "the budget was used up before",
    "interrupted": "interrupted before",
    "failed": "an error ended the adoption before",
}


def _to_ask(tasks: Sequence[Task], missing: Mapping[str, Missing]) -> tuple[set[str], set[str]]:
    new = {task.new.model for task in tasks if missing[task.key].new}
    old = {task.old.model for task in tasks if missing[task.key].old}
    return new, old


def _dead(frame: pd.DataFrame, variant: str) -> str:
    """Why a model cannot be asked at all: every new request ended in an error that stays."""
    rows = frame[(frame["variant"] == variant) & ~frame["from_journal"]]
    if not len(rows) or rows["error"].isna().any():
        return ""
    kinds = set(rows["error_kind"])
    return str(rows["error"].iloc[0]) if kinds <= _DEAD else ""


def noise_of(tasks: Sequence[Task], settings: Settings, state: Path) -> dict[str, float]:
    """How often the old model's own answers differ, where it was asked once more than needed.

    `pexlab adopt --record` asks each case once more; this compares that answer with the first one.

    Args:
        tasks: what is compared.
        settings: the project's.
        state: the project's `.pex/` folder.
    """
    found: dict[str, float] = {}
    database = database_of(state, settings)
    if not database.exists():
        return found
    with contextlib.closing(Journal(database, settings.models)) as book:
        for task in tasks:
            last = task.experiment.repeats + 1
            if last > 2:  # its repeats are in the frame
                continue
            where = (settings.budget.max_tokens, task.experiment.folder, settings.api_of)
            todo = list(requests([task.old], task.cases, last, *where))
            again = book.known([request.key for request in todo if request.repeat == last])
            if not again:
                continue
            found[task.key] = _differing(book, todo, again, last)
    return found


def _differing(book: Journal, todo: Sequence[Request], again: set[str], last: int) -> float:
    cases = {request.case_id for request in todo if request.key in again}
    keys = {(r.case_id, r.repeat): r.key for r in todo if r.case_id in cases}
    answers = book.find(list(keys.values()), Run("", "reuse", ""))
    pairs = [(answers.get(keys[case, 1]), answers.get(keys[case, last])) for case in sorted(cases)]
    texts = [
        ((one.output or "").strip(), (other.output or "").strip())
        for one, other in pairs
        if one is not None and other is not None
    ]
    return sum(one != other for one, other in texts) / len(texts) if texts else math.nan


def project_state() -> tuple[Path, Settings, Path]:
    """The project, its settings, its `.pex/` folder."""
    project = find_project()
    settings = load_settings(project)
    return project, settings, project / settings.journal.path

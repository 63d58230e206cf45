"""Runs of a Playground: each on a thread of its own, with its events becoming answers in cells."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from pex.core.events import (
    Answered,
    Delta,
    Event,
    Failed,
    Retried,
    RowKey,
    Scored,
    Started,
)
from pex.experiment.execution import Execution
from pex.experiment.experiment import Experiment
from pex.playground.error_text import error_text
from pex.playground.mlflow_feedback import Recorded
from pex.results.recorded import link
from pex.results.results import Results
from pex.run.errors import KeyRefusedError
from pex.widgets.cell import Cell
from pex.widgets.live_cell import cell_after
from pex.widgets.recorded import RunLink
from pex.widgets.tally import Tally

AT_ONCE = 4
"""At most so many runs go on at the same time; others wait."""
MOST_CELLS = 5_000

_OPEN = ("queued", "asked", "growing")
_NEWS = Started | Delta | Retried | Answered | Failed | Scored


@dataclasses.dataclass(slots=True)
class Slot:
    """The answer in a cell; `fingerprint` is of the request, `number` of the run."""

    fingerprint: str
    number: int
    cell: Cell


@dataclasses.dataclass(slots=True)
class Run:
    """One run, with the cell of each of its rows."""

    number: int
    keys: Mapping[RowKey, str]
    aside: Callable[[Results | None], None] | None = None
    tally: Tally = dataclasses.field(default_factory=Tally)
    execution: Execution | None = None
    stopped: bool = False
    over: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """What to run: for each row the key of its cell, for each key a fingerprint."""

    experiment: Experiment
    keys: Mapping[RowKey, str]
    fingerprints: Mapping[str, str]
    fresh: bool
    record: bool
    budget_usd: float | None = None
    """What it may spend; None: what the experiment or the project says."""
    aside: Callable[[Results | None], None] | None = None
    """Told how it ended, in place of the Playground: its results are not those of the draft."""

    def prepare(self) -> Execution:
        """Open what the run needs.

        Raises:
            PexError: something does not fit; no call was made.
        """
        execution, _ = self.experiment.prepare(
            repeats=1,
            stream=True,
            journal="fresh" if self.fresh else None,
            record=self.record,
            budget_usd=self.budget_usd,
            mlflow_tags={"pex.source": "playground"},
        )
        return execution

    def parted(self, provider: str) -> tuple[list[str], Wanted]:
        """The keys of the cells of a provider's models, and what to run without these models."""
        variants = self.experiment.variants
        rest = [v for v in variants if v.model.partition("/")[0] != provider]
        names = {variant.name for variant in rest}
        keys = {row: key for row, key in self.keys.items() if row[0] in names}
        refused = [key for row, key in self.keys.items() if row[0] not in names]
        if not rest:
            return refused, dataclasses.replace(self, keys={})
        experiment = self.experiment.drafted(rest, self.experiment.cases)
        return refused, dataclasses.replace(self, experiment=experiment, keys=keys)


class Runs:
    """All runs of a Playground, and their answers.

    Args:
        on_cells: called with the cells that changed; with none if only a run's progress did.
        on_end: called when a run has ended.
    """

    def __init__(
        self,
        on_cells: Callable[[Iterable[str]], None],
        on_end: Callable[[], None],
    ) -> None:
        self.slots: dict[str, Slot] = {}
        self.results: Results | None = None
        self.link: RunLink | None = None
        """Where the last run is recorded, if it is."""
        self.recorded: dict[int, Recorded] = {}
        """Runs in MLflow, by number: those that an answer here comes from."""
        self.error = ""
        self._on_cells = on_cells
        self._on_end = on_end
        self._going: list[Run] = []
        self._count = 0
        self._lock = threading.RLock()
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._last: Tally | None = None

    @property
    def running(self) -> bool:
        """Whether a run is in progress or waiting."""
        return bool(self._going)

    @property
    def line(self) -> str:
        """The progress of the runs, in one line."""
        with self._lock:
            going = list(self._going)
        tallies = [run.tally for run in going]
        if not tallies:
            return self._last.line() if self._last is not None else ""
        if all(run.stopped for run in going):
            return "stopping…"
        if all(tally.total and tally.done == tally.total for tally in tallies):
            return "all answered; scoring and recording…"
        if len(tallies) == 1:
            return tallies[0].line() if tallies[0].total else "connecting…"
        total, done = sum(t.total for t in tallies), sum(t.done for t in tallies)
        return f"{done}/{total} in {len(tallies)} runs"

    def asking(self, key: str) -> Execution | None:
        """The run that fills a cell, if one is in progress."""
        with self._lock:
            slot = self.slots.get(key)
            if slot is None:
                return None
            going = [run for run in self._going if run.number == slot.number]
            return going[0].execution if going else None

    def waits(self, key: str, fingerprint: str) -> bool:
        """Whether this request of a cell is in progress or waiting."""
        with self._lock:
            slot = self.slots.get(key)
            return slot is not None and slot.fingerprint == fingerprint and slot.cell.state in _OPEN

    def begin(self, wanted: Wanted, now: bool) -> Execution | None:
        """Start a run.

        Args:
            wanted: what to run.
            now: start at once, and return the handle; else in the background, with errors in
                `error`.

        Raises:
            PexError: with `now`: something does not fit; no call was made.
        """
        if not now:
            run = self._open(wanted)
            in_background(self._queue, run, wanted)
            return None
        execution = wanted.prepare()
        run = self._open(wanted)
        self._start(run, execution)
        in_background(self._follow, run)
        return execution

    def stop(self, keys: Collection[str] | None = None) -> None:
        """Stop runs now; answers that are there stay.

        Args:
            keys: only the runs that fill one of these cells; None: all.
        """
        changed = []
        with self._lock:
            going = [
                run
                for run in self._going
                if keys is None or not set(keys).isdisjoint(run.keys.values())
            ]
            for run in going:
                run.stopped = True
                changed += self._close(run)
        self._on_cells(changed)
        for run in going:
            if run.execution is not None:
                run.execution.cancel()
                run.execution.cancel()

    def tell(self, keys: Iterable[str]) -> None:
        """Have these cells shown again."""
        self._on_cells(keys)

    def _close(self, run: Run) -> list[str]:
        """Mark the cells that a run has not answered as stopped, and return them."""
        changed = []
        for key in run.keys.values():
            slot = self.slots.get(key)
            if slot is None or slot.number != run.number or slot.cell.state not in _OPEN:
                continue
            text = slot.cell.text if slot.cell.state == "growing" else ""
            slot.cell = Cell("stopped", text)
            changed.append(key)
        return changed

    def _open(self, wanted: Wanted) -> Run:
        with self._lock:
            self._count += 1
            self.error = ""
            run = Run(self._count, wanted.keys, wanted.aside)
            self._going.append(run)
            for key in wanted.keys.values():
                self.slots.pop(key, None)  # the newest are at the end
                self.slots[key] = Slot(wanted.fingerprints[key], run.number, Cell("queued"))
            while len(self.slots) > MOST_CELLS:
                del self.slots[next(iter(self.slots))]
        self._on_cells(wanted.keys.values())
        return run

    def _queue(self, run: Run, wanted: Wanted) -> None:
        with self._places:
            try:
                execution = None if run.stopped else self._prepare(run, wanted)
            except Exception as error:  # noqa: BLE001 - there is nobody else to tell
                self._end(run, error)
                return
            if execution is None:
                self._end(run, None)
                return
            self._start(run, execution)
            self._follow(run)

    def _prepare(self, run: Run, wanted: Wanted) -> Execution:
        """Open what a run needs; a provider that refuses its key costs only its own variants."""
        while True:
            try:
                return wanted.prepare()
            except KeyRefusedError as error:
                refused, wanted = wanted.parted(error.provider)
                for key in refused:
                    self._show_error(run, key, error_text(error))
                if not refused or not wanted.keys:
                    raise

    def _show_error(self, run: Run, key: str, text: str) -> None:
        with self._lock:
            slot = self.slots.get(key)
            if slot is not None and slot.number == run.number:
                slot.cell = Cell("error", text)
        self._on_cells([key])

    def _start(self, run: Run, execution: Execution) -> None:
        execution.listen(lambda event: self._take(run, event))
        run.execution = execution
        execution.start()
        if run.stopped:
            execution.cancel()
            execution.cancel()

    def _follow(self, run: Run) -> None:
        """Wait for the end of a run."""
        assert run.execution is not None  # set by _start
        failure: BaseException | None = None
        try:
            run.execution.wait()
        except Exception as error:  # noqa: BLE001 - there is nobody else to tell
            failure = error
        self._end(run, failure)

    def _end(self, run: Run, failure: BaseException | None) -> None:
        results = run.execution.results if run.execution is not None else None
        where = link(results.about) if results is not None else None
        with self._lock:
            run.over = True
            changed = self._close(run)
            self._last = run.tally if run.tally.total else self._last
            if run.aside is None:
                self.results = results or self.results
                self.link = where
                self._keep_record(run, results)
            if failure is not None:
                self.error = error_text(failure)
            elif results is not None and results.about.record_error:
                self.error = str(results.about.record_error)
            self._going.remove(run)
        if run.aside is not None:
            run.aside(results)
        self._on_cells(changed)
        self._on_end()

    def _keep_record(self, run: Run, results: Results | None) -> None:
        record = Recorded.of(results, run.keys)
        if record is not None:
            self.recorded[run.number] = record
        there = {slot.number for slot in self.slots.values()}
        self.recorded = {number: of for number, of in self.recorded.items() if number in there}

    def _take(self, run: Run, event: Event) -> None:
        with self._lock:
            if run.over:
                return
            run.tally.add(event)
            changed = []
            # Calls that were in flight when somebody stopped can still end, but stream no more.
            news = Answered | Scored if run.stopped else _NEWS
            if isinstance(event, news):
                key = run.keys.get(event.place)
                slot = self.slots.get(key) if key is not None else None
                if key is not None and slot is not None and slot.number == run.number:
                    before = None if slot.cell.state in ("queued", "stopped") else slot.cell
                    slot.cell = cell_after(before, event)
                    changed.append(key)
        self._on_cells(changed)


def in_background(target: Callable[..., None], *arguments: Any) -> None:
    """Do what takes time on a thread of its own, away from the one that the kernel needs."""
    threading.Thread(target=target, args=arguments, name="pex-play", daemon=True).start()

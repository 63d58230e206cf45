"""The view of a run: a live grid in a notebook, a progress line in a terminal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pex.core.cases import Case, known_variables
from pex.core.events import Done, Event, RowKey
from pex.core.hidden import SHOWN
from pex.core.project import current_folder
from pex.core.text import value_text
from pex.experiment.execution import Execution
from pex.experiment.job import Job

if TYPE_CHECKING:
    from pex.widgets.case_form import Editing
    from pex.widgets.cell import Line
    from pex.widgets.cell_details import Messages, RequestBody
    from pex.widgets.grid import ResultGrid

END_S = 5.0
"""How long to wait for the grid of an ended run before it is shown."""


@contextmanager
def watch(
    execution: Execution,
    job: Job,
    show: bool | None,
    *,
    blocks: bool,
) -> Iterator[None]:
    """Show an execution from its first event to its last.

    In a notebook the live grid comes with a static table in the same cell, for readers without a
    kernel.

    Args:
        execution: the execution, not started yet.
        job: its job.
        show: False for no view; None shows it if the session is interactive.
        blocks: the cell keeps the kernel busy. If the view's Stop button then has no effect,
            it interrupts the kernel, which stops the run just as cleanly.
    """
    if show is False:
        yield
        return
    from pex.widgets import in_notebook

    if in_notebook():
        with _live(execution, job, blocks):
            yield
    elif show or sys.stderr.isatty():
        with _terminal(execution):
            yield
    else:
        yield


@contextmanager
def _terminal(execution: Execution) -> Iterator[None]:
    from pex.widgets.progress import TerminalProgress

    progress = TerminalProgress(sys.stderr)
    execution.listen(progress.on_event)
    try:
        yield
    finally:
        progress.close()


@contextmanager
def _live(execution: Execution, job: Job, blocks: bool) -> Iterator[None]:
    from IPython.display import display

    corrected: dict[str, Case] = {}
    grid = _grid(execution, job, blocks, corrected)
    execution.listen(grid.on_event)
    display(grid)
    try:
        yield
    finally:
        _end(grid, execution, corrected)


def in_background(execution: Execution, job: Job) -> ResultGrid:
    """The grid of a background run, which can be shown in any cell."""
    corrected: dict[str, Case] = {}
    grid = _grid(execution, job, False, corrected)
    ended = threading.Event()

    def on_event(event: Event) -> None:
        grid.on_event(event)
        if isinstance(event, Done):
            _end(grid, execution, corrected)
            ended.set()

    execution.listen(on_event)
    if execution.done:  # so the cell has the results from the start
        ended.wait(END_S)
    return grid


def _grid(execution: Execution, job: Job, blocks: bool, corrected: dict[str, Case]) -> ResultGrid:
    from pex.core.document_preview import Previews
    from pex.score.field_outcomes import field_options, field_scorers
    from pex.widgets.grid import ResultGrid
    from pex.widgets.sheet import Sheet, inputs_shown

    asked = {name for variant in job.variants for name in variant.prompt.variables}
    used = {column for name, column in known_variables(job.cases).items() if name in asked}
    columns = dict.fromkeys(name for case in job.cases for name in case.inputs)
    inputs = inputs_shown(columns, used)
    baseline = (job.gate or {}).get("baseline")
    sheet = Sheet(
        [variant.name for variant in job.variants],
        [_line(case, inputs) for case in job.cases],
        job.repeats,
        baseline,
        inputs,
    )
    sheet.field_scorers = field_scorers(field_options(job.scorers))
    return ResultGrid(
        sheet,
        execution.cancel,
        _sent_messages(job),
        _editing(execution, job, corrected),
        _trace_url(execution),
        _request(job),
        blocks=blocks,
        previews=Previews(
            [text for variant in job.variants for text in variant.prompt.templates],
            job.edits.path.parent if job.edits is not None else current_folder(),
            job.cases[0].renamed if job.cases else None,
        ),
    )


def _end(grid: ResultGrid, execution: Execution, corrected: Mapping[str, Case]) -> None:
    """Show the results; `corrected` are the cases that were corrected during the run."""
    from pex.results.correct_case import expect
    from pex.results.recorded import link
    from pex.score.frame import yes_no

    results = execution.results
    if results is not None:
        for case in corrected.values():
            expect(results.frame, case)
        grid.finish(results.frame, results.summary(), yes_no(results.frame), link(results.about))
    grid.close_run()


def tell(sentences: Sequence[str]) -> None:
    """In a notebook, show what was concluded if that is not what everyone would assume."""
    from pex.widgets import in_notebook

    if in_notebook() and sentences:
        from pex.widgets.answer import say

        for sentence in sentences:
            say(sentence)


def _line(case: Case, inputs: Collection[str]) -> Line:
    """What a prompt sees of a case, and the expected answer."""
    from pex.widgets.cell import Line

    values = [case.inputs[name] for name in inputs if name in case.inputs]
    texts = [value_text(value) for value in values if value is not None]
    expected = "" if case.expected is None else value_text(case.expected)
    return Line(case.id, "\n".join(texts), expected, case.group, case.tags)


def _sent_messages(job: Job) -> Messages:
    """The messages of a request, rendered again: storing every request would cost memory."""
    prompts = {variant.name: variant.prompt for variant in job.variants}
    inputs = {case.id: case.values for case in job.cases}
    return lambda place: prompts[place[0]].render(inputs[place[1]], SHOWN)


def _request(job: Job) -> RequestBody:
    """The body of a request; looked for when a cell is opened."""

    def found(place: RowKey) -> Mapping[str, Any]:
        of_place = (r for r in job.requests if (r.variant, r.case_id, r.repeat) == place)
        return next((request.body for request in of_place), {})

    return found


def _editing(execution: Execution, job: Job, corrected: dict[str, Case]) -> Editing:
    """What opened cells can do with their cases; corrections are added to `corrected`."""
    from pex.results.correct_case import editing, expect, rescoring_code

    known = {case.id: case for case in job.cases}

    def correct(case: Case) -> None:
        corrected[case.id] = case
        if execution.results is not None:
            expect(execution.results.frame, case)

    return editing(
        job.edits,
        lambda case_id: corrected.get(case_id, known[case_id]),
        correct,
        lambda: rescoring_code(job.scorer_items),
    )


def _trace_url(execution: Execution) -> Callable[[str], str | None]:
    def found(trace_id: str) -> str | None:
        return None if execution.results is None else execution.results.trace_url(trace_id)

    return found

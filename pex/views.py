"""Which view a run is watched in: a live grid in a notebook, a progress line in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pex.execution import Execution, Job


@contextmanager
def watch(execution: Execution, job: Job, show: bool | None) -> Iterator[None]:
    """Watch an execution from its first event to its last.

    In a notebook the live grid is joined by a static table in the same cell, which is what a
    reader without a kernel sees.
    """
    if show is False:
        yield
        return
    from pex.widgets import in_notebook

    if in_notebook():
        with _live(execution, job):
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
def _live(execution: Execution, job: Job) -> Iterator[None]:
    from pex.report.tables import side_by_side_html, summary_html
    from pex.score.frame import yes_no
    from pex.widgets.live import LiveGrid, show

    grid = LiveGrid({case.id: _preview(case.inputs) for case in job.cases})
    execution.listen(grid.on_event)
    handle = show(grid)
    try:
        yield
    finally:
        grid.close_run()
        results = execution.results
        if results is not None:
            binary = yes_no(results.frame)
            table = summary_html(results.summary(), binary)
            handle.finish(table + side_by_side_html(results.frame, binary))


def _preview(inputs: dict[str, object]) -> str:
    return " · ".join(str(value) for value in inputs.values() if value is not None)

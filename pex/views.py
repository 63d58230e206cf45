"""Which view a run is watched in: a live grid in a notebook, a progress line in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pex.core.cases import Case
from pex.execution import Execution, Job
from pex.report.sides import side_by_side_html
from pex.report.tables import summary_html, value_text


@contextmanager
def watch(
    execution: Execution,
    job: Job,
    show: bool | None,
    stop: Callable[[], None] | None = None,
) -> Iterator[None]:
    """Watch an execution from its first event to its last.

    In a notebook the live grid is joined by a static table in the same cell, which is what a
    reader without a kernel sees.

    Args:
        execution: what is watched; it has not been started yet.
        job: what it does.
        show: False for no view; None where there is somebody to see it.
        stop: what the Stop button does; a cell that blocks the kernel would not hear of it, so
            without this there is no such button, and interrupting the kernel does the same.
    """
    if show is False:
        yield
        return
    from pex.widgets import in_notebook

    if in_notebook():
        with _live(execution, job, stop):
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
def _live(execution: Execution, job: Job, stop: Callable[[], None] | None) -> Iterator[None]:
    from pex.score.frame import yes_no
    from pex.widgets.live import LiveGrid, show

    used = {name for variant in job.variants for name in variant.prompt.variables}
    grid = LiveGrid({case.id: _about(case, used) for case in job.cases}, stop)
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


def _about(case: Case, used: set[str]) -> tuple[str, str]:
    """What a prompt gets to see of a case, and what is expected of the answer."""
    texts = [value_text(case.inputs[name]) for name in case.inputs if name in used]
    expected = "" if case.expected is None else f"expected: {value_text(case.expected)}"
    return "\n".join(texts), expected

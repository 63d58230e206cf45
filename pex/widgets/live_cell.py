"""A cell of a running grid, as the events of the run change it."""

from __future__ import annotations

import dataclasses

from pex.core.call import Answer
from pex.core.events import Answered, Delta, Failed, Retried, Scored, Started
from pex.widgets.cell import Cell, mark_of
from pex.widgets.tool_calls import with_calls

RUNNING = "running…"
"""The text of a cell whose call has started and has no answer yet."""


def cell_after(
    cell: Cell | None, event: Started | Delta | Retried | Answered | Failed | Scored
) -> Cell:  # fmt: skip
    """The cell after an event.

    Example:
        >>> cell = cell_after(None, Delta(("a", "c1", 1), "Hel"))
        >>> cell_after(cell, Delta(("a", "c1", 1), "lo"))
        Cell(state='growing', text='Hello', latency_s=None, cost_usd=None, marks=(), facts={})
    """
    if isinstance(event, Started):
        return Cell("asked", RUNNING)
    if isinstance(event, Retried):
        return Cell("asked", f"{event.error_kind}, retrying in {event.wait_s:.1f} s")
    if isinstance(event, Delta):
        before = cell.text if cell is not None and cell.state == "growing" else ""
        return Cell("growing", before + event.text)
    if isinstance(event, Scored):
        cell = cell or Cell("answered")
        marks = [mark_of(name, score) for name, score in event.scores.items()]
        # A judge's score comes after the scorers' and joins them.
        new = tuple(mark for mark in marks if mark is not None)
        return dataclasses.replace(cell, marks=(*cell.marks, *new))
    return _ended(event.answer)


def _ended(answer: Answer) -> Cell:
    failed = answer.error is not None
    text = f"{answer.error_kind or 'error'}: {answer.error}"
    if not failed:
        text = with_calls(answer.output, answer.tool_calls, answer.steps)
    facts = {field.name: getattr(answer, field.name) for field in dataclasses.fields(answer)}
    facts.pop("started_at")  # a number here, a time in the frame that follows
    state = "error" if failed else "answered"
    return Cell(state, text, answer.latency_s, answer.cost_usd, (), facts)

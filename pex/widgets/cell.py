"""A cell of a grid and what a row shows of it: an answer with its scores as marks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pex.core.score import Score
from pex.score.unusual_answers import remarks_of


@dataclasses.dataclass(slots=True)
class Line:
    """A case in the grid: its inputs as one text, the expected answer, tags, group."""

    id: str
    text: str
    expected: str = ""
    group: str | None = None
    tags: tuple[str, ...] = ()


@dataclasses.dataclass(slots=True)
class Mark:
    """A score in a cell; `kind` is good, bad, number or failed (the scorer raised)."""

    name: str
    kind: str
    value: float | None
    reason: str = ""

    @property
    def label(self) -> str:
        """The score in one or two words."""
        if self.kind == "failed":
            return f"! {self.name} failed"
        if self.kind == "number":
            return f"{self.name} {self.value:.3g}"
        return f"{'✓' if self.kind == 'good' else '✗'} {self.name}"


@dataclasses.dataclass(slots=True)
class Cell:
    """One answer; `state` is asked, growing, answered or error, `facts` a row of the frame."""

    state: str
    text: str = ""
    latency_s: float | None = None
    cost_usd: float | None = None
    marks: tuple[Mark, ...] = ()
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


Brief = tuple[str, str, list[list[str]], float | None, float | None]
"""What a row shows of a cell: state, text, marks, latency in s, cost in $.

A mark is its kind and name, and its value if it is a number.
"""


def brief(cell: Cell) -> Brief:
    """What a row shows of a cell.

    Example:
        >>> brief(Cell("answered", "Hi", marks=(Mark("ok", "good", 1.0),)))
        ('answered', 'Hi', [['good', 'ok']], None, None)
    """
    marks = [
        [mark.kind, mark.name, *([f"{mark.value:.3g}"] if mark.kind == "number" else [])]
        for mark in cell.marks
    ]
    if cell.state == "answered":
        marks = [*unusual_marks(cell.facts.get("finish_reason"), cell.facts.get("remarks")), *marks]
    return cell.state, cell.text, marks, cell.latency_s, cell.cost_usd


def unusual_marks(finish_reason: Any, remarks: Any) -> list[list[str]]:
    """Marks for what cannot be seen in an answer: that it is cut off or filtered."""
    if finish_reason == "stop" and not remarks:
        return []
    row = {"finish_reason": finish_reason, "remarks": remarks}
    return [["warn", word] for word in remarks_of(row)]


def mark_of(name: str, score: Score) -> Mark | None:
    """A score as a mark; None if the scorer does not apply."""
    reason = score.reason or ""
    if score.error is not None:
        return Mark(name, "failed", None, score.error)
    if score.value is None:
        return None
    if isinstance(score.value, bool):
        return Mark(name, "good" if score.value else "bad", float(score.value), reason)
    return Mark(name, "number", float(score.value), reason)

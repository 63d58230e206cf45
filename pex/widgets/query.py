"""Which rows of a sheet are shown, and in which order."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pex.core.errors import PexError, nearest
from pex.widgets.cell import Cell, Line
from pex.widgets.conditions import Condition, changed, is_cut_off, verdicts
from pex.widgets.sheet import Sheet

KINDS = {
    "all": "All rows",
    "failures": "Failures",
    "errors": "Errors",
    "cut_off": "Cut off",
    "disagreements": "Disagreements",
    "changed": "Differs from baseline",
}
"""The filters and their labels."""

SORTS = {
    "latency": "By latency",
    "cost": "By cost",
    "length": "By length",
    "errors": "Errors first",
    "text": "By case",
    "expected": "By expected answer",
    "id": "By case ID",
}
"""The orders beside that of the cases and of each score, and their labels."""

MAX_SLICES = 300
"""Tags and groups that are offered; with more of them, searching is better."""


@dataclasses.dataclass(frozen=True, slots=True)
class Query:
    """A filter and an order of the rows.

    Args:
        search: words that must all occur in the case or in one of its answers, in upper or lower
            case.
        kind: one of `KINDS`.
        part: `tag:name` or `group:name`; empty for all.
        conditions: tests that all must hold in a row.
        sort: `case`, one of `SORTS`, or `score:name`.
        column: the variant to sort by; None: the mean over all.
        down: the largest first.
    """

    search: str = ""
    kind: str = "all"
    part: str = ""
    conditions: tuple[Condition, ...] = ()
    sort: str = "case"
    column: int | None = None
    down: bool = False

    @property
    def plain(self) -> bool:
        """Whether it has all rows in their own order."""
        return self == Query()

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Query:
        """The query of a view's message.

        Raises:
            PexError: an unknown kind or condition.
        """
        kind = str(message.get("kind_of_rows", "all"))
        if kind not in KINDS:
            raise PexError(f"there is no filter '{kind}'", hint=nearest(kind, KINDS))
        column = message.get("column")
        return cls(
            str(message.get("search", "")).strip().casefold(),
            kind,
            str(message.get("part", "")),
            tuple(Condition.from_message(each) for each in message.get("conditions") or ()),
            str(message.get("sort", "case")),
            column if isinstance(column, int) and column >= 0 else None,
            bool(message.get("down")),
        )


def find_rows(sheet: Sheet, query: Query) -> list[int]:
    """The rows that a query finds, in its order; rows without a value to sort by come last.

    Example:
        >>> sheet = Sheet(["a"], [Line("c1", "One"), Line("c2", "Two")], 1)
        >>> find_rows(sheet, Query(search="two")), find_rows(sheet, Query(sort="case", down=True))
        ([1], [1, 0])
    """
    rows = [row for row in range(len(sheet)) if _matches(sheet, row, query)]
    if query.sort == "case":
        return rows[::-1] if query.down else rows
    if query.sort in ("text", "expected", "id"):
        return sorted(
            rows,
            key=lambda row: str(getattr(sheet.line(row), query.sort)).casefold(),
            reverse=query.down,
        )
    keys = {row: _sort_key(sheet.row(row), query) for row in rows}
    known = [row for row in rows if not math.isnan(keys[row])]
    known.sort(key=keys.__getitem__, reverse=query.down)
    return known + [row for row in rows if math.isnan(keys[row])]


def tags_and_groups(lines: Sequence[Line]) -> list[str]:
    """The tags and groups of cases, as `part` of a query takes them."""
    tags = dict.fromkeys(f"tag:{tag}" for line in lines for tag in line.tags)
    groups = dict.fromkeys(f"group:{line.group}" for line in lines if line.group is not None)
    return [*sorted(tags), *(sorted(groups) if len(groups) < len(lines) else [])][:MAX_SLICES]


def matches_kind(cells: Sequence[Cell | None], kind: str, baseline: int) -> bool:
    """Whether a row matches one of `KINDS`.

    Variants disagree if a yes/no score differs; without such scores, if answers do. A row has
    changed if an answer or a yes/no score differs from the baseline's.
    """
    ended = [cell for cell in cells if cell is not None and cell.state in ("answered", "error")]
    if kind == "errors":
        return any(cell.state == "error" for cell in ended) or _has_mark(ended, "failed")
    if kind == "cut_off":
        return any(is_cut_off(cell) for cell in ended)
    if kind == "failures":
        return _has_mark(ended, "bad")
    if kind == "disagreements":
        answered = [cell for cell in ended if cell.state == "answered"]
        found = [verdicts(cell) for cell in answered]
        if any(found):
            names = {name for each in found for name in each}
            return any(len({each[name] for each in found if name in each}) > 1 for name in names)
        return len({cell.text.strip() for cell in answered}) > 1
    if kind == "changed":
        first = cells[baseline] if cells else None
        return first is not None and any(changed(cell, first) for cell in ended)
    return True


def _has_mark(cells: Sequence[Cell], kind: str) -> bool:
    return any(mark.kind == kind for cell in cells for mark in cell.marks)


def _matches(sheet: Sheet, row: int, query: Query) -> bool:
    line = sheet.line(row)
    if query.part.startswith("tag:") and query.part[4:] not in line.tags:
        return False
    if query.part.startswith("group:") and query.part[6:] != line.group:
        return False
    if query.kind != "all" and not matches_kind(sheet.row(row), query.kind, sheet.baseline):
        return False
    if query.conditions:
        cells = sheet.row(row)
        if not all(condition.holds(cells, sheet.baseline) for condition in query.conditions):
            return False
    if not query.search:
        return True
    texts = [line.text, line.id, line.expected]
    texts += [cell.text for cell in sheet.row(row) if cell is not None]
    whole = "\n".join(texts).casefold()
    return all(word in whole for word in query.search.split())


def _sort_key(cells: Sequence[Cell | None], query: Query) -> float:
    chosen = cells if query.column is None else cells[query.column : query.column + 1]
    values = [value for cell in chosen if cell is not None
              if (value := _value(cell, query.sort)) is not None]  # fmt: skip
    return math.fsum(values) / len(values) if values else math.nan


def _value(cell: Cell, sort: str) -> float | None:
    if sort == "latency":
        return cell.latency_s
    if sort == "cost":
        return cell.cost_usd
    if sort == "length":
        return len(cell.text) if cell.state == "answered" else None
    if sort == "errors":
        return -float(cell.state == "error")
    return next((mark.value for mark in cell.marks if f"score:{mark.name}" == sort), None)

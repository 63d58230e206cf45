"""Conditions on the answers of a row, which a filter of the grid is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from pex.core.errors import PexError, nearest
from pex.core.safe_text import clean
from pex.score.unusual_answers import remarks_of
from pex.widgets.cell import Cell
from pex.widgets.sheet import Sheet

_SCORE_TESTS = ("good", "bad", "below", "above")
_TESTS = {
    "error": ("error", ""),
    "cut_off": ("cut off", ""),
    "changed": ("differs from baseline", ""),
    "contains": ("contains", "text"),
    "lacks": ("does not contain", "text"),
    "longer": ("characters >", "number"),
    "shorter": ("characters <", "number"),
    "slower": ("seconds >", "number"),
    "dearer": ("dollars >", "number"),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Condition:
    """A test that an answer of a row has to pass.

    Args:
        test: one of `offered_conditions`, such as `bad:label` or `contains`.
        value: what is compared with: a number or words; empty where the test needs none.
        column: the variant whose answer is tested; None: any one of the row.
    """

    test: str
    value: str = ""
    column: int | None = None

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Condition:
        """The condition of a view's message.

        Raises:
            PexError: an unknown test, or a value that is not a number where one is needed.
        """
        test, value, column = str(message.get("test")), message.get("value"), message.get("column")
        kind, _, name = test.partition(":")
        if test not in _TESTS and not (kind in _SCORE_TESTS and name):
            raise PexError(f"there is no condition '{test}'", hint=nearest(test, _TESTS))
        found = cls(
            test,
            "" if value is None else str(value),
            column if isinstance(column, int) and column >= 0 else None,
        )
        if kind in ("below", "above", "longer", "shorter", "slower", "dearer"):
            try:
                float(found.value)
            except ValueError:
                raise PexError(f"expected a number to compare with, got '{found.value}'") from None
        return found

    def holds(self, cells: Sequence[Cell | None], baseline: int) -> bool:
        """Whether an answer of this row passes the test.

        Example:
            >>> cells = [Cell("answered", "Hello"), Cell("error", "server: no")]
            >>> Condition("error").holds(cells, 0), Condition("error", column=0).holds(cells, 0)
            (True, False)
        """
        chosen = cells if self.column is None else cells[self.column : self.column + 1]
        ended = [c for c in chosen if c is not None and c.state in ("answered", "error")]
        if self.test == "changed":
            first = cells[baseline] if cells else None
            return first is not None and any(changed(cell, first) for cell in ended)
        if self.test == "lacks":
            return bool(ended) and not any(self._has_words(cell) for cell in ended)
        return any(self._passes(cell) for cell in ended)

    def _passes(self, cell: Cell) -> bool:
        kind, _, name = self.test.partition(":")
        if kind == "error":
            return cell.state == "error" or any(mark.kind == "failed" for mark in cell.marks)
        if kind == "cut_off":
            return is_cut_off(cell)
        if kind in ("good", "bad"):
            return any(mark.kind == kind and mark.name == name for mark in cell.marks)
        if kind == "contains":
            return self._has_words(cell)
        found = _number(cell, kind, name)
        if found is None:
            return False
        limit = float(self.value)
        return found < limit if kind in ("below", "shorter") else found > limit

    def _has_words(self, cell: Cell) -> bool:
        return self.value.casefold() in cell.text.casefold()


def changed(cell: Cell, baseline: Cell) -> bool:
    """Whether an answer or its yes/no scores differ from the baseline's."""
    states = {cell.state, baseline.state}
    if cell is baseline or not states <= {"answered", "error"} or states == {"error"}:
        return False
    return cell.text.strip() != baseline.text.strip() or verdicts(cell) != verdicts(baseline)


def verdicts(cell: Cell) -> dict[str, str]:
    """The verdict of each yes/no score of an answer."""
    return {mark.name: mark.kind for mark in cell.marks if mark.kind in ("good", "bad")}


def _number(cell: Cell, kind: str, name: str) -> float | None:
    if kind in ("below", "above"):
        return next((mark.value for mark in cell.marks if mark.name == name), None)
    if kind in ("longer", "shorter"):
        return len(cell.text)
    return cell.latency_s if kind == "slower" else cell.cost_usd


def is_cut_off(cell: Cell) -> bool:
    """Whether an answer stops at `max_tokens`."""
    facts = cell.facts
    row = {"finish_reason": facts.get("finish_reason"), "remarks": facts.get("remarks")}
    return cell.state == "answered" and "cut off" in remarks_of(row)


def offered_conditions(sheet: Sheet) -> list[list[str]]:
    """The tests that a sheet's answers can be put to: name, words, and the kind of its value."""
    found = []
    for name in sheet.score_names:
        if name in sheet.binary:
            found += [[f"good:{name}", f"{name} ✓", ""], [f"bad:{name}", f"{name} ✗", ""]]
        else:
            found += [[f"below:{name}", f"{name} <", "number"]]
            found += [[f"above:{name}", f"{name} >", "number"]]
    found += [[name, *said] for name, said in _TESTS.items()]
    return [[clean(text) for text in test] for test in found]

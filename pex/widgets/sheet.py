"""The rows of a grid: one per case and repeat, a cell per variant, filled by a run or a frame.

A run puts cell after cell; a frame is read when a row is needed, because a view shows few of them.
What a row shows of its cells is read for many rows at once and without making `Cell`s: all rows
are sent to the browser.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.core.events import RowKey
from pex.core.text import value_text
from pex.score.frame import percentages
from pex.widgets.cell import Brief, Cell, Line, Mark, brief, unusual_marks
from pex.widgets.tool_calls import with_calls

if TYPE_CHECKING:
    import pandas as pd

    from pex.score.field_scorers import FieldScorer


class Sheet:
    """Cases x repeats down, variants across.

    Args:
        variants: names, in the order of the columns.
        lines: the cases, in the order of the rows.
        repeats: how often each case is run.
        baseline: the variant that the others are compared with; None: the first.
        inputs: the inputs that the texts of the lines have; None if that is not known.

    Example:
        >>> sheet = Sheet(["a", "b"], [Line("c1", "Hello")], repeats=2)
        >>> sheet.put(("b", "c1", 2), Cell("answered", "Hi"))
        (1, 1)
        >>> len(sheet), sheet.row(1)[1].text
        (2, 'Hi')
    """

    def __init__(
        self, variants: Sequence[str], lines: Sequence[Line], repeats: int, baseline: str | None
        = None, inputs: Sequence[str] | None = None,
    ) -> None:  # fmt: skip
        self.inputs = inputs
        self.variants = list(variants)
        self.lines = list(lines)
        self.repeats = repeats
        found = self.variants.index(baseline) if baseline in self.variants else 0
        self.baseline = found
        self._columns = {name: number for number, name in enumerate(self.variants)}
        self._numbers = {line.id: number for number, line in enumerate(self.lines)}
        self._rows: list[list[Cell | None] | None] = [None] * (len(self.lines) * repeats)
        self._source: _Source | None = None
        self._names: dict[str, None] = {}
        self._binary: set[str] = set()
        self.yes_no: frozenset[str] = frozenset()
        """The scores that are yes or no; known once a frame has been read."""
        self.field_scorers: Mapping[str, FieldScorer] = {}
        """The scorers of structured answers, by name."""
        self.percentages: frozenset[str] = frozenset()
        """These, and those that are a share of such scores."""

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def score_names(self) -> list[str]:
        """The names of the scores so far."""
        return list(self._names)

    @property
    def binary(self) -> frozenset[str]:
        """The scores that are yes or no, so far."""
        return self.yes_no if self._source is not None else frozenset(self._binary)

    def has_bar(self, name: str) -> bool:
        """Whether a score can be drawn as a bar: all its values lie between 0 and 1."""
        return self._source is not None and self._source.has_bar(name)

    def line(self, row: int) -> Line:
        """The case of a row."""
        return self.lines[row // self.repeats]

    def place(self, row: int, column: int) -> RowKey:
        """The variant, case and repeat of a cell."""
        return (self.variants[column], self.line(row).id, row % self.repeats + 1)

    def where(self, place: RowKey) -> tuple[int, int] | None:
        """The row and column of a place; None if it is not in the sheet."""
        variant, case_id, repeat = place
        number, column = self._numbers.get(case_id), self._columns.get(variant)
        if number is None or column is None or not 1 <= repeat <= self.repeats:
            return None
        return number * self.repeats + repeat - 1, column

    def row(self, row: int) -> list[Cell | None]:
        """The cells of a row; None for a cell that has not been run."""
        if self._source is not None:
            # Not kept: so many small objects would cost more, in garbage collection alone.
            return self._source.read(row)
        cells = self._rows[row]
        if cells is None:
            cells = self._rows[row] = [None] * len(self.variants)
        return cells

    def briefs(self, rows: range) -> list[Brief | None]:
        """What is shown of the cells of these rows, one row after the other."""
        if self._source is not None:
            return self._source.briefs(rows)
        return [None if cell is None else brief(cell) for row in rows for cell in self.row(row)]

    def cell(self, place: RowKey) -> Cell | None:
        """The cell of a place."""
        found = self.where(place)
        return None if found is None else self.row(found[0])[found[1]]

    def put(self, place: RowKey, cell: Cell) -> tuple[int, int] | None:
        """Fill a cell; returns its row and column."""
        found = self.where(place)
        if found is not None:
            self.row(found[0])[found[1]] = cell
            self._names |= dict.fromkeys(mark.name for mark in cell.marks)
            self._binary |= {mark.name for mark in cell.marks if mark.kind in ("good", "bad")}
        return found

    def fill(self, frame: pd.DataFrame, yes_no: Collection[str]) -> None:
        """Read all cells from a long frame; they replace those that a run has put there."""
        self._source = _Source(frame, yes_no, self._numbers, self._columns, self.repeats)
        self._names = dict.fromkeys(self._source.scores)
        self.yes_no = frozenset(yes_no)
        self.percentages = frozenset(percentages(frame))
        self._rows = [None] * len(self._rows)

    def positions(self, cells: Sequence[tuple[int, int]]) -> list[int]:
        """The rows of the frame that these cells came from."""
        if self._source is None:
            return []
        found = (self._source.position(row, column) for row, column in cells)
        return [position for position in found if position is not None]


def inputs_shown(names: Collection[str], used: Collection[str] | None) -> list[str]:
    """The inputs of a case that a grid shows: those that a prompt uses; all if none does.

    Example:
        >>> inputs_shown(["review", "product"], {"review"}), inputs_shown(["review"], None)
        (['review'], ['review'])
    """
    return [name for name in names if name in (used or names)] or list(names)


def sheet_of(
    frame: pd.DataFrame, baseline: str | None = None, used: Collection[str] | None = None
) -> Sheet:
    """A sheet with the rows and columns of a long frame, its cells still empty.

    Args:
        frame: one row per variant, case and repeat.
        baseline: the variant that the others are compared with.
        used: the inputs that the prompts use; None if that is not known.
    """
    first = frame.drop_duplicates("case_id")
    columns = [str(name)[5:] for name in frame.columns if str(name).startswith("case.")]
    inputs = inputs_shown(columns, used)
    names = [f"case.{name}" for name in inputs]
    nothing = [None] * len(first)
    ids, wanted, groups, tags = (
        _plain(first[name]) if name in first else nothing
        for name in ("case_id", "expected", "group", "tags")
    )
    texts = [[None if v is None else value_text(v) for v in _plain(first[name])] for name in names]
    rows = zip(*texts, strict=True) if texts else [()] * len(first)
    lines = [
        Line(
            str(case_id),
            "\n".join([text for text in parts if text is not None]),
            "" if expected is None else value_text(expected),
            None if group is None else str(group),
            () if some is None else tuple(map(str, some)),
        )
        for case_id, parts, expected, group, some in zip(
            ids, rows, wanted, groups, tags, strict=True
        )
    ]
    variants = [str(name) for name in frame["variant"].unique()]
    repeats = int(frame["repeat"].max()) if len(frame) else 1
    return Sheet(variants, lines, repeats, baseline, inputs)


class _Source:
    """A long frame as lists, with None for missing values, and the position of each cell in it."""

    def __init__(
        self,
        frame: pd.DataFrame,
        yes_no: Collection[str],
        numbers: Mapping[str, int],
        columns: Mapping[str, int],
        repeats: int,
    ) -> None:
        self.columns = {str(name): frame[name] for name in frame.columns}
        self.scores = [name[6:] for name in self.columns if name.startswith("score.")]
        self._lists: dict[str, list[Any]] = {}
        self._width = len(columns)
        self._at = _positions(frame, numbers, columns, repeats)
        self._yes_no = yes_no
        names = ("error", "error_kind", "latency_s", "cost_usd")
        self._answers = (self._texts(), *(self.plain(name) for name in names))

    def plain(self, name: str) -> list[Any]:
        """A column as plain values; only None if there is no such column."""
        found = self._lists.get(name)
        if found is None:
            series = self.columns.get(name)
            found = [None] * len(self.columns["variant"]) if series is None else _plain(series)
            self._lists[name] = found
        return found

    def _texts(self) -> list[Any]:
        """The answers' texts, with the tools that they call."""
        if "tool_calls" not in self.columns:
            return self.plain("output")
        names = ("output", "tool_calls", "steps")
        return list(map(with_calls, *(self.plain(name) for name in names)))

    def has_bar(self, name: str) -> bool:
        """Whether all values of a score lie between 0 and 1."""
        values = self.columns.get(f"score.{name}")
        return values is not None and bool(values.dropna().between(0, 1).all())

    def position(self, row: int, column: int) -> int | None:
        """Where in the frame a cell is."""
        found = self._at[row * self._width + column]
        return found if found >= 0 else None

    def read(self, row: int) -> list[Cell | None]:
        """The cells of a row."""
        there = self._at[row * self._width : (row + 1) * self._width]
        return [self._cell(position) if position >= 0 else None for position in there]

    def briefs(self, rows: range) -> list[Brief | None]:
        """What is shown of the cells of these rows, one row after the other."""
        there = self._at[rows.start * self._width : rows.stop * self._width]
        columns = [[found[at] for at in there] for found in self._answers]
        return [
            None
            if at < 0
            else ("answered", output or "", marks, latency_s, cost_usd)
            if error is None
            else ("error", f"{error_kind or 'error'}: {error}", marks, latency_s, cost_usd)
            for at, output, error, error_kind, latency_s, cost_usd, marks in zip(
                there, *columns, self._labels(there), strict=True
            )
        ]

    def _labels(self, there: Sequence[int]) -> list[list[list[str]]]:
        """Kind and label of the marks of each of these positions."""
        error = self.plain("error")
        ended, remarks = self.plain("finish_reason"), self.plain("remarks")
        found = [unusual_marks(ended[at], remarks[at]) if error[at] is None else [] for at in there]
        for name in self.scores:
            values, failures = self.plain(f"score.{name}"), self.plain(f"score_error.{name}")
            good, bad, failed = ([kind, name] for kind in ("good", "bad", "failed"))
            binary = name in self._yes_no
            for marks, at in zip(found, there, strict=True):
                value = values[at]
                if failures[at] is not None:
                    marks.append(failed)
                elif value is None:
                    continue
                elif binary:
                    marks.append(good if value == 1 else bad)
                else:
                    marks.append(["number", name, f"{value:.3g}"])
        return found

    def _kind(self, name: str, value: float) -> str:
        if name not in self._yes_no:
            return "number"
        return "good" if value == 1 else "bad"

    def _cell(self, at: int) -> Cell:
        output, error, error_kind, latency_s, cost_usd = (found[at] for found in self._answers)
        marks = []
        for name in self.scores:
            value, failure = self.plain(f"score.{name}")[at], self.plain(f"score_error.{name}")[at]
            if failure is not None:
                marks.append(Mark(name, "failed", None, str(failure)))
            elif value is not None:
                reason = self.plain(f"reason.{name}")[at]
                marks.append(Mark(name, self._kind(name, value), value, reason or ""))
        if error is None:
            text = output or ""
            return Cell("answered", text, latency_s, cost_usd, tuple(marks), _Facts(self, at))
        text = f"{error_kind or 'error'}: {error}"
        return Cell("error", text, latency_s, cost_usd, tuple(marks), _Facts(self, at))


def _plain(series: pd.Series) -> list[Any]:
    """A column as plain values, None for what is missing."""
    if series.notna().all():
        return list(series.tolist())
    return list(series.astype(object).where(series.notna(), None).tolist())


def _positions(
    frame: pd.DataFrame, numbers: Mapping[str, int], columns: Mapping[str, int], repeats: int
) -> list[int]:
    """For each cell of the sheet, row by row, its position in the frame, or -1."""
    import numpy as np
    import pandas as pd

    def codes(name: str, known: Mapping[str, int]) -> Any:
        found, values = pd.factorize(frame[name])
        return np.array([known.get(value, -1) for value in values.tolist()], np.int64)[found]

    at = np.full(len(numbers) * repeats * len(columns), -1, dtype=np.int64)
    if len(frame):
        case, column = codes("case_id", numbers), codes("variant", columns)
        repeat = frame["repeat"].to_numpy(dtype=np.int64)
        there = (case >= 0) & (column >= 0) & (repeat >= 1) & (repeat <= repeats)
        index = (case * repeats + repeat - 1) * len(columns) + column
        at[index[there]] = np.flatnonzero(there)
    found: list[int] = at.tolist()
    return found


class _Facts(Mapping[str, Any]):
    """A row of the frame, read on access."""

    __slots__ = ("_position", "_source")

    def __init__(self, source: _Source, position: int) -> None:
        self._source, self._position = source, position

    def __getitem__(self, name: str) -> Any:
        if name not in self._source.columns:
            raise KeyError(name)
        return self._source.plain(name)[self._position]

    def __iter__(self) -> Any:
        return iter(self._source.columns)

    def __len__(self) -> int:
        return len(self._source.columns)

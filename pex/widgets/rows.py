"""How rows travel to the browser: in chunks of bytes that it opens when it shows them.

A chunk is the number of its rows and where each ends (32-bit numbers, low byte first), then each
row as JSON: id, text, note, and per variant None or [state, text, marks, latency, cost, changed].
"""

from __future__ import annotations

import array
import math
import struct
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson

from pex.report.tables import format_interval, format_score, format_seconds, format_usd
from pex.report.tables import summary_scores as scores_of
from pex.widgets.kit import clean
from pex.widgets.query import changed
from pex.widgets.sheet import Cell, Sheet

if TYPE_CHECKING:
    import pandas as pd

CHUNK = 50
MAX_CHARS = 400
"""Characters of a text in a row; the whole is in the opened cell."""
WIDE_CHARS = 1600
"""Characters in all columns of a row together, where there are many: they are narrow then."""


def chunks(sheet: Sheet) -> int:
    """How many chunks a sheet has."""
    return math.ceil(len(sheet) / CHUNK)


def chunk(sheet: Sheet, number: int) -> bytes:
    """A chunk of a sheet's rows."""
    there = range(number * CHUNK, min((number + 1) * CHUNK, len(sheet)))
    texts = [_row(sheet, row) for row in there]
    ends, end = [], 0
    for text in texts:
        end += len(text)
        ends.append(end)
    return struct.pack(f"<{len(ends) + 1}I", len(ends), *ends) + b"".join(texts)


def short(sheet: Sheet, row: int, column: int) -> list[Any] | None:
    """A cell as a row has it."""
    cells = sheet.row(row)
    return _cell(cells[column], cells[sheet.baseline], _most(sheet))


def heads(sheet: Sheet, summary: pd.DataFrame) -> list[str]:
    """What stands below the name of each variant: scores with intervals, cost, time, errors."""
    found = {}
    names = scores_of(summary)
    for record in summary.to_dict("records"):
        parts = []
        for name in names:
            mean, low, high = (record[f"score.{name}{end}"] for end in ("", ".lo", ".hi"))
            binary = name in sheet.yes_no
            text = f"{format_score(mean, binary)} {format_interval(low, high, binary)}"
            parts.append(f"{name} {text.strip()}")
        parts += [format_seconds(record["latency_s"]), format_usd(record["cost_usd"])]
        if record["errors"]:
            parts.append(f"{record['errors']} error{'s' if record['errors'] > 1 else ''}")
        found[str(record["variant"])] = " · ".join(parts)
    return [clean(found.get(name, "")) for name in sheet.variants]


def numbers(values: Sequence[int]) -> bytes:
    """Whole numbers as bytes, 32 bits each."""
    found = array.array("I", values)
    if sys.byteorder == "big":
        found.byteswap()
    return found.tobytes()


def read_numbers(data: Any) -> list[int]:
    """The numbers in such bytes."""
    found = array.array("I", bytes(data))
    if sys.byteorder == "big":
        found.byteswap()
    return found.tolist()


def _row(sheet: Sheet, row: int) -> bytes:
    line, cells = sheet.line(row), sheet.row(row)
    note = f"expected: {line.expected}" if line.expected else ""
    about = line.id if line.group is None else f"{line.id} · {line.group}"
    if sheet.repeats > 1:
        about += f" · {row % sheet.repeats + 1} of {sheet.repeats}"
    first = cells[sheet.baseline] if cells else None
    most = _most(sheet)
    shown = [_cell(cell, first, most) for cell in cells]
    about, text, note = (_cut(part, MAX_CHARS) for part in (about, line.text, note))
    return orjson.dumps([about, text, note, shown])


def _most(sheet: Sheet) -> int:
    return max(100, min(MAX_CHARS, WIDE_CHARS // max(1, len(sheet.variants))))


def _cell(cell: Cell | None, first: Cell | None, most: int) -> list[Any] | None:
    if cell is None:
        return None
    # Of an answer that grows, the end is what is new.
    text = cell.text[-most:] if cell.state == "growing" else cell.text
    return [
        cell.state,
        _cut(text, most),
        [[mark.kind, mark.label] for mark in cell.marks],
        None if cell.latency_s is None else round(cell.latency_s, 3),
        cell.cost_usd,
        int(first is not None and changed(cell, first)),
    ]


def _cut(text: str, most: int) -> str:
    return clean(text if len(text) <= most else f"{text[:most]}…")

"""How rows are sent to the browser: in chunks of bytes, which it unpacks to show them.

A chunk is the number of its rows and the end of each (32-bit numbers, little-endian), then each
row as JSON: id, text, note, and per variant None or [state, text, marks, ms, dollars, changed];
a mark is [kind, name] or ["number", name, value].
"""

from __future__ import annotations

import array
import itertools
import math
import struct
import sys
from collections.abc import Sequence
from typing import Any

import orjson

from pex.core.safe_text import clean
from pex.widgets.cell import Brief
from pex.widgets.sheet import Sheet

CHUNK = 50
MAX_CHARS = 400
"""Characters of a text in a row; the opened cell has all of them."""
LONG_CHARS = 4000
"""Characters of an answer where whole answers are shown."""
WIDE_CHARS = 1280
"""Characters in all columns of a row together; many columns are narrow."""


def chunk_count(sheet: Sheet) -> int:
    """How many chunks a sheet has."""
    return math.ceil(len(sheet) / CHUNK)


def chunk(sheet: Sheet, number: int) -> bytes:
    """A chunk of a sheet's rows."""
    there = range(number * CHUNK, min((number + 1) * CHUNK, len(sheet)))
    briefs, wide, most = sheet.briefs(there), len(sheet.variants), _max_chars(sheet)
    texts = [
        _row(sheet, row, briefs[at * wide : (at + 1) * wide], most) for at, row in enumerate(there)
    ]
    ends = list(itertools.accumulate(map(len, texts)))
    return struct.pack(f"<{len(ends) + 1}I", len(ends), *ends) + b"".join(texts)


def cell_for_view(sheet: Sheet, row: int, column: int) -> list[Any] | None:
    """A cell as it is in a row."""
    cells = sheet.briefs(range(row, row + 1))
    return _cell(cells[column], cells[sheet.baseline], _max_chars(sheet))


def long_texts(sheet: Sheet, row: int) -> list[str | None]:
    """The answers of a row at the length at which whole answers are shown."""
    return [None if cell is None else _cut(cell.text, LONG_CHARS) for cell in sheet.row(row)]


def pack_numbers(values: Sequence[int]) -> bytes:
    """Whole numbers as bytes, 32 bits each."""
    found = array.array("I", values)
    if sys.byteorder == "big":
        found.byteswap()
    return found.tobytes()


def unpack_numbers(data: Any) -> list[int]:
    """The numbers in bytes of `pack_numbers`."""
    found = array.array("I", bytes(data))
    if sys.byteorder == "big":
        found.byteswap()
    return found.tolist()


def _row(sheet: Sheet, row: int, found: Sequence[Brief | None], most: int) -> bytes:
    line = sheet.line(row)
    note = f"expected: {line.expected}" if line.expected else ""
    about = line.id if line.group is None else f"{line.id} · {line.group}"
    if sheet.repeats > 1:
        about += f" · {row % sheet.repeats + 1} of {sheet.repeats}"
    first = found[sheet.baseline]
    shown = [_cell(cell, first, most) for cell in found]
    about, text, note = (_cut(part, MAX_CHARS) for part in (about, line.text, note))
    return orjson.dumps([about, text, note, shown])


def _max_chars(sheet: Sheet) -> int:
    return max(100, min(MAX_CHARS, WIDE_CHARS // max(1, len(sheet.variants))))


def _cell(found: Brief | None, first: Brief | None, most: int) -> list[Any] | None:
    if found is None:
        return None
    state, text, marks, latency_s, cost_usd = found
    if state == "growing":
        text = text[-most:]  # the end is new
    changed = first is not None and _changed(found, first)
    latency_ms = None if latency_s is None else int(latency_s * 1000 + 0.5)
    return [state, _cut(text, most), marks, latency_ms, cost_usd, int(changed)]


_ENDED = ("answered", "error")


def _changed(found: Brief, first: Brief) -> bool:
    """The same as `conditions.changed`, without whole cells."""
    if found is first or found[0] not in _ENDED or first[0] not in _ENDED:
        return False
    if found[0] == first[0] == "error":
        return False
    if found[1] is not first[1] and found[1].strip() != first[1].strip():
        return True
    return found[2] != first[2] and _verdicts(found) != _verdicts(first)


def _verdicts(found: Brief) -> list[list[str]]:
    return sorted(mark for mark in found[2] if mark[0] in ("good", "bad"))


def _cut(text: str, most: int) -> str:
    return clean(text) if len(text) <= most else f"{clean(text[:most])}…"

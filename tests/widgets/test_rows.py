"""How rows are sent: short, cut, and telling what differs from the baseline."""

import json
from typing import Any

from pex.widgets import rows
from pex.widgets.cell import Cell, Line, Mark
from pex.widgets.conditions import changed
from pex.widgets.sheet import Sheet


def unpack(chunk: bytes) -> list[Any]:
    (count,) = rows.unpack_numbers(chunk[:4])
    ends = rows.unpack_numbers(chunk[4 : 4 * (count + 1)])
    body = chunk[4 * (count + 1) :]
    return [json.loads(body[a:b]) for a, b in zip([0, *ends], ends, strict=False)]


def test_numbers_come_back_as_they_were() -> None:
    values = [0, 1, 255, 256, 2**32 - 1]
    assert rows.unpack_numbers(rows.pack_numbers(values)) == values
    assert rows.pack_numbers([1]) == b"\x01\x00\x00\x00"


def test_every_row_is_in_one_chunk() -> None:
    count = 2 * rows.CHUNK + 1
    sheet = Sheet(["a"], [Line(f"c{n}", "x") for n in range(count)], 1)
    assert rows.chunk_count(sheet) == 3
    found = [row[0] for n in range(3) for row in unpack(rows.chunk(sheet, n))]
    assert found == [f"c{n}" for n in range(count)]
    assert rows.chunk_count(Sheet(["a"], [], 1)) == 0
    assert unpack(rows.chunk(sheet, 3)) == []


def test_texts_are_cut_and_more_so_with_many_columns() -> None:
    for variants, most in ((1, rows.MAX_CHARS), (10, rows.WIDE_CHARS // 10), (99, 100)):
        sheet = Sheet([f"v{n}" for n in range(variants)], [Line("c", "q" * 9_999)], 1)
        sheet.put(("v0", "c", 1), Cell("answered", "x" * 9_999))
        ((_, text, _, cells),) = unpack(rows.chunk(sheet, 0))
        assert text == "q" * rows.MAX_CHARS + "…"
        assert cells[0][1] == "x" * most + "…"


def test_of_a_growing_answer_the_end_is_shown() -> None:
    sheet = Sheet(["a"], [Line("c", "q")], 1)
    sheet.put(("a", "c", 1), Cell("growing", "old " * 500 + "new"))
    cell = rows.cell_for_view(sheet, 0, 0)
    assert cell is not None
    assert cell[1].endswith("new")
    assert len(cell[1]) <= rows.MAX_CHARS + 1


def test_a_row_names_its_group_and_repeat_and_what_was_expected() -> None:
    sheet = Sheet(["a"], [Line("c", "q", "yes", "g1")], 2)
    first, second = unpack(rows.chunk(sheet, 0))
    assert (first[0], second[0]) == ("c · g1 · 1 of 2", "c · g1 · 2 of 2")
    assert first[2] == "expected: yes"
    assert first[3] == [None]


def test_a_row_and_the_filter_agree_on_what_differs_from_the_baseline() -> None:
    marks = [(), (Mark("ok", "good", 1.0),), (Mark("ok", "bad", 0.0),)]
    cells = [Cell(s, t, marks=m) for s in ("answered", "error", "growing") for t in ("x", " x", "y")
             for m in marks]  # fmt: skip
    for first in cells:
        for other in cells:
            sheet = Sheet(["a", "b"], [Line("c", "q")], 1)
            sheet.put(("a", "c", 1), first)
            sheet.put(("b", "c", 1), other)
            shown = rows.cell_for_view(sheet, 0, 1)
            assert shown is not None
            assert bool(shown[5]) is changed(other, first), (first, other)


def test_latencies_are_whole_milliseconds_and_missing_ones_stay_missing() -> None:
    sheet = Sheet(["a", "b"], [Line("c", "q")], 1)
    sheet.put(("a", "c", 1), Cell("answered", "x", 0.0125, 0.25))
    sheet.put(("b", "c", 1), Cell("answered", "x"))
    ((_, _, _, cells),) = unpack(rows.chunk(sheet, 0))
    assert [cell[3:5] for cell in cells] == [[13, 0.25], [None, None]]

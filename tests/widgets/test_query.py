"""Filters and orders of the grid's rows at their edges."""

import pytest

from pex.widgets.cell import Cell, Line, Mark
from pex.widgets.conditions import changed
from pex.widgets.query import MAX_SLICES, Query, find_rows, matches_kind, tags_and_groups
from pex.widgets.sheet import Sheet

GOOD, BAD = Mark("ok", "good", 1.0), Mark("ok", "bad", 0.0)


def answered(text: str = "x", *marks: Mark, latency_s: float | None = None) -> Cell:
    return Cell("answered", text, latency_s, marks=marks)


def sheet_with(*rows: list[Cell | None]) -> Sheet:
    names = ["a", "b"][: len(rows[0])]
    sheet = Sheet(names, [Line(f"c{n}", f"Question {n}") for n in range(len(rows))], 1)
    for n, cells in enumerate(rows):
        for name, cell in zip(names, cells, strict=True):
            if cell is not None:
                sheet.put((name, f"c{n}", 1), cell)
    return sheet


@pytest.mark.parametrize("kind", ["failures", "errors", "disagreements", "changed"])
def test_a_cell_that_has_no_answer_yet_matches_no_filter(kind: str) -> None:
    for cell in (None, Cell("asked", "running…"), Cell("growing", "half")):
        assert not matches_kind([answered(), cell], kind, 0)
    assert matches_kind([None, None], "all", 0)


def test_a_scorer_that_failed_is_an_error_and_no_failure() -> None:
    cells = [answered("x", Mark("ok", "failed", None, "boom"))]
    assert matches_kind(cells, "errors", 0)
    assert not matches_kind(cells, "failures", 0)


def test_variants_agree_when_their_verdicts_do_whatever_their_words() -> None:
    assert not matches_kind([answered("x", GOOD), answered("y", GOOD)], "disagreements", 0)
    assert matches_kind([answered("x", GOOD), answered("x", BAD)], "disagreements", 0)
    # A verdict that only one of them has is no disagreement.
    assert not matches_kind([answered("x", GOOD), answered("y")], "disagreements", 0)


@pytest.mark.parametrize(
    ("cell", "differs"),
    [
        (answered("same", GOOD), False),
        (answered("  same\n", GOOD), False),
        (answered("other", GOOD), True),
        (answered("same", BAD), True),
        (answered("same", GOOD, Mark("length", "number", 4.0)), False),
        (Cell("error", "server: no"), True),
        (Cell("growing", "sa"), False),
    ],
)
def test_what_differs_from_the_baseline(cell: Cell, differs: bool) -> None:
    assert changed(cell, answered("same", GOOD)) is differs


def test_space_around_the_answer_of_the_baseline_is_no_difference() -> None:
    assert not changed(answered("same"), answered(" same\n"))


def test_two_errors_do_not_differ() -> None:
    assert not changed(Cell("error", "server: no"), Cell("error", "timeout: no"))


def test_all_words_of_a_search_must_occur_in_the_case_or_in_one_of_its_answers() -> None:
    sheet = sheet_with([answered("Straße"), None], [answered("red"), answered("blue")])
    sheet.lines[1].expected = "Green"
    for search, rows in (
        ("STRASSE", [0]),
        ("question", [0, 1]),
        ("blue question 1", [1]),
        ("blue strasse", []),
        ("green", [1]),
        ("c0", [0]),
        ("  ", [0, 1]),
    ):
        query = Query.from_message({"search": search})
        assert find_rows(sheet, query) == rows, search


def test_rows_without_a_value_come_last_in_both_directions_and_equal_ones_keep_their_order() -> (
    None
):
    sheet = sheet_with(
        [answered(latency_s=2.0)], [None], [answered(latency_s=1.0)], [answered(latency_s=2.0)]
    )
    assert find_rows(sheet, Query(sort="latency")) == [2, 0, 3, 1]
    assert find_rows(sheet, Query(sort="latency", down=True)) == [0, 3, 2, 1]
    assert find_rows(sheet, Query(sort="score:unknown")) == [0, 1, 2, 3]


def test_without_a_column_rows_are_sorted_by_the_mean_of_what_they_have() -> None:
    sheet = sheet_with(
        [answered(latency_s=1.0), answered(latency_s=5.0)],
        [answered(latency_s=2.0), None],
    )
    assert find_rows(sheet, Query(sort="latency")) == [1, 0]
    assert find_rows(sheet, Query(sort="latency", column=0)) == [0, 1]
    assert find_rows(sheet, Query(sort="latency", column=9)) == [0, 1]


@pytest.mark.parametrize("column", [-1, "1", None, 1.5])
def test_a_column_that_is_not_one_means_all_of_them(column: object) -> None:
    assert Query.from_message({"column": column}).column is None
    assert Query.from_message({}).plain


def test_tags_and_groups_are_bounded() -> None:
    lines = [Line(f"c{n}", "x", tags=(f"t{n}",)) for n in range(MAX_SLICES + 50)]
    assert len(tags_and_groups(lines)) == MAX_SLICES

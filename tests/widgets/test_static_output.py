"""The static table: bounded, and with the rows that are worth reading first."""

import pandas as pd

from pex.score.frame import summarise
from pex.widgets.static_output import (
    MAX_BYTES,
    MAX_CELLS,
    MAX_CHARS,
    MAX_ROWS,
    static_table,
    static_text,
)
from tests.helpers.grids import filled, frame_of


def table(outputs: dict[str, list[str | None]], repeats: int = 1) -> str:
    frame = frame_of(outputs, repeats)
    return static_table(filled(frame), frame, summarise(frame))


def test_all_cases_are_there_if_there_are_few() -> None:
    html = table({"a": ["good"] * 12, "b": ["good"] * 12})
    assert html.count('class="pex-case"') == 12
    assert "are shown here" not in html


def test_of_many_those_that_disagree_and_fail_are_chosen() -> None:
    count = MAX_ROWS + 100
    a: list[str | None] = ["good"] * count
    b: list[str | None] = ["good"] * count
    b[-1], b[-2], a[-3] = "bad", None, None
    html = table({"a": a, "b": b})
    assert html.count('class="pex-case"') == MAX_ROWS
    for number in (count - 1, count - 2, count - 3, 0):
        assert f"c{number}<" in html or f"c{number} " in html
    assert f"c{count - 4} " not in html
    assert f"{MAX_ROWS} of {count} cases are shown here" in html


def test_many_variants_and_repeats_leave_room_for_fewer_cases() -> None:
    variants = {f"v{n}": ["good"] * 60 for n in range(20)}
    html = table(variants, repeats=2)
    assert html.count('class="pex-case"') == MAX_CELLS // 40
    html = table({f"v{n}": ["good"] * 30 for n in range(200)})
    assert html.count('class="pex-case"') == 10


def test_it_is_bounded_whatever_the_answers_are() -> None:
    html = table({name: ["<" * 5_000] * 100 for name in "abcdefgh"})
    assert len(html.encode()) < MAX_BYTES + 100_000
    assert "&lt;" * (MAX_CHARS + 1) not in html
    assert "&lt;" * MAX_CHARS in html


def test_hidden_characters_are_seen_and_text_is_escaped() -> None:
    assert "\x1b" not in table({"a": ["\x1b[31mred"]})
    assert "&lt;b&gt;" in static_text("<b>")
    frame = frame_of({"a": ["good"]})[:0]
    assert "No answers." in static_table(filled(frame), frame, pd.DataFrame())

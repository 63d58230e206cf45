"""Tables as plain text: aligned, one line a row, and nothing in them steers a terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from pex.core.safe_text import clean
from pex.report.terminal import text_table


@given(
    st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), min_size=1, max_size=6),
    st.booleans(),
)
def test_any_texts_make_one_clean_line_a_row_and_one_column_below_another(
    rows: list[tuple[str, str]], right: bool
) -> None:
    marked = [(first, f"<{second}>") for first, second in rows]
    lines = text_table(marked, ["name", "<value>"], right=[1] if right else []).split("\n")
    assert len(lines) == len(rows) + 1
    assert clean("\n".join(lines)) == "\n".join(lines)
    cells = [" ".join(clean(cell).expandtabs(1).splitlines()) for _, cell in marked]
    ends = [cell_len(line) for line in lines]
    starts = [end - cell_len(cell) for end, cell in zip(ends, ["<value>", *cells], strict=True)]
    assert len(set(ends if right else starts)) == 1


def test_wide_characters_count_as_two_columns_and_line_breaks_as_spaces() -> None:
    text = text_table([["日本語", "a\nb\tc"], ["🙂", "\x1b[31m"]], ["name", "said"])
    assert text.split("\n") == ["name    said", "日本語  a b c", "🙂      ␛[31m"]


def test_what_looks_like_markup_is_text_and_without_rows_there_is_nothing() -> None:
    assert text_table([["[bold]x[/bold] :smile:", "1"]]) == "[bold]x[/bold] :smile:  1"
    assert text_table([]) == ""
    assert text_table([], ["only", "titles"]) == "only  titles"

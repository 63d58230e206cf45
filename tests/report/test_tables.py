"""Numbers as people read them, and the tables of them: escaped, in order, nothing made up."""

from __future__ import annotations

import math
import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pex.report import safe_html, tables
from pex.report.comparison import format_difference, format_value
from pex.report.plots import paper
from tests.helpers.markup import check_balanced, plain_text
from tests.helpers.summaries import HOSTILE, summary

FINITE = st.floats(-1e9, 1e9)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0 ms"), (0.0004, "0 ms"), (0.9994, "999 ms"), (1.0, "1.0 s"), (9.94, "9.9 s"),
     (10.0, "10 s"), (299.0, "299 s"), (300.0, "5 min"), (3599.0, "60 min"), (3600.0, "1.0 h"),
     (math.nan, "–")],
)  # fmt: skip
def test_times_change_their_unit_at_the_right_place(value: float, text: str) -> None:
    assert tables.format_seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "free"), (0.00001234, "$1.23e-05"), (0.099, "$0.099"), (0.1, "$0.10"),
     (1234.5, "$1234.50"), (math.nan, "unknown")],
)  # fmt: skip
def test_free_is_not_unknown_and_small_amounts_are_not_nothing(value: float, text: str) -> None:
    assert tables.format_usd(value) == text


@given(st.floats(0, 1))
def test_a_share_is_whole_percent(value: float) -> None:
    found = re.fullmatch(r"(\d{1,3}) %", tables.format_score(value, True))
    assert found
    assert abs(int(found[1]) - 100 * value) <= 0.5 + 1e-9


@given(FINITE)
def test_other_scores_keep_three_digits_and_have_one_kind_of_minus(value: float) -> None:
    text = tables.format_score(value, False)
    assert "-" not in text
    assert float(text.replace("−", "-")) == pytest.approx(value, rel=0.006)
    assert "-" not in tables.format_interval(min(value, 0), max(value, 0), False)


@given(FINITE, st.sampled_from(["words", "latency_s", "cost_usd"]), st.booleans())
def test_a_difference_has_the_sign_of_its_value_and_one_kind_of_minus(
    value: float, metric: str, unit: bool
) -> None:
    text = format_difference(value, metric, False, unit=unit)
    assert text[0] == ("+" if value > 0 else "−" if value < 0 else text[0])
    if metric != "cost_usd":  # a tiny price has an exponent
        assert "-" not in text
    if value == 0:
        assert not text.startswith(("+", "−"))


@given(st.floats(-1, 1))
def test_points_are_percentage_points_and_nought_has_no_sign(value: float) -> None:
    text = format_difference(value, "label", True)
    number = float(text.removesuffix(" points").replace("−", "-"))
    assert text.endswith(" points")
    assert abs(number - 100 * value) <= 0.5 + 1e-9
    if number == 0:
        assert text == "0 points"


@pytest.mark.parametrize("value", [None, math.nan, pd.NA])
def test_what_is_missing_is_a_dash(value: object) -> None:
    assert format_difference(value, "label", True) == "–"
    assert format_value(value, "cost_usd", False) == "–"


@given(FINITE)
def test_numbers_on_axes_and_changes_have_one_kind_of_minus(value: float) -> None:
    for text in (paper.number(value), paper.change(value, False), paper.change(value, True)):
        assert "-" not in text


@given(st.text(max_size=80), st.integers(8, 40))
def test_a_shortened_name_fits_and_keeps_both_ends(name: str, most: int) -> None:
    whole = " ".join(name.split())
    short = paper.shorten(name, most)
    assert len(short) <= most
    assert short == whole or (whole.startswith(short.split("…")[0]) and "…" in short)


@given(st.lists(st.text(alphabet="ab…", max_size=30), max_size=12, unique=True))
def test_different_names_stay_different_when_they_are_cut(names: list[str]) -> None:
    once = list(dict.fromkeys(" ".join(name.split()) for name in names))
    labels = paper.labels(once, 9)
    assert len(labels) == len(once)
    cut = [label for label in labels if label.endswith(")")]
    assert len(set(cut)) == len(cut)


@given(st.text(max_size=60))
def test_nothing_of_a_text_is_markup_or_a_formula_for_plotly(text: str) -> None:
    shown = paper.plain(text)
    assert not set("<>$\n") & set(shown)


def test_a_long_text_says_how_much_of_it_is_missing() -> None:
    assert tables.cut("x" * 12, 12) == "x" * 12
    assert tables.cut("x" * 2013, 12) == "x" * 12 + "… (2,001 more characters)"


def test_names_are_escaped_and_rows_stay_in_order() -> None:
    made = summary({"variant": "z"}, {"variant": HOSTILE}, {"variant": "a" * 300})
    html = tables.summary_table(made, {"label"})
    check_balanced(html)
    assert "<a " not in html
    rows = re.findall(r'<th scope="row">(.*?)</th>', html)
    assert [plain_text(row) for row in rows] == ["z", HOSTILE, "a" * 300]
    lines = tables.summary_text(made, {"label"}).splitlines()
    assert [line.split()[0] for line in lines] == ["variant", "z", "<a", "a" * 300]
    assert len(set(map(len, lines))) == 1


def test_the_highest_value_is_marked_each_time_and_only_where_there_is_a_choice() -> None:
    two = summary({}, {"variant": "b"}, {"variant": "c", "score.label": 0.2})
    html = tables.summary_table(two, {"label"})
    assert html.count("▲ 80 %") == 2
    assert html.count("highest</span>") == 2
    assert "▲" not in tables.summary_table(summary({}), {"label"})
    assert "▲" not in tables.summary_table(two, set())  # of a number more may be worse


def test_a_score_that_is_missing_is_a_dash_without_an_interval() -> None:
    none = {"score.label": math.nan, "score.label.lo": math.nan, "score.label.hi": math.nan}
    html = tables.summary_table(summary({}, none | {"variant": "b"}), {"label"})
    assert "nan" not in html
    assert '<td class="pex-number">–</td>' in html
    assert html.count("pex-interval") == 1


def test_answers_that_no_scorer_could_score_are_counted() -> None:
    made = summary({"score.label.errors": 3})
    assert "80 % [70, 90] (3 not scored)" in tables.summary_text(made, {"label"})
    assert "(3 not scored)" in plain_text(tables.summary_table(made, {"label"}))


def test_a_summary_without_rows_or_scores_is_still_a_table() -> None:
    empty = tables.summary_text(summary(), {"label"})
    assert empty.split() == ["variant", "label", "errors", "cost", "latency"]
    check_balanced(tables.summary_table(summary(), {"label"}))
    bare = summary({}).drop(columns=[c for c in summary({}).columns if c.startswith("score.")])
    assert tables.summary_text(bare, ()).splitlines()[1].split() == [
        "short",
        "0",
        "$0.50",
        "300",
        "ms",
    ]
    assert "highest value" not in tables.summary_table(bare, ())


def test_remarks_are_a_list_of_escaped_texts_or_nothing() -> None:
    assert tables.remarks_html([]) == ""
    html = tables.remarks_html([HOSTILE, "second"])
    assert html.count("<li>") == 2
    assert "<a " not in html
    assert 'aria-label="Remarks"' in html


def test_hidden_characters_are_shown_where_a_text_becomes_html() -> None:
    assert safe_html.escaped("a\u202eb\x00<i>") == "a⟨U+202E⟩b␀&lt;i&gt;"


def with_parts(*parts: str) -> pd.DataFrame:
    made = summary({})
    for name in parts:
        made = made.assign(
            **{f"score.label.{name}{end}": 0.5 for end in ("", ".lo", ".hi", ".n", ".errors")}
        )
    return made


def test_many_parts_of_scores_are_left_out_and_counted() -> None:
    few, many = with_parts("a", "b"), with_parts(*"abcdefg")
    assert "label.b" in tables.summary_text(few, {"label"})
    told = tables.summary_text(many, {"label"})
    assert "label.a" not in told
    assert "7 parts of scores are not shown: results.summary() has them." in told
    html = tables.summary_table(many, {"label"})
    assert "label.a" not in html
    assert "7 parts of scores are not shown" in html

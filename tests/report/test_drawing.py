"""One geometry, two pens: the report's pictures and the notebook's plots place the same data."""

from __future__ import annotations

import itertools
import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pex.report import plots, svg
from pex.report.plots import forest, pareto, points, tally
from pex.report.svg_pen import WIDTH, Axis
from tests.helpers.summaries import YES_NO, comparison, summary

SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=8)
VERDICTS = ("better", "worse", "no worse", "undecided")


def root(made: str) -> ElementTree.Element:
    return ElementTree.fromstring(made)


def numbers(element: ElementTree.Element, *names: str) -> list[float]:
    return [float(element.get(name, "nan")) for name in names]


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_a_few_even_steps_within_the_axis(low: float, spread: float) -> None:
    axis = Axis((low, low + spread), 0)
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 8
    assert all(-1e-6 <= axis.x(tick) <= WIDTH + 1e-6 for tick in ticks)
    steps = [b - a for a, b in itertools.pairwise(ticks)]
    assert max(steps) - min(steps) <= 1e-6 * max(map(abs, (low, low + spread, 1)))


FEW = settings(max_examples=12)
"""A plot of plotly's takes its time."""


@FEW
@given(SHARES)
def test_scores_are_at_their_value_in_both_pens(values: list[float]) -> None:
    made = summary(*({"variant": f"v{n}", "score.label": v} for n, v in enumerate(values)))
    circles = list(root(svg.plot_svg(made, "label", True)).iter("circle"))
    left = min(
        float(line.get("x1", 0)) for line in root(svg.plot_svg(made, "label", True)).iter("line")
    )
    there = [(numbers(item, "cx")[0] - left) / WIDTH for item in circles]
    assert there == pytest.approx(values, abs=1e-3)
    assert list(plots.scores(made, YES_NO).data[0].x) == pytest.approx(values)
    assert [numbers(item, "cy")[0] for item in circles] == [36 + 28 * n for n in range(len(values))]


def test_a_variant_without_the_score_leaves_no_hole_in_the_picture_and_its_row_in_the_plot() -> (
    None
):
    made = summary({}, {"variant": "b", "score.label": math.nan}, {"variant": "c"})
    found = points.points_of(made, "label", True)
    assert [(point.variant, point.row) for point in found] == [("short", 0), ("c", 2)]
    assert list(plots.scores(made, YES_NO).data[0].y) == [0, 2]
    assert len(list(root(svg.plot_svg(made, "label", True)).iter("circle"))) == 2


@FEW
@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500), st.integers(0, 500)),
                min_size=1, max_size=6))  # fmt: skip
def test_bars_are_as_long_as_their_counts(rows: list[tuple[int, int, int]]) -> None:
    made = comparison(
        *(
            {"candidate": f"v{n}", "wins": wins, "ties": ties, "losses": losses}
            for n, (wins, ties, losses) in enumerate(rows)
        )
    )
    ((panel,), missing) = tally.panels_of_wins(made)
    assert missing == ""
    assert list(zip(*panel.counts.values(), strict=True)) == rows
    widest = max(map(sum, rows)) or 1
    rects = [numbers(item, "x", "width", "y") for item in root(svg.wins_svg(made)).iter("rect")]
    drawn = [n for row in rows for n in row if n]
    assert [width for _, width, _ in rects] == pytest.approx(
        [WIDTH * n / widest for n in drawn], abs=0.06
    )
    for (x, width, y), (following, _, below) in itertools.pairwise(rects):
        if y == below:
            assert following == pytest.approx(x + width, abs=0.06)
    figure = plots.wins(made)
    assert [list(trace.x) for trace in figure.data] == [
        list(part) for part in zip(*rows, strict=True)
    ]


def test_wins_of_several_metrics_and_baselines_are_panels_that_say_against_whom() -> None:
    made = comparison(
        {}, {"candidate": "c"}, {"metric": "size", "baseline": "old"},
        {"metric": "size", "candidate": "c", "baseline": "new"},
        {"metric": "none", "wins": math.nan},
    )  # fmt: skip
    panels, missing = tally.panels_of_wins(made)
    assert [panel.title for panel in panels] == [
        "label: cases against short", "size: cases against the baseline",
    ]  # fmt: skip
    assert panels[1].labels == ["strict − old", "c − new"]
    assert missing == "1 comparison without counts left out."
    assert svg.wins_svg(made).count("<svg") == 2


@FEW
@given(
    st.lists(
        st.tuples(st.floats(-1, 1), st.floats(0, 0.5), st.sampled_from(VERDICTS)),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([math.nan, 0.05]),
)
def test_a_forest_has_its_marks_and_lines_in_both_pens(
    rows: list[tuple[float, float, str]], margin: float
) -> None:
    made = comparison(
        *(
            {"candidate": f"v{n}", "diff": diff, "lo": diff - wide, "hi": diff + wide,
             "bound": diff - wide / 2, "verdict": verdict, "margin": margin}
            for n, (diff, wide, verdict) in enumerate(rows)
        )
    )  # fmt: skip
    ((panel,), _) = forest.panels_of_differences(made, YES_NO)
    strokes = panel.strokes()
    assert strokes["interval"] == [
        pytest.approx((100 * (diff - wide), y, 100 * (diff + wide), y))
        for y, (diff, wide, _) in enumerate(rows)
    ]
    with_margin = len(rows) if math.isfinite(margin) else 0
    assert len(strokes["margin"]) == len(strokes["one-sided end"]) == with_margin
    assert all(stroke[0] == stroke[2] == -5.0 for stroke in strokes["margin"])
    low, high = panel.span
    assert all(low < x < high for lines in strokes.values() for x in (line[0] for line in lines))
    picture = root(svg.forest_svg(made, YES_NO))
    styled = [line for line in picture.iter("line") if line.get("style")]
    assert len(styled) == 1 + len(rows) + 2 * with_margin
    marks = [item for item in picture if item.tag in ("path", "circle")]
    assert len(marks) == len(rows)
    assert [item.tag == "circle" for item in marks] == [v == "undecided" for _, _, v in rows]
    figure = plots.differences(made, YES_NO)
    difference = next(trace for trace in figure.data if trace.name == "difference")
    assert list(difference.x) == pytest.approx([100 * diff for diff, _, _ in rows])
    texts = [item.text or "" for item in picture.iter("text")]
    assert [f"v{n}" for n in range(len(rows))] == [
        text for text in texts if re.fullmatch(r"v\d", text)
    ]
    assert figure.layout.yaxis.ticktext == tuple(f"v{n}" for n in range(len(rows)))


def test_where_lower_is_better_the_margin_is_at_the_other_side() -> None:
    made = comparison({"margin": 0.05, "higher_is_better": False})
    ((panel,), _) = forest.panels_of_differences(made, YES_NO)
    assert [stroke[0] for stroke in panel.strokes()["margin"]] == [5.0]


def test_a_difference_without_an_interval_has_a_mark_and_no_line() -> None:
    none = {"lo": math.nan, "hi": math.nan, "bound": math.nan, "margin": 0.05}
    ((panel,), _) = forest.panels_of_differences(comparison(none), YES_NO)
    strokes = panel.strokes()
    assert (strokes["interval"], strokes["one-sided end"]) == ([], [])
    assert len(strokes["margin"]) == 1
    assert "no interval" in svg.forest_svg(comparison(none), YES_NO)


@FEW
@given(
    st.lists(
        st.tuples(st.sampled_from([0.1, 0.5, 0.5001, 0.9]), st.sampled_from([1.0, 2.0, 4.0])),
        min_size=1,
        max_size=8,
    )
)
def test_on_the_frontier_is_what_nothing_beats(rows: list[tuple[float, float]]) -> None:
    made = summary(
        *(
            {"variant": f"v{n}", "score.label": score, "latency_s": seconds}
            for n, (score, seconds) in enumerate(rows)
        )
    )
    found = pareto.frontier_of(made, "label", "latency_s", YES_NO)
    for spot in found.spots:
        beaten = any(
            (score >= spot.y and seconds <= spot.x) and (score, seconds) != (spot.y, spot.x)
            for score, seconds in rows
        )
        assert spot.frontier == (not beaten)
    assert [spot.x for spot in found.steps] == sorted(spot.x for spot in found.steps)
    assert [spot.y for spot in found.steps] == sorted(spot.y for spot in found.steps)
    figure = plots.frontier(made, "label", "latency_s", YES_NO)
    assert list(figure.data[0].x) == [spot.x for spot in found.steps]
    picture = root(svg.frontier_svg(made, "label", "latency_s", YES_NO))
    filled = [
        "var(--pex-mark" in (item.get("style") or "").split(";")[0]
        for item in picture.iter("circle")
    ]
    assert filled == [spot.frontier for spot in found.spots]
    across = [numbers(item, "cx")[0] for item in picture.iter("circle")]
    order = sorted(range(len(rows)), key=lambda n: found.spots[n].x)
    assert [across[n] for n in order] == sorted(across)


def test_each_spot_is_numbered_and_named_beside_with_its_value() -> None:
    made = summary({"latency_s": 0.3}, {"variant": "b", "score.label": 0.9, "latency_s": 2.0})
    texts = [
        item.text
        for item in root(svg.frontier_svg(made, "label", "latency_s", YES_NO)).iter("text")
    ]
    assert "1  b: 90 %, 2.0 s" in texts
    assert "2  short: 80 %, 300 ms" in texts
    assert {"1", "2"} <= set(texts)


def test_what_cannot_be_drawn_is_named_in_both_pens() -> None:
    made = summary({}, {"variant": "gone", "cost_usd": math.nan}, {"variant": "none", "answers": 0})
    found = pareto.frontier_of(made, "label", "cost_usd", YES_NO)
    assert found.left_out == ["gone", "none"]
    said = "Left out, cost or score unknown: gone, none."
    assert said in svg.frontier_svg(made, "label", "cost_usd", YES_NO)
    assert said in plots.frontier(made, "label", "cost_usd", YES_NO).layout.title.text.replace(
        "<br><sup>", " "
    ).replace("</sup>", "")


def test_rows_beyond_what_one_picture_can_show_are_counted_in_both_pens() -> None:
    many = comparison(*({"candidate": f"v{n}"} for n in range(205)))
    said = "The first 200 of 205 rows are drawn."
    assert said in svg.forest_svg(many, YES_NO)
    assert said in svg.wins_svg(many)
    assert svg.wins_svg(many).count(" wins, 83 ties") == 200 + 1  # and the sentence

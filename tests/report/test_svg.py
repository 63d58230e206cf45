"""The report's pictures: well-formed, labelled, escaped, and saying what the plots say."""

import math

import pytest

from pex.report import svg
from pex.report.plots import differences, paper
from tests.helpers.summaries import HOSTILE, YES_NO, comparison, summary


def every_svg(name: str) -> dict[str, str]:
    table = comparison({"candidate": name, "margin": 0.05})
    both = summary({"variant": name}, {"variant": "other", "score.label": 0.5, "cost_usd": 0.1})
    return {
        "plot": svg.plot_svg(both, "label", True),
        "forest": svg.forest_svg(table, YES_NO),
        "wins": svg.wins_svg(table),
        "frontier": svg.frontier_svg(both, "label", "cost_usd", YES_NO),
    }


@pytest.mark.parametrize("name", ["plot", "forest", "wins", "frontier"])
def test_an_svg_is_well_formed_labelled_and_escaped(name: str) -> None:
    from xml.etree import ElementTree

    made = every_svg(HOSTILE)[name]
    root = ElementTree.fromstring(made)
    assert root.get("role") == "img"
    assert root.get("class") == "plot"
    assert "label" in str(root.get("aria-label"))
    assert {child.tag for child in root} <= {"text", "line", "circle", "path", "rect"}
    assert "nan" not in made
    assert any(paper.shorten(HOSTILE, 10)[:6] in (child.text or "") for child in root)


def test_svgs_say_what_the_plots_say() -> None:
    forest = svg.forest_svg(comparison({"margin": 0.05}), YES_NO)
    assert "▲ better +7.0 [+2.0, +12.0]" in forest
    assert 'aria-label="label: difference from short (percentage points): strict is above' in forest
    assert "stroke-dasharray" in forest
    assert "12 wins, 83 ties, 5 losses" in svg.wins_svg(comparison({}))
    one = svg.wins_svg(comparison({"wins": 1, "ties": 1, "losses": 1}))
    assert ">1 win, 1 tie, 1 loss<" in one
    two = summary({}, {"variant": "b", "score.label": 0.9, "cost_usd": 1.0})
    assert "1  b: 90 %, $10.00 per 1,000" in svg.frontier_svg(two, "label", "cost_usd", YES_NO)


def test_an_svg_of_nothing_is_no_picture() -> None:
    assert svg.forest_svg(comparison(), YES_NO) == svg.wins_svg(comparison()) == ""
    assert svg.plot_svg(summary({"score.label": math.nan}), "label", True) == ""
    free = svg.frontier_svg(summary({"cost_usd": 0.0}), "label", "cost_usd", YES_NO)
    assert free.startswith('<p class="pex-soft">label: nothing to draw: all variants were free')


@pytest.mark.parametrize("diff", [0.0, 1e-9, 1e6])
def test_an_axis_stands_any_size_of_difference(diff: float) -> None:
    table = comparison({"metric": "size", "diff": diff, "lo": diff, "hi": diff})
    assert svg.forest_svg(table, set()).count("<svg") == 1
    low, high = differences(table, set()).layout.xaxis.range
    assert low < min(0, diff) <= max(0, diff) < high

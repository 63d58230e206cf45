"""A score over the nights: what is drawn, what is left out and said."""

from __future__ import annotations

import math
import re
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pytest

from pex.report.timeline import MOST, NIGHTS, timeline_svg
from tests.helpers.summaries import HOSTILE

TIMES = "%Y-%m-%d %H:%M"


def history(values: dict[str, list[float | None]], hours: float = 24, **more: Any) -> pd.DataFrame:
    start = pd.Timestamp("2026-05-01 02:00")
    rows = [
        {"run_id": f"run{night}", "started_at": start + pd.Timedelta(hours=hours * night),
         "variant": name, "value": value, "lo": value - 0.1, "hi": value + 0.1} | more
        for night in range(max(map(len, values.values())))
        for name, line in values.items()
        if night < len(line) and (value := line[night]) is not None
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["run_id", "started_at", "variant", "value", "lo", "hi"])


def drawn(made: pd.DataFrame, binary: bool = True) -> ElementTree.Element:
    return ElementTree.fromstring(timeline_svg(made, "label", binary))


def texts(root: ElementTree.Element) -> list[str]:
    return [item.text or "" for item in root.iter("text")]


def height_of(root: ElementTree.Element) -> list[float]:
    return [float(circle.get("cy", "")) for circle in root.iter("circle")]


def test_one_night_or_none_is_no_line() -> None:
    assert timeline_svg(history({"a": [0.5]}), "label", True) == ""
    assert timeline_svg(history({"a": [0.5]}).iloc[:0], "label", True) == ""
    assert timeline_svg(history({"a": [0.5, math.nan]}), "label", True) == ""


def test_a_higher_score_is_drawn_higher_and_a_later_night_further_right() -> None:
    root = drawn(history({"a": [0.2, 0.9, 0.5]}))
    first, second, third = height_of(root)
    assert second < third < first
    across = [float(circle.get("cx", "")) for circle in root.iter("circle")]
    assert across == sorted(across)
    (line,) = root.iter("polyline")
    points = [point.split(",") for point in str(line.get("points")).split()]
    assert [float(y) for _, y in points] == [first, second, third]


def test_a_yes_no_score_has_an_axis_from_nought_to_a_hundred_whatever_the_values() -> None:
    assert texts(drawn(history({"a": [0.5, 0.51]})))[1:6] == [
        "0 %",
        "25 %",
        "50 %",
        "75 %",
        "100 %",
    ]
    numbers = texts(drawn(history({"a": [-5.0, 5.0]}), binary=False))
    assert "−5.1" in numbers
    assert not any("-" in text for text in numbers)


def test_equal_values_of_any_score_can_be_drawn() -> None:
    same = history({"a": [3.0, 3.0]}, lo=3.0, hi=3.0)
    assert len(set(height_of(drawn(same, binary=False)))) == 1


def test_a_night_without_a_variant_is_a_gap_in_its_line_alone() -> None:
    root = drawn(history({"a": [0.5, None, 0.7], "b": [0.1, 0.2, 0.3]}))
    lines = [len(str(line.get("points")).split()) for line in root.iter("polyline")]
    assert lines == [2, 3]
    assert len(list(root.iter("circle"))) == 5


def test_a_value_without_an_interval_has_no_bar() -> None:
    whole = drawn(history({"a": [0.5, 0.6]}))
    none = drawn(history({"a": [0.5, 0.6]}, lo=math.nan, hi=math.nan))
    assert len(list(whole.iter("line"))) - len(list(none.iter("line"))) == 2
    assert "nan" not in ElementTree.tostring(none, encoding="unicode")


def test_only_the_newest_nights_are_drawn() -> None:
    root = drawn(history({"a": [0.5] * (NIGHTS + 12)}))
    assert len(list(root.iter("circle"))) == NIGHTS
    assert f"over {NIGHTS} nights" in str(root.get("aria-label"))
    assert "13 May" in texts(root)  # the first that is drawn
    assert "1 May" not in texts(root)


@pytest.mark.parametrize("more", [0, 1, 5])
def test_more_variants_than_can_be_told_apart_are_counted(more: int) -> None:
    root = drawn(history({f"v{n}": [0.5, 0.6] for n in range(MOST + more)}))
    assert len(list(root.iter("polyline"))) == MOST
    said = [text for text in texts(root) if "not drawn" in text]
    assert said == ([f"{more} more variants are not drawn"] if more else [])


def test_each_variant_has_a_colour_and_a_pattern_and_its_last_value_in_the_key() -> None:
    root = drawn(history({f"v{n}": [0.1, n / 10] for n in range(MOST)}))
    styles = [str(line.get("style")) for line in root.iter("polyline")]
    assert len(set(styles)) == MOST
    assert len({re.sub("stroke:[^;]*", "", style) for style in styles}) == MOST
    assert f"v3 {30} %" in texts(root)


def test_nights_of_one_day_are_told_apart_by_their_time() -> None:
    assert "02:00" in texts(drawn(history({"a": [0.5, 0.6]}, hours=1)))
    assert "1 May" in texts(drawn(history({"a": [0.5, 0.6]})))


def test_names_and_scores_are_escaped_and_long_ones_cut() -> None:
    svg = timeline_svg(history({HOSTILE: [0.5, 0.6], "n" * 200: [0.1, 0.2]}), HOSTILE, True)
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    assert {item.tag for item in root} <= {"text", "line", "polyline", "circle"}
    assert max(map(len, texts(root)[1:])) < 60
    assert HOSTILE in str(root.get("aria-label"))

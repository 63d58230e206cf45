"""Each score of each variant as a point with its interval."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pex.report.plots import paper
from pex.report.tables import format_interval, format_score, summary_scores

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

_COLUMNS = 3


@dataclass(frozen=True)
class Point:
    """One score of one variant with its 95 % interval."""

    variant: str
    row: int
    """Of the summary, from 0."""
    value: float
    lo: float
    hi: float
    cases: int
    binary: bool

    @property
    def text(self) -> str:
        """The score as people read it."""
        return format_score(self.value, self.binary)

    @property
    def interval(self) -> str:
        """Its interval in brackets; empty if there is none."""
        return format_interval(self.lo, self.hi, self.binary)


def points_of(summary: pd.DataFrame, name: str, binary: bool) -> list[Point]:
    """The variants that have a score, in the order of the summary.

    Args:
        summary: one row per variant.
        name: the name of the score.
        binary: whether it is yes/no.
    """
    points = []
    for row, record in enumerate(paper.records(summary)):
        value, lo, hi, cases = (record[f"score.{name}{end}"] for end in ("", ".lo", ".hi", ".n"))
        if math.isfinite(value):
            variant = str(record["variant"])
            points.append(
                Point(variant, row, float(value), float(lo), float(hi), int(cases), binary)
            )
    return points


def scores(summary: pd.DataFrame, yes_no: Collection[str]) -> Figure:
    """Each score of each variant as a point with its 95 % interval, one panel for each score.

    Args:
        summary: one row per variant.
        yes_no: the scores that are yes/no; their axis goes from 0 to 100 %.
    """
    from plotly.subplots import make_subplots

    names = summary_scores(summary)
    title = "Scores with 95 % intervals"
    if not len(summary) or not names:
        return paper.empty(title, "there are no scores" if len(summary) else "there is no variant")
    summary = summary.iloc[: paper.MAX_LINES]
    shown = paper.labels(str(name) for name in summary["variant"])
    columns = min(_COLUMNS, len(names))
    rows = math.ceil(len(names) / columns)
    height = rows * (34 * len(shown) + 14) + (rows - 1) * 76
    figure = make_subplots(
        rows=rows,
        cols=columns,
        shared_yaxes=True,
        horizontal_spacing=0.06,
        vertical_spacing=76 / height if rows > 1 else 0,
        subplot_titles=[paper.plain(paper.shorten(name)) for name in names],
    )
    figure.update_annotations(font_size=14)
    by_name = {name: points_of(summary, name, name in yes_no) for name in names}
    for place, (name, points) in enumerate(by_name.items()):
        row, column = place // columns + 1, place % columns + 1
        _panel(figure, points, name in yes_no, (row, column))
        paper.name_rows(figure, shown, row, column)
    return paper.lay_out(
        figure,
        title,
        _highest(by_name, len(summary)),
        height=height,
        left=paper.width_of(shown),
    ).update_layout(showlegend=False)


def scores_table(summary: pd.DataFrame, yes_no: Collection[str]) -> pd.DataFrame:
    """What `scores` draws: one row for each variant and score; yes/no scores in percent.

    Args:
        summary: one row per variant.
        yes_no: the scores that are yes/no.
    """
    import pandas as pd

    rows = []
    for name in summary_scores(summary):
        binary = name in yes_no
        scale = 100.0 if binary else 1.0
        for point in points_of(summary.iloc[: paper.MAX_LINES], name, binary):
            ends = (point.value, point.lo, point.hi)
            cells = [paper.rounded(scale * value, binary) for value in ends]
            unit = "percent" if binary else name
            rows.append([point.variant, name, *cells, unit, point.cases])
    return pd.DataFrame(rows, columns=["variant", "score", "value", "low", "high", "unit", "cases"])


def _highest(by_name: dict[str, list[Point]], variants: int) -> str:
    """The caption: which value is highest, and what that does not mean."""
    parts = []
    for name, points in list(by_name.items())[:_COLUMNS]:
        if points:
            top = max(points, key=lambda point: point.value)
            parts.append(f"{name}: {paper.shorten(top.variant)} {top.text}")
    text = f"Highest {'; '.join(parts)}. " if parts and variants > 1 else ""
    missing = sum(variants - len(points) for points in by_name.values())
    if missing:
        text += f"{paper.count(missing, 'value')} missing. "
    return text + "Where intervals overlap, this alone does not show which is better."


def _panel(figure: Figure, points: Sequence[Point], binary: bool, place: tuple[int, int]) -> None:
    at = {"row": place[0], "col": place[1]}
    figure.add_scatter(
        x=[point.value for point in points],
        y=[point.row for point in points],
        mode="markers",
        marker={"size": 10, "color": paper.MARK},
        hovertext=[paper.plain(f"{p.variant}: {p.text} {p.interval}") for p in points],
        hoverinfo="text",
        **at,
    )
    xs, ys = paper.segments((point.lo, point.row, point.hi, point.row) for point in points)
    line = {"color": paper.MARK, "width": 3}
    figure.add_scatter(x=xs, y=ys, mode="lines", line=line, hoverinfo="skip", **at)
    if binary:
        figure.update_xaxes(range=[-0.02, 1.02], tickformat=".0%", **at)

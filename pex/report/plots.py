"""Plots for people who would rather look than read."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from pex.report.tables import format_interval, format_score, summary_scores

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

INK = "#7d8590"
"""A grey that can be read on white and on black."""

MARK = "#3b82f6"


def scores(summary: pd.DataFrame, yes_no: Collection[str]) -> Figure:
    """Each score of each variant as a point with its 95 % interval, one panel for each score.

    Args:
        summary: one row per variant.
        yes_no: the scores that are yes/no; their axis goes from 0 to 100 %.
    """
    from plotly.subplots import make_subplots

    names = summary_scores(summary)
    variants = [str(name) for name in summary["variant"]]
    figure = make_subplots(
        rows=1,
        cols=max(1, len(names)),
        shared_yaxes=True,
        horizontal_spacing=0.06,
        subplot_titles=names or ["no scores"],
    )
    for column, name in enumerate(names, 1):
        _panel(figure, summary, name, name in yes_no, column)
    figure.update_yaxes(
        categoryorder="array",
        categoryarray=variants[::-1],
        showgrid=False,
        ticksuffix="  ",
    )
    figure.update_layout(
        template="none",
        title={
            "text": "Scores with 95 % intervals"
            "<br><sup>Where intervals overlap, this alone cannot say which is better.</sup>",
            "x": 0.01,
            "xanchor": "left",
        },
        height=150 + 34 * len(variants),
        margin={"l": 20 + 7 * max(map(len, variants), default=0), "r": 30, "t": 90, "b": 40},
        font={"color": INK},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
    )
    return figure


def _panel(figure: Figure, summary: pd.DataFrame, name: str, binary: bool, column: int) -> None:
    values, low, high = (summary[f"score.{name}{end}"] for end in ("", ".lo", ".hi"))
    texts = [
        f"{format_score(v, binary)} {format_interval(lo, hi, binary)}"
        for v, lo, hi in zip(values, low, high, strict=True)
    ]
    figure.add_scatter(
        x=values,
        y=[str(variant) for variant in summary["variant"]],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": (high - values).fillna(0),
            "arrayminus": (values - low).fillna(0),
            "thickness": 2,
            "width": 5,
            "color": MARK,
        },
        mode="markers",
        marker={"size": 10, "color": MARK},
        text=texts,
        hovertemplate="%{y}: %{text}<extra></extra>",
        row=1,
        col=column,
    )
    axis = {"gridcolor": "rgba(125,133,144,0.25)", "zeroline": False}
    if binary:
        axis |= {"range": [-0.02, 1.02], "tickformat": ".0%"}
    figure.update_xaxes(**axis, row=1, col=column)

"""A score over runs: whether it holds from night to night."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pex.report.plots import paper
from pex.report.tables import format_interval, format_score

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

COLUMNS = ("run_id", "started_at", "variant", "value", "lo", "hi", "n")

_BANDS = 5
_COLOURS = (
    "#3b82f6", "#d97706", "#2a9d5c", "#a855f7", "#e5534b", "#0891b2", "#8b7355", "#7d8590",
)  # fmt: skip
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star", "circle-open")


@dataclass(frozen=True)
class Look:
    """How one variant is told from the others, with and without colour."""

    colour: str
    dash: str
    symbol: str


def trend(history: pd.DataFrame, score: str, yes_no: Collection[str]) -> Figure:
    """A score of each variant over the runs, with its interval as a band.

    Args:
        history: one row per (run, variant): `run_id`, `started_at` (with a time zone, or UTC),
            `variant`, `value`, the ends `lo` and `hi` of its interval (NaN: none), `n` cases.
        score: the name of the score.
        yes_no: the scores that are yes/no.

    Raises:
        PexError: a column is missing.
    """
    rows, left_out = _rows(history)
    title = f"{score} over runs"
    if rows.empty:
        return paper.empty(title, f"no run has a value of '{score}'")
    binary = score in yes_no
    return _draw(rows, title, _story(rows, left_out, binary), binary)


def trend_table(history: pd.DataFrame, score: str, yes_no: Collection[str]) -> pd.DataFrame:
    """What `trend` draws, oldest run first; yes/no scores in percent.

    Args:
        history: as for `trend`.
        score: the name of the score.
        yes_no: the scores that are yes/no.

    Raises:
        PexError: as for `trend`.
    """
    rows, _ = _rows(history)
    binary = score in yes_no
    table = rows[["started_at", "run_id", "variant", "n"]].rename(columns={"n": "cases"})
    scale = 100.0 if binary else 1.0
    for column, name in (("value", score), ("lo", "low"), ("hi", "high")):
        table[name] = [paper.rounded(scale * float(value), binary) for value in rows[column]]
    return table.reset_index(drop=True)


def _rows(history: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The newest rows that have a value, in order of time (UTC); the number of older ones."""
    import pandas as pd

    paper.need(history, COLUMNS, "trend")
    rows = history[history["value"].notna()]
    times = pd.to_datetime(rows["started_at"], utc=True).dt.tz_localize(None)
    rows = rows.assign(started_at=times).sort_values("started_at", kind="stable")
    return rows.tail(paper.MAX_POINTS), max(0, len(rows) - paper.MAX_POINTS)


def _by_variant(rows: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in paper.records(rows):
        found.setdefault(str(row["variant"]), []).append(row)
    return found


def _story(rows: pd.DataFrame, left_out: int, binary: bool) -> str:
    by_variant = _by_variant(rows)
    moved = {
        name: float(points[-1]["value"]) - float(points[0]["value"])
        for name, points in by_variant.items()
        if len(points) > 1
    }
    runs = rows["run_id"].nunique()
    text = f"{paper.count(runs, 'run')}, {paper.count(len(by_variant), 'variant')}."
    if moved:
        name = max(moved, key=lambda name: abs(moved[name]))
        ends = [format_score(float(by_variant[name][end]["value"]), binary) for end in (0, -1)]
        text += (
            f" Largest change from first to last: {paper.shorten(name)}, {ends[0]} to {ends[1]}."
        )
    else:
        text += " Each variant was run once: there is no trend yet."
    sizes = sorted({int(n) for n in rows["n"].dropna()})
    if len(sizes) > 1:
        text += f" Runs differ in size, from {sizes[0]:,} to {paper.count(sizes[-1], 'case')}."
    if len(by_variant) > _BANDS:
        text += " For intervals, point at a mark."
    if left_out:
        text += f" {left_out:,} older points are not drawn."
    return text + " Lines next to each other are not a paired comparison."


def _draw(rows: pd.DataFrame, title: str, caption: str, binary: bool) -> Figure:
    from plotly.graph_objects import Figure

    figure = Figure()
    by_variant = _by_variant(rows)
    shown = paper.labels(by_variant)
    bands = len(by_variant) <= _BANDS
    for place, (label, points) in enumerate(zip(shown, by_variant.values(), strict=True)):
        look = Look(
            _COLOURS[place % len(_COLOURS)],
            _DASHES[place % len(_DASHES)],
            _SYMBOLS[place % len(_SYMBOLS)],
        )
        if bands:
            _band(figure, points, look)
        _line(figure, points, label, look, binary)
    figure.update_xaxes(title="start of the run (UTC)")
    figure.update_yaxes(gridcolor=paper.GRID, zeroline=False)
    if binary:
        figure.update_yaxes(tickformat=".0%")
    if rows["started_at"].nunique() == 1:
        # Around a single moment plotly would choose an axis of milliseconds.
        figure.update_xaxes(
            tickvals=[rows["started_at"].iloc[0]],
            ticktext=[f"{rows['started_at'].iloc[0]:%Y-%m-%d %H:%M}"],
        )
    figure = paper.lay_out(
        figure,
        title,
        caption,
        height=max(320, 20 * len(shown)),
        right=paper.width_of(shown) + 60,
        below=60,
    )
    return figure.update_layout(
        showlegend=True,
        legend={"orientation": "v", "yref": "paper", "y": 1, "yanchor": "top", "x": 1.02},
    )


def _band(figure: Figure, points: list[dict[str, Any]], look: Look) -> None:
    """The intervals as a band, which is broken where a run has none."""
    part: list[dict[str, Any]] = []
    for point in [*points, {"lo": math.nan, "hi": math.nan}]:
        if math.isfinite(point["lo"]) and math.isfinite(point["hi"]):
            part.append(point)
            continue
        if len(part) == 1:
            xs = [part[0]["started_at"]] * 2
            figure.add_scatter(
                x=xs, y=[part[0]["lo"], part[0]["hi"]], mode="lines", opacity=0.6,
                line={"color": look.colour, "width": 3}, name="interval",
                hoverinfo="skip", showlegend=False,
            )  # fmt: skip
        elif part:
            times = [point["started_at"] for point in part]
            figure.add_scatter(
                x=[*times, *times[::-1]],
                y=[p["lo"] for p in part] + [p["hi"] for p in reversed(part)],
                mode="lines", fill="toself", fillcolor=look.colour, opacity=0.15,
                line={"width": 0}, name="interval", hoverinfo="skip", showlegend=False,
            )  # fmt: skip
        part = []


def _line(
    figure: Figure, points: list[dict[str, Any]], label: str, look: Look, binary: bool
) -> None:
    texts = []
    for point in points:
        value = format_score(float(point["value"]), binary)
        interval = format_interval(float(point["lo"]), float(point["hi"]), binary)
        cases = f"{paper.count(int(point['n']), 'case')}, " if math.isfinite(point["n"]) else ""
        when = f"{point['started_at']:%Y-%m-%d %H:%M}"
        lines = (str(point["variant"]), f"{value} {interval}", f"{cases}{when}, {point['run_id']}")
        texts.append("<br>".join(paper.plain(line) for line in lines))
    figure.add_scatter(
        x=[point["started_at"] for point in points],
        y=[float(point["value"]) for point in points],
        mode="lines+markers",
        name=paper.plain(label),
        line={"color": look.colour, "dash": look.dash, "width": 2},
        marker={"symbol": look.symbol, "size": 8},
        hovertext=texts,
        hoverinfo="text",
    )

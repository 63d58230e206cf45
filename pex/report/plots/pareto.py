"""Variants as points: their scores, and their scores against cost or time."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pex.core.errors import PexError, nearest
from pex.report.plots import paper
from pex.report.tables import (
    format_interval,
    format_score,
    format_seconds,
    format_usd,
    summary_scores,
)

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

Against = Literal["cost_usd", "latency_s"]

AXES = {
    "cost_usd": "US dollars per 1,000 answers",
    "latency_s": "median seconds per answer",
}
_WORDS = {"cost_usd": ("cheap", "cost"), "latency_s": ("fast", "latency")}
_COLUMNS = 3
_LOG_FROM = 20.0


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
    for place, name in enumerate(names):
        row, column = place // columns + 1, place % columns + 1
        _panel(figure, summary, name, name in yes_no, (row, column))
        paper.name_rows(figure, shown, row, column)
    return paper.lay_out(
        figure,
        title,
        _highest(summary, names, yes_no),
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
        for record in paper.records(summary.iloc[: paper.MAX_LINES]):
            values = [scale * float(record[f"score.{name}{end}"]) for end in ("", ".lo", ".hi")]
            if math.isfinite(values[0]):
                cells = [paper.rounded(value, binary) for value in values]
                unit = "percent" if binary else name
                cases = int(record[f"score.{name}.n"])
                rows.append([record["variant"], name, *cells, unit, cases])
    return pd.DataFrame(rows, columns=["variant", "score", "value", "low", "high", "unit", "cases"])


def _highest(summary: pd.DataFrame, names: list[str], yes_no: Collection[str]) -> str:
    """The caption: which value is highest, and what that does not mean."""
    parts = []
    for name in names[:_COLUMNS]:
        column = f"score.{name}"
        known = [row for row in paper.records(summary) if math.isfinite(row[column])]
        if known:
            top = max(known, key=lambda row: row[column])
            value = format_score(float(top[column]), name in yes_no)
            parts.append(f"{name}: {paper.shorten(str(top['variant']))} {value}")
    text = f"Highest {'; '.join(parts)}. " if parts and len(summary) > 1 else ""
    missing = int(summary[[f"score.{name}" for name in names]].isna().to_numpy().sum())
    if missing:
        text += f"{paper.count(missing, 'value')} missing. "
    return text + "Where intervals overlap, this alone cannot say which is better."


def _panel(
    figure: Figure, summary: pd.DataFrame, name: str, binary: bool, place: tuple[int, int]
) -> None:
    at = {"row": place[0], "col": place[1]}
    column = f"score.{name}"
    rows = [(y, row) for y, row in enumerate(paper.records(summary)) if math.isfinite(row[column])]
    figure.add_scatter(
        x=[row[column] for _, row in rows],
        y=[y for y, _ in rows],
        mode="markers",
        marker={"size": 10, "color": paper.MARK},
        hovertext=[_score_text(row, name, binary) for _, row in rows],
        hoverinfo="text",
        **at,
    )
    xs, ys = paper.segments((row[f"{column}.lo"], y, row[f"{column}.hi"], y) for y, row in rows)
    line = {"color": paper.MARK, "width": 3}
    figure.add_scatter(x=xs, y=ys, mode="lines", line=line, hoverinfo="skip", **at)
    if binary:
        figure.update_xaxes(range=[-0.02, 1.02], tickformat=".0%", **at)


def _score_text(row: dict[str, Any], name: str, binary: bool) -> str:
    value, low, high = (float(row[f"score.{name}{end}"]) for end in ("", ".lo", ".hi"))
    interval = format_interval(low, high, binary)
    return paper.plain(f"{row['variant']}: {format_score(value, binary)} {interval}")


@dataclass(frozen=True)
class Spot:
    """One variant: what it costs or how long it takes, and how good it is."""

    variant: str
    x: float
    y: float
    lo: float
    hi: float
    frontier: bool = False


def spots(summary: pd.DataFrame, score: str, against: Against) -> tuple[list[Spot], list[str]]:
    """The variants that can be drawn, best first, and the names of those that cannot.

    A variant is on the Pareto frontier where no other is at least as good and as cheap (fast)
    and better in one of the two. A higher score is taken to be better.

    Args:
        summary: one row per variant.
        score: the name of the score.
        against: what it is held against; `cost_usd` becomes dollars per 1,000 answers.

    Raises:
        PexError: no such score, or nothing of that name to hold it against.
    """
    if against not in AXES:
        raise PexError(f"frontier: cannot draw against '{against}'", hint=nearest(against, AXES))
    if f"score.{score}" not in summary.columns:
        hint = nearest(score, summary_scores(summary))
        raise PexError(f"frontier: there is no score '{score}'", hint=hint)
    found, left_out = [], []
    for row in paper.records(summary.iloc[: paper.MAX_LINES]):
        x = float(row[against])
        if against == "cost_usd":
            x = 1000 * x / row["answers"] if row["answers"] else math.nan
        y, lo, hi = (float(row[f"score.{score}{end}"]) for end in ("", ".lo", ".hi"))
        if math.isfinite(x) and math.isfinite(y):
            found.append(Spot(str(row["variant"]), x, y, lo, hi))
        else:
            left_out.append(str(row["variant"]))
    found.sort(key=lambda spot: (-spot.y, spot.x))
    marked: list[Spot] = []
    cheapest = math.inf
    for spot in found:  # best first: on the frontier is what is cheaper than all that is better
        tied = bool(marked) and (marked[-1].x, marked[-1].y) == (spot.x, spot.y)
        on = spot.x < cheapest or (tied and marked[-1].frontier)
        cheapest = min(cheapest, spot.x)
        marked.append(Spot(spot.variant, spot.x, spot.y, spot.lo, spot.hi, on))
    return marked, left_out


def why_no_frontier(found: list[Spot], left_out: list[str], against: Against) -> str:
    """Why there is no frontier to draw; empty where there is one."""
    if not found and left_out:
        return f"the {_WORDS[against][1]} or the score of every variant is unknown"
    if not found:
        return "there is no variant"
    if against == "cost_usd" and all(spot.x == 0 for spot in found):
        return "all variants were free; draw against latency_s instead"
    return ""


def frontier_story(found: list[Spot], left_out: list[str], against: Against) -> str:
    """What to see in a frontier, in a few sentences.

    Args:
        found: the spots, at least one.
        left_out: the variants that could not be drawn.
        against: what the score is held against.
    """
    word, thing = _WORDS[against]
    best = [spot.variant for spot in found if spot.frontier]
    text = f"On the frontier (filled): {paper.listed(best)}."
    rest = len(found) - len(best)
    if rest:
        text += f" {rest} not on it: for each, another variant is no worse and no less {word}."
    if left_out:
        text += f" Left out, {thing} or score unknown: {paper.listed(left_out)}."
    return text + " Lines are 95 % intervals: where they overlap, the order may be chance."


def amount(x: float, against: Against) -> str:
    """A cost per 1,000 answers, or a time, as people read it."""
    return f"{format_usd(x)} per 1,000" if against == "cost_usd" else format_seconds(x)


def frontier(
    summary: pd.DataFrame, score: str, against: Against, yes_no: Collection[str]
) -> Figure:
    """Quality against cost or latency, with the variants that nothing else dominates.

    Args:
        summary: one row per variant.
        score: the name of the score; higher is better.
        against: `cost_usd` (drawn per 1,000 answers) or `latency_s` (median of an answer).
        yes_no: the scores that are yes/no.

    Raises:
        PexError: no such score, or nothing of that name to hold it against.
    """
    found, left_out = spots(summary, score, against)
    title = f"{score} against {_WORDS[against][1]}"
    why = why_no_frontier(found, left_out, against)
    if why:
        return paper.empty(title, why)
    return _draw_frontier(found, left_out, title, against, score in yes_no)


def frontier_table(
    summary: pd.DataFrame, score: str, against: Against, yes_no: Collection[str]
) -> pd.DataFrame:
    """What `frontier` draws: one row for each variant, best first; yes/no scores in percent.

    Args:
        summary: one row per variant.
        score: the name of the score.
        against: as for `frontier`.
        yes_no: the scores that are yes/no.

    Raises:
        PexError: as for `frontier`.
    """
    import pandas as pd

    binary = score in yes_no
    scale = 100.0 if binary else 1.0
    found, left_out = spots(summary, score, against)
    if why_no_frontier(found, left_out, against):
        found = []
    rows = [
        [spot.variant, *(paper.rounded(scale * v, binary) for v in (spot.y, spot.lo, spot.hi)),
         paper.rounded(spot.x, False), spot.frontier]
        for spot in found
    ]  # fmt: skip
    column = "usd_per_1000" if against == "cost_usd" else "latency_s"
    return pd.DataFrame(rows, columns=["variant", score, "low", "high", column, "frontier"])


def _draw_frontier(
    found: list[Spot], left_out: list[str], title: str, against: Against, binary: bool
) -> Figure:
    from plotly.graph_objects import Figure

    figure = Figure()
    best = sorted((spot for spot in found if spot.frontier), key=lambda spot: spot.x)
    figure.add_scatter(
        x=[spot.x for spot in best],
        y=[spot.y for spot in best],
        mode="lines",
        line={"color": paper.MARK, "width": 2, "dash": "dot", "shape": "hv"},
        name="frontier",
        hoverinfo="skip",
    )
    xs, ys = paper.segments((spot.x, spot.lo, spot.x, spot.hi) for spot in found)
    line = {"color": "rgba(125,133,144,0.6)", "width": 2}
    figure.add_scatter(x=xs, y=ys, mode="lines", line=line, name="interval", hoverinfo="skip")
    figure.add_scatter(
        x=[spot.x for spot in found],
        y=[spot.y for spot in found],
        mode="markers+text",
        name="variant",
        marker={
            "size": 21,
            "color": [paper.MARK if spot.frontier else "#e5e7eb" for spot in found],
            "line": {
                "width": 1.5,
                "color": [paper.MARK if spot.frontier else paper.INK for spot in found],
            },
            "opacity": 1,
        },
        text=[str(place) for place, _ in enumerate(found, 1)],
        textfont={
            "color": ["#ffffff" if spot.frontier else "#24292f" for spot in found],
            "size": 11,
        },
        hovertext=[_spot_text(spot, against, binary) for spot in found],
        hoverinfo="text",
    )
    keys = [
        f"{place} {name}"
        for place, name in enumerate(paper.labels((spot.variant for spot in found), 32), 1)
    ]
    for place, (key, spot) in enumerate(zip(keys, found, strict=True)):
        text = paper.plain(key)
        figure.add_annotation(
            text=f"<b>{text}</b>" if spot.frontier else text,
            xref="paper", x=1, xanchor="left", xshift=14,
            yref="paper", y=1, yanchor="top", yshift=-18 * place,
            showarrow=False, align="left",
        )  # fmt: skip
    _frontier_axes(figure, found, against, binary)
    return paper.lay_out(
        figure,
        title,
        frontier_story(found, left_out, against),
        height=max(330, 18 * len(keys) + 20),
        right=paper.width_of(keys) + 2 * max(map(len, keys)),  # bold is wider
        below=60,
    ).update_layout(showlegend=False)


def _spot_text(spot: Spot, against: Against, binary: bool) -> str:
    value = f"{format_score(spot.y, binary)} {format_interval(spot.lo, spot.hi, binary)}"
    return paper.plain(f"{spot.variant}: {value}, {amount(spot.x, against)}")


def _frontier_axes(figure: Figure, found: list[Spot], against: Against, binary: bool) -> None:
    xs = [spot.x for spot in found]
    title = AXES[against]
    if min(xs) > 0 and max(xs) / min(xs) > _LOG_FROM:
        pad = 0.06 * math.log10(max(xs) / min(xs))
        ends = [math.log10(min(xs)) - pad, math.log10(max(xs)) + pad]
        figure.update_xaxes(type="log", range=ends, dtick=1, title=f"{title} (log scale)")
    else:
        high = max(xs) or 1.0
        figure.update_xaxes(range=[-0.05 * high, 1.08 * high], title=title)
    figure.update_xaxes(showline=True, linecolor=paper.INK)
    figure.update_yaxes(gridcolor=paper.GRID, zeroline=False)
    if binary:
        figure.update_yaxes(tickformat=".0%")

"""Quality against cost or time: the variants on the Pareto frontier, and those behind it."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pex.compare.frontier import Against, dominators
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

AXES = {
    "cost_usd": "US dollars per 1,000 answers",
    "latency_s": "median seconds per answer",
}
_WORDS = {"cost_usd": ("cheap", "cost"), "latency_s": ("fast", "latency")}
_LOG_FROM = 20.0
_DOMINATED = "#8b949e"
_NAMED = "#bf8700"
"""The ring around the named variant; its diamond in the list says the same without colour."""


@dataclass(frozen=True)
class Spot:
    """One variant: what it costs or how long it takes, and how good it is."""

    variant: str
    x: float
    y: float
    lo: float
    hi: float
    frontier: bool = False


@dataclass(frozen=True)
class Choice:
    """The cheapest (fastest) variant that is the best or shown to be no worse, and a sentence."""

    named: str | None = None
    finding: str = ""


@dataclass(frozen=True)
class Frontier:
    """Variants by quality and by cost or time, best first."""

    score: str
    binary: bool
    against: Against
    spots: list[Spot]
    left_out: list[str]
    """The variants that could not be drawn."""
    choice: Choice

    @property
    def why_empty(self) -> str:
        """Why there is nothing to draw; empty if there is something."""
        if not self.spots and self.left_out:
            return f"the {_WORDS[self.against][1]} or the score of every variant is unknown"
        if not self.spots:
            return "there is no variant"
        if self.against == "cost_usd" and all(spot.x == 0 for spot in self.spots):
            return "all variants were free; use latency_s instead"
        return ""

    @property
    def steps(self) -> list[Spot]:
        """The spots on the frontier, cheapest (fastest) first: the corners of its steps."""
        return sorted((spot for spot in self.spots if spot.frontier), key=lambda spot: spot.x)

    def intervals(self) -> list[tuple[float, float, float, float]]:
        """The 95 % intervals as lines: x0, y0, x1, y1."""
        ends = [(spot.x, spot.lo, spot.x, spot.hi) for spot in self.spots]
        return [line for line in ends if all(map(math.isfinite, line))]

    def value(self, spot: Spot) -> str:
        """A spot's score as people read it."""
        return format_score(spot.y, self.binary)

    def mark(self, spot: Spot) -> str:
        """What stands before a spot's name: a diamond if it is the named one, else nothing."""
        return "◆ " if spot.variant == self.choice.named else ""

    def story(self) -> str:
        """What to see, in a few sentences; there is at least one spot."""
        word, thing = _WORDS[self.against]
        best = [spot.variant for spot in self.spots if spot.frontier]
        text = f"{self.choice.finding} " if self.choice.finding else ""
        text += f"On the frontier (filled): {paper.listed(best)}."
        rest = len(self.spots) - len(best)
        if rest:
            text += f" {rest} not on it: for each, another variant is no worse and no less {word}."
        if self.left_out:
            text += f" Left out, {thing} or score unknown: {paper.listed(self.left_out)}."
        return text + " Lines are 95 % intervals: where they overlap, the order may be chance."


def frontier_of(
    summary: pd.DataFrame,
    score: str,
    against: Against,
    yes_no: Collection[str],
    choice: Choice | None = None,
) -> Frontier:
    """What there is to draw of a frontier.

    A variant is on the Pareto frontier if no other is at least as good and as cheap (fast)
    and better in one of the two. A higher score is taken to be better.

    Args:
        summary: one row per variant.
        score: the name of the score.
        against: `cost_usd` (per 1,000 answers) or `latency_s`.
        yes_no: the scores that are yes/no.
        choice: the variant to mark, and why; None marks none.

    Raises:
        PexError: no such score, or it cannot be drawn against that.
    """
    if against not in AXES:
        raise PexError(f"frontier: there is no axis '{against}'", hint=nearest(against, AXES))
    if f"score.{score}" not in summary.columns:
        hint = nearest(score, summary_scores(summary))
        raise PexError(f"frontier: there is no score '{score}'", hint=hint)
    spots, left_out = [], []
    for row in paper.records(summary.iloc[: paper.MAX_LINES]):
        x = float(row[against])
        if against == "cost_usd":
            x = 1000 * x / row["answers"] if row["answers"] else math.nan
        y, lo, hi = (float(row[f"score.{score}{end}"]) for end in ("", ".lo", ".hi"))
        if math.isfinite(x) and math.isfinite(y):
            spots.append(Spot(str(row["variant"]), x, y, lo, hi))
        else:
            left_out.append(str(row["variant"]))
    spots.sort(key=lambda spot: (-spot.y, spot.x))
    by = dominators([(spot.x, spot.y) for spot in spots])
    marked = [replace(spot, frontier=who is None) for spot, who in zip(spots, by, strict=True)]
    return Frontier(score, score in yes_no, against, marked, left_out, choice or Choice())


def amount(x: float, against: Against) -> str:
    """A cost per 1,000 answers, or a time, as people read it."""
    return f"{format_usd(x)} per 1,000" if against == "cost_usd" else format_seconds(x)


def frontier(
    summary: pd.DataFrame,
    score: str,
    against: Against,
    yes_no: Collection[str],
    choice: Choice | None = None,
) -> Figure:
    """Quality against cost or latency, with the variants that nothing else dominates.

    Args:
        summary: one row per variant.
        score: the name of the score; higher is better.
        against: `cost_usd` (drawn per 1,000 answers) or `latency_s` (median of an answer).
        yes_no: the scores that are yes/no.
        choice: the variant to mark, and why; None marks none.

    Raises:
        PexError: no such score, or it cannot be drawn against that.
    """
    found = frontier_of(summary, score, against, yes_no, choice)
    title = f"{score} against {_WORDS[against][1]}"
    if found.why_empty:
        return paper.empty(title, found.why_empty)
    return _draw(found, title)


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

    found = frontier_of(summary, score, against, yes_no)
    scale = 100.0 if found.binary else 1.0
    rows = [
        [spot.variant,
         *(paper.rounded(scale * v, found.binary) for v in (spot.y, spot.lo, spot.hi)),
         paper.rounded(spot.x, False), spot.frontier]
        for spot in ([] if found.why_empty else found.spots)
    ]  # fmt: skip
    column = "usd_per_1000" if against == "cost_usd" else "latency_s"
    return pd.DataFrame(rows, columns=["variant", score, "low", "high", column, "frontier"])


def _draw(found: Frontier, title: str) -> Figure:
    from plotly.graph_objects import Figure

    figure = Figure()
    spots = found.spots
    figure.add_scatter(
        x=[spot.x for spot in found.steps],
        y=[spot.y for spot in found.steps],
        mode="lines",
        line={"color": paper.MARK, "width": 2, "dash": "dot", "shape": "hv"},
        name="frontier",
        hoverinfo="skip",
    )
    xs, ys = paper.segments(found.intervals())
    line = {"color": "rgba(125,133,144,0.6)", "width": 2}
    figure.add_scatter(x=xs, y=ys, mode="lines", line=line, name="interval", hoverinfo="skip")
    figure.add_scatter(
        x=[spot.x for spot in spots],
        y=[spot.y for spot in spots],
        mode="markers+text",
        name="variant",
        marker={
            "size": [27 if spot.variant == found.choice.named else 21 for spot in spots],
            "symbol": [
                "diamond" if spot.variant == found.choice.named else "circle" for spot in spots
            ],
            "color": [paper.MARK if spot.frontier else "#e5e7eb" for spot in spots],
            "line": {
                "width": [4 if spot.variant == found.choice.named else 1.5 for spot in spots],
                "color": [_ring(spot, found) for spot in spots],
            },
            "opacity": 1,
        },
        text=[str(place) for place, _ in enumerate(spots, 1)],
        textfont={
            "color": ["#ffffff" if spot.frontier else "#24292f" for spot in spots],
            "size": 11,
        },
        hovertext=[_hover(spot, found) for spot in spots],
        hoverinfo="text",
    )
    names = paper.labels((spot.variant for spot in spots), 32)
    keys = [
        f"{place} {found.mark(spot)}{name}"
        for place, (name, spot) in enumerate(zip(names, spots, strict=True), 1)
    ]
    for place, (key, spot) in enumerate(zip(keys, spots, strict=True)):
        text = paper.plain(key)
        figure.add_annotation(
            text=f"<b>{text}</b>" if spot.frontier else text,
            xref="paper", x=1, xanchor="left", xshift=14,
            yref="paper", y=1, yanchor="top", yshift=-18 * place,
            showarrow=False, align="left",
            **({} if spot.frontier else {"font": {"color": _DOMINATED}}),
        )  # fmt: skip
    _axes(figure, found)
    return paper.lay_out(
        figure,
        title,
        found.story(),
        height=max(330, 18 * len(keys) + 20),
        right=paper.width_of(keys) + 2 * max(map(len, keys)),  # bold is wider
        below=60,
    ).update_layout(showlegend=False)


def _ring(spot: Spot, found: Frontier) -> str:
    if spot.variant == found.choice.named:
        return _NAMED
    return paper.MARK if spot.frontier else paper.INK


def _hover(spot: Spot, found: Frontier) -> str:
    value = f"{found.value(spot)} {format_interval(spot.lo, spot.hi, found.binary)}"
    return paper.plain(f"{spot.variant}: {value}, {amount(spot.x, found.against)}")


def _axes(figure: Figure, found: Frontier) -> None:
    xs = [spot.x for spot in found.spots]
    title = AXES[found.against]
    if min(xs) > 0 and max(xs) / min(xs) > _LOG_FROM:
        pad = 0.06 * math.log10(max(xs) / min(xs))
        ends = [math.log10(min(xs)) - pad, math.log10(max(xs)) + pad]
        figure.update_xaxes(type="log", range=ends, dtick=1, title=f"{title} (log scale)")
    else:
        high = max(xs) or 1.0
        figure.update_xaxes(range=[-0.05 * high, 1.08 * high], title=title)
    figure.update_xaxes(showline=True, linecolor=paper.INK)
    figure.update_yaxes(gridcolor=paper.GRID, zeroline=False)
    if found.binary:
        figure.update_yaxes(tickformat=".0%")

"""The pictures of the HTML report, as SVG: plotly's script alone would weigh 4 MB.

They are drawn from the same data as the plots. Colours are the page's CSS variables, so they
follow a light or a dark theme; shapes say the same without colour.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable
from html import escape
from typing import TYPE_CHECKING

from pex.compare.frontier import Against
from pex.report.plots import forest, paper, pareto, points, tally
from pex.report.svg_pen import BACK, MARK, SOFT, WIDTH, Axis, draw_line, draw_svg, draw_text
from pex.report.tables import format_score

if TYPE_CHECKING:
    import pandas as pd

_STEP = 28
_CHAR = 7
_HEAD = 44

_COLOURS = {
    "better": "var(--pex-good, #2a9d5c)",
    "worse": "var(--pex-bad, #e5534b)",
    "no worse": MARK,
    "undecided": SOFT,
    "unchanged": SOFT,
}


def plot_svg(summary: pd.DataFrame, name: str, binary: bool, title: str = "") -> str:
    """One score of every variant as a point with its 95 % interval.

    Args:
        summary: one row per variant.
        name: the name of the score.
        binary: whether it is yes/no; then the axis goes from 0 to 100 %.
        title: the score in words; default: its name.

    Returns:
        An `svg` element; nothing if no variant has the score.
    """
    rows = points.points_of(summary, name, binary)
    if not rows:
        return ""
    labels = paper.labels(point.variant for point in rows)
    ends = [value for point in rows for value in (point.value, point.lo, point.hi)]
    ends = [value for value in ends if math.isfinite(value)]
    axis = Axis((0.0, 1.0) if binary else (min(ends), max(ends)), _left(labels))
    height = 34 + _STEP * len(rows)
    out = [draw_text(axis.left, 14, title or name, bold=True)]
    for tick in range(5):
        value = axis.low + axis.spread * tick / 4
        out.append(draw_line(axis.x(value), 22, axis.x(value), height - 18))
        out.append(
            draw_text(axis.x(value), height - 4, format_score(value, binary), "middle", True)
        )
    for place, (point, label) in enumerate(zip(rows, labels, strict=True)):
        y = 36 + _STEP * place
        out.append(draw_text(axis.left - 10, y + 4, label, "end"))
        if math.isfinite(point.lo) and math.isfinite(point.hi):
            out.append(draw_line(axis.x(point.lo), y, axis.x(point.hi), y, kind="bar"))
        out.append(f'<circle cx="{axis.x(point.value)}" cy="{y}" r="5"/>')
        text = f"{point.text} {point.interval}"
        out.append(draw_text(axis.left + WIDTH + 12, y + 4, text, soft=True))
    label = f"{name}: each variant's score with its 95 % interval, as in the table above"
    return draw_svg(out, label, axis.left + WIDTH + 130, height)


def forest_svg(comparison: pd.DataFrame, yes_no: Collection[str]) -> str:
    """Each candidate's difference from its baseline with interval, margin and verdict.

    Args:
        comparison: as for `pex.report.plots.differences`.
        yes_no: the metrics that are yes/no.

    Returns:
        One `svg` element for each metric; nothing if there is no difference to draw.

    Raises:
        PexError: a column is missing, or a verdict is none of the five.
    """
    panels, missing = forest.panels_of_differences(comparison, yes_no)
    return "".join(_forest(panel, missing) for panel in panels)


def wins_svg(comparison: pd.DataFrame) -> str:
    """Wins, ties and losses of each candidate as bars with their counts.

    Args:
        comparison: as for `pex.report.plots.wins`.

    Returns:
        One `svg` element for each metric; nothing if there are no counts.

    Raises:
        PexError: a column is missing.
    """
    panels, missing = tally.panels_of_wins(comparison)
    return "".join(_wins(panel, missing) for panel in panels)


def frontier_svg(
    summary: pd.DataFrame,
    score: str,
    against: Against,
    yes_no: Collection[str],
    choice: pareto.Choice | None = None,
) -> str:
    """Quality against cost or latency, with the Pareto frontier.

    Args:
        summary: one row per variant.
        score: the name of the score; higher is better.
        against: `cost_usd` (per 1,000 answers) or `latency_s`.
        yes_no: the scores that are yes/no.
        choice: the variant to mark, and why; None marks none.

    Returns:
        An `svg` element, or a paragraph that says why there is nothing to draw.

    Raises:
        PexError: no such score, or it cannot be drawn against that.
    """
    found = pareto.frontier_of(summary, score, against, yes_no, choice)
    if found.why_empty:
        why = escape(f"{score}: nothing to draw: {found.why_empty}.")
        return f'<p class="pex-soft">{why}</p>'
    return _frontier(found)


def _left(labels: Iterable[str]) -> int:
    """Pixels that labels need at the left of a picture."""
    return 16 + _CHAR * max(map(len, labels))


def _mark(verdict: str, x: float, y: float) -> str:
    """The shape of a verdict: triangle up or down, diamond, ring, bar."""
    colour = _COLOURS[verdict]
    if verdict == "undecided":
        style = f"fill:{BACK};stroke:{colour};stroke-width:2"
        return f'<circle cx="{x:g}" cy="{y:g}" r="5.5" style="{style}"/>'
    shape = {
        "better": f"M{x - 7:g} {y + 6:g}h14l-7 -12z",
        "worse": f"M{x - 7:g} {y - 6:g}h14l-7 12z",
        "no worse": f"M{x - 7:g} {y:g}l7 -7l7 7l-7 7z",
        "unchanged": f"M{x - 6:g} {y - 2:g}h12v4h-12z",
    }[verdict]
    return f'<path d="{shape}" style="fill:{colour}"/>'


_STROKES = {
    "zero": f"stroke:{SOFT};stroke-width:1.5",
    "margin": f"stroke:{_COLOURS['worse']};stroke-width:2;stroke-dasharray:2 3",
    "interval": f"stroke:{SOFT};stroke-width:2.5",
    "one-sided end": f"stroke:{SOFT};stroke-width:2.5",
}


def _forest(panel: forest.Panel, missing: str) -> str:
    lines = panel.lines
    axis = Axis(panel.span, _left(line.label for line in lines))
    bottom = _HEAD + _STEP * len(lines) - 6
    out = [draw_text(0, 14, panel.title, bold=True)]
    for tick in axis.ticks():
        out.append(draw_line(axis.x(tick), 24, axis.x(tick), bottom))
        out.append(
            draw_text(axis.x(tick), bottom + 14, paper.change(tick, False), "middle", soft=True)
        )
    for kind, strokes in panel.strokes().items():
        for x0, y0, x1, y1 in strokes:
            ends = (axis.x(x0), _HEAD + _STEP * y0, axis.x(x1), _HEAD + _STEP * y1)
            out.append(draw_line(*ends, style=_STROKES[kind]))
    texts = [f"{line.text} {line.interval}" for line in lines]
    for row, (line, text) in enumerate(zip(lines, texts, strict=True)):
        y = _HEAD + _STEP * row
        out.append(draw_text(axis.left - 10, y + 4, line.label, "end"))
        out.append(_mark(line.verdict, axis.x(line.diff), y))
        out.append(draw_text(axis.left + WIDTH + 12, y + 4, text))
    right = 12 + _CHAR * max(map(len, texts))
    label = f"{panel.title}: {forest.story([panel])} {missing}".strip()
    return draw_svg(out, label, axis.left + WIDTH + 12 + right, bottom + 20)


# Filled, faint, pale with an outline: told apart also in grey.
_PARTS = {
    "wins": f"fill:{_COLOURS['better']}",
    "ties": f"fill:{SOFT};fill-opacity:0.25",
    "losses": f"fill:{_COLOURS['worse']};fill-opacity:0.25;stroke:{_COLOURS['worse']};"
    "stroke-width:1.5",
}


def _wins(panel: tally.WinPanel, missing: str) -> str:
    left = _left(panel.labels)
    counts = list(zip(*panel.counts.values(), strict=True))
    widest = max(map(sum, counts)) or 1
    out = [draw_text(0, 14, panel.title, bold=True)]
    for row, (name, parts) in enumerate(zip(panel.labels, counts, strict=True)):
        y = 26 + _STEP * row
        out.append(draw_text(left - 10, y + 14, name, "end"))
        x = float(left)
        for n, style in zip(parts, _PARTS.values(), strict=True):
            width = round(n / widest * WIDTH, 1)
            if n:
                out.append(
                    f'<rect x="{x:g}" y="{y}" width="{width:g}" height="20" style="{style}"/>'
                )
            x += width
        text = ", ".join(
            paper.count(n, one, many)
            for n, one, many in zip(parts, ("win", "tie", "loss"), _PARTS, strict=True)
        )
        out.append(draw_text(left + WIDTH + 12, y + 14, text))
    height = 30 + _STEP * len(counts)
    label = f"{panel.metric}: {tally.wins_story(panel.rows)} {missing}".strip()
    return draw_svg(out, label, left + WIDTH + 220, height)


def _frontier(found: pareto.Frontier) -> str:
    left, top, tall = 64, 30, 260
    spots = found.spots
    ends = [v for spot in spots for v in (spot.y, spot.lo, spot.hi) if math.isfinite(v)]
    up = Axis((min(ends), max(ends)), 0, tall)
    # A little room, so that no ring is cut at an edge.
    across = Axis((0.0, 1.05 * max(spot.x for spot in spots) or 1.0), left)

    def y(value: float) -> float:
        return top + tall - up.x(value)

    out = [draw_text(0, 14, found.score, bold=True)]
    for tick in up.ticks():
        text = format_score(tick, found.binary)
        out.append(draw_line(left, y(tick), left + WIDTH, y(tick)))
        out.append(draw_text(left - 10, y(tick) + 4, text, "end", soft=True))
    out += [
        draw_text(across.x(tick), top + tall + 22, paper.number(tick), "middle", soft=True)
        for tick in across.ticks()
    ]
    title = pareto.AXES[found.against]
    out.append(draw_text(left + WIDTH / 2, top + tall + 42, title, "middle", soft=True))
    dots = f"stroke:{MARK};stroke-width:2;stroke-dasharray:2 3"
    for one, other in itertools.pairwise(found.steps):
        x0, x1 = across.x(one.x), across.x(other.x)
        out.append(draw_line(x0, y(one.y), x1, y(one.y), style=dots))
        out.append(draw_line(x1, y(one.y), x1, y(other.y), style=dots))
    for x0, low, x1, high in found.intervals():
        ends_at = (across.x(x0), y(low), across.x(x1), y(high))
        out.append(draw_line(*ends_at, style=f"stroke:{SOFT}"))
    keys = []
    names = paper.labels(spot.variant for spot in spots)
    for place, (spot, name) in enumerate(zip(spots, names, strict=True), 1):
        named = spot.variant == found.choice.named
        out += _spot(spot, place, across.x(spot.x), y(spot.y), named)
        cost = pareto.amount(spot.x, found.against)
        keys.append(f"{place}  {found.mark(spot)}{name}: {found.value(spot)}, {cost}")
        at = (left + WIDTH + 24, top + 17 * place - 8)
        out.append(draw_text(*at, keys[-1], bold=spot.frontier, soft=not spot.frontier))
    height = max(top + tall + 52, top + 17 * len(spots) + 6)
    label = f"{found.score} against {title}. {found.story()}"
    return draw_svg(out, label, left + WIDTH + 36 + 7.6 * max(map(len, keys)), height)


def _spot(spot: pareto.Spot, place: int, x: float, y: float, named: bool) -> list[str]:
    """A numbered disc, filled if it is on the frontier; in a diamond if it is the named one."""
    mark = MARK if spot.frontier else SOFT
    fill = mark if spot.frontier else BACK
    disc = f"fill:{fill};stroke:{mark};stroke-width:1.5"
    ink = ' style="fill:var(--pex-back, #fff)"' if spot.frontier else ""
    corners = f"{x:g},{y - 16:g} {x + 16:g},{y:g} {x:g},{y + 16:g} {x - 16:g},{y:g}"
    ring = f'<polygon points="{corners}" style="fill:none;stroke:{mark};stroke-width:2"/>'
    return [
        *([ring] if named else []),
        f'<circle cx="{x:g}" cy="{y:g}" r="9" style="{disc}"/>',
        f'<text x="{x:g}" y="{y + 4:g}" text-anchor="middle" font-size="11"{ink}>{place}</text>',
    ]

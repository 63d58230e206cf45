"""The pictures of the HTML report, as SVG: plotly's script alone would weigh 4 MB.

They are drawn from the same rows as the plots. Colours are those of the page, by its variables,
so that they follow a light or a dark theme; shapes say the same without colour.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Sequence
from html import escape
from typing import TYPE_CHECKING

from pex.report.plots import forest, paper, points, tally
from pex.report.svg_pen import BACK, MARK, SOFT, WIDTH, Axis, draw_line, draw_svg, draw_text
from pex.report.tables import format_interval, format_score

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
}


def plot_svg(summary: pd.DataFrame, name: str, binary: bool) -> str:
    """One score of every variant as a point with its 95 % interval.

    Args:
        summary: one row per variant.
        name: the name of the score.
        binary: whether it is yes/no; then the axis goes from 0 to 100 %.

    Returns:
        An `svg` element; nothing where no variant has the score.
    """
    rows = [row for row in paper.records(summary) if math.isfinite(row[f"score.{name}"])]
    if not rows:
        return ""
    ends = [row[f"score.{name}{end}"] for row in rows for end in ("", ".lo", ".hi")]
    ends = [value for value in ends if math.isfinite(value)]
    axis = Axis((0.0, 1.0) if binary else (min(ends), max(ends)), _left(_names(rows)))
    height = 34 + _STEP * len(rows)
    out = [draw_text(axis.left, 14, name, bold=True)]
    for tick in range(5):
        value = axis.low + axis.spread * tick / 4
        out.append(draw_line(axis.x(value), 22, axis.x(value), height - 18))
        out.append(
            draw_text(axis.x(value), height - 4, format_score(value, binary), "middle", True)
        )
    for place, (row, label) in enumerate(zip(rows, paper.labels(_names(rows)), strict=True)):
        value, lo, hi = (float(row[f"score.{name}{end}"]) for end in ("", ".lo", ".hi"))
        y = 36 + _STEP * place
        out.append(draw_text(axis.left - 10, y + 4, label, "end"))
        if math.isfinite(lo) and math.isfinite(hi):
            out.append(draw_line(axis.x(lo), y, axis.x(hi), y, kind="bar"))
        out.append(f'<circle cx="{axis.x(value)}" cy="{y}" r="5"/>')
        text = f"{format_score(value, binary)} {format_interval(lo, hi, binary)}"
        out.append(draw_text(axis.left + WIDTH + 12, y + 4, text, soft=True))
    label = f"{name}: each variant's score with its 95 % interval, as in the table above"
    return draw_svg(out, label, axis.left + WIDTH + 130, height)


def forest_svg(comparison: pd.DataFrame, yes_no: Collection[str]) -> str:
    """Each candidate's difference to its baseline with interval, margin and verdict.

    Args:
        comparison: as for `pex.report.plots.differences`.
        yes_no: the metrics that are yes/no.

    Returns:
        One `svg` element for each metric; nothing where there is no difference to draw.

    Raises:
        PexError: a column is missing, or a verdict is none of the four.
    """
    panels, missing = forest.panels_of_differences(comparison, yes_no)
    return "".join(_forest(panel, missing) for panel in panels)


def wins_svg(comparison: pd.DataFrame) -> str:
    """Wins, ties and losses of each candidate as bars with their counts.

    Args:
        comparison: as for `pex.report.plots.wins`.

    Returns:
        One `svg` element for each metric; nothing where there are no counts.

    Raises:
        PexError: a column is missing.
    """
    by_metric, missing = tally.bars_of_wins(comparison)
    out = []
    for metric, rows in by_metric.items():
        against, names = tally.names_of_wins(rows)
        counts = [tuple(int(row[part]) for part in tally.PARTS) for row in rows]
        label = f"{metric}: {tally.wins_story(rows)} {missing}".strip()
        out.append(_wins(f"{metric}: cases {against}", names, counts, label))
    return "".join(out)


def frontier_svg(
    summary: pd.DataFrame, score: str, against: points.Against, yes_no: Collection[str]
) -> str:
    """Quality against cost or latency, with the Pareto frontier.

    Args:
        summary: one row per variant.
        score: the name of the score; higher is better.
        against: `cost_usd` (per 1,000 answers) or `latency_s`.
        yes_no: the scores that are yes/no.

    Returns:
        An `svg` element, or a paragraph that says why there is nothing to draw.

    Raises:
        PexError: no such score, or nothing of that name to hold it against.
    """
    found, left_out = points.spots(summary, score, against)
    why = points.why_no_frontier(found, left_out, against)
    if why:
        return f'<p class="pex-soft">{escape(score)}: nothing to draw: {escape(why)}.</p>'
    label = f"{score} against {against}. {points.frontier_story(found, left_out, against)}"
    return _frontier(found, against, score, score in yes_no, label)


def _names(rows: Sequence[dict[str, object]]) -> list[str]:
    return [str(row["variant"]) for row in rows]


def _left(names: Sequence[str]) -> int:
    return 16 + _CHAR * max(map(len, paper.labels(names)), default=0)


def _mark(verdict: str, x: float, y: float) -> str:
    """The shape of a verdict: triangle up or down, diamond, ring."""
    colour = _COLOURS[verdict]
    if verdict == "undecided":
        style = f"fill:{BACK};stroke:{colour};stroke-width:2"
        return f'<circle cx="{x:g}" cy="{y:g}" r="5.5" style="{style}"/>'
    shape = {
        "better": f"M{x - 7:g} {y + 6:g}h14l-7 -12z",
        "worse": f"M{x - 7:g} {y - 6:g}h14l-7 12z",
        "no worse": f"M{x - 7:g} {y:g}l7 -7l7 7l-7 7z",
    }[verdict]
    return f'<path d="{shape}" style="fill:{colour}"/>'


def _forest(panel: forest.Panel, missing: str) -> str:
    lines = panel.lines
    axis = Axis(panel.span, 16 + _CHAR * max(len(line.label) for line in lines))
    bottom = _HEAD + _STEP * len(lines) - 6
    out = [draw_text(0, 14, panel.title, bold=True)]
    for tick in axis.ticks():
        style = f"stroke:{SOFT};stroke-width:1.5" if tick == 0 else ""
        out.append(draw_line(axis.x(tick), 24, axis.x(tick), bottom, style=style))
        out.append(
            draw_text(axis.x(tick), bottom + 14, paper.change(tick, False), "middle", soft=True)
        )
    for place, line in enumerate(lines):
        out += _forest_row(line, axis, _HEAD + _STEP * place)
    right = 12 + _CHAR * max(len(f"{line.text} {line.interval}") for line in lines)
    label = f"{panel.title}: {forest.story([panel])} {missing}".strip()
    return draw_svg(out, label, axis.left + WIDTH + 12 + right, bottom + 20)


def _forest_row(line: forest.Line, axis: Axis, y: float) -> list[str]:
    out = [draw_text(axis.left - 10, y + 4, line.label, "end")]
    soft = f"stroke:{SOFT};stroke-width:2.5"
    if math.isfinite(line.limit):
        x = axis.x(line.limit)
        dotted = f"stroke:{_COLOURS['worse']};stroke-width:2;stroke-dasharray:2 3"
        out.append(draw_line(x, y - _STEP / 2, x, y + _STEP / 2, style=dotted))
        if math.isfinite(line.bound):
            x = axis.x(line.bound)
            out.append(draw_line(x, y - 6, x, y + 6, style=soft))
    if math.isfinite(line.lo) and math.isfinite(line.hi):
        out.append(draw_line(axis.x(line.lo), y, axis.x(line.hi), y, style=soft))
    out.append(_mark(line.verdict, axis.x(line.diff), y))
    text = f"{line.text} {line.interval}"
    out.append(draw_text(axis.left + WIDTH + 12, y + 4, text))
    return out


def _wins(title: str, names: Sequence[str], counts: Sequence[tuple[int, ...]], label: str) -> str:
    left = 16 + _CHAR * max(map(len, names))
    widest = max(map(sum, counts)) or 1
    out = [draw_text(0, 14, title, bold=True)]
    # Filled, faint, hollow: told apart also in grey.
    styles = (
        "fill:var(--pex-mark, #3b82f6)",
        f"fill:{SOFT};fill-opacity:0.25",
        f"fill:none;stroke:{_COLOURS['worse']};stroke-width:1.5",
    )
    for place, (name, row) in enumerate(zip(names, counts, strict=True)):
        y = 26 + _STEP * place
        out.append(draw_text(left - 10, y + 14, name, "end"))
        x = float(left)
        for n, style in zip(row, styles, strict=True):
            width = round(n / widest * WIDTH, 1)
            if n:
                out.append(
                    f'<rect x="{x:g}" y="{y}" width="{width:g}" height="20" style="{style}"/>'
                )
            x += width
        text = ", ".join(f"{n:,} {part}" for n, part in zip(row, tally.PARTS, strict=True))
        out.append(draw_text(left + WIDTH + 12, y + 14, text))
    height = 30 + _STEP * len(names)
    return draw_svg(out, label, left + WIDTH + 220, height)


def _frontier(
    found: Sequence[points.Spot], against: points.Against, score: str, binary: bool, label: str
) -> str:
    left, top, tall = 64, 30, 260
    ends = [v for spot in found for v in (spot.y, spot.lo, spot.hi) if math.isfinite(v)]
    up = Axis((min(ends), max(ends)), 0, tall)
    # A little room, so that no ring is cut at an edge.
    across = Axis((0.0, 1.05 * max(spot.x for spot in found) or 1.0), left)

    def y(value: float) -> float:
        return top + tall - up.x(value)

    out = [draw_text(0, 14, score, bold=True)]
    for tick in up.ticks():
        out.append(draw_line(left, y(tick), left + WIDTH, y(tick)))
        out.append(draw_text(left - 10, y(tick) + 4, format_score(tick, binary), "end", soft=True))
    out += [
        draw_text(across.x(tick), top + tall + 22, paper.number(tick), "middle", soft=True)
        for tick in across.ticks()
    ]
    middle = left + WIDTH / 2
    out.append(draw_text(middle, top + tall + 42, points.AXES[against], "middle", soft=True))
    best = sorted((spot for spot in found if spot.frontier), key=lambda spot: spot.x)
    dots = "stroke:var(--pex-mark, #3b82f6);stroke-width:2;stroke-dasharray:2 3"
    for one, other in itertools.pairwise(best):
        x0, x1 = across.x(one.x), across.x(other.x)
        out.append(draw_line(x0, y(one.y), x1, y(one.y), style=dots))
        out.append(draw_line(x1, y(one.y), x1, y(other.y), style=dots))
    for spot in found:
        if math.isfinite(spot.lo) and math.isfinite(spot.hi):
            x = across.x(spot.x)
            out.append(draw_line(x, y(spot.lo), x, y(spot.hi), style=f"stroke:{SOFT}"))
    keys = []
    names = paper.labels(spot.variant for spot in found)
    for place, (spot, name) in enumerate(zip(found, names, strict=True), 1):
        out += _spot(spot, place, across.x(spot.x), y(spot.y))
        value = format_score(spot.y, binary)
        keys.append(f"{place}  {name}: {value}, {points.amount(spot.x, against)}")
        out.append(draw_text(left + WIDTH + 24, top + 17 * place - 8, keys[-1], bold=spot.frontier))
    height = max(top + tall + 52, top + 17 * len(found) + 6)
    return draw_svg(out, label, left + WIDTH + 36 + 7.6 * max(map(len, keys)), height)


def _spot(spot: points.Spot, place: int, x: float, y: float) -> list[str]:
    """A numbered disc, filled where it is on the frontier."""
    mark = MARK if spot.frontier else SOFT
    fill = mark if spot.frontier else BACK
    disc = f"fill:{fill};stroke:{mark};stroke-width:1.5"
    ink = ' style="fill:var(--pex-back, #fff)"' if spot.frontier else ""
    return [
        f'<circle cx="{x:g}" cy="{y:g}" r="9" style="{disc}"/>',
        f'<text x="{x:g}" y="{y + 4:g}" text-anchor="middle" font-size="11"{ink}>{place}</text>',
    ]

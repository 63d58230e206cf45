"""A score over the nights as SVG: lines with their intervals, one shape a variant."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pex.report.plots import paper
from pex.report.svg_pen import draw_line, draw_svg, draw_text
from pex.report.tables import format_score

if TYPE_CHECKING:
    import pandas as pd

NIGHTS = 30
MOST = 6
"""Variants drawn; more lines than that cannot be told apart."""
_LEFT, _TOP, _WIDTH, _HEIGHT = 56, 30, 620, 170
_COLOURS = (
    "var(--pex-mark, #0969da)", "#b45309", "#15803d", "#9333ea", "#c0262d", "#0e7490",
)  # fmt: skip
_DASHES = ("", "7 4", "2 3", "9 3 2 3", "12 4", "4 4")


def timeline_svg(history: pd.DataFrame, score: str, binary: bool) -> str:
    """A score of each variant over the newest nights, each with its 95 % interval.

    Args:
        history: `run_id, started_at, variant, value, lo, hi`, as from `pex.record.search.history`.
        score: its name.
        binary: whether it is yes/no; then the axis goes from 0 to 100 %.

    Returns:
        An `svg` element; nothing with fewer than two nights.
    """
    rows = [row for row in paper.records(history) if math.isfinite(row["value"])]
    runs = list(dict.fromkeys(row["run_id"] for row in rows))[-NIGHTS:]
    if len(runs) < 2:
        return ""
    rows = [row for row in rows if row["run_id"] in runs]
    there = list(dict.fromkeys(str(row["variant"]) for row in rows))
    variants = there[:MOST]
    ends = [row[end] for row in rows for end in ("value", "lo", "hi") if math.isfinite(row[end])]
    low, high = (0.0, 1.0) if binary else (min(ends), max(ends))

    def y(value: float) -> float:
        return round(_TOP + (1 - (value - low) / ((high - low) or 1.0)) * _HEIGHT, 1)

    def x(place: int, offset: float) -> float:
        return round(_LEFT + 16 + place / (len(runs) - 1) * (_WIDTH - 32) + offset, 1)

    out = [draw_text(0, 14, score, bold=True)]
    for step in range(5):
        value = low + (high - low) * step / 4
        out.append(draw_line(_LEFT, y(value), _LEFT + _WIDTH, y(value)))
        out.append(draw_text(_LEFT - 8, y(value) + 4, format_score(value, binary), "end", True))
    started = {row["run_id"]: row["started_at"] for row in rows}
    every = math.ceil(len(runs) / 8)
    same_day = len({f"{moment:%d}" for moment in started.values()}) < len(runs)
    for place, run in enumerate(runs):
        if place % every == 0 or place == len(runs) - 1:
            when = f"{started[run]:%H:%M}" if same_day else f"{started[run]:%d %b}".lstrip("0")
            out.append(draw_text(x(place, 0), _TOP + _HEIGHT + 20, when, "middle", True))
    for number, name in enumerate(variants):
        mine = {row["run_id"]: row for row in rows if str(row["variant"]) == name}
        points = [
            (x(place, 5 * (number - (len(variants) - 1) / 2)), mine[run])
            for place, run in enumerate(runs)
            if run in mine
        ]
        out += _variant(points, number, y)
        if points:
            out += _key(number, name, format_score(float(points[-1][1]["value"]), binary))
    if len(there) > MOST:
        more = f"{len(there) - MOST} more variants are not drawn"
        out.append(draw_text(_LEFT + _WIDTH + 16, _TOP + 12 + 22 * MOST, more, soft=True))
    label = f"{score} over {len(runs)} nights of {', '.join(variants)}, with 95 % intervals"
    widest = max(22 if len(there) > MOST else 0, *(len(paper.shorten(n)) for n in variants))
    height = _TOP + _HEIGHT + 28
    return draw_svg(out, label, _LEFT + _WIDTH + 110 + 7.2 * widest, height)


def _variant(points: list[tuple[float, dict[str, Any]]], number: int, y: Any) -> list[str]:
    out = []
    colour = _COLOURS[number]
    for at, row in points:
        if math.isfinite(row["lo"]) and math.isfinite(row["hi"]):
            style = f"stroke:{colour};stroke-width:1.5;opacity:.55"
            out.append(draw_line(at, y(row["lo"]), at, y(row["hi"]), style=style))
    path = " ".join(f"{at:g},{y(row['value']):g}" for at, row in points)
    dashes = f";stroke-dasharray:{_DASHES[number]}" if _DASHES[number] else ""
    out.append(
        f'<polyline points="{path}" style="fill:none;stroke:{colour};stroke-width:2{dashes}"/>'
    )
    out += [
        f'<circle cx="{at:g}" cy="{y(row["value"]):g}" r="4" style="fill:{colour}"/>'
        for at, row in points
    ]
    return out


def _key(number: int, name: str, value: str) -> list[str]:
    top = _TOP + 8 + 22 * number
    left = _LEFT + _WIDTH + 16
    dashes = f";stroke-dasharray:{_DASHES[number]}" if _DASHES[number] else ""
    style = f"stroke:{_COLOURS[number]};stroke-width:2{dashes}"
    return [
        draw_line(left, top, left + 28, top, style=style),
        draw_text(left + 34, top + 4, f"{paper.shorten(name)} {value}"),
    ]

"""A metric over time as SVG: points with their intervals, gaps, and the releases near them."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pex.report.plots import paper
from pex.report.svg_pen import BACK, MARK, SOFT, Axis, draw_line, draw_svg, draw_text

if TYPE_CHECKING:
    import pandas as pd

_LEFT, _TOP, _WIDTH, _HEIGHT = 70, 34, 640, 130
_RELEASE = "var(--pex-warn, #8a5a00)"

Release = tuple[datetime.datetime, str]


def over_time_svg(
    points: pd.DataFrame,
    title: str,
    write: Callable[[float], str],
    *,
    share: bool = False,
    releases: Sequence[Release] = (),
    since: Sequence[datetime.datetime] = (),
) -> str:
    """One metric over time; a day without a value interrupts the line.

    Args:
        points: the metric's rows of `over_time`.
        title: the metric in words.
        write: writes a value with its unit.
        share: whether it lies between 0 and 1.
        releases: when something was released, with its number on the page.
        since: when the changes of alarms began.

    Returns:
        An `svg` element; nothing if fewer than two points have a value.
    """
    rows = paper.records(points.sort_values("since"))
    there = [row for row in rows if math.isfinite(row["value"])]
    if len(there) < 2:
        return ""
    ends = [row[end] for row in there for end in ("value", "lo", "hi") if math.isfinite(row[end])]
    low, high = float(min(ends)), float(max(ends))
    if share or low >= 0:
        low = 0.0 if share or low < 0.5 * high else low
    room = 0.05 * ((high - low) or abs(high) or 1.0)
    high = min(1.0, high + room) if share else high + room
    first, last = rows[0]["since"], rows[-1]["since"]
    span = float((last - first).total_seconds()) or 1.0

    def x(moment: datetime.datetime) -> float:
        part: float = (moment - first).total_seconds() / span
        return _LEFT + round(10 + min(max(part, 0.0), 1.0) * (_WIDTH - 20), 1)

    def y(value: float) -> float:
        return round(_TOP + (1 - (value - low) / ((high - low) or 1.0)) * _HEIGHT, 1)

    out = [draw_text(0, 14, title, bold=True)]
    for value in Axis((low, high), 0).ticks():
        out.append(draw_line(_LEFT, y(value), _LEFT + _WIDTH, y(value)))
        out.append(draw_text(_LEFT - 8, y(value) + 4, write(value), "end", soft=True))
    out += _dates(rows, x)
    out += _marks(releases, since, x)
    out += _line(rows, x, y)
    newest = there[-1]
    label = (
        f"{title}: {len(there)} points from {first:%Y-%m-%d} to {last:%Y-%m-%d} with intervals; "
        f"the last is {write(newest['value'])}"
    )
    return draw_svg(out, label, _LEFT + _WIDTH + 20, _TOP + _HEIGHT + 30)


def _dates(rows: Sequence[dict[str, Any]], x: Callable[[Any], float]) -> list[str]:
    every = math.ceil(len(rows) / 7)
    days = (rows[-1]["since"] - rows[0]["since"]).days
    written = "%H:%M" if days < 1 else "%d %b"
    return [
        draw_text(x(row["since"]), _TOP + _HEIGHT + 20,
                  row["since"].strftime(written).lstrip("0"), "middle", soft=True)
        for place, row in enumerate(rows) if place % every == 0
    ]  # fmt: skip


def _marks(
    releases: Sequence[Release], since: Sequence[datetime.datetime], x: Callable[[Any], float]
) -> list[str]:
    """Releases as dashed lines with their number, the beginning of a change as a triangle."""
    out = []
    bottom = _TOP + _HEIGHT
    for moment, number in releases:
        style = f"stroke:{_RELEASE};stroke-width:1.5;stroke-dasharray:5 4"
        out.append(draw_line(x(moment), _TOP - 6, x(moment), bottom, style=style))
        out.append(draw_text(x(moment), _TOP - 9, number, "middle"))
    for moment in since:
        at = x(moment)
        style = "fill:var(--pex-bad, #c0262d)"
        out.append(f'<path d="M{at - 6:g} {bottom + 9:g}h12l-6 -10z" style="{style}"/>')
    return out


def _line(
    rows: Sequence[dict[str, Any]], x: Callable[[Any], float], y: Callable[[float], float]
) -> list[str]:
    out: list[str] = []
    run: list[tuple[float, float]] = []
    runs: list[list[tuple[float, float]]] = []
    for row in rows:
        if not math.isfinite(row["value"]):
            runs.append(run)
            run = []
            continue
        at = x(row["since"])
        if math.isfinite(row["lo"]) and math.isfinite(row["hi"]):
            style = f"stroke:{SOFT};stroke-width:1.5"
            out.append(draw_line(at, y(row["lo"]), at, y(row["hi"]), style=style))
        run.append((at, y(row["value"])))
    for part in [*runs, run]:
        path = " ".join(f"{a:g},{b:g}" for a, b in part)
        if len(part) > 1:
            style = f"fill:none;stroke:{MARK};stroke-width:2"
            out.append(f'<polyline points="{path}" style="{style}"/>')
        size = 3 if len(rows) > 60 else 4
        out += [
            f'<circle cx="{a:g}" cy="{b:g}" r="{size}" style="fill:{MARK};stroke:{BACK}"/>'
            for a, b in part
        ]
    return out

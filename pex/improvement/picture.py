"""The winner's curse as a picture: every proposal on train, select and confirm.

The best of several looks better on the set that it was chosen by than on the next one.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pex.improvement.selection import START
from pex.report.comparison import format_value
from pex.report.plots import paper
from pex.report.svg_pen import BACK, MARK, SOFT, WIDTH, Axis, draw_line, draw_svg, draw_text

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SETS = ("train", "select", "confirm")
_TITLES = ("train: made from", "select: chosen by", "confirm: not seen before")
_TOP, _TALL, _LEFT, _SIDE = 46, 240, 60, 70


@dataclasses.dataclass(frozen=True, slots=True)
class Score:
    """One candidate's scores on the three sets, NaN where it was not measured."""

    name: str
    train: float
    select: float
    confirm: float


def plot(scores: Sequence[Score], best: str, metric: str, yes_no: bool) -> Figure:
    """The picture for a notebook.

    Args:
        scores: the start and the proposals.
        best: the name of the winner.
        metric: the score.
        yes_no: whether it is a share.
    """
    from plotly.graph_objects import Figure, Scatter

    drawn = _drawn(scores)
    title = f"{metric} of the start and {paper.count(len(drawn) - 1, 'proposal')}"
    if not drawn:
        return paper.empty(title, "nothing was measured")
    figure = Figure()
    others = sum(item.name not in (START, best) for item in drawn)
    for number, item in enumerate(drawn):
        winner, start = item.name == best and best != START, item.name == START
        kind = "winner" if winner else "start" if start else "other"
        label = {"winner": f"winner: {item.name}", "start": "start"}.get(kind, f"{others} others")
        line = {"color": paper.MARK if winner else paper.INK, "width": 3 if winner else 1}
        figure.add_trace(
            Scatter(
                x=list(range(3)),
                y=list(_values(item)),
                mode="lines+markers",
                name=paper.plain(label),
                legendgroup=kind,
                showlegend=winner or start or number == _first_other(drawn, best),
                line={**line, "dash": "dash" if start else "solid"},
                opacity=1.0 if winner or start else 0.45,
                marker={
                    "symbol": "diamond" if winner else "square" if start else "circle-open",
                    "size": 11 if winner else 8,
                },
                hovertemplate=f"{paper.plain(item.name)}<br>%{{y:.3g}}<extra></extra>",
            )
        )
    sets = 3 if confirmed(drawn) else 2
    figure.update_xaxes(
        tickmode="array",
        tickvals=list(range(sets)),
        ticktext=list(_TITLES[:sets]),
        range=[-0.3, sets - 0.7],
    )
    figure.update_yaxes(title_text=paper.plain(metric), gridcolor=paper.GRID, zeroline=False)
    figure.update_traces(cliponaxis=False)  # a mark on the lowest line is whole
    return paper.lay_out(figure, title, story(scores, best, metric, yes_no), height=300, below=84)


def _first_other(drawn: Sequence[Score], best: str) -> int:
    return next((n for n, item in enumerate(drawn) if item.name not in (START, best)), -1)


def story(scores: Sequence[Score], best: str, metric: str, yes_no: bool) -> str:
    """What the picture shows, in a sentence or two."""
    by_name = {item.name: item for item in scores}
    start, winner = by_name.get(START), by_name.get(best)
    if start is None or winner is None or math.isnan(start.select):
        return "Nothing was measured."
    show = _shown(metric, yes_no)
    if best == START:
        return f"No proposal was above the start ({show(start.select)}) on the select set."
    text = f"'{best}' has {show(winner.train)} on train, {show(winner.select)} on select"
    if math.isnan(winner.confirm):
        return f"{text}; it was not confirmed."
    text += f" and {show(winner.confirm)} on confirm, where the start has {show(start.confirm)}."
    lost = (winner.select - start.select) - (winner.confirm - start.confirm)
    size = f"{abs(lost) * 100:.0f} points" if yes_no else f"{abs(lost):.3g}"
    if lost > 0:
        return f"{text} Its lead shrank by {size}: the best of several looks better than it is."
    return f"{text} Its lead did not shrink."


def svg(scores: Sequence[Score], best: str, metric: str, yes_no: bool) -> str:
    """The picture for a page; nothing if no candidate was measured.

    Args:
        scores: the start and the proposals.
        best: the name of the winner.
        metric: the score.
        yes_no: whether it is a share.
    """
    drawn = _drawn(scores)
    values = [v for item in drawn for v in _values(item) if math.isfinite(v)]
    if not values:
        return ""
    show = _shown(metric, yes_no)
    room = 0.06 * (max(values) - min(values)) or 0.05
    up = Axis((min(values) - room, max(values) + room), 0, _TALL)
    sets = 3 if confirmed(drawn) else 2
    xs = [_LEFT + _SIDE + step * (WIDTH - _SIDE) / 2 for step in range(sets)]
    right = xs[-1] + _SIDE

    def y(value: float) -> float:
        return _TOP + _TALL - up.x(value)

    out = [draw_text(0, 14, metric, bold=True)]
    for tick in up.ticks():
        out.append(draw_line(_LEFT, y(tick), right, y(tick)))
        out.append(draw_text(_LEFT - 8, y(tick) + 4, show(tick), "end", soft=True))
    words_below = ("made from", "chosen by", "not seen before")[:sets]
    for x, name, words in zip(xs, SETS[:sets], words_below, strict=True):
        out.append(draw_text(x, _TOP + _TALL + 22, name, "middle", bold=True))
        out.append(draw_text(x, _TOP + _TALL + 38, words, "middle", soft=True))
    last = {START: 0, best: 1}
    for item in sorted(drawn, key=lambda item: last.get(item.name, -1)):
        out += _lines(item, best, xs, y)
    key = right + 24
    out += _keys(drawn, best, key)
    measured = "train, select and confirm" if sets == 3 else "train and select"
    label = f"{metric} on {measured}. {story(scores, best, metric, yes_no)}"
    width = key + 40 + 7.4 * max(len(text) for text in ("start", f"winner: {best}", "99 others"))
    return draw_svg(out, label, width, _TOP + _TALL + 48)


def _lines(item: Score, best: str, xs: Sequence[float], y: Callable[[float], float]) -> list[str]:
    """One candidate: its line through the sets that it was measured on, and its marks."""
    points = [(x, y(value)) for x, value in zip(xs, _values(item), strict=False)
              if math.isfinite(value)]  # fmt: skip
    stroke = _stroke(item.name, best)
    parts = [draw_line(*one, *other, style=stroke) for one, other in itertools.pairwise(points)]
    return parts + [_mark(item.name, best, x, height) for x, height in points]


def _stroke(name: str, best: str) -> str:
    if name == START:
        return f"stroke:var(--pex-text, {SOFT});stroke-width:2;stroke-dasharray:6 4"
    if name == best:
        return f"stroke:{MARK};stroke-width:3"
    return f"stroke:{SOFT};stroke-width:1;stroke-opacity:0.55"


def _mark(name: str, best: str, x: float, y: float) -> str:
    if name == START:
        style = f"fill:var(--pex-text, {SOFT})"
        return f'<rect x="{x - 4:g}" y="{y - 4:g}" width="8" height="8" style="{style}"/>'
    if name == best:
        return f'<path d="M{x - 7:g} {y:g}l7 -7l7 7l-7 7z" style="fill:{MARK}"/>'
    style = f"fill:{BACK};stroke:{SOFT};stroke-width:1.5"
    return f'<circle cx="{x:g}" cy="{y:g}" r="3.5" style="{style}"/>'


def _keys(drawn: Sequence[Score], best: str, x: float) -> list[str]:
    """What the marks mean."""
    names = {item.name for item in drawn}
    others = len(names - {START, best})
    keys = [(START, "start")]
    if best != START:
        keys.insert(0, (best, f"winner: {best}"))
    if others:
        keys.append(("", paper.count(others, "other")))
    out = []
    for row, (name, text) in enumerate(keys):
        height = _TOP + 14 + 22 * row
        out.append(draw_line(x, height, x + 26, height, style=_stroke(name, best)))
        out.append(_mark(name, best, x + 13, height))
        out.append(draw_text(x + 34, height + 4, text))
    return out


def confirmed(scores: Sequence[Score]) -> bool:
    """Whether anything was measured on the confirm set: if not, it is not drawn."""
    return any(math.isfinite(item.confirm) for item in scores)


def _drawn(scores: Sequence[Score]) -> list[Score]:
    """The candidates that were measured; at most as many as a picture can show."""
    found = [item for item in scores if any(map(math.isfinite, _values(item)))]
    return found[: paper.MAX_LINES]


def _values(item: Score) -> tuple[float, float, float]:
    return item.train, item.select, item.confirm


def _shown(metric: str, yes_no: bool) -> Callable[[float], str]:
    return lambda value: f"{value:.2f}" if yes_no else format_value(value, metric, False)

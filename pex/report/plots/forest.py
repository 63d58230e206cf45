"""Forest plot: differences from a baseline with intervals, a row for each comparison or slice."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pex.core.errors import PexError, nearest
from pex.report.plots import paper

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

COLUMNS = (
    "metric", "candidate", "baseline", "verdict", "diff", "lo", "hi", "bound", "margin", "p",
    "p_adjusted", "n_cases", "wins", "ties", "losses", "higher_is_better",
)  # fmt: skip

GLYPHS = {"better": "▲", "worse": "▼", "no worse": "◆", "undecided": "○", "unchanged": "="}
_UNITS = {
    "cost_usd": "US dollars per 1,000 answers",
    "latency_s": "seconds",
    "ttft_s": "seconds",
    "prompt_tokens": "tokens",
    "completion_tokens": "tokens",
}
_SYMBOLS = {
    "better": "triangle-up",
    "worse": "triangle-down",
    "no worse": "diamond",
    "undecided": "circle-open",
    "unchanged": "line-ew-open",
}
_COLOURS = {
    "better": paper.GOOD,
    "worse": paper.BAD,
    "no worse": paper.MARK,
    "undecided": paper.INK,
    "unchanged": paper.INK,
}
_STROKES = {
    "zero": {"color": paper.INK, "width": 1},
    "margin": {"color": paper.WARM, "width": 2, "dash": "dot"},
    "interval": {"color": paper.INK, "width": 3},
    "one-sided end": {"color": paper.INK, "width": 3},
}


@dataclass(frozen=True)
class Line:
    """One comparison in the unit that is drawn: points, dollars per 1,000 answers, or its own."""

    label: str
    row: dict[str, Any]
    binary: bool
    diff: float
    lo: float
    hi: float
    bound: float
    limit: float
    """Where the margin ends: below it (above, if lower is better) a candidate is worse."""

    @property
    def verdict(self) -> str:
        """One of the five words."""
        return str(self.row["verdict"])

    @property
    def text(self) -> str:
        """The text at the right of the row."""
        return f"{GLYPHS[self.verdict]} {self.verdict} {paper.change(self.diff, self.binary)}"

    @property
    def interval(self) -> str:
        """The interval in words."""
        if not (math.isfinite(self.lo) and math.isfinite(self.hi)):
            return "no interval"
        ends = (paper.change(end, self.binary) for end in (self.lo, self.hi))
        return f"[{', '.join(ends)}]"


@dataclass(frozen=True)
class Panel:
    """Rows that share an axis."""

    title: str
    lines: list[Line]
    span: tuple[float, float]

    def strokes(self) -> dict[str, list[tuple[float, float, float, float]]]:
        """The straight lines to draw by kind, lowest first: x0, y0, x1, y1, of y a row is 1 high.

        The row of the first line is at y = 0, the next below it at 1.
        """
        rows = list(enumerate(self.lines))
        drawn: dict[str, list[tuple[float, float, float, float]]] = {
            "zero": [(0.0, -0.5, 0.0, len(rows) - 0.5)],
            "margin": [(line.limit, y - 0.5, line.limit, y + 0.5) for y, line in rows],
            "interval": [(line.lo, y, line.hi, y) for y, line in rows],
            # The one-sided end matters only if there is a margin to clear.
            "one-sided end": [
                (line.bound, y - 0.2, line.bound, y + 0.2)
                for y, line in rows
                if math.isfinite(line.limit)
            ],
        }
        return {
            kind: [ends for ends in strokes if all(map(math.isfinite, ends))]
            for kind, strokes in drawn.items()
        }


def panels_of_differences(
    comparison: pd.DataFrame, yes_no: Collection[str]
) -> tuple[list[Panel], str]:
    """One panel for each metric, and what had to be left out, in words.

    Args:
        comparison: one row per (metric, candidate), as `differences` takes it.
        yes_no: the metrics that are yes/no.
    """
    paper.need(comparison, COLUMNS, "differences")
    return _panels(comparison, yes_no, ("metric",), _of_candidates)


def panels_of_slices(comparison: pd.DataFrame, yes_no: Collection[str]) -> tuple[list[Panel], str]:
    """One panel for each metric, pair and way of slicing; the same in words.

    Args:
        comparison: one row per (metric, candidate, slice), as `slices` takes it.
        yes_no: the metrics that are yes/no.
    """
    paper.need(comparison, (*COLUMNS, "slice_by", "slice"), "slices")
    return _panels(comparison, yes_no, ("metric", "candidate", "baseline", "slice_by"), _of_slices)


def differences(comparison: pd.DataFrame, yes_no: Collection[str]) -> Figure:
    """Each candidate's difference from its baseline with its interval and verdict.

    Args:
        comparison: one row per (metric, candidate) with the columns `COLUMNS`; `diff`, `lo`,
            `hi` and `bound` are candidate minus baseline in the score's unit, `lo` and `hi` NaN
            if there is no interval; `margin` is positive, or NaN if there is none.
        yes_no: the metrics that are yes/no; they are drawn in percentage points.

    Raises:
        PexError: a column is missing, or a verdict is none of the five.
    """
    panels, missing = panels_of_differences(comparison, yes_no)
    title = "Differences from the baseline"
    if not panels:
        return paper.empty(title, missing or "there is no comparison")
    return _draw(panels, title, f"{story(panels)} {missing}".strip())


def differences_table(comparison: pd.DataFrame, yes_no: Collection[str]) -> pd.DataFrame:
    """What `differences` draws, as a table; points to a tenth, other numbers to three digits.

    Args:
        comparison: as for `differences`.
        yes_no: the metrics that are yes/no.

    Raises:
        PexError: as for `differences`.
    """
    return _table(panels_of_differences(comparison, yes_no)[0], ())


def slices(comparison: pd.DataFrame, yes_no: Collection[str]) -> Figure:
    """The same difference in each part of the cases, such as each product or language.

    Args:
        comparison: as for `differences`, one row per (metric, candidate, slice), with `slice_by`
            (what the cases are divided by) and `slice` (the part).
        yes_no: the metrics that are yes/no.

    Raises:
        PexError: as for `differences`.
    """
    panels, missing = panels_of_slices(comparison, yes_no)
    title = "Differences by slice"
    if not panels:
        return paper.empty(title, missing or "there is no slice")
    return _draw(panels, title, f"{_slice_story(panels)} {missing}".strip())


def slices_table(comparison: pd.DataFrame, yes_no: Collection[str]) -> pd.DataFrame:
    """What `slices` draws, as a table.

    Args:
        comparison: as for `slices`.
        yes_no: the metrics that are yes/no.

    Raises:
        PexError: as for `slices`.
    """
    return _table(panels_of_slices(comparison, yes_no)[0], ("slice_by", "slice"))


def _panels(
    comparison: pd.DataFrame,
    yes_no: Collection[str],
    keys: Sequence[str],
    make: Callable[[list[Line]], tuple[str, list[str]]],
) -> tuple[list[Panel], str]:
    lines = [_line(row, str(row["metric"]) in yes_no) for row in paper.records(comparison)]
    known = [line for line in lines if math.isfinite(line.diff)]
    drawn = known[: paper.MAX_LINES]
    notes = []
    if len(known) < len(lines):
        few = paper.count(len(lines) - len(known), "comparison")
        notes.append(f"{few} without a difference left out.")
    if len(drawn) < len(known):
        notes.append(f"The first {len(drawn):,} of {len(known):,} rows are drawn.")
    by_key: dict[tuple[str, ...], list[Line]] = {}
    for line in drawn:
        by_key.setdefault(tuple(str(line.row[key]) for key in keys), []).append(line)
    spans: dict[str, list[Line]] = {}
    for line in drawn:
        spans.setdefault(str(line.row["metric"]), []).append(line)
    panels = []
    for key, members in by_key.items():
        title, names = make(members)
        named = [replace(line, label=n) for line, n in zip(members, names, strict=True)]
        panels.append(Panel(title, named, _span(spans[key[0]])))
    return panels, " ".join(notes)


def _line(row: dict[str, Any], binary: bool) -> Line:
    verdict = str(row["verdict"])
    if verdict not in GLYPHS:
        raise PexError(f"unknown verdict '{verdict}'", hint=nearest(verdict, GLYPHS))
    # A single answer's cost has too many zeros to be read.
    scale = 100.0 if binary else 1000.0 if row["metric"] == "cost_usd" else 1.0
    diff, lo, hi, bound, margin = (
        scale * float(row[name]) for name in ("diff", "lo", "hi", "bound", "margin")
    )
    limit = -margin if row["higher_is_better"] else margin
    return Line("", row, binary, diff, lo, hi, bound, limit)


def _span(lines: list[Line]) -> tuple[float, float]:
    """The ends of an axis that shows every mark and zero."""
    marks = [0.0]
    for line in lines:
        ends = (line.diff, line.lo, line.hi, line.bound, line.limit)
        marks += [value for value in ends if math.isfinite(value)]
    low, high = min(marks), max(marks)
    pad = 0.06 * (high - low) or 1.0
    return low - pad, high + pad


def _unit(line: Line) -> str:
    metric = str(line.row["metric"])
    unit = "percentage points" if line.binary else _UNITS.get(metric, "difference of means")
    return unit if line.row["higher_is_better"] else f"{unit}; lower is better"


def _of_candidates(lines: list[Line]) -> tuple[str, list[str]]:
    metric = lines[0].row["metric"]
    baselines = {str(line.row["baseline"]) for line in lines}
    candidates = paper.labels(str(line.row["candidate"]) for line in lines)
    if len(baselines) == 1:
        against = paper.shorten(baselines.pop())
        return f"{metric}: difference from {against} ({_unit(lines[0])})", candidates
    pairs = [f"{line.row['candidate']} − {line.row['baseline']}" for line in lines]
    return f"{metric}: difference from the baseline ({_unit(lines[0])})", paper.labels(pairs, 44)


def _of_slices(lines: list[Line]) -> tuple[str, list[str]]:
    row = lines[0].row
    pair = f"{paper.shorten(str(row['candidate']))} − {paper.shorten(str(row['baseline']))}"
    title = f"{row['metric']} by {row['slice_by']}: {pair} ({_unit(lines[0])})"
    names = paper.labels(str(line.row["slice"]) for line in lines)
    return title, [f"{n} (n={line.row['n_cases']})" for n, line in zip(names, lines, strict=True)]


def story(panels: list[Panel]) -> str:
    """What to see in some comparisons, in two or three sentences.

    Args:
        panels: at least one, with at least one line.
    """
    lines = [line for panel in panels for line in panel.lines]
    told = max(lines, key=lambda line: abs(line.row["wins"] - line.row["losses"]))
    row = told.row
    up, down = ("above", "below") if row["higher_is_better"] else ("better than", "worse")
    sentence = (
        f"{paper.shorten(str(row['candidate']))} is {up} {paper.shorten(str(row['baseline']))} "
        f"on {paper.count(int(row['wins']), 'case')}, {down} on {int(row['losses']):,}, "
        f"equal on {int(row['ties']):,}"
    )
    unit = " points" if told.binary else ""
    text = f"{sentence}: {told.verdict}, {paper.change(told.diff, told.binary)}{unit}."
    if len(lines) > 1:
        text = f"{len(lines)} comparisons: {_verdicts(lines)}. {text}"
    if any(math.isfinite(line.lo) for line in lines):
        text += " Lines are intervals: if one crosses 0, either may be better."
    if any(math.isfinite(line.limit) for line in lines):
        text += " Dotted: the margin; 'no worse' needs the small bar (one-sided end) to clear it."
    return text


def _slice_story(panels: list[Panel]) -> str:
    lines = [line for panel in panels for line in panel.lines]
    text = f"{paper.count(len(lines), 'slice')}: {_verdicts(lines)}."
    first = panels[0].lines
    if len(first) > 1:
        low = min(first, key=lambda line: line.diff)
        high = max(first, key=lambda line: line.diff)
        text += (
            f" By {first[0].row['slice_by']} from {paper.change(low.diff, low.binary)} "
            f"({paper.shorten(str(low.row['slice']), 24)}) to "
            f"{paper.change(high.diff, high.binary)} "
            f"({paper.shorten(str(high.row['slice']), 24)})."
        )
    return f"{text} Among many small slices some stand out by chance: look at the intervals."


def _verdicts(lines: list[Line]) -> str:
    found = Counter(line.verdict for line in lines)
    return ", ".join(f"{found[word]} {word}" for word in GLYPHS if found[word])


def _table(panels: list[Panel], extra: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    names = ["metric", "candidate", "baseline", *extra]
    columns = [*names, "verdict", "difference", "low", "high", "one_sided_end", "margin_end",
               "unit", "cases", "wins", "ties", "losses"]  # fmt: skip
    rows = []
    for line in (line for panel in panels for line in panel.lines):
        numbers = (line.diff, line.lo, line.hi, line.bound, line.limit)
        rows.append(
            [
                *(line.row[name] for name in names),
                line.verdict,
                *(paper.rounded(value, line.binary) for value in numbers),
                "points" if line.binary else _UNITS.get(line.row["metric"], ""),
                *(int(line.row[name]) for name in ("n_cases", "wins", "ties", "losses")),
            ]
        )
    return pd.DataFrame(rows, columns=columns)


def _hover(line: Line) -> str:
    row = line.row
    unit = " points" if line.binary else ""
    parts = [
        f"{row['candidate']} − {row['baseline']}",
        f"{line.verdict}: {paper.change(line.diff, line.binary)}{unit}, {line.interval}",
        f"{paper.count(int(row['n_cases']), 'case')}: {int(row['wins'])} wins, "
        f"{int(row['ties'])} ties, {int(row['losses'])} losses",
    ]
    if math.isfinite(row["p"]):
        adjusted = row["p_adjusted"]
        more = f" (adjusted {adjusted:.2g})" if math.isfinite(adjusted) else ""
        parts.append(f"p {row['p']:.2g}{more}")
    return "<br>".join(paper.plain(part) for part in parts)


def _draw(panels: list[Panel], title: str, caption: str) -> Figure:
    figure, height = paper.stacked([len(panel.lines) for panel in panels])
    for place, panel in enumerate(panels, 1):
        _draw_panel(figure, panel, place)
    lines = [line for panel in panels for line in panel.lines]
    return paper.lay_out(
        figure,
        title,
        caption,
        height=height,
        left=paper.width_of(line.label for line in lines),
        right=paper.width_of(line.text for line in lines),
    ).update_layout(showlegend=False)


def _draw_panel(figure: Figure, panel: Panel, place: int) -> None:
    lines = panel.lines
    at = {"row": place, "col": 1}
    for kind, strokes in panel.strokes().items():
        xs, ys = paper.segments(strokes)
        if xs:
            figure.add_scatter(
                x=xs, y=ys, mode="lines", line=_STROKES[kind], name=kind, hoverinfo="skip", **at
            )
    figure.add_scatter(
        x=[line.diff for line in lines],
        y=list(range(len(lines))),
        mode="markers",
        name="difference",
        marker={
            "symbol": [_SYMBOLS[line.verdict] for line in lines],
            "color": [_COLOURS[line.verdict] for line in lines],
            "size": 13,
            "line": {"width": 2, "color": [_COLOURS[line.verdict] for line in lines]},
        },
        hovertext=[_hover(line) for line in lines],
        hoverinfo="text",
        **at,
    )
    paper.name_rows(figure, [line.label for line in lines], place)
    figure.update_xaxes(range=list(panel.span), **at)
    paper.head_panel(figure, panel.title, place)
    paper.beside(figure, [line.text for line in lines], place)

"""Two variants case by case: one mark for each case, so nobody trusts an average alone."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pex.core.errors import PexError
from pex.report.plots import paper

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

COLUMNS = (
    "case_id", "group", "baseline", "candidate", "baseline_score", "candidate_score", "diff",
    "text",
)  # fmt: skip

_ACROSS = 50
_TEXT = 300
_TEXT_WIDTH = 70
_NAMED = 30
_EQUAL = 1e-9


@dataclass(frozen=True)
class Kind:
    """A sort of case, with the mark it gets.

    The colours of up and down are not good and bad: of a cost or a time, less is better.
    """

    name: str
    symbol: str
    colour: str
    rows: list[dict[str, Any]]


def cases(pairs: pd.DataFrame, yes_no: bool) -> Figure:
    """Every case of one comparison as a mark; the pointer shows the case.

    A yes/no score gives four rows of dots: only the candidate right, only the baseline right,
    both, neither. Any other score gives the differences in order, from loss to gain.

    Args:
        pairs: one row per case, of one candidate and one baseline, with the columns `COLUMNS`;
            `diff` is candidate minus baseline, `text` a short text of the case.
        yes_no: whether the score is yes/no.

    Raises:
        PexError: a column is missing, or there is more than one pair of variants.
    """
    rows, dropped = _rows(pairs)
    if not rows:
        return paper.empty("Case by case", "no case has a score from both variants")
    candidate, baseline = str(rows[0]["candidate"]), str(rows[0]["baseline"])
    title = f"Case by case: {paper.shorten(candidate)} against {paper.shorten(baseline)}"
    caption = _story(rows)
    if dropped:
        caption += f" {paper.count(dropped, 'case')} without both scores left out."
    drawn = _drawn(rows)
    if len(drawn) < len(rows):
        caption += (
            f" {len(drawn):,} of {len(rows):,} cases are drawn, those that differ most first."
        )
    if yes_no:
        return _dots(_kinds(drawn, candidate, baseline), _counts(rows), title, caption)
    return _steps(drawn, title, caption)


def cases_table(pairs: pd.DataFrame, yes_no: bool) -> pd.DataFrame:
    """What `cases` draws: one row for each case, the largest loss first.

    Args:
        pairs: as for `cases`.
        yes_no: whether the score is yes/no; then scores are in percent, differences in points.

    Raises:
        PexError: as for `cases`.
    """
    import pandas as pd

    scale = 100.0 if yes_no else 1.0
    rows = [
        [row["case_id"], row["group"]]
        + [
            paper.rounded(scale * row[name], yes_no)
            for name in ("baseline_score", "candidate_score", "diff")
        ]
        + [" ".join(str(row["text"]).split())]
        for row in sorted(_drawn(_rows(pairs)[0]), key=lambda row: row["diff"])
    ]
    columns = ["case_id", "group", "baseline_score", "candidate_score", "difference", "text"]
    return pd.DataFrame(rows, columns=columns)


def _rows(pairs: pd.DataFrame) -> tuple[list[dict[str, Any]], int]:
    """The rows with both scores, and the number of the others."""
    paper.need(pairs, COLUMNS, "cases")
    made = pairs[["candidate", "baseline"]].drop_duplicates()
    if len(made) > 1:
        found = [f"{row['candidate']} against {row['baseline']}" for row in paper.records(made)]
        raise PexError(
            f"cases: expected the cases of one pair of variants, got {len(made)} pairs",
            hint=f"there is: {paper.listed(found)}",
        )
    rows = [row for row in paper.records(pairs) if math.isfinite(row["diff"])]
    return rows, len(pairs) - len(rows)


def _drawn(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As many as one picture can show; those that differ most are kept."""
    if len(rows) <= paper.MAX_POINTS:
        return rows
    return sorted(rows, key=lambda row: -abs(row["diff"]))[: paper.MAX_POINTS]


def _story(rows: list[dict[str, Any]]) -> str:
    up = sum(row["diff"] > _EQUAL for row in rows)
    down = sum(row["diff"] < -_EQUAL for row in rows)
    candidate, baseline = (paper.shorten(str(rows[0][n])) for n in ("candidate", "baseline"))
    return (
        f"{candidate} is above {baseline} on {paper.count(up, 'case')}, below on {down:,}, "
        f"equal on {len(rows) - up - down:,}. Point at a mark to read its case."
    )


def _kind(row: dict[str, Any]) -> str:
    if abs(row["diff"]) > _EQUAL:
        return "up" if row["diff"] > 0 else "down"
    return "both" if row["baseline_score"] >= 0.5 else "neither"


def _counts(rows: list[dict[str, Any]]) -> dict[str, int]:
    counts = dict.fromkeys(("up", "down", "both", "neither"), 0)
    for row in rows:
        counts[_kind(row)] += 1
    return counts


def _kinds(rows: list[dict[str, Any]], candidate: str, baseline: str) -> dict[str, Kind]:
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_kind.setdefault(_kind(row), []).append(row)
    halves = any(
        row[name] not in (0, 1) for row in rows for name in ("baseline_score", "candidate_score")
    )
    only = "more often yes:" if halves else "only yes:"
    looks = {
        "up": (f"{only} {paper.shorten(candidate, 24)}", "triangle-up", paper.MARK),
        "down": (f"{only} {paper.shorten(baseline, 24)}", "triangle-down", paper.WARM),
        "both": ("equal, mostly yes" if halves else "both yes", "circle", paper.INK),
        "neither": ("equal, mostly no" if halves else "both no", "circle-open", paper.INK),
    }
    return {key: Kind(*look, by_kind.get(key, [])) for key, look in looks.items()}


def _dots(kinds: dict[str, Kind], counts: dict[str, int], title: str, caption: str) -> Figure:
    from plotly.graph_objects import Figure

    figure = Figure()
    top = 0
    ticks, names = [], []
    for key, kind in kinds.items():
        figure.add_scatter(
            x=[place % _ACROSS for place, _ in enumerate(kind.rows)],
            y=[top + place // _ACROSS for place, _ in enumerate(kind.rows)],
            mode="markers",
            name=paper.plain(kind.name),
            marker={"symbol": kind.symbol, "size": 9, "color": kind.colour},
            hovertext=[_hover(row, True) for row in kind.rows],
            hoverinfo="text",
        )
        ticks.append(top)
        names.append(f"{kind.name} ({counts[key]:,})")
        top += max(1, math.ceil(len(kind.rows) / _ACROSS)) + 1
    figure.update_xaxes(visible=False, range=[-0.7, _ACROSS - 0.3])
    figure.update_yaxes(
        range=[top - 1.2, -0.8],
        tickvals=ticks,
        ticktext=[paper.plain(name) for name in names],
        showgrid=False,
        zeroline=False,
        ticklabelstandoff=8,
    )
    return paper.lay_out(
        figure, title, caption, height=16 * top + 10, left=paper.width_of(names), below=20
    ).update_layout(showlegend=False)


def _steps(rows: list[dict[str, Any]], title: str, caption: str) -> Figure:
    from plotly.graph_objects import Figure

    rows = sorted(rows, key=lambda row: row["diff"])
    places = list(enumerate(rows))
    figure = Figure()
    xs, ys = paper.segments((place, 0.0, place, row["diff"]) for place, row in places)
    line = {"color": "rgba(125,133,144,0.5)", "width": 1}
    figure.add_scatter(x=xs, y=ys, mode="lines", line=line, hoverinfo="skip", showlegend=False)
    for name, symbol, colour, sign in (
        ("below", "triangle-down", paper.WARM, -1),
        ("equal", "circle-open", paper.INK, 0),
        ("above", "triangle-up", paper.MARK, 1),
    ):
        part = [(place, row) for place, row in places if _sign(row["diff"]) == sign]
        figure.add_scatter(
            x=[place for place, _ in part],
            y=[row["diff"] for _, row in part],
            mode="markers",
            name=f"{name}: {len(part):,}",
            marker={"symbol": symbol, "size": 8, "color": colour},
            hovertext=[_hover(row, False) for _, row in part],
            hoverinfo="text",
        )
    few = len(rows) <= _NAMED
    figure.update_xaxes(
        visible=few,
        showgrid=False,
        tickvals=list(range(len(rows))) if few else [],
        ticktext=[paper.plain(paper.shorten(str(row["case_id"]), 14)) for row in rows]
        if few
        else [],
        tickangle=45,
        range=[-1, len(rows)],
    )
    figure.update_yaxes(
        title="difference", title_font_size=13, gridcolor=paper.GRID, zerolinecolor=paper.INK
    )
    return paper.lay_out(figure, title, caption, height=300, below=110 if few else 50)


def _sign(diff: float) -> int:
    return 0 if abs(diff) <= _EQUAL else (1 if diff > 0 else -1)


def _hover(row: dict[str, Any], yes_no: bool) -> str:
    text = " ".join(str(row["text"]).split())
    cut = text if len(text) <= _TEXT else f"{text[:_TEXT]}…"
    group = row["group"]
    known = isinstance(group, str) and group
    lines = [f"{row['case_id']} · {group}" if known else str(row["case_id"])]
    lines += textwrap.wrap(cut, _TEXT_WIDTH)
    for role in ("baseline", "candidate"):
        value = float(row[f"{role}_score"])
        shown = f"{100 * value:.0f} %" if yes_no else paper.number(value)
        lines.append(f"{paper.shorten(str(row[role]))}: {shown}")
    return "<br>".join(paper.plain(line) for line in lines)

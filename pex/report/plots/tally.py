"""Counts as bars: who wins how many cases, and how many cases pass how many of their repeats."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pex.report.plots import paper

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

NEEDED = ("metric", "candidate", "baseline", "wins", "ties", "losses")
PARTS = ("wins", "ties", "losses")
_MANY_REPEATS = 8
_WHOLE = 1e-9

# Fill, outline, pattern: the parts differ even without colour.
_STYLES = {
    "wins": (paper.MARK, paper.MARK, ""),
    "ties": ("rgba(125,133,144,0.18)", "rgba(125,133,144,0.5)", ""),
    "losses": ("rgba(217,119,6,0.2)", paper.WARM, "/"),
}


@dataclass(frozen=True)
class Part:
    """One colour of the bars: a count for each row."""

    name: str
    counts: list[int]
    fill: str
    outline: str
    pattern: str


@dataclass(frozen=True)
class WinPanel:
    """The candidates of one metric, a row each."""

    metric: str
    against: str
    labels: list[str]
    rows: list[dict[str, Any]]

    @property
    def title(self) -> str:
        """What is counted, for above the bars."""
        return f"{self.metric}: cases against {self.against}"

    @property
    def counts(self) -> dict[str, list[int]]:
        """Wins, ties and losses, in this order, a number for each row."""
        return {part: [int(row[part]) for row in self.rows] for part in PARTS}


def panels_of_wins(comparison: pd.DataFrame) -> tuple[list[WinPanel], str]:
    """One panel for each metric that has counts, and what had to be left out, in words.

    Args:
        comparison: as for `wins`.
    """
    paper.need(comparison, NEEDED, "wins")
    rows = paper.records(comparison)
    known = [row for row in rows if all(math.isfinite(row[part]) for part in PARTS)]
    drawn = known[: paper.MAX_LINES]
    notes = []
    if len(known) < len(rows):
        few = paper.count(len(rows) - len(known), "comparison")
        notes.append(f"{few} without counts left out.")
    if len(drawn) < len(known):
        notes.append(f"The first {len(drawn):,} of {len(known):,} rows are drawn.")
    by_metric: dict[str, list[dict[str, Any]]] = {}
    for row in drawn:
        by_metric.setdefault(str(row["metric"]), []).append(row)
    return [_win_panel(metric, rows) for metric, rows in by_metric.items()], " ".join(notes)


def _win_panel(metric: str, rows: list[dict[str, Any]]) -> WinPanel:
    baselines = {str(row["baseline"]) for row in rows}
    if len(baselines) > 1:
        pairs = (f"{row['candidate']} − {row['baseline']}" for row in rows)
        return WinPanel(metric, "the baseline", paper.labels(pairs, 44), rows)
    names = paper.labels(
        f"{row['slice']}: {row['candidate']}" if "slice" in row else str(row["candidate"])
        for row in rows
    )
    return WinPanel(metric, paper.shorten(baselines.pop()), names, rows)


def wins_story(rows: Sequence[dict[str, Any]]) -> str:
    """What to see in win/tie/loss counts.

    Args:
        rows: at least one row of counts.
    """
    told = max(rows, key=lambda row: abs(row["wins"] - row["losses"]))
    wins, ties, losses = (int(told[part]) for part in PARTS)
    text = (
        f"{paper.shorten(str(told['candidate']))} against "
        f"{paper.shorten(str(told['baseline']))}: {paper.count(wins, 'win')}, "
        f"{paper.count(ties, 'tie')}, {paper.count(losses, 'loss', 'losses')}."
    )
    total = sum(int(row[part]) for row in rows for part in PARTS)
    if total:
        share = sum(int(row["ties"]) for row in rows) / total
        text += f" {100 * share:.0f} % of all pairs are ties: only the others tell variants apart."
    return text


def wins(comparison: pd.DataFrame) -> Figure:
    """How many cases each candidate wins, ties and loses against its baseline.

    Args:
        comparison: one row per (metric, candidate) with `metric, candidate, baseline, wins,
            ties, losses`; `slice` is shown if there is one.

    Raises:
        PexError: a column is missing.
    """
    panels, missing = panels_of_wins(comparison)
    title = "Wins, ties and losses, case by case"
    if not panels:
        return paper.empty(title, missing or "there is no comparison")
    figure, height = paper.stacked([len(panel.rows) for panel in panels])
    all_notes: list[str] = []
    for place, panel in enumerate(panels, 1):
        _bars(
            figure,
            [Part(part, counts, *_STYLES[part]) for part, counts in panel.counts.items()],
            [f"{row['candidate']} − {row['baseline']}" for row in panel.rows],
            place,
        )
        notes = [f"+{int(row['wins'])} −{int(row['losses'])}" for row in panel.rows]
        paper.name_rows(figure, panel.labels, place)
        paper.head_panel(figure, panel.title, place)
        paper.beside(figure, notes, place)
        all_notes += notes
    drawn = [row for panel in panels for row in panel.rows]
    return paper.lay_out(
        figure,
        title,
        f"{wins_story(drawn)} {missing}".strip(),
        height=height,
        left=paper.width_of(label for panel in panels for label in panel.labels),
        right=paper.width_of(all_notes),
        below=74,
    ).update_layout(barmode="stack")


def wins_table(comparison: pd.DataFrame) -> pd.DataFrame:
    """What `wins` draws, as a table of counts.

    Args:
        comparison: as for `wins`.

    Raises:
        PexError: a column is missing.

    Example:
        >>> import pandas as pd
        >>> row = {"metric": "label", "candidate": "b", "baseline": "a"}
        >>> wins_table(pd.DataFrame([row | {"wins": 12, "ties": 83, "losses": 5}]))["wins"].tolist()
        [12]
    """
    import pandas as pd

    rows = [row for panel in panels_of_wins(comparison)[0] for row in panel.rows]
    columns = [name for name in ("slice", *NEEDED) if name in comparison.columns]
    table = pd.DataFrame(rows, columns=columns)
    return table.astype(dict.fromkeys(PARTS, "int64"))


def _bars(figure: Figure, parts: Sequence[Part], names: Sequence[str], place: int) -> None:
    """Stacked bars with their counts, where a count has room."""
    widest = max(sum(counts) for counts in zip(*(part.counts for part in parts), strict=True))
    for part in parts:
        figure.add_bar(
            x=part.counts,
            y=list(range(len(names))),
            orientation="h",
            name=paper.plain(part.name),
            width=0.66,
            marker={
                "color": part.fill,
                "line": {"color": part.outline, "width": 1},
                # Faint, so that the counts on it can be read.
                "pattern": {"shape": part.pattern, "fgcolor": part.outline, "fgopacity": 0.4},
            },
            text=[str(n) if n > 0.03 * widest else "" for n in part.counts],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            textfont={"color": "#ffffff" if part.fill == part.outline else paper.INK, "size": 13},
            hovertext=[
                paper.plain(f"{name}: {part.name} {n:,}")
                for name, n in zip(names, part.counts, strict=True)
            ],
            hoverinfo="text",
            legendgroup=part.name,
            showlegend=place == 1,
            row=place,
            col=1,
        )
    figure.update_xaxes(range=[0, max(widest, 1)], row=place, col=1)


def repeats(frame: pd.DataFrame, score: str, yes_no: Collection[str]) -> Figure:
    """How alike the repeats of a case are, for each variant.

    A yes/no score: how many cases pass none, some or all of their repeats; those between are
    flaky. Any other score: the spread (standard deviation) of a case's repeats, as a box from
    the lower to the upper quartile of the cases with its median, and lines to the ends.

    Args:
        frame: the long frame; rows without the score (errors) are not counted.
        score: the name of the score.
        yes_no: the scores that are yes/no.

    Raises:
        PexError: the frame has no such score.
    """
    table = repeats_table(frame, score, yes_no)
    title = f"Repeats of {score}"
    if table.empty:
        return paper.empty(title, f"no answer has a score '{score}'")
    if score in yes_no:
        return _passes(table, title)
    table = table[table["cases"] > 0]
    if table.empty:
        return paper.empty(title, "every case was scored once; use repeats=3 or more")
    return _spreads(table, title, score)


def repeats_table(frame: pd.DataFrame, score: str, yes_no: Collection[str]) -> pd.DataFrame:
    """What `repeats` draws: one row for each variant.

    Args:
        frame: the long frame.
        score: the name of the score.
        yes_no: the scores that are yes/no.

    Returns:
        For a yes/no score `variant, cases`, the number of cases that passed "0/3", "1/3" … of
        their repeats, `fewer repeats` (cases with an answer missing), `flaky` (some passes, not
        all, also among those) and `flaky_share`. For others `variant, cases` (with two repeats
        or more) and the quartiles of the spread: `low, lower_quartile, median, upper_quartile,
        high`.

    Raises:
        PexError: the frame has no such score.
    """
    column = f"score.{score}"
    paper.need(frame, ("variant", "case_id", column), "repeats")
    scored = frame[frame[column].notna()]
    if score in yes_no:
        return _pass_table(scored, column)
    return _spread_table(scored, column)


def _pass_table(scored: pd.DataFrame, column: str) -> pd.DataFrame:
    import pandas as pd

    by_case = scored.groupby(["variant", "case_id"], sort=False)[column].agg(["mean", "count"])
    most = int(by_case["count"].max()) if len(by_case) else 1
    records = []
    for variant, rows in by_case.groupby(level="variant", sort=False):
        full = rows[rows["count"] == most]
        passed = (full["mean"] * most).round().astype(int)
        flaky = rows["mean"].between(_WHOLE, 1 - _WHOLE)
        record: dict[str, Any] = {"variant": variant, "cases": len(rows)}
        record |= {f"{k}/{most}": int((passed == k).sum()) for k in range(most + 1)}
        record |= {
            "fewer repeats": len(rows) - len(full),
            "flaky": int(flaky.sum()),
            "flaky_share": round(float(flaky.mean()), 3),
        }
        records.append(record)
    return pd.DataFrame(records)


def _spread_table(scored: pd.DataFrame, column: str) -> pd.DataFrame:
    import pandas as pd

    names = ("low", "lower_quartile", "median", "upper_quartile", "high")
    records = []
    for variant, rows in scored.groupby("variant", sort=False):
        spread = rows.groupby("case_id")[column].std().dropna()
        ends = spread.quantile([0, 0.25, 0.5, 0.75, 1])
        values = [paper.rounded(float(value), False) for value in ends]
        records.append(
            {"variant": variant, "cases": len(spread), **dict(zip(names, values, strict=True))}
        )
    return pd.DataFrame(records, columns=["variant", "cases", *names])


def _passes(table: pd.DataFrame, title: str) -> Figure:
    table = table.iloc[: paper.MAX_LINES]
    rows = paper.records(table)
    steps = [name for name in table.columns if "/" in str(name)]
    most = len(steps) - 1
    names = [str(row["variant"]) for row in rows]
    figure, height = paper.stacked([len(rows)])
    _bars(figure, _pass_parts(table, steps), names, 1)
    shown = paper.labels(names)
    notes = [f"{row['flaky']} flaky" for row in rows]
    paper.name_rows(figure, shown, 1)
    paper.beside(figure, notes, 1)
    figure.update_xaxes(title="cases")
    if most == 1:
        caption = "Every case was run once, so nothing can be flaky. Use repeats=3 or more."
    else:
        worst = max(rows, key=lambda row: row["flaky_share"])
        caption = (
            f"Flaky: some of the {most} repeats of a case pass, not all. Most flaky: "
            f"{paper.shorten(str(worst['variant']))}, {worst['flaky']:,} of "
            f"{paper.count(worst['cases'], 'case')} ({100 * worst['flaky_share']:.0f} %)."
        )
    return paper.lay_out(
        figure,
        title,
        caption,
        height=height,
        left=paper.width_of(shown),
        right=paper.width_of(notes),
        below=100,
    ).update_layout(barmode="stack")


def _pass_parts(table: pd.DataFrame, steps: Sequence[str]) -> list[Part]:
    most = len(steps) - 1
    columns = {str(step): table[step].tolist() for step in steps}
    if most > _MANY_REPEATS:  # a legend of twenty steps is of no use
        half = [step for k, step in enumerate(steps) if 0 < k < most / 2]
        rest = [step for k, step in enumerate(steps) if most / 2 <= k < most]
        columns = {
            f"0/{most}": table[steps[0]].tolist(),
            "some, under half": table[half].sum(axis=1).tolist(),
            "half or more, not all": table[rest].sum(axis=1).tolist(),
            f"{most}/{most}": table[steps[-1]].tolist(),
        }
    parts = []
    for place, (name, counts) in enumerate(reversed(columns.items())):
        share = 1 - place / (len(columns) - 1)
        if share == 1:
            parts.append(Part(f"{name} pass", counts, paper.MARK, paper.MARK, ""))
        elif share == 0:
            parts.append(Part(name, counts, *_STYLES["ties"]))
        else:
            fill = f"rgba(217,119,6,{0.1 + 0.4 * share:.2f})"
            parts.append(Part(name, counts, fill, paper.WARM, "/" if place % 2 else "x"))
    if table["fewer repeats"].any():
        fewer = table["fewer repeats"].tolist()
        parts.append(Part("fewer repeats", fewer, "rgba(0,0,0,0)", paper.INK, "."))
    return parts


def _spreads(table: pd.DataFrame, title: str, score: str) -> Figure:
    table = table.iloc[: paper.MAX_LINES]
    rows = paper.records(table)
    figure, height = paper.stacked([len(rows)])
    shown = paper.labels(str(row["variant"]) for row in rows)
    figure.add_box(
        y=list(range(len(rows))),
        orientation="h",
        lowerfence=table["low"].tolist(),
        q1=table["lower_quartile"].tolist(),
        median=table["median"].tolist(),
        q3=table["upper_quartile"].tolist(),
        upperfence=table["high"].tolist(),
        fillcolor="rgba(59,130,246,0.25)",
        line={"color": paper.MARK, "width": 2},
        hoverinfo="x",
        width=0.55,
    )
    notes = [f"median {paper.number(row['median'])}" for row in rows]
    paper.name_rows(figure, shown, 1)
    paper.beside(figure, notes, 1)
    spread = paper.plain(f"standard deviation of {score} within a case")
    figure.update_xaxes(title=spread, rangemode="tozero")
    most = max(rows, key=lambda row: row["median"])
    caption = (
        f"How far apart the repeats of one case are; 0: always the same. Widest: "
        f"{paper.shorten(str(most['variant']))}, median {paper.number(most['median'])} over "
        f"{paper.count(most['cases'], 'case')}. Box: the middle half of the cases."
    )
    return paper.lay_out(
        figure,
        title,
        caption,
        height=height,
        left=paper.width_of(shown),
        right=paper.width_of(notes),
        below=56,
    ).update_layout(showlegend=False)

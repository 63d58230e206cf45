"""One HTML file about a run, without links to anything outside of it."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Collection, Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, Template
from markupsafe import Markup

from pex.report.tables import (
    format_interval,
    format_score,
    format_seconds,
    side_by_side_table,
    style,
    summary_scores,
    summary_table,
)

if TYPE_CHECKING:
    import pandas as pd

MAX_CASES = 500
MAX_CHARS = 2000


@functools.cache
def _template() -> Template:
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("page.html.jinja")


def page(
    frame: pd.DataFrame,
    summary: pd.DataFrame,
    yes_no: Collection[str],
    about: Mapping[str, Any],
) -> str:
    """The text of the page.

    Args:
        frame: the long frame.
        summary: one row per variant.
        yes_no: the scores that are yes/no.
        about: what was run.
    """
    begun = datetime.datetime.fromisoformat(about["started_at"]).astimezone()
    # The fragments are escaped where they are made; everything else is escaped by the template.
    return _template().render(
        about=about,
        style=Markup(style()),
        started=begun.strftime("%Y-%m-%d %H:%M %Z"),
        took=format_seconds(float(about["elapsed_s"])),
        table=Markup(summary_table(summary, yes_no)),
        plot=Markup(
            "".join(plot_svg(summary, name, name in yes_no) for name in summary_scores(summary))
        ),
        sides=Markup(side_by_side_table(frame, yes_no, MAX_CASES, MAX_CHARS)),
    )


def plot_svg(summary: pd.DataFrame, name: str, binary: bool) -> str:
    """One score of every variant as a point with its interval, as SVG; plotly would weigh 4 MB."""
    rows = [
        row for row in summary.to_dict("records") if row[f"score.{name}"] == row[f"score.{name}"]
    ]
    if not rows:
        return ""
    ends = [row[f"score.{name}{end}"] for row in rows for end in ("", ".lo", ".hi")]
    ends = [value for value in ends if value == value]  # NaN: no interval
    low, high = (0.0, 1.0) if binary else (min(ends), max(ends))
    spread = (high - low) or 1.0
    left = 16 + 7 * max(len(str(row["variant"])) for row in rows)
    width, step = 420, 28

    def x(value: float) -> float:
        return round(left + (value - low) / spread * width, 1)

    height = 34 + step * len(rows)
    label = f"{escape(name)}: each variant's score with its 95 % interval, as in the table above"
    out = [
        f'<svg class="plot" role="img" aria-label="{label}" viewBox="0 0 {left + width + 130} '
        f'{height}" style="max-width:{left + width + 130}px;width:100%">'
        f'<text x="{left}" y="14" font-weight="600">{escape(name)}</text>'
    ]
    for tick in range(5):
        value = low + spread * tick / 4
        out.append(
            f'<line x1="{x(value)}" x2="{x(value)}" y1="22" y2="{height - 18}"/>'
            f'<text class="soft" x="{x(value)}" y="{height - 4}" text-anchor="middle">'
            f"{format_score(value, binary)}</text>"
        )
    for number, row in enumerate(rows):
        value, lo, hi = (row[f"score.{name}{end}"] for end in ("", ".lo", ".hi"))
        y = 36 + step * number
        text = f"{format_score(value, binary)} {format_interval(lo, hi, binary)}"
        out.append(
            f'<text x="{left - 10}" y="{y + 4}" text-anchor="end">{escape(row["variant"])}</text>'
        )
        if lo == lo:
            out.append(f'<line class="bar" x1="{x(lo)}" x2="{x(hi)}" y1="{y}" y2="{y}"/>')
        out.append(f'<circle cx="{x(value)}" cy="{y}" r="5"/>')
        out.append(f'<text class="soft" x="{left + width + 12}" y="{y + 4}">{text}</text>')
    return "".join([*out, "</svg>"])

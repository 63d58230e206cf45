"""What a widget leaves for readers without a kernel: a static table, escaped and bounded.

It is in an output of its own: in the widget's output it would stay blank in JupyterLab and in
exported pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from IPython.display import DisplayHandle, display

from pex.core.safe_text import clean
from pex.report.documents import Show
from pex.report.html_text import html_text
from pex.report.sides import side_by_side_table
from pex.report.tables import NO_MATH, fragment, summary_table
from pex.score.frame import percentages, yes_no
from pex.widgets.answer import Shown
from pex.widgets.query import matches_kind

if TYPE_CHECKING:
    import pandas as pd

    from pex.widgets.sheet import Sheet

MAX_ROWS = 200
MAX_CELLS = 800
"""More would slow down the browser, and is more than anyone reads."""
MAX_CHARS = 600
MAX_BYTES = 900_000
RUNNING = "Running; the results appear here."


_NO_WIDGET = (
    "<style>.jp-OutputArea:has(.pex-static) .jp-OutputArea-child:has("
    "> .jp-OutputArea-output.jupyter-widgets:not(:has(*))){display:none}</style>"
)
"""Hides JupyterLab's "Error displaying widget: model not found" of a notebook opened later."""


class StaticOutput:
    """The static output below a widget; it can be replaced while its cell runs."""

    def __init__(self, html: str) -> None:
        handle = display(_both(html), display_id=True)
        assert isinstance(handle, DisplayHandle)  # display_id=True always gives one
        self._handle = handle

    def replace(self, html: str) -> None:
        """Show other HTML."""
        self._handle.update(_both(html))


def _both(html: str) -> Shown:
    """HTML, and its text for readers that show no HTML: a terminal, an editor, a text diff."""
    return Shown(html, html_text(html))


def static_text(text: str) -> str:
    """A sentence as a static output."""
    return _wrapped(fragment(f"<p>{escape(text)}</p>"))


def static_html(html: str) -> str:
    """A piece of HTML, already escaped, as a static output."""
    return _wrapped(fragment(html))


def static_table(
    sheet: Sheet, frame: pd.DataFrame, summary: pd.DataFrame, previews: Show | None = None
) -> str:
    """The summary and the cases side by side, starting with those that differ or failed.

    Args:
        sheet: the sheet of the same frame.
        frame: the long frame.
        summary: one row per variant.
        previews: gives pictures of the documents that cases name.

    Returns:
        HTML of less than 1 MB; it says what is left out.
    """
    if not len(frame):
        return static_text("No answers.")
    binary = yes_no(frame)
    chosen = _worth_seeing(sheet)
    # Selected before the table is built, which reads every row it is given.
    part = frame[frame["case_id"].isin(chosen)] if len(chosen) < len(sheet.lines) else frame
    part = part.drop(columns=_not_shown(part, sheet.inputs))
    texts = {
        str(name): part[name].map(_cleaned) for name in part if part[name].dtype.kind not in "biuf"
    }
    part = part.assign(**texts)
    table = side_by_side_table(
        part,
        binary,
        len(chosen),
        MAX_CHARS,
        max_bytes=MAX_BYTES,
        field_scorers=sheet.field_scorers,
        previews=previews,
    )
    note = ""
    if len(chosen) < len(sheet.lines):
        note = (
            f"<p>{len(chosen):,} of {len(sheet.lines):,} cases are shown here, starting with those "
            "that differ or failed; all are in results.frame and results.show().</p>"
        )
    return _wrapped(fragment(summary_table(summary, percentages(frame)) + note + table))


def _not_shown(frame: pd.DataFrame, inputs: Sequence[str] | None) -> list[str]:
    """The columns of inputs that the grid does not show either."""
    names = [str(name) for name in frame.columns if str(name).startswith("case.")]
    return [] if inputs is None else [name for name in names if name[5:] not in inputs]


def _cleaned(value: Any) -> Any:
    return clean(value) if isinstance(value, str) else value


def _worth_seeing(sheet: Sheet) -> set[str]:
    cells_per_case = max(1, len(sheet.variants) * sheet.repeats)
    max_cases = min(MAX_ROWS, max(10, MAX_CELLS // cells_per_case))
    if len(sheet.lines) <= max_cases:
        return {line.id for line in sheet.lines}
    chosen: set[str] = set()
    for kind in ("disagreements", "errors", "failures", "all"):
        for row in range(len(sheet)):
            if len(chosen) >= max_cases:
                return chosen
            if matches_kind(sheet.row(row), kind, sheet.baseline):
                chosen.add(sheet.line(row).id)
    return chosen


def _wrapped(html: str) -> str:
    return f'<div class="pex-static {NO_MATH}">{_NO_WIDGET}{clean(html)}</div>'

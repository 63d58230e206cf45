"""What came out of a run: a frame, a summary, tables, plots and a report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.core.errors import PexError, nearest
from pex.core.settings import find_project, load_settings
from pex.score.frame import score_names, summarise, yes_no

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure


class Results:
    """The answers and scores of one run.

    Shown in a notebook it is a table: variant, score with its 95 % interval, cost, latency,
    errors. `frame` is the whole, one row per (variant, case_id, repeat).

    Args:
        frame: the long frame.
        about: what was run, as plain data; `about["counts"]` says how many requests were asked,
            answered, ended in an error or were not asked.
    """

    def __init__(self, frame: pd.DataFrame, about: Mapping[str, Any]) -> None:
        self.frame = frame
        self.about = dict(about)
        self._summary: pd.DataFrame | None = None

    @property
    def run_id(self) -> str | None:
        """The run in MLflow, None where the run was not recorded."""
        value = self.about.get("run_id")
        return None if value is None else str(value)

    @property
    def status(self) -> str:
        """How the run ended: finished, interrupted, budget or failed."""
        return str(self.about["status"])

    @property
    def scores(self) -> list[str]:
        """The names of the scores."""
        return score_names(self.frame)

    def __len__(self) -> int:
        return len(self.frame)

    def summary(self) -> pd.DataFrame:
        """One row per variant: counts, each score with its interval, cost, latency, tokens.

        `score.<name>` is the mean over the cases, `.lo` and `.hi` the ends of its 95 % interval,
        `.n` the number of cases, `.errors` how often the scorer itself failed. Cost in USD in
        total, latency as the median in seconds.
        """
        if self._summary is None:
            self._summary = summarise(self.frame)
        return self._summary.copy()

    def __repr__(self) -> str:
        from pex.report.tables import summary_text

        return f"{self._headline()}\n{summary_text(self.summary(), yes_no(self.frame))}"

    def _repr_html_(self) -> str:
        from html import escape

        from pex.report.tables import summary_html

        table = summary_html(self.summary(), yes_no(self.frame))
        return f"<p>{escape(self._headline())}</p>{table}"

    def _headline(self) -> str:
        counts = self.about["counts"]
        text = f"{self.about['name']}: {counts['answered']} of {counts['requests']} answers"
        if counts.get("replayed"):  # runs of earlier versions do not say
            text += f" ({counts['replayed']} from the journal)"
        if counts["errors"]:
            text += f", {counts['errors']} {'error' if counts['errors'] == 1 else 'errors'}"
        if counts["not_asked"]:
            text += f", {counts['not_asked']} not asked"
        if self.status != "finished":
            text += f" ({_WHY[self.status]})"
        return text

    def plot(self) -> Figure:
        """Each score of each variant with its 95 % interval."""
        from pex.report.plots import scores

        return scores(self.summary(), yes_no(self.frame))

    def show(self) -> Any:
        """The cases side by side, one column per variant; all text is escaped."""
        from IPython.display import HTML

        from pex.report.tables import side_by_side_html

        return HTML(side_by_side_html(self.frame, yes_no(self.frame)))

    def report(self, path: str | Path) -> Path:
        """Write one HTML file with everything; it needs no other file and no network."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.page(), encoding="utf-8")
        return path

    def page(self) -> str:
        """The text of that file."""
        from pex.report.page import page

        return page(self.frame, self.summary(), yes_no(self.frame), self.about)

    def failures(self, variant: str | None = None) -> pd.DataFrame:
        """The rows that ended in an error or have a yes/no score of no.

        Args:
            variant: only this variant's.

        Raises:
            PexError: there is no such variant.
        """
        rows = self.frame[failed_rows(self.frame)]
        if variant is None:
            return rows
        known = list(self.frame["variant"].unique())
        if variant not in known:
            raise PexError(f"there is no variant '{variant}'", hint=nearest(variant, known))
        return rows[rows["variant"] == variant]


_WHY = {
    "interrupted": "interrupted",
    "budget": "stopped by the budget",
    "failed": "failed",
    "finished": "finished",
}


def failed_rows(frame: pd.DataFrame) -> pd.Series[bool]:
    """Which rows of a long frame ended in an error or failed a yes/no score."""
    bad = frame["error"].notna()
    for name in yes_no(frame):
        bad |= frame[f"score.{name}"] == 0.0
    return bad


def load_run(run_id: str, tracking_uri: str | None = None) -> Results:
    """The results of a recorded run, from MLflow alone.

    Args:
        run_id: the parent run that pex recorded.
        tracking_uri: another store than the project's.

    Raises:
        PexError: there is no such run, or pex did not record it.
    """
    from pex.record.runs import load
    from pex.record.store import tracking_uri as resolve

    project = find_project()
    frame, about = load(resolve(project, load_settings(project), tracking_uri), run_id)
    return Results(frame, about)

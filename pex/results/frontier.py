"""A frontier as a user sees it: sentences, a table and a plot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pex.compare.frontier import Frontier
from pex.core.safe_text import clean
from pex.report.frontier import choice, finding, frontier_html, frontier_text

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure


class FrontierView:
    """Which variant is worth its price: `str()` and a notebook show sentences and a table.

    Args:
        found: what `pex.compare.frontier` found.
        summary: one row per variant.
    """

    def __init__(self, found: Frontier, summary: pd.DataFrame) -> None:
        self._found = found
        self._summary = summary

    @property
    def frame(self) -> pd.DataFrame:
        """One row per variant, best first: score, cost, time, verdict, and what dominates it."""
        return self._found.table()

    @property
    def named(self) -> str | None:
        """The variant to use; None if there is no margin by which one could be chosen."""
        return self._found.named

    @property
    def finding(self) -> str:
        """What the frontier says, in sentences."""
        return clean(" ".join(finding(self._found)))

    def __repr__(self) -> str:
        return clean(frontier_text(self._found))

    def _repr_html_(self) -> str:
        from pex.report.tables import fragment

        return fragment(frontier_html(self._found))

    def plot(self, *, table: bool = False) -> Figure | pd.DataFrame:
        """The frontier as a picture: dominated variants are hollow, the one to use is marked.

        Args:
            table: return the plotted numbers instead of the plot.
        """
        from pex.report import plots

        found = self._found
        binary = {found.metric} if found.yes_no else set()
        if table:
            return plots.frontier_table(self._summary, found.metric, found.against, binary)
        chosen = choice(found)
        return plots.frontier(self._summary, found.metric, found.against, binary, chosen)

"""Where a run is in MLflow: its name and its page, for the end of every view of a run."""

from __future__ import annotations

import dataclasses
from html import escape
from typing import TYPE_CHECKING

from pex.core.about import About
from pex.core.safe_text import clean

if TYPE_CHECKING:
    from pex.widgets.recorded import RunLink


@dataclasses.dataclass(frozen=True, slots=True)
class Recorded:
    """A recorded run: its name in MLflow, and its page if the store is a server."""

    name: str
    url: str | None = None

    def __str__(self) -> str:
        return f"Recorded: {clean(self.name)} · {self.url or 'pexlab ui opens it in MLflow'}"

    @property
    def html(self) -> str:
        """The same as a line of HTML."""
        where = "<code>pexlab ui</code> opens it in MLflow"
        if self.url:
            where = f'<a href="{escape(self.url)}" target="_blank">open in MLflow</a>'
        return f"Recorded: <em>{escape(clean(self.name))}</em> · {where}"


def recorded(about: About) -> Recorded | None:
    """Where a run is recorded; None if it is not.

    Args:
        about: the run's description.
    """
    from pex.record.search import page

    if about.run_id is None or about.record_error is not None:
        return None
    url = None
    if about.experiment_id:
        url = page(str(about.tracking_uri), about.experiment_id, about.run_id)
    return Recorded(about.run_name or about.run_id[:8], url)


def link(about: About) -> RunLink | None:
    """The same for a widget, which can also start MLflow's pages; None if it is not recorded.

    Args:
        about: the run's description.
    """
    from pex.record.ui_server import open_page
    from pex.widgets.recorded import RunLink

    found = recorded(about)
    if found is None:
        return None
    place = f"/experiments/{about.experiment_id}/runs/{about.run_id}"
    run_id = str(about.run_id)
    return RunLink(found.name, run_id, found.url, lambda: open_page(str(about.tracking_uri), place))

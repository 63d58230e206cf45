"""Results from a run that was recorded."""

from __future__ import annotations

from pex.core.project import find_project
from pex.project.settings import load_settings
from pex.results.results import Results


def load_run(run_id: str, tracking_uri: str | None = None) -> Results:
    """The results of a recorded run, from MLflow alone.

    Args:
        run_id: the parent run that pex recorded.
        tracking_uri: another store than the project's.

    Raises:
        PexError: there is no such run, or pex did not record it.
    """
    from pex.record.runs import load
    from pex.tracking.store import tracking_uri as resolve

    project = find_project()
    frame, about = load(resolve(project, load_settings(project), tracking_uri), run_id)
    return Results(frame, about)

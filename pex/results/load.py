"""Loading results from a recorded run."""

from __future__ import annotations

from pex.core.project import find_project
from pex.project.settings import load_settings
from pex.results.results import Results


def load_run(run_id: str, tracking_uri: str | None = None) -> Results:
    """Load the results of a recorded run, from MLflow alone.

    Args:
        run_id: the parent run recorded by pex: its id or the first characters of it, `latest`,
            `latest~1`, an experiment's name for its newest run, or the run's name.
        tracking_uri: a store other than the project's.

    Raises:
        PexError: the run does not exist, or pex did not record it.
    """
    from pex.record.run_names import find_run
    from pex.record.runs import load
    from pex.tracking.store import tracking_uri as resolve

    project = find_project()
    uri = resolve(project, load_settings(project), tracking_uri)
    frame, about = load(uri, find_run(uri, run_id))
    return Results(frame, about)


def last_run(experiment: str) -> Results | None:
    """The results of an experiment's newest recorded run; None if none was recorded.

    Raises:
        PexError: the run cannot be read.
    """
    from pex.record.run_names import recorded_runs
    from pex.tracking.store import exists
    from pex.tracking.store import tracking_uri as resolve

    project = find_project()
    uri = resolve(project, load_settings(project))
    if not exists(uri):
        return None
    runs = [run for run in recorded_runs(uri, experiment) if not run.source]
    return load_run(runs[0].run_id, uri) if runs else None

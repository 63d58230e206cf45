"""`pexlab report`: one HTML file about a recorded run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pex.cli import console
from pex.core.errors import PexError


def report(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="The run's id in MLflow, or 'latest'.")
    ] = "latest",
    out: Annotated[Path, typer.Option(metavar="FILE.html", help="Where to write it.")] = Path(
        "report.html"
    ),
) -> None:
    """Write one HTML file about a recorded run: what was run, table, cases side by side."""
    from pex.results.load import load_run

    console.out(str(load_run(run_id_of(run)).report(out)))


def run_id_of(run: str) -> str:
    """The id of a run that is named on the command line; `latest` is the newest one.

    Raises:
        PexError: nothing has been recorded yet.
    """
    if run != "latest":
        return run
    from pex.core.project import find_project
    from pex.project.settings import load_settings
    from pex.record import search
    from pex.tracking import store

    project = find_project()
    found = search.latest(store.tracking_uri(project, load_settings(project)))
    if not found:
        raise PexError("nothing has been recorded in this project yet", hint="pexlab demo")
    return str(found[0]["run_id"])

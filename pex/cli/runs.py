"""`pexlab runs`: the recorded runs, and the run that a word on the command line means."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Annotated

import typer

from pex.cli import console
from pex.core.errors import PexError, nearest
from pex.core.project import find_project
from pex.project.settings import load_settings

RUN_HELP = "A run: its id, 'latest', 'latest~1', an experiment's name (its newest run) or a run's."
"""What may be given wherever a recorded run is asked for."""

_STATUS = {"KILLED": "interrupted", "FAILED": "failed", "RUNNING": "running"}


def runs(
    experiment: Annotated[
        str | None,
        typer.Argument(metavar="[EXPERIMENT]", help="Only its runs.", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many, the newest.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """List the recorded runs: id, experiment, name, when, verdict.

    Other commands take a run by its id (six characters are enough), as 'latest' or 'latest~1', by
    its experiment's name (the newest run; NAME~1 is the one before), or by its own name.
    """
    from pex.magics.overview import verdicts_text, when
    from pex.record.run_names import recorded_runs
    from pex.report.terminal import text_table

    found = recorded_runs(_uri(), experiment, limit)
    if experiment is not None and not found:
        known = {run.experiment for run in recorded_runs(_uri())}
        raise PexError(
            f"no run of '{experiment}' is recorded",
            hint=nearest(experiment, known) if known else "nothing has been recorded here yet",
        )
    if as_json:
        console.document({"runs": [dataclasses.asdict(run) for run in found]})
        return
    if not found:
        console.out("Nothing has been recorded in this project yet.")
        console.err("`pexlab run EXPERIMENT.yaml` records a run, and so does every exp.run()")
        return
    now = datetime.datetime.now().astimezone()
    rows = []
    for run in found:
        at = when(run.started_at, now)
        state = _STATUS.get(run.status)
        said = verdicts_text(run.verdicts) or "–"
        against = f" (than {run.baseline})" if run.verdicts and run.baseline else ""
        rows.append(
            [
                run.run_id[:8],
                run.experiment,
                f"{run.name} ({run.source})" if run.source else run.name,
                f"{at}, {state}" if state else at,
                said + against,
            ]
        )
    console.out(text_table(rows, ["id", "experiment", "name", "when", "verdict"]))


def run_id_of(name: str) -> str:
    """The id of the recorded run that a word on the command line means.

    Raises:
        PexError: there is no such run, or several have the name.
    """
    from pex.record.run_names import find_run

    return find_run(_uri(), name)


def _uri() -> str:
    from pex.tracking import store

    project = find_project()
    return store.tracking_uri(project, load_settings(project))

"""`pexlab monitor`: deployed traces over time, scored, with alarms."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pex.cli import console
from pex.core.errors import PexError
from pex.core.project import find_project

if TYPE_CHECKING:
    from pex.monitoring.results import MonitorResults

_NAMES = ("monitor.yaml", "monitor.yml")


def monitor(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[MONITOR.yaml|EXPERIMENT]",
            help="The file that says what is watched, or the name of an MLflow experiment. "
            "Default: the project's only monitor.yaml.",
        ),
    ] = None,
    first: Annotated[
        str | None, typer.Option(metavar="DAY", help="The first day (UTC), such as 2026-03-01.")
    ] = None,
    last: Annotated[
        str | None, typer.Option(metavar="DAY", help="The last day, included; default: today.")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Put these beside each other: prompt_version, model, service, experiment, "
            "language, or a tag (tag.team). Default: prompt versions and models.",
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write the page: one HTML file.")
    ] = None,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE.xml", help="Write the rules as JUnit XML.")
    ] = None,
    accept: Annotated[
        str | None,
        typer.Option(
            metavar="WHY",
            help="Accept how things are: the days from --first to --last become the baseline; "
            "without them the last baseline_days. Nothing else is done.",
        ),
    ] = None,
    no_record: Annotated[bool, typer.Option("--no-record", help="Write no run to MLflow.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Look at deployed traces: figures over time, scores of a sample, feedback, alarms.

    Reads the traces that an application wrote to MLflow, also by OpenTelemetry; the second look
    reads only what is new. No model is called, except by judges of monitor.yaml, within its
    budget_usd. Exit codes: 0 no alarm, 1 an alarm, 2 wrong use, 3 cannot tell (no traces, no
    baseline yet, or too few values).
    """
    from pex.cli.trust import asking
    from pex.monitoring.monitor import monitor as look

    name = source or _only_file()
    if accept is not None:
        _accept(name, accept, first, last)
        return
    results = asking(
        lambda: look(name, first=first, last=last, by=by, record=not no_record, show=None)
    )
    _write(results, report, junit)
    if as_json:
        console.document(results.to_dict())
    else:
        console.out(repr(results))
    if results.code:
        sys.exit(results.code)


def _only_file() -> str:
    """The project's monitor.yaml, if it has exactly one."""
    project = find_project()
    found = sorted({
        path for name in _NAMES for pattern in (name, f"experiments/*/{name}")
        for path in project.glob(pattern)
    })  # fmt: skip
    if len(found) == 1:
        return str(found[0])
    if found:
        names = ", ".join(str(path.relative_to(project)) for path in found)
        raise PexError("which monitor?", hint=f"this project has {names}")
    raise PexError(
        "this project has no monitor.yaml",
        hint="name an MLflow experiment with traces, or write monitor.yaml (docs/monitor.md)",
    )


def _accept(name: str, why: str, first: str | None, last: str | None) -> None:
    from pex.monitoring.accepting import accept_period

    console.out(f"accepted: {accept_period(name, why, first=first, last=last)}")
    console.err("commit that file, so every machine compares with the same baseline")


def _write(results: MonitorResults, report: Path | None, junit: Path | None) -> None:
    if report is not None:
        console.err(f"report: {results.page(report)}")
    if junit is not None:
        console.err(f"junit: {results.junit(junit)}")

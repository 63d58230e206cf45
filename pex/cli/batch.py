"""`pexlab batch`: execute a plan of notebooks with Papermill, judge it, write its page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pex.cli import console
from pex.cli.first_word import group_or
from pex.core.errors import PexError

if TYPE_CHECKING:
    from pex.batch.plan import Plan

_PLAN = "plan"


app = typer.Typer(
    cls=group_or(_PLAN),
    help="Run a plan of notebooks as a batch (a night), judge it and write the morning page. "
    "A night is one batch of a plan, at whatever time of day it runs.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command(_PLAN, hidden=True, epilog="To pin a baseline: pexlab batch accept RUN --why TEXT")
def batch(
    plan: Annotated[Path, typer.Argument(metavar="PLAN.yaml", help="The plan.")],
    batch_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Names the batch; default: the time.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Continue the batch of --batch-id, or the newest unfinished one; finished jobs "
            "are kept.",
        ),
    ] = False,
    workers: Annotated[int | None, typer.Option(help="Notebooks at once.")] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Run on a Dask cluster, such as tcp://host:8786."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Also write the morning page here.")
    ] = None,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE.xml", help="Also write JUnit XML for CI.")
    ] = None,
    check_last: Annotated[
        str | None,
        typer.Option(
            metavar="26h",
            help="Run nothing: print the last night's verdict, and exit with 0 if a night started "
            "within this time and ran to its end, else with 1; for a monitor.",
        ),
    ] = None,
    fail_on: Annotated[
        str | None,
        typer.Option(
            metavar="worse|undecided",
            help="With --check-last: exit with 1 also if that night got worse; 'undecided': and "
            "with 3 if it is not decided.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Execute notebooks with their parameters, judge what they measured, write the page."""
    from pex.batch.kernels.zygotes import prepare
    from pex.batch.night.run_night import run_night
    from pex.batch.plan import load_plan
    from pex.cli.trust import asking
    from pex.core.project import find_project
    from pex.project.settings import load_settings
    from pex.run.provider_trust import check_trusted
    from pex.tracking.store import check_place, tracking_uri

    if workers is not None and workers < 1:
        raise PexError(f"--workers {workers}: expected a number from 1")
    if fail_on is not None and check_last is None:
        raise PexError("--fail-on goes with --check-last", hint="--check-last 26h --fail-on worse")
    if check_last is not None:
        _check(load_plan(plan), check_last, fail_on, as_json)
        return
    if scheduler is None:
        prepare()
    loaded = load_plan(plan)
    project = find_project(loaded.folder)
    asking(lambda: check_trusted(load_settings(project)))
    uri = tracking_uri(project, load_settings(project))
    check_place(uri, project)
    night = run_night(
        loaded, uri, console.err, batch_id=batch_id, resume=resume, workers=workers,
        scheduler=scheduler, report=report, junit=junit,
    )  # fmt: skip
    if as_json and night.document:
        console.document(night.document)
    elif night.text:
        console.out(night.text)
    if night.end is not None:
        raise night.end


@app.command()
def accept(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="A night by its id, for all its runs; or one run, as `pexlab runs` lists them.",
        ),
    ],
    why: Annotated[str, typer.Option(metavar="TEXT", help="The reason, kept with it.")] = "",
    who: Annotated[str | None, typer.Option(metavar="NAME", help="Default: the user.")] = None,
) -> None:
    """Make a night's run the baseline that later nights are compared with."""
    from pex.batch.night.baseline import accept as pin
    from pex.cli.runs import run_id_of
    from pex.core.project import find_project
    from pex.project.settings import load_settings
    from pex.record.nights import of_batch
    from pex.tracking.store import tracking_uri

    project = find_project()
    uri = tracking_uri(project, load_settings(project))
    of_night = of_batch(uri, run)
    plans = sorted(set(of_night.values()))
    if len(plans) > 1:
        raise PexError(
            f"'{run}' is a night of several plans: {', '.join(plans)}",
            hint="accept the runs one by one; each night's page names them",
        )
    runs = list(of_night) or [run_id_of(run)]
    for path in pin(uri, project, runs, why, who):
        several = f"the {len(runs)} runs" if len(runs) > 1 else "the run"
        what = f"run {run}" if runs == [run] else f"{several} of {run}"
        console.out(f"accepted {what} as the baseline: {path}")
    console.err("commit that file, so every machine judges by the same baseline")


def _check(plan: Plan, span: str, fail_on: str | None, as_json: bool) -> None:
    """Print whether the last night ran to its end and its verdict; exits with its code."""
    from pex.batch.night.nights import check_last, nights, seconds_of

    code, said = check_last(plan, seconds_of(span), fail_on=fail_on)
    if as_json:
        last = next(reversed(nights(plan)), None)
        outcome = None if last is None else last.outcome
        found = {"plan": plan.name, "good": not code, "outcome": outcome, "text": said}
        console.document(found)
    else:
        console.out(said)
    if code:
        sys.exit(code)

"""`pexlab batch`: execute a plan of notebooks with Papermill, judge it, write its page."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import io
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from pex.cli import console
from pex.core.errors import BudgetError, PexError, ProviderError

if TYPE_CHECKING:
    import pandas as pd

    from pex.batch.mlflow_batch import Record
    from pex.batch.night.judge_night import Morning
    from pex.batch.plan import Plan
    from pex.batch.result import BatchResult

_PLAN = "plan"


class _Batch(TyperGroup):
    """A group whose first word may be a plan instead of a command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        command = bool(args) and args[0] in self.commands
        return super().parse_args(ctx, args if command or not args else [_PLAN, *args])

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return "" if name == _PLAN else name, command, rest


app = typer.Typer(
    cls=_Batch,
    help="A night: notebooks with their parameters, then the gate and the morning page.",
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
            help="Go on with the batch of --batch-id, or with the newest unfinished one: what is "
            "done stays.",
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
            help="Run nothing: say whether a night began within this time and ended well (0) or "
            "not (1), for a monitor.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Execute notebooks with their parameters, judge what they measured, write the page."""
    from pex.batch.dask import cluster_of
    from pex.batch.kernels.zygotes import ZYGOTES, prepare
    from pex.batch.mlflow_batch import recording
    from pex.batch.night import nights
    from pex.batch.plan import load_plan
    from pex.batch.run import run_batch
    from pex.cli.trust import asking
    from pex.core.project import find_project
    from pex.project.settings import load_settings
    from pex.run.provider_trust import check_trusted
    from pex.tracking.store import check_place, tracking_uri

    if workers is not None and workers < 1:
        raise PexError(f"--workers {workers}: expected a number from 1")
    if check_last is not None:
        _check(load_plan(plan), check_last, as_json)
        return
    if scheduler is None:
        prepare()
    loaded = load_plan(plan)
    project = find_project(loaded.folder)
    asking(lambda: check_trusted(load_settings(project)))
    uri = tracking_uri(project, load_settings(project))
    check_place(uri, project)
    started_at = datetime.datetime.now(datetime.UTC)
    with (
        cluster_of(scheduler or loaded.scheduler, loaded, console.err) as cluster,
        recording(uri, console.err) as record,
    ):
        workers = workers or (cluster.threads if cluster is not None else None)
        jobs = "1 notebook" if len(loaded.jobs) == 1 else f"{len(loaded.jobs):,} notebooks"
        console.err(f"{jobs}, {workers or loaded.workers} at once")
        options: dict[str, Any] = {"resume": resume}
        told, times = None, 1
        while told is None or told.again:
            result = run_batch(
                loaded, batch_id, workers, console.err, cluster, record=record, **options
            )
            with _written(result):
                nights.keep(result, started_at)
            record.pause()
            asked = (started_at, uri, report, junit, as_json, record)
            told = ZYGOTES.call(_told, result, *asked)
            sys.stdout.write(told.out)
            sys.stderr.write(told.err)
            batch_id, times = result.batch_id, 2 * times
            options = {"resume": True, "again": told.again, "times": times}
    if told.end is not None:
        raise told.end


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    """What is said of a night on stdout and stderr, and what ends the command with its code.

    `again` are jobs that ask for more before that.
    """

    out: str
    err: str
    end: BaseException | None = None
    again: Sequence[str] = ()


def _told(*night: Any) -> Told:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            again = _tell(*night)
        except (PexError, SystemExit) as end:
            return Told(out.getvalue(), err.getvalue(), end)
    return Told(out.getvalue(), err.getvalue(), again=again)


def _tell(
    result: BatchResult,
    started_at: datetime.datetime,
    uri: str,
    report: Path | None,
    junit: Path | None,
    as_json: bool,
    record: Record,
) -> Sequence[str]:
    """Judge the night, write its page, say what came of it; or say which jobs ask for more."""
    from pex.batch.summary import collect, text, write

    morning = page = None
    try:
        with _written(result):
            table = collect(result, uri)
            write(table, result)
            morning, unread = judge_night(result, started_at, uri)
            if morning is not None and (again := morning.open_jobs):
                names = ", ".join(again)
                console.err(f"undecided: {names} once more, with twice the repeats")
                return again
            page = write_page(morning, result, report, junit) if morning is not None else None
        record.end(result, morning, page)
    except BaseException:
        record.end(result, morning, page)
        raise
    if as_json:
        console.document(_document(result, table, morning, page))
    else:
        console.out(text(table))
        _say(morning)
    if page is not None:
        console.err(f"page: {page}")
    console.err(f"outputs: {result.folder}")
    _end(result, morning, unread)
    return ()


@app.command()
def accept(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run of a batch in MLflow, or a batch's id.")
    ],
    why: Annotated[str, typer.Option(metavar="TEXT", help="The reason, kept with it.")] = "",
    who: Annotated[str | None, typer.Option(metavar="NAME", help="Else the user's name.")] = None,
) -> None:
    """Make a night's run the baseline that the next nights are held against."""
    from pex.batch.night.baseline import accept as pin
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
            f"'{run}' is the night of several plans: {', '.join(plans)}",
            hint="accept the runs one by one; each night's page names them",
        )
    runs = list(of_night) or [run]
    for path in pin(uri, project, runs, why, who):
        several = f"the {len(runs)} runs" if len(runs) > 1 else "the run"
        what = f"run {run}" if runs == [run] else f"{several} of {run}"
        console.out(f"accepted {what} as the baseline: {path}")
    console.err("commit that file, so that every machine judges by the same baseline")


def _check(plan: Plan, span: str, as_json: bool) -> None:
    """Print whether the last night is there; ends the process with 1 where it is not."""
    from pex.batch.night.nights import check_last, seconds_of

    good, said = check_last(plan, seconds_of(span))
    if as_json:
        console.document({"plan": plan.name, "good": good, "text": said})
    else:
        console.out(said)
    if not good:
        sys.exit(1)


@contextlib.contextmanager
def _written(result: BatchResult) -> Iterator[None]:
    """What comes after the notebooks; a full disk then is no reason to run them again."""
    try:
        result.folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise ProviderError(
            f"the page of the night cannot be written: {place}{error.strerror or error}",
            hint=f"make room; --batch-id {result.batch_id} --resume then keeps what is done",
        ) from None


def judge_night(
    result: BatchResult, started_at: datetime.datetime, uri: str
) -> tuple[Morning | None, PexError | None]:
    """Judge the night; where the store does not answer, the notebooks are there all the same."""
    from pex.batch.night import judge_night as night
    from pex.batch.night import nights

    try:
        morning = night.judge_night(result, started_at, uri)
    except PexError as error:
        return None, error
    nights.keep(result, started_at, morning.outcome)
    return morning, None


def write_page(
    morning: Morning, result: BatchResult, report: Path | None = None, junit: Path | None = None
) -> Path:
    """Write what is asked for, keep the page with the night's runs, tell whom the plan names."""
    from pex.batch.night.judge_night import PAGE
    from pex.batch.night.judge_night import page as page_text
    from pex.batch.night.junit import junit as junit_text
    from pex.batch.night.notify import notify
    from pex.record.nights import attach

    path = result.folder / PAGE
    content = page_text(morning)
    path.write_text(content, encoding="utf-8")
    for subject in morning.subjects[:20]:
        attach(morning.uri, subject.now.run["run_id"], path)
    for wanted in (report, junit):
        if wanted is not None:
            wanted.parent.mkdir(parents=True, exist_ok=True)
    if report is not None:
        shutil.copyfile(path, report)
    if junit is not None:
        junit.write_text(junit_text(morning), encoding="utf-8")
    notify(morning, content, console.err)
    return path


def _say(morning: Morning | None) -> None:
    from pex.batch.night.headline import headline

    if morning is None:
        return
    console.out("\n" + headline(morning))
    for item in morning.judged:
        console.out(f"  {item.outcome}: {item.reason}")
    for text in morning.problems:
        console.err(text)


def _document(
    result: BatchResult, table: pd.DataFrame, morning: Morning | None, page: Path | None
) -> dict[str, Any]:
    told: dict[str, Any] = {
        "batch_id": result.batch_id,
        "folder": str(result.folder),
        "jobs": [
            {
                "id": item.job.id,
                "status": item.status,
                "seconds": round(item.seconds, 1),
                "error": item.error,
                "output": str(item.output) if item.output.is_file() else None,
                "parameters": item.job.parameters,
            }
            for item in result.results
        ],
        "variants": table.dropna(subset="run_id").to_dict("records"),
    }
    if morning is None:
        return told
    from pex.batch.night.headline import headline

    gate = [
        {
            "experiment": item.run["experiment"],
            "job": item.run["job_id"],
            "run_id": item.run["run_id"],
            "candidate": item.candidate or None,
            "baseline": item.baseline,
            "metric": item.metric,
            "outcome": item.outcome,
            "reason": item.reason,
            "difference": item.row["diff"] if item.row else None,
            "low": item.row["lo"] if item.row else None,
            "high": item.row["hi"] if item.row else None,
            "e_value": float(f"{item.e:.4g}"),
            "nights": item.nights,
        }
        for item in morning.judged
    ]
    changed = {
        subject.title: [{"kind": change.kind, "text": change.text} for change in subject.since_last]
        for subject in morning.subjects
    }
    return {
        **told,
        "outcome": morning.outcome,
        "headline": headline(morning),
        "gate": gate,
        "changed_since_last_night": changed,
        "problems": morning.problems,
        "page": str(page) if page else None,
        "exit_code": morning.exit_code,
    }


def _end(result: BatchResult, morning: Morning | None, unread: PexError | None) -> None:
    """End the process as the command line promises."""
    if morning is not None and morning.stopped_by_budget:
        raise BudgetError("the budget ended the night before everything was asked")
    if result.failed:
        names = ", ".join(item.job.id for item in result.failed)
        raise ProviderError(
            f"{len(result.failed)} of {len(result.results)} notebooks failed: {names}"
        )
    if unread is not None:
        raise ProviderError(
            f"the night cannot be judged: {unread.message}",
            hint="the notebooks are there, and what was answered is in the journal",
        )
    if morning is not None and morning.erring:
        names = ", ".join(subject.title for subject in morning.erring)
        raise ProviderError(f"too many calls ended in an error: {names}")
    if morning is not None and morning.exit_code:
        sys.exit(morning.exit_code)

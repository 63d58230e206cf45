"""A night from its plan to its page: notebooks, gate, more repeats if it is undecided, page."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.batch.dask import cluster_of
from pex.batch.kernels.zygotes import ZYGOTES
from pex.batch.mlflow_batch import recording
from pex.batch.night import nights
from pex.batch.plan import Plan
from pex.batch.result import BatchResult
from pex.batch.run import run_batch
from pex.core.errors import BudgetError, PexError, ProviderError

if TYPE_CHECKING:
    from pex.batch.mlflow_batch import BatchRecorder
    from pex.batch.night.night import JudgedNight

Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True, slots=True)
class NightOutput:
    """The output of a night, and the error that ends the command with its code.

    `text` and `document` are the result, for people and for programs; `notes` are lines about
    what happened. `again` are jobs that need more repeats first.
    """

    text: str
    document: dict[str, Any]
    notes: str
    end: BaseException | None = None
    again: Sequence[str] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class _Wanted:
    """The inputs of a night: when it started, its store, its files, who gets a line."""

    started_at: datetime.datetime
    uri: str
    report: Path | None
    junit: Path | None
    say: Say


def run_night(
    plan: Plan,
    uri: str,
    say: Say,
    *,
    batch_id: str | None = None,
    resume: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
    report: Path | None = None,
    junit: Path | None = None,
) -> NightOutput:
    """Execute a plan's notebooks, judge what they measured, and write the page.

    Args:
        plan: the plan.
        uri: the store.
        say: gets a line for each event; a module-level function, since another process calls it.
        batch_id: names the batch; by default the time.
        resume: resume a batch; completed jobs are kept.
        workers: number of concurrent notebooks.
        scheduler: the address of a Dask cluster.
        report: an additional path for the page.
        junit: an additional path for the JUnit XML.

    Raises:
        PexError: the batch could not run.
    """
    started_at = datetime.datetime.now(datetime.UTC)
    with (
        cluster_of(scheduler or plan.scheduler, plan, say) as cluster,
        recording(uri, say) as record,
    ):
        workers = workers or (cluster.threads if cluster is not None else None)
        jobs = "1 notebook" if len(plan.jobs) == 1 else f"{len(plan.jobs):,} notebooks"
        say(f"{jobs}, {workers or plan.workers} at once")
        options: dict[str, Any] = {"resume": resume}
        times = 1
        wanted = _Wanted(started_at, uri, report, junit, say)
        while True:
            result = run_batch(plan, batch_id, workers, say, cluster, record=record, **options)
            with _written(result):
                nights.keep(result, started_at)
            record.pause()
            output: NightOutput = ZYGOTES.call(_output, result, wanted, record)
            if output.notes:
                say(output.notes)
            if not output.again:
                return output
            batch_id, times = result.batch_id, 2 * times
            options = {"resume": True, "again": output.again, "times": times}


def _output(result: BatchResult, wanted: _Wanted, record: BatchRecorder) -> NightOutput:
    """Judge the night and write its page, in a process with the necessary imports."""
    notes = io.StringIO()
    with contextlib.redirect_stdout(notes), contextlib.redirect_stderr(notes):
        try:
            found = _judged(result, wanted, record)
        except PexError as end:
            found = NightOutput("", {}, "", end)
    return dataclasses.replace(found, notes=notes.getvalue())


def _judged(result: BatchResult, wanted: _Wanted, record: BatchRecorder) -> NightOutput:
    from pex.batch.night.as_json import as_json
    from pex.batch.night.headline import headline, reasons
    from pex.batch.night.judge_night import judge_night, open_jobs
    from pex.batch.night.write_page import write_page
    from pex.batch.summary import collect, text, write

    night = page = unread = said = outcome = None
    try:
        with _written(result):
            table = collect(result, wanted.uri)
            write(table, result)
            try:
                night = judge_night(result, wanted.started_at, wanted.uri)
                nights.keep(result, wanted.started_at, night.outcome)
            except PexError as error:  # the notebooks are still there
                unread = error
            if night is not None and (again := open_jobs(night)):
                wanted.say(f"undecided: rerunning {', '.join(again)} with twice the repeats")
                return NightOutput("", {}, "", again=again)
            if night is not None:
                said, outcome = headline(night), night.outcome
                page = write_page(night, wanted.say, wanted.report, wanted.junit)
    except BaseException:
        record.end(result, said, outcome, page)
        raise
    record.end(result, said, outcome, page)
    for line in night.problems if night is not None else ():
        wanted.say(line)
    if page is not None:
        wanted.say(f"page: {page}")
    wanted.say(f"outputs: {result.folder}")
    lines = [text(table)]
    if night is not None and said is not None:
        several = len(night.subjects) > 1
        judged = (
            f"  {outcome}: {f'{where}: ' if several else ''}{reason}"
            for outcome, where, reason in reasons(night)
        )
        lines += ["", said, *judged]
    document = as_json(result, table, night, page)
    return NightOutput("\n".join(lines), document, "", _end(result, night, unread))


@contextlib.contextmanager
def _written(result: BatchResult) -> Iterator[None]:
    """Run the steps after the notebooks; a full disk is then no reason to run them again."""
    try:
        result.folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise ProviderError(
            f"the page of the night cannot be written: {place}{error.strerror or error}",
            hint=f"free some space; --batch-id {result.batch_id} --resume then keeps what is done",
        ) from None


def _end(
    result: BatchResult, night: JudgedNight | None, unread: PexError | None
) -> BaseException | None:
    """The error that ends the command, with its documented code; None if all is well."""
    if night is not None and night.stopped_by_budget:
        return BudgetError("the budget ended the night before all calls were made")
    if result.failed:
        skipped = [item.job.id for item in result.failed if item.status == "skipped"]
        ran = [item.job.id for item in result.failed if item.status != "skipped"]
        text = f"{len(ran)} of {len(result.results)} notebooks failed: {', '.join(ran)}"
        return ProviderError(text + (f"; skipped: {', '.join(skipped)}" if skipped else ""))
    if unread is not None:
        return ProviderError(
            f"the night cannot be judged: {unread.message}",
            hint="the notebooks are saved, and all answers are in the journal",
        )
    if night is not None and night.erring:
        names = ", ".join(subject.title for subject in night.erring)
        return ProviderError(f"too many calls ended in an error: {names}")
    if night is not None and night.exit_code:
        return SystemExit(night.exit_code)
    return None

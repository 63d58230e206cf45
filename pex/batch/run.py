"""Running a plan: jobs in parallel, each in its own kernel; a failure does not stop the others."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import importlib
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.batch import snapshot
from pex.batch.job_log import FILE, JobLog, alone, newest_unfinished
from pex.batch.kernels.zygotes import QUIET, ZYGOTES
from pex.batch.plan import Job, Plan
from pex.batch.result import BatchResult, JobResult
from pex.batch.task import Outcome, Running, Task, execute
from pex.core.batch_context import BatchContext
from pex.core.errors import PexError
from pex.core.names import check_file_name
from pex.core.project import find_project
from pex.guard.project_secrets import LISTED
from pex.project import keys
from pex.project.settings import load_settings
from pex.project.trust import VARIABLE as TRUST
from pex.project.trust import fingerprint
from pex.run.endpoint import key_variable
from pex.run.provider_trust import check_trusted, directed
from pex.run.providers import BUILT_IN

if TYPE_CHECKING:
    from pex.batch.mlflow_batch import BatchRecorder


class _Jobs:
    """The running jobs, so all can be ended at once."""

    def __init__(self) -> None:
        self.stopped = False
        self._running: set[Running] = set()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def one(self, running: Running) -> Iterator[Running]:
        """A job that runs inside the `with`."""
        with self._lock:
            self._running.add(running)
        try:
            yield running
        finally:
            with self._lock:
                self._running.discard(running)

    def stop(self) -> None:
        """End every job and its kernel."""
        self.stopped = True
        with self._lock:
            running = list(self._running)
        for job in running:
            job.end()


def run_batch(
    plan: Plan,
    batch_id: str | None = None,
    workers: int | None = None,
    say: Callable[[str], None] = lambda line: None,
    executor: Callable[[Task, Running], Outcome] | None = None,
    *,
    resume: bool = False,
    again: Collection[str] = (),
    times: int = 1,
    record: BatchRecorder | None = None,
) -> BatchResult:
    """Execute every job of a plan.

    Args:
        plan: a checked plan.
        batch_id: names the batch; by default the time of its start.
        workers: concurrent jobs, instead of the plan's number.
        say: gets a line when a job starts or ends.
        executor: executes a job; called in one thread per concurrent job; by default a kernel on
            this machine.
        resume: resume the batch of this id, or the newest unfinished one: completed jobs are kept,
            and a job that was cut off requests only its missing answers.
        again: ids of completed jobs to run once more, with `resume`.
        times: multiplies the number of repeats of each case.
        record: records the batch in MLflow; the caller ends it.

    Returns:
        A result for every job. Output notebooks are in
        `<plan's folder>/outputs/<plan>/<batch id>/`, saved while they run.

    Raises:
        PexError: a batch of this id exists, or, with `resume`, none does; another process runs it;
            a completed job has changed since.
        TrustError: the project sends keys or runs commands that the user has not allowed.
        KeyboardInterrupt: all kernels have been ended; outputs are kept.
    """
    if batch_id is None:
        now = datetime.datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
        batch_id = newest_unfinished(plan) if resume else now
    folder = plan.outputs / check_file_name(batch_id, "batch id")
    if folder.exists() != resume:
        if resume:
            raise PexError(f"there is no batch '{batch_id}' to resume: {folder}")
        with alone(folder):  # or it reports that it runs
            pass
        raise PexError(
            f"there is already a batch '{batch_id}': {folder}",
            hint="--resume continues it; or use another id",
        )
    trusted = _trusted(plan)
    with alone(folder):
        for line in snapshot.begin(folder, plan):
            say(line)
        plan = _with_conditions(plan, folder, say)
        done = JobLog(folder).done(plan)
        done = {name: entry for name, entry in done.items() if name not in again}
        context = plan.context(batch_id, times)
        environment = {**os.environ, **secret_names(plan), **QUIET, **trusted}
        return _run_in(folder, plan, context, done, environment, workers, say, executor, record)


def _with_conditions(plan: Plan, folder: Path, say: Callable[[str], None]) -> Plan:
    """The plan of this batch: which of its jobs are not due, and what conditions give to others."""
    if all(job.when is None for job in plan.jobs):
        return plan
    from pex.batch.conditions import decide  # it reads the library

    return decide(plan, folder, say)


def _run_in(
    folder: Path,
    plan: Plan,
    context: BatchContext,
    done: Mapping[str, Mapping[str, Any]],
    environment: Mapping[str, str],
    workers: int | None,
    say: Callable[[str], None],
    executor: Callable[[Task, Running], Outcome] | None,
    record: BatchRecorder | None,
) -> BatchResult:
    jobs = _Jobs()
    with _kernels(environment) if executor is None else contextlib.nullcontext():
        run = _Run(plan, folder, context, environment, jobs, say, executor or execute, record)
        if record is not None:
            record.begin(plan, folder.name)
        try:
            return BatchResult(folder.name, plan, folder, run.all(workers or plan.workers, done))
        except BaseException:
            jobs.stop()
            raise
        finally:
            run.close()


@contextlib.contextmanager
def _kernels(environment: Mapping[str, str]) -> Iterator[None]:
    """A process to fork kernels from, started while Papermill is imported here."""
    prepared = ZYGOTES.alive
    zygote = ZYGOTES.of(environment) if sys.platform == "linux" else None
    importlib.import_module("pex.batch.kernels.engine")
    if zygote is not None:
        zygote.wait()  # its imports must not count as a notebook's time
    try:
        yield
    finally:
        if not prepared:
            ZYGOTES.close(idle=True)


def _trusted(plan: Plan) -> dict[str, str]:
    """The variables that tell jobs on any machine that these project settings are trusted.

    Raises:
        TrustError: they are not; no kernel has been started.
    """
    project = find_project(plan.folder)
    settings = load_settings(project)
    check_trusted(settings)
    for name in {*settings.providers, *BUILT_IN}:
        # Found now, also in the keyring: then they are removed from what the notebooks print.
        keys.has(key_variable(name, settings)[0], project)
    parts = directed(settings)
    return {TRUST: fingerprint(parts)} if parts and os.environ.get(TRUST) != "1" else {}


def secret_names(plan: Plan) -> dict[str, str]:
    """The variables that tell jobs which variables hold the keys of the plan's notices."""
    return {LISTED: ",".join(name for notice in plan.notify for name in notice.variables)}


class _Run:
    """The progress of a plan's jobs: a step's jobs are queued when those it needs have ended."""

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        context: BatchContext,
        environment: Mapping[str, str],
        jobs: _Jobs,
        say: Callable[[str], None],
        executor: Callable[[Task, Running], Outcome],
        record: BatchRecorder | None,
    ) -> None:
        self._record = record
        self._plan = plan
        self._folder = folder
        self._context = context
        self._environment = environment
        self._jobs = jobs
        self._say = say
        self._executor = executor
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._coming: dict[str, Job] = {}
        self._ahead: dict[str, Running] = {}
        self._starts_ahead = executor is execute
        self._ended: queue.SimpleQueue[Future[JobResult]] = queue.SimpleQueue()
        self._file = JobLog(folder)

    def all(self, workers: int, done: Mapping[str, Mapping[str, Any]]) -> list[JobResult]:
        """Run the jobs, `workers` at once; returns their results in the plan's order.

        Args:
            workers: the number of concurrent jobs.
            done: the completed jobs.
        """
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="pex-job")
        steps: dict[str, list[Job]] = {}
        for job in self._plan.jobs:
            steps.setdefault(job.step, []).append(job)
        left = {step: len(jobs) for step, jobs in steps.items()}
        bad: dict[str, list[str]] = {}
        not_due: dict[str, list[str]] = {}
        results: dict[str, JobResult] = {}

        def keep(result: JobResult) -> None:
            step = result.job.step
            results[result.job.id] = result
            left[step] -= 1
            if result.status != "done":
                kind = not_due if result.not_due else bad
                kind.setdefault(step, []).append(result.job.id)

        for job in self._plan.jobs:
            if entry := done.get(job.id):
                self._say(f"kept     {job.id}")
                took, attempts = entry["seconds"], entry["attempts"]
                keep(JobResult(job, self._output(job), "done", took, attempts=attempts))
        waiting = list(steps)
        while len(results) < len(self._plan.jobs):
            ready: list[Job] = []
            for step in list(waiting):
                needs = steps[step][0].needs
                if not any(left[need] for need in needs):
                    waiting.remove(step)
                    lost = [name for need in needs for name in bad.get(need, [])]
                    for job in [job for job in steps[step] if job.id not in done]:
                        if lost:
                            keep(self._skip(job, lost))
                        elif why := job.not_due or _not_due(needs, not_due):
                            keep(self._leave_out(job, why))
                        else:
                            ready.append(job)
            self._hand_out(ready, self._pool)
            if any(left[step] for step in steps if step not in waiting):
                keep(self._ended.get().result())
        return [results[job.id] for job in self._plan.jobs]

    def _hand_out(self, jobs: Sequence[Job], pool: ThreadPoolExecutor) -> None:
        """Queue jobs to run as soon as there is room.

        All are known before the first one runs, which looks for a kernel to start ahead.
        """
        with self._lock:
            self._coming.update((job.id, job) for job in jobs)
        for job in jobs:
            pool.submit(self._run_job, job).add_done_callback(self._ended.put)

    def close(self) -> None:
        """Start no more jobs, and wait for the running ones."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        for running in self._ahead.values():
            running.end()

    def _output(self, job: Job) -> Path:
        return self._folder / f"{job.id}.ipynb"

    def _task(self, job: Job) -> Task:
        context = dataclasses.replace(self._context, job_id=job.id)
        return Task(
            job.notebook,
            self._output(job),
            job.parameters,
            self._plan.folder,
            {**self._environment, **context.to_environ()},
            self._plan.timeout_s,
        )

    def _take_ahead(self, job: Job) -> Running | None:
        """Take a job's kernel if it was started ahead, now that its turn has come."""
        with self._lock:
            self._coming.pop(job.id, None)
            return self._ahead.pop(job.id, None)

    def _start_next(self) -> None:
        """Start the kernel of a later job while another one runs, if that saves time."""
        if not self._starts_ahead or self._jobs.stopped:
            return
        with self._lock:
            job = next((job for job in self._coming.values() if job.id not in self._ahead), None)
            if job is None:
                return
            running = self._ahead[job.id] = Running(self._task(job))
        running.start_ahead()

    def _skip(self, job: Job, lost: list[str]) -> JobResult:
        error = f"needs {', '.join(lost)}"
        self._say(f"skipped  {job.id}: {error}")
        return self._recorded(JobResult(job, self._output(job), "skipped", error=error))

    def _leave_out(self, job: Job, why: str) -> JobResult:
        self._say(f"not due  {job.id}: {why}")
        result = JobResult(job, self._output(job), "skipped", error=why, not_due=True)
        try:
            self._file.add_not_due(job, why)
        except OSError as error:
            self._say(f"{job.id}: --resume would come back to it: {FILE}: {error.strerror}")
        return self._recorded(result)

    def _recorded(self, result: JobResult) -> JobResult:
        """The same result, once it is queued for MLflow."""
        if self._record is not None:
            self._record.add(result)
        return result

    def _run_job(self, job: Job) -> JobResult:
        result = JobResult(job, self._output(job), "interrupted")
        task, ahead = self._task(job), self._take_ahead(job)
        begun = time.monotonic()
        while result.attempts <= self._plan.retries and not self._jobs.stopped:
            result.attempts += 1
            again = f" (attempt {result.attempts})" if result.attempts > 1 else ""
            self._say(f"started  {job.id}{again}")
            with self._jobs.one(ahead or Running(task)) as running:
                ahead = None  # a kernel is for one attempt
                self._start_next()
                outcome = self._executor(task, running)
            if self._jobs.stopped and outcome.status != "done":
                outcome = Outcome("interrupted")
            result.status, result.error, result.cell = (
                outcome.status, outcome.error, outcome.cell,
            )  # fmt: skip
            if result.status == "done":
                break
        result.seconds = time.monotonic() - begun
        try:
            self._file.add(job, result.status, result.seconds, result.attempts)
        except OSError as error:
            self._say(f"{job.id}: --resume would run it again: {FILE}: {error.strerror}")
        self._say(_ended(result))
        return self._recorded(result)


def _not_due(needs: Sequence[str], not_due: Mapping[str, list[str]]) -> str:
    """Why a job is not due: what it needs was not."""
    names = [name for need in needs for name in not_due.get(need, [])]
    return f"needs {', '.join(names)}, which was not due" if names else ""


def _ended(result: JobResult) -> str:
    error = result.error or ""
    took = f"{result.status:8} {result.job.id} after {result.seconds:.0f} s"
    if result.cell and "in cell" not in error:
        took += f", in cell {result.cell}"
    return f"{took}: {error}" if error else took

"""Running a plan: jobs side by side in processes of their own, one failure never ends the rest."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import psutil

from pex.batch.plan import Job, Plan
from pex.core.errors import PexError
from pex.core.names import check_name
from pex.guard.redact import redact
from pex.run.budget import SHARED


@dataclasses.dataclass(slots=True)
class JobResult:
    """How a job went: done, failed, timeout, skipped or interrupted."""

    job: Job
    output: Path
    status: str
    seconds: float = 0.0
    error: str | None = None
    cell: int | None = None
    attempts: int = 0


@dataclasses.dataclass(slots=True)
class BatchResult:
    """How a batch went, job by job in the plan's order."""

    batch_id: str
    plan: Plan
    folder: Path
    results: list[JobResult]

    @property
    def failed(self) -> list[JobResult]:
        """The jobs that did not end well."""
        return [result for result in self.results if result.status != "done"]


class _Workers:
    """The processes that run now, so that all can be ended at once."""

    def __init__(self) -> None:
        self.stopped = False
        self._running: set[int] = set()
        self._lock = threading.Lock()

    def add(self, pid: int) -> None:
        with self._lock:
            self._running.add(pid)

    def remove(self, pid: int) -> None:
        with self._lock:
            self._running.discard(pid)

    def stop(self) -> None:
        """End every job and its kernel."""
        self.stopped = True
        with self._lock:
            running = list(self._running)
        for pid in running:
            end_tree(pid)


def run_batch(
    plan: Plan,
    batch_id: str | None = None,
    workers: int | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> BatchResult:
    """Execute every job of a plan.

    Args:
        plan: a checked plan.
        batch_id: names the batch; left out, the time of its start.
        workers: jobs at once, in place of the plan's number.
        say: gets a line when a job starts or ends.

    Returns:
        A result for every job. Output notebooks are in
        `<plan's folder>/outputs/<plan>/<batch id>/`, saved while they run.

    Raises:
        PexError: there is already a batch of this id.
        KeyboardInterrupt: all kernels have been ended, outputs are kept.
    """
    batch_id = check_name(
        batch_id or datetime.datetime.now().strftime("%Y-%m-%dT%H-%M-%S"), "batch id"
    )
    folder = plan.folder / "outputs" / plan.name / batch_id
    if folder.exists():
        raise PexError(f"there is already a batch '{batch_id}': {folder}", hint="give another id")
    folder.mkdir(parents=True)
    processes = _Workers()
    results: dict[str, JobResult] = {}
    pool = ThreadPoolExecutor(max_workers=workers or plan.workers, thread_name_prefix="pex-job")
    pending: dict[Future[JobResult], Job] = {}
    waiting = list(plan.jobs)
    try:
        while waiting or pending:
            for job in [job for job in waiting if _ready(job, plan, results)]:
                waiting.remove(job)
                output = folder / f"{job.id}.ipynb"
                lost = [r.job.id for r in results.values() if r.job.step in job.needs and _bad(r)]
                if lost:
                    error = f"needs {', '.join(lost)}"
                    results[job.id] = JobResult(job, output, "skipped", error=error)
                    say(f"skipped  {job.id}: {error}")
                else:
                    pending[pool.submit(_run, job, output, plan, batch_id, processes, say)] = job
            if pending:
                done, _ = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in done:
                    results[pending.pop(future).id] = future.result()
    except BaseException:
        processes.stop()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return BatchResult(batch_id, plan, folder, [results[job.id] for job in plan.jobs])


def end_tree(pid: int) -> None:
    """End a process and everything it has started; kernels are sessions of their own."""
    try:
        process = psutil.Process(pid)
        family = [*process.children(recursive=True), process]
    except psutil.NoSuchProcess:
        return
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.send_signal(signal.SIGTERM)
    _, alive = psutil.wait_procs(family, timeout=3)
    for member in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()


def _ready(job: Job, plan: Plan, results: dict[str, JobResult]) -> bool:
    needed = [other.id for other in plan.jobs if other.step in job.needs]
    return all(name in results for name in needed)


def _bad(result: JobResult) -> bool:
    return result.status != "done"


def _run(
    job: Job,
    output: Path,
    plan: Plan,
    batch_id: str,
    processes: _Workers,
    say: Callable[[str], None],
) -> JobResult:
    result = JobResult(job, output, "interrupted")
    begun = time.monotonic()
    while result.attempts <= plan.retries and not processes.stopped:
        result.attempts += 1
        say(f"started  {job.id}" + (f" (attempt {result.attempts})" if result.attempts > 1 else ""))
        outcome = _execute(job, output, plan, batch_id, processes)
        result.status, result.error = outcome["status"], outcome["error"]
        result.cell = outcome["cell"]
        if result.status == "done":
            break
    result.seconds = time.monotonic() - begun
    where = f" in cell {result.cell}" if result.cell else ""
    detail = f": {result.error}{where}" if result.error else ""
    say(f"{result.status:8} {job.id} after {result.seconds:.0f} s{detail}")
    return result


def _execute(
    job: Job, output: Path, plan: Plan, batch_id: str, processes: _Workers
) -> dict[str, Any]:
    order = {
        "notebook": str(job.notebook),
        "output": str(output),
        "parameters": job.parameters,
        "cwd": str(plan.folder),
    }
    environment = {
        **os.environ,
        "PEX_BATCH_ID": batch_id,
        "PEX_JOB_ID": job.id,
        **plan.environment(),
        "PEX_JOURNAL": plan.journal,
        **({} if plan.budget_usd is None else {SHARED: repr(plan.budget_usd)}),
        # The kernel of this environment, also where the user has one of the same name at home.
        "JUPYTER_PREFER_ENV_PATH": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "pex.batch.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,  # an interrupt is ours to hand on, kernels and all
    )
    processes.add(process.pid)
    try:
        out, err = process.communicate(json.dumps(order), timeout=plan.timeout_s)
    except subprocess.TimeoutExpired:
        end_tree(process.pid)
        process.communicate()
        return {"status": "timeout", "error": f"not done within {plan.timeout_s:g} s", "cell": None}
    finally:
        processes.remove(process.pid)
    if processes.stopped:
        return {"status": "interrupted", "error": None, "cell": None}
    try:
        return dict(json.loads(out))
    except ValueError:
        tail = redact(" ".join(err.strip().splitlines()[-3:]))
        message = f"its process ended with {process.returncode}: {tail}"
        return {"status": "failed", "error": message, "cell": None}

"""Recording a batch in MLflow, beside its jobs: no job waits for the store, or fails with it."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.batch.job_log import alone
from pex.core.errors import PexError
from pex.core.safe_text import in_markdown

if TYPE_CHECKING:
    from pex.batch.plan import Plan
    from pex.batch.result import BatchResult, JobResult
    from pex.record.batches import BatchRun, JobRun

CELL = "pex-record"
"""The id of the cell in an output notebook that links to its record."""
LIVE_AFTER_S = 15.0
"""A longer batch is recorded while it runs, a shorter one at its end, once MLflow is already
imported: its import takes as long as several notebooks."""
_PATIENCE_S = 60.0
"""How long the end of a batch waits for a slow store."""


class BatchRecorder:
    """Records a batch in MLflow: beside its jobs if it is long, otherwise at its end.

    A store that does not answer is reported once; what it misses is retried at the end. When
    paused, it can be pickled, and ended in another process.

    Args:
        uri: the store.
        say: gets that line.
    """

    def __init__(self, uri: str, say: Callable[[str], None]) -> None:
        self._uri = uri
        self._say = say
        self._ended: queue.SimpleQueue[tuple[JobResult, float] | None] = queue.SimpleQueue()
        self._paused = threading.Event()
        self._thread: threading.Thread | None = None
        self._waiting: list[tuple[JobResult, float]] = []
        self._plan: Plan | None = None
        self._run: BatchRun | None = None
        self._jobs: dict[str, JobRun] = {}
        self._told = False
        self._unsigned = False

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_ended": None, "_paused": None, "_thread": None}

    def begin(self, plan: Plan, batch_id: str) -> None:
        """Record that a batch has started or been resumed; returns at once."""
        if self._plan is None:
            self._plan, self._batch_id, self._begun_at = plan, batch_id, time.time()
        self._paused.clear()
        self._thread = threading.Thread(target=self._live, name="pex-batch-record", daemon=True)
        self._thread.start()

    def add(self, result: JobResult) -> None:
        """Record that a job has ended; returns at once."""
        self._ended.put((result, time.time()))

    def pause(self) -> None:
        """Write nothing more until the end; waits for writes in progress."""
        if self._thread is None:
            return
        self._paused.set()
        self._ended.put(None)
        self._thread.join(_PATIENCE_S)
        while not self._ended.empty():
            if (ended := self._ended.get()) is not None:
                self._waiting.append(ended)
        self._thread = None

    def end(
        self,
        batch: BatchResult | None = None,
        headline: str | None = None,
        outcome: str | None = None,
        page: Path | None = None,
    ) -> None:
        """Record that the batch has ended, or was interrupted (no result); wait for the write.

        Args:
            batch: the result.
            headline: the night in a sentence, if it was judged.
            outcome: the combined outcome of its gate.
            page: the file that shows them.
        """
        if self._plan is None:
            return
        if self._thread is not None:
            self.pause()
        said = (batch, headline, outcome, page)
        thread = threading.Thread(target=self._close, args=said, daemon=True)
        thread.start()
        thread.join(_PATIENCE_S)
        if thread.is_alive():
            self._say(f"the record of the batch in MLflow is incomplete after {_PATIENCE_S:.0f} s")

    def _live(self) -> None:
        """Record jobs as they end, until the pause."""
        if self._paused.wait(LIVE_AFTER_S):
            return
        with self._store():
            self._begin()
        while (ended := self._ended.get()) is not None:
            self._waiting.append(ended)
            if not self._told:
                with self._store():
                    self._write_waiting()

    def _close(
        self,
        batch: BatchResult | None,
        headline: str | None,
        outcome: str | None,
        page: Path | None,
    ) -> None:
        with self._store():
            self._begin()
            self._write_waiting()
            self._end(batch, headline, outcome, page)

    @contextlib.contextmanager
    def _store(self) -> Iterator[None]:
        """Use the store; report once if it does not answer."""
        try:
            yield
        except (PexError, OSError) as error:
            if not self._told:
                why = error.message if isinstance(error, PexError) else error.strerror
                self._say(f"the batch continues without a record in MLflow: {why}")
            self._told = True

    def _begin(self) -> None:
        from pex.record.batches import BatchRun, running, say_killed

        plan = self._plan
        if self._run is not None or plan is None:
            return
        for batch_id, run_id in running(self._uri, plan.name).items():
            if batch_id != self._batch_id and _nobody_runs(plan.outputs / batch_id):
                say_killed(self._uri, run_id)
        tags = {**plan.tags, "pex.plan_folder": plan.place}
        self._run = BatchRun(self._uri, plan.name, self._batch_id, tags, self._begun_at)

    def _write_waiting(self) -> None:
        while self._waiting:
            self._write(*self._waiting[0])
            del self._waiting[0]  # only now: if the store is gone, it has to stay queued

    def _write(self, result: JobResult, ended_at: float) -> None:
        from pex.record.batches import Ended

        assert self._run is not None
        assert self._plan is not None
        job = Ended(
            result.job.id,
            result.job.parameters,
            result.status,
            ended_at - result.seconds,
            result.seconds,
            result.attempts,
            result.error,
            result.not_due,
        )
        run = self._jobs.get(job.id)
        if run is None:  # else the store became unavailable after this
            run = self._jobs[job.id] = self._run.add(job)
        output = result.output if result.output.is_file() else None
        if output is not None:
            about = {
                "batch_id": self._batch_id,
                "batch_run_id": self._run.run_id,
                "job_id": job.id,
                "job_run_id": run.run_id,
                "run_ids": list(run.recorded),
            }
            try:
                _sign(output, self._plan.name, about, run.page)
            except (OSError, ValueError) as error:  # cut off by a full disk
                why = error.strerror if isinstance(error, OSError) else "it is incomplete"
                if not self._unsigned:
                    self._say(f"{output.name} does not say where its record is: {why}")
                self._unsigned = True
        self._run.end_job(run, job, output)

    def _end(
        self,
        batch: BatchResult | None,
        headline: str | None,
        outcome: str | None,
        page: Path | None,
    ) -> None:
        assert self._run is not None
        metrics: dict[str, float] = {"elapsed_s": time.time() - self._begun_at}
        tags, lines, status = {}, [], "interrupted"
        if batch is not None:
            status = "failed" if batch.failed else "done"
            states = [item.status for item in batch.results]
            metrics["jobs"] = len(states)
            metrics |= {f"jobs_{name}": states.count(name) for name in sorted(set(states))}
            lines = _table(batch, self._run.links())
        if headline is not None:
            tags["pex.headline"] = headline
            lines = [f"**{in_markdown(headline)}**", "", *lines]
        if outcome is not None:
            tags["pex.outcome"] = outcome
        files = [page] if page is not None else []
        self._run.end(status, metrics, tags, "\n".join(lines), files)


@contextlib.contextmanager
def recording(uri: str, say: Callable[[str], None]) -> Iterator[BatchRecorder]:
    """Record a batch; if the block ends early, so does the batch's run in MLflow.

    Args:
        uri: the store.
        say: gets a line if the store does not answer.
    """
    record = BatchRecorder(uri, say)
    try:
        yield record
    except BaseException:
        record.end()
        raise


def _table(batch: BatchResult, links: Mapping[str, str]) -> list[str]:
    """The jobs as Markdown, those that need attention first: a note has no room for thousands."""
    lines = ["| job | status | took |", "|---|---|---|"]
    for item in sorted(batch.results, key=lambda item: item.status == "done"):
        name = in_markdown(item.job.id)
        shown = f"[{name}]({links[item.job.id]})" if item.job.id in links else name
        lines.append(f"| {shown} | {item.status} | {item.seconds:.0f} s |")
    return lines


def _nobody_runs(folder: Path) -> bool:
    """Whether a batch was killed; if its folder is not here, it may run on another machine."""
    if not folder.is_dir():
        return False
    with contextlib.suppress(PexError), alone(folder):
        return True
    return False


def _sign(path: Path, plan: str, about: dict[str, Any], page: str | None) -> None:
    """Link an output notebook to its record, in its metadata and in its first cell."""
    content = json.loads(path.read_text(encoding="utf-8"))
    content["metadata"]["pex"] = {**about, **({"page": page} if page else {})}
    where = f"[its run in MLflow]({page})" if page else f"in MLflow: run `{about['job_run_id']}`"
    text = f"Job **{in_markdown(about['job_id'])}** of the batch "
    text += f"**{in_markdown(plan)} {about['batch_id']}**: {where}"
    cell = {"cell_type": "markdown", "metadata": {}, "source": text}
    if (content["nbformat"], content["nbformat_minor"]) >= (4, 5):
        cell["id"] = CELL
    content["cells"].insert(0, cell)
    try:
        written = json.dumps(content, indent=1, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a character in an output
        written = json.dumps(content, indent=1).encode()
    part = path.with_suffix(".part")
    try:
        part.write_bytes(written + b"\n")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)

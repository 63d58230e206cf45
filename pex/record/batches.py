"""A batch in MLflow: one run for the batch, one child run for each job, links both ways.

Their `pex.kind` is `batch` and `job`, so nothing mistakes them for runs of an experiment.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.core.safe_text import in_markdown
from pex.guard.redact import redact
from pex.record.experiments import experiment_of
from pex.record.search import MOST, page
from pex.tracking import active
from pex.tracking.store import client_of, connect, errors_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PARENT = "mlflow.parentRunId"
_NOTE = "mlflow.note.content"
_STATUS = {"done": "FINISHED", "interrupted": "KILLED", "skipped": "KILLED"}
_LENGTH, _NOTE_LENGTH = 500, 7000
"""Characters of a tag or parameter, and of a note; MLflow accepts notes of up to 8,000."""


@dataclasses.dataclass(frozen=True, slots=True)
class Ended:
    """A job that has ended; `begun_at` in seconds since 1970.

    One that was skipped because it was `not_due` is not marked as killed.
    """

    id: str
    parameters: Mapping[str, Any]
    status: str
    begun_at: float
    seconds: float
    attempts: int
    error: str | None
    not_due: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class JobRun:
    """A job's run in MLflow, and the runs of experiments that its notebook recorded.

    `page` is its address if the store is a server.
    """

    run_id: str
    page: str | None
    recorded: tuple[str, ...]


class BatchRun:
    """The run of a batch: opened, or continued if an earlier start opened it.

    Args:
        uri: the store.
        plan: the plan's name, which is also the name of the MLflow experiment.
        batch_id: the batch.
        tags: further tags.
        begun_at: when it started, in seconds since 1970.

    Raises:
        PexError: the store does not answer.
    """

    def __init__(
        self, uri: str, plan: str, batch_id: str, tags: Mapping[str, str], begun_at: float
    ) -> None:
        self._uri, self._plan, self._batch_id = uri, plan, batch_id
        client = connect(uri)
        with errors_of(uri):
            self._tags = {"pex.plan": plan, "pex.batch_id": batch_id}
            found = _of_kind(client, plan, "batch", f"tags.`pex.batch_id` = '{batch_id}'")
            if found:
                self.run_id = str(found[0].info.run_id)
                self._experiment_id = str(found[0].info.experiment_id)
                client.update_run(self.run_id, status="RUNNING")
                return
            from mlflow.tracking.context.registry import resolve_tags

            who = {k: v for k, v in resolve_tags().items() if not k.startswith("mlflow.source.n")}
            name = active.experiment_name(client) or plan
            self._experiment_id = experiment_of(client, uri, name)
            run = client.create_run(
                self._experiment_id,
                run_name=f"{plan} {batch_id}",
                start_time=round(begun_at * 1000),
                tags={
                    **who,  # and the commit
                    **{key: redact(value) for key, value in tags.items()},
                    **self._tags,
                    "pex.kind": "batch",
                },
            )
            self.run_id = str(run.info.run_id)

    @property
    def _client(self) -> MlflowClient:
        """Not kept: a batch ends in a different process from the one that started it."""
        return client_of(self._uri)

    def add(self, job: Ended) -> JobRun:
        """Write a job that has ended, and make the runs that its notebook recorded its children.

        Raises:
            PexError: the store does not answer.
        """
        from mlflow.entities import Metric, Param

        if self._uri.startswith("http"):
            connect(self._uri)  # a lost server is noticed within seconds, not minutes
        client = self._client
        with errors_of(self._uri):
            recorded = [run for run in self._recorded(job.id) if self._is_ours(run)]
            tags = {
                **self._tags,
                "pex.kind": "job",
                "pex.job_id": job.id,
                "pex.status": job.status,
                PARENT: self.run_id,
            }
            if job.error:
                tag = "pex.not_due" if job.not_due else "pex.error"
                tags[tag] = redact(job.error)[:_LENGTH]
            tags[_NOTE] = _note_of_job(job, recorded)
            run = client.create_run(
                self._experiment_id,
                run_name=job.id,
                start_time=round(job.begun_at * 1000),
                tags=tags,
            )
            run_id = str(run.info.run_id)
            now = round(time.time() * 1000)
            client.log_batch(
                run_id,
                metrics=[
                    Metric("seconds", round(job.seconds, 1), now, 0),
                    Metric("attempts", job.attempts, now, 0),
                ],
                params=[
                    Param(name, redact(str(value))[:_LENGTH])
                    for name, value in job.parameters.items()
                ],
            )
            for inner in recorded:
                client.set_tag(inner.info.run_id, PARENT, run_id)
        ids = tuple(str(inner.info.run_id) for inner in recorded)
        return JobRun(run_id, page(self._uri, self._experiment_id, run_id), ids)

    def links(self) -> dict[str, str]:
        """Return the address of each job's newest run within MLflow's pages, by the job's id.

        Raises:
            PexError: the store does not answer.
        """
        with errors_of(self._uri):
            found = _of_kind(self._client, self._plan, "job", f"tags.`{PARENT}` = '{self.run_id}'")
        return {
            run.data.tags["pex.job_id"]: _link(run.info.experiment_id, run.info.run_id)
            for run in reversed(found)
        }

    def end_job(self, run: JobRun, job: Ended, output: Path | None) -> None:
        """Attach a job's output notebook to its run, and close the run.

        Raises:
            PexError: the store does not answer.
        """
        with errors_of(self._uri):
            if output is not None:
                self._client.log_artifact(run.run_id, str(output))
            end = round((job.begun_at + job.seconds) * 1000)
            status = "FINISHED" if job.not_due else _STATUS.get(job.status, "FAILED")
            self._client.set_terminated(run.run_id, status, end)

    def end(
        self,
        status: str,
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        note: str,
        files: Sequence[Path],
    ) -> None:
        """Write the outcome of the batch, and close its run.

        Args:
            status: `done`, `failed` or `interrupted`.
            metrics: counts and similar figures; the cost of its runs is added here.
            tags: further tags.
            note: Markdown for its page.
            files: the files attached to it.

        Raises:
            PexError: the store does not answer.
        """
        connect(self._uri)
        with errors_of(self._uri):
            recorded = self._recorded()
            for run in recorded:  # the canary, and the runs of a job that was interrupted
                if PARENT not in run.data.tags:
                    self._client.set_tag(run.info.run_id, PARENT, self.run_id)
            costs = [run.data.metrics.get("cost_usd", math.nan) for run in recorded]
            whole = {**metrics, **({"cost_usd": math.fsum(costs)} if costs else {})}
            for name, value in whole.items():
                if math.isfinite(value):
                    self._client.log_metric(self.run_id, name, float(f"{value:.4g}"))
            for name, text in tags.items():
                self._client.set_tag(self.run_id, name, redact(text)[:_LENGTH])
            self._client.set_tag(self.run_id, _NOTE, _cut(redact(note)))
            for file in files:
                self._client.log_artifact(self.run_id, str(file))
            self._client.set_terminated(self.run_id, _STATUS.get(status, "FAILED"))

    def _is_ours(self, run: Run) -> bool:
        """Whether a run may become a child of its job: no if the notebook gave it a parent."""
        return run.data.tags.get(PARENT, self.run_id) == self.run_id

    def _recorded(self, job_id: str | None = None) -> list[Run]:
        """The runs of experiments that this batch, or one of its jobs, recorded."""
        more = [f"tags.`pex.batch_id` = '{self._batch_id}'"]
        more += [f"tags.`pex.job_id` = '{job_id}'"] if job_id is not None else []
        return _of_kind(self._client, self._plan, "run", *more)


def running(uri: str, plan: str) -> dict[str, str]:
    """Return the batches of a plan that are marked as running: their runs by batch id.

    Raises:
        PexError: the store does not answer.
    """
    client = connect(uri)
    with errors_of(uri):
        found = _of_kind(client, plan, "batch", "attributes.status = 'RUNNING'")
        return {run.data.tags["pex.batch_id"]: str(run.info.run_id) for run in found}


def say_killed(uri: str, run_id: str) -> None:
    """Close the run of a batch that was killed before it could do so itself.

    Raises:
        PexError: the store does not answer.
    """
    with errors_of(uri):
        connect(uri).set_terminated(run_id, "KILLED")


def _of_kind(client: MlflowClient, plan: str, kind: str, *more: str) -> list[Run]:
    everywhere = [item.experiment_id for item in client.search_experiments()]
    query = " and ".join([f"tags.`pex.kind` = '{kind}'", f"tags.`pex.plan` = '{plan}'", *more])
    return list(client.search_runs(everywhere, query, max_results=MOST)) if everywhere else []


def _link(experiment_id: str, run_id: str) -> str:
    """A run's address within MLflow's pages."""
    return f"#/experiments/{experiment_id}/runs/{run_id}"


def _note_of_job(job: Ended, recorded: Sequence[Run]) -> str:
    """The text of a job's page: its outcome, and links to the runs that it recorded."""
    again = f" in {job.attempts} attempts" if job.attempts > 1 else ""
    lines = [f"**{job.status}** after {job.seconds:.0f} s{again}"]
    if job.error:
        lines += ["", "    " + redact(job.error)[:_LENGTH].replace("\n", " ")]
    for run in recorded:
        where = _link(run.info.experiment_id, run.info.run_id)
        name = run.data.tags.get("pex.experiment", run.info.run_name)
        verdicts = run.data.tags.get("pex.verdicts", "")
        lines += ["", f"Recorded: [{in_markdown(name)}]({where})"]
        if verdicts:
            lines[-1] += f": {in_markdown(verdicts)}"
    return _cut("\n".join(lines))


def _cut(note: str) -> str:
    """Cut a note to a length that MLflow accepts, at a line's end."""
    whole = len(note) <= _NOTE_LENGTH
    return note if whole else note[:_NOTE_LENGTH].rpartition("\n")[0] + "\n\n…"

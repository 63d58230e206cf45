"""The results of a batch's jobs, as data."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from pex.batch.plan import Job, Plan


@dataclasses.dataclass(slots=True)
class JobResult:
    """The result of a job: done, failed, timeout, skipped or interrupted.

    One that was skipped because it was `not_due` is not a failure.
    """

    job: Job
    output: Path
    status: str
    seconds: float = 0.0
    error: str | None = None
    cell: int | None = None
    attempts: int = 0
    not_due: bool = False


@dataclasses.dataclass(slots=True)
class BatchResult:
    """The result of a batch, job by job in the plan's order."""

    batch_id: str
    plan: Plan
    folder: Path
    results: list[JobResult]

    @property
    def failed(self) -> list[JobResult]:
        """The jobs that did not end well."""
        return [item for item in self.results if item.status != "done" and not item.not_due]

    @property
    def not_due(self) -> list[JobResult]:
        """The jobs that were skipped because their condition did not hold."""
        return [item for item in self.results if item.not_due]

"""The results of a batch's jobs, as data."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from pex.batch.plan import Job, Plan


@dataclasses.dataclass(slots=True)
class JobResult:
    """The result of a job: done, failed, timeout, skipped or interrupted."""

    job: Job
    output: Path
    status: str
    seconds: float = 0.0
    error: str | None = None
    cell: int | None = None
    attempts: int = 0


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
        return [result for result in self.results if result.status != "done"]

"""Which jobs of a batch have ended, written down as they end, so that a batch can be resumed."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pex.batch.plan import Job, Plan
from pex.core.errors import PexError
from pex.core.names import digest

FILE = "jobs.jsonl"
LOCK = ".lock"


class EndedJobs:
    """The file of a batch's ended jobs, a line each, on disk before anything else sees it.

    Args:
        folder: the batch's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._lock = threading.Lock()

    def add(self, job: Job, status: str, seconds: float, attempts: int) -> None:
        """Write down how a job has ended."""
        entry = {
            "id": job.id, "status": status, "seconds": round(seconds, 1), "attempts": attempts,
            "asked": _asked(job),
        }  # fmt: skip
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def done(self, plan: Plan) -> dict[str, dict[str, Any]]:
        """The jobs that are done, by id.

        Raises:
            PexError: a job that is done is another one in the plan by now.
        """
        found: dict[str, dict[str, Any]] = {}
        text = self._path.read_text(encoding="utf-8") if self._path.is_file() else ""
        for line in text.splitlines():
            with contextlib.suppress(ValueError):  # cut off by a kill: the job runs again
                entry = json.loads(line)
                found[entry["id"]] = entry
        found = {name: entry for name, entry in found.items() if entry["status"] == "done"}
        for job in plan.jobs:
            if job.id in found and found[job.id]["asked"] != _asked(job):
                raise PexError(
                    f"the job '{job.id}' is done, but its notebook or its parameters have changed "
                    "since",
                    hint="begin a new batch, or put them back as they were",
                )
        return found


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else runs this batch meanwhile; the lock of a killed process is free.

    Raises:
        PexError: somebody does.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise PexError(
            f"the batch '{folder.name}' is running already: {folder}",
            hint="wait for its end, or give another --batch-id",
        ) from None
    try:
        yield
    finally:
        lock.release()


def newest_unfinished(plan: Plan) -> str:
    """The id of the newest batch of a plan in which not every job is done.

    Raises:
        PexError: there is none.
    """
    folders = plan.outputs.iterdir() if plan.outputs.is_dir() else ()
    wanted = {job.id for job in plan.jobs}
    for folder in sorted(folders, key=lambda item: item.stat().st_mtime, reverse=True):
        if folder.is_dir() and not wanted <= EndedJobs(folder).done(plan).keys():
            return folder.name
    raise PexError(
        f"there is no unfinished batch of '{plan.name}' in {plan.outputs}",
        hint="without --resume a new one begins",
    )


def _asked(job: Job) -> str:
    return digest([job.notebook.read_text(encoding="utf-8"), job.parameters])

"""Which jobs of a batch have ended, recorded as they end, so a batch can be resumed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pex.batch import snapshot
from pex.batch.plan import Job, Plan
from pex.core import jsonl, private
from pex.core.canonical_json import digest
from pex.core.errors import PexError
from pex.core.names import is_file_name

FILE = "jobs.jsonl"
LOCK = ".lock"
SUMMARY = "batch.json"
"""The result of a batch, written at its end."""
NOT_DUE = "not due"
_KEYS = ("status", "seconds", "attempts", "asked")


class JobLog:
    """The file of a batch's ended jobs, a line each, on disk before anything else sees it.

    Args:
        folder: the batch's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._lock = threading.Lock()

    def add(self, job: Job, status: str, seconds: float, attempts: int) -> None:
        """Record how a job ended.

        Raises:
            OSError: the file cannot be written.
        """
        entry = {
            "id": job.id, "status": status, "seconds": round(seconds, 1), "attempts": attempts,
            "asked": _asked(job),
        }  # fmt: skip
        self._append(entry)

    def add_not_due(self, job: Job, why: str) -> None:
        """Record that a job was skipped because its condition, or one before it, did not hold.

        Raises:
            OSError: the file cannot be written.
        """
        self._append({"id": job.id, "status": NOT_DUE, "why": why})

    def not_due(self) -> dict[str, str]:
        """Why jobs were skipped because a condition did not hold, by id."""
        return {
            str(entry["id"]): str(entry["why"])
            for entry in self._entries()
            if entry.get("status") == NOT_DUE and entry.keys() >= {"id", "why"}
        }

    def done(self, plan: Plan) -> dict[str, dict[str, Any]]:
        """The completed jobs, by id.

        Raises:
            PexError: a completed job differs from the plan's job of the same id.
        """
        found = self._done()
        for job in plan.jobs:
            if job.id in found and found[job.id]["asked"] != _asked(job):
                raise PexError(
                    f"the job '{job.id}' is done, but its notebook or its parameters have changed "
                    "since",
                    hint="start a new batch, or restore them",
                )
        return found

    def finished(self, wanted: set[str]) -> bool:
        """Whether every job the batch started with is done or not due.

        `wanted` are its jobs if it has no list of them.
        """
        began = snapshot.jobs_of(self._path.parent)
        ended = self._done().keys() | self.not_due().keys()
        return (wanted if began is None else set(began)) <= ended

    def _append(self, entry: dict[str, Any]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)  # the folder may be gone
        with self._lock:
            jsonl.append(self._path, [entry])

    def _entries(self) -> Iterator[dict[str, Any]]:
        raw = self._path.read_bytes() if self._path.is_file() else b""
        for line in jsonl.lines_in(raw):
            yield jsonl.entry_in(line) or {}  # cut off by a kill: the job runs again

    def _done(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for entry in self._entries():
            if entry.keys() >= {"id", *_KEYS}:
                found[str(entry["id"])] = {key: entry[key] for key in _KEYS}
        return {name: entry for name, entry in found.items() if entry["status"] == "done"}


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Lock a batch against other processes; the lock of a killed process is free.

    The folder is created if it is missing.

    Raises:
        PexError: another process runs the batch, or the folder cannot be written.
    """
    lock = FileLock(folder / LOCK)
    try:
        private.folder(folder.parent, own=True)
        private.folder(folder, own=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise PexError(
            f"the batch '{folder.name}' is already running: {folder}",
            hint="wait until it ends, or use another --batch-id",
        ) from None
    except OSError as error:
        raise PexError(
            f"the batch cannot write its outputs to {folder}: {error.strerror or error}",
            hint="outputs/ is beside the plan; free some space, or let this user write there",
        ) from None
    try:
        yield
    finally:
        private.tighten(folder)
        lock.release()


def batches_of(plan: Plan) -> list[Path]:
    """The folders of a plan's batches, without Jupyter's checkpoints, copies and notes.

    A batch has a valid name, and a file that is written before anything else.
    """
    if not plan.outputs.is_dir():
        return []
    marks = (snapshot.FILE, SUMMARY, FILE, LOCK)
    return [
        folder
        for folder in plan.outputs.iterdir()
        if is_file_name(folder.name) and any((folder / mark).is_file() for mark in marks)
    ]


def newest_unfinished(plan: Plan) -> str:
    """The id of a plan's newest batch with unfinished jobs.

    Raises:
        PexError: there is none.
    """
    folders = batches_of(plan)
    wanted = {job.id for job in plan.jobs}
    for folder in sorted(folders, key=lambda item: item.stat().st_mtime, reverse=True):
        if not JobLog(folder).finished(wanted):
            return folder.name
    raise PexError(
        f"there is no unfinished batch of '{plan.name}' in {plan.outputs}",
        hint="without --resume a new batch starts",
    )


def _asked(job: Job) -> str:
    return digest([job.notebook.read_text(encoding="utf-8"), job.parameters])

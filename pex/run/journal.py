"""The journal: every answer is on disk before anything else sees it, and is never paid for twice.

An answer is found again by its request's key. `reuse` finds whatever was ever answered; `fresh`
only what this batch (outside a batch: this run) has answered: it gets new answers, but a resumed
one continues; `off` stores and finds nothing. What was paid is in the ledger in every mode,
written in the same transaction as the answer.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import socket
import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import orjson
import psutil

from pex.core.batch_context import BatchContext
from pex.core.call import Answer, restored
from pex.core.errors import JournalError, PexError, nearest
from pex.guard.redact import redact
from pex.project.settings import ModelSettings
from pex.run.database import Database
from pex.run.finish_reasons import finish_meaning
from pex.run.ledger import BOOKED
from pex.run.lenient import read_leniently
from pex.run.reasoning import Tags, tags_of, without_reasoning

Mode = Literal["reuse", "fresh", "off"]
MODES: tuple[Mode, ...] = ("reuse", "fresh", "off")

LOST_S = 60.0
"""A run of another machine that has not been seen for so long counts as ended."""

_CHUNK = 500


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """One run as the journal knows it; `continued` if an earlier start of it did not end."""

    id: str
    mode: Mode
    scope: str
    batch_id: str | None = None
    continued: bool = False
    mlflow_run_id: str | None = None
    spent_usd: float = 0.0


def check_mode(mode: str | None) -> Mode:
    """The mode that `journal=` names; left out, `fresh` within a batch, else `reuse`.

    Raises:
        PexError: there is no such mode.
    """
    if mode is None:
        context = BatchContext.from_environ()
        mode = context.journal or ("fresh" if context.batch_id else "reuse")
    for known in MODES:
        if mode == known:
            return known
    raise PexError(
        f"journal='{mode}': expected 'reuse', 'fresh' or 'off'", hint=nearest(str(mode), MODES)
    )


class Journal:
    """The journal of a project.

    Args:
        database: where it is.
        models: how each model's answers are read; those left out are read as usual.

    Raises:
        JournalError: it cannot be opened.
    """

    def __init__(
        self, database: Database, models: Mapping[str, ModelSettings] | None = None
    ) -> None:
        self.database = database
        self._models = models or {}
        self._connection = database.connect()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def begin(
        self, experiment: str, keys: Iterable[str], mode: Mode, mlflow_uri: str | None = None
    ) -> Run:
        """Open a run; an unfinished one with the same requests is continued.

        Args:
            experiment: its name.
            keys: of all its requests.
            mode: what may be used again.
            mlflow_uri: where it is recorded, None if it is not.
        """
        context = BatchContext.from_environ()
        batch_id, job_id = context.scope, context.job_id
        digest = hashlib.sha256()
        for part in (experiment, mode, batch_id or "", job_id or "", mlflow_uri or "", *keys):
            digest.update(part.encode() + b"\n")
        return self._connection.again(
            lambda: self._begin(experiment, digest.hexdigest(), mode, mlflow_uri)
        )

    def _begin(self, experiment: str, digest: str, mode: Mode, mlflow_uri: str | None) -> Run:
        context = BatchContext.from_environ()
        batch_id, job_id = context.scope, context.job_id
        with self._connection.write():
            now = self._connection.now()
            unfinished = self._unfinished(digest, now)
            if unfinished is not None:
                run_id, scope, mlflow_run_id = unfinished
                self._connection.rows(
                    "UPDATE runs SET status = 'running', owner = ?, seen_at = ?, ended_at = NULL "
                    "WHERE id = ?",
                    [_owner(), now, run_id],
                )
                return Run(run_id, mode, scope, batch_id, True, mlflow_run_id, self._spent(run_id))
            run_id = uuid.uuid4().hex
            scope = {"reuse": "", "fresh": batch_id or run_id, "off": ""}[mode]
            row = (run_id, experiment, digest, scope, batch_id, job_id, "running",
                   _owner(), now, now, mlflow_uri and redact(mlflow_uri))  # fmt: skip
            columns = ("id", "experiment", "digest", "scope", "batch_id", "job_id", "status",
                       "owner", "started_at", "seen_at", "mlflow_uri")  # fmt: skip
            self._connection.insert("runs", columns, [row])
        return Run(run_id, mode, scope, batch_id)

    def recorded_as(self, run: Run, mlflow_run_id: str) -> None:
        """Remember the MLflow run, for when this run has to be continued."""
        self._connection.again(
            lambda: self._connection.rows(
                "UPDATE runs SET mlflow_run_id = ? WHERE id = ?", [mlflow_run_id, run.id]
            )
        )

    def end(self, run: Run, status: str) -> None:
        """Close a run; one that is not "finished" is continued by the next like it."""
        self._connection.again(
            lambda: self._connection.rows(
                "UPDATE runs SET status = ?, ended_at = ? WHERE id = ?",
                [status, self._connection.now(), run.id],
            )
        )

    def find(self, keys: Sequence[str], run: Run) -> dict[str, Answer]:
        """The answers that can be reused, by key, without the models' reasoning."""
        return {
            key: without_reasoning(answer, self._tags(model))
            for key, (model, answer) in self._found(keys, run).items()
        }

    def known(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that have an answer, from whatever run."""
        distinct, found = list(dict.fromkeys(keys)), set()
        for start in range(0, len(distinct), _CHUNK):
            part = distinct[start : start + _CHUNK]
            marks = ", ".join("?" * len(part))
            select = functools.partial(
                self._connection.rows,
                f"SELECT DISTINCT key FROM answers WHERE key IN ({marks})",
                part,
            )
            with self._lock:
                found |= {str(key) for (key,) in self._connection.again(select)}
        return found

    def find_one(self, key: str, run: Run) -> Answer | None:
        """The answer of one key as it came, None if a call has to be made."""
        found = self._found([key], run).get(key)
        return None if found is None else found[1]

    def _found(self, keys: Sequence[str], run: Run) -> dict[str, tuple[str, Answer]]:
        if run.mode == "off":
            return {}
        distinct, found = list(dict.fromkeys(keys)), {}
        where = "" if run.mode == "reuse" else " AND scope = ?"
        for start in range(0, len(distinct), _CHUNK):
            part = distinct[start : start + _CHUNK]
            marks = ", ".join("?" * len(part))
            select = functools.partial(
                self._connection.rows,
                f"SELECT key, model, answer FROM answers WHERE key IN ({marks}){where} "
                "ORDER BY answered_at",
                [*part, *([run.scope] if where else [])],
            )
            with self._lock:
                rows = self._connection.again(select)
            for key, model, text in rows:  # the newest comes last and stays
                found[key] = (str(model), _read(text, self.database.place))
        return found

    def _tags(self, model: str) -> Tags | None:
        settings = self._models.get(model)
        return tags_of(None if settings is None else settings.reasoning_tags)

    def _unfinished(self, digest: str, now: float) -> tuple[str, str, str | None] | None:
        rows = self._connection.rows(
            "SELECT id, scope, mlflow_run_id, status, owner, seen_at FROM runs WHERE digest = ? "
            "ORDER BY started_at DESC LIMIT 1",
            [digest],
        )
        if not rows:
            return None
        run_id, scope, mlflow_run_id, status, owner, seen_at = rows[0]
        if status == "running":
            return None if _lives(owner, now - seen_at) else (run_id, scope, mlflow_run_id)
        return (run_id, scope, mlflow_run_id) if status != "finished" else None

    def _spent(self, run_id: str) -> float:
        rows = self._connection.rows(
            f"SELECT sum({BOOKED}) FROM ledger l WHERE l.run_id = ?", [run_id]
        )
        return float(rows[0][0] or 0.0)


def running(database: Database) -> list[tuple[str, float, int]]:
    """The runs that are active now, in any process: experiment, start, calls so far.

    The start is in seconds since 1970; the oldest comes first.

    Raises:
        JournalError: the journal cannot be read.
    """
    if not database.exists():
        return []
    with database.opened(durable=False) as connection:
        now = connection.now()
        rows = connection.rows(
            "SELECT experiment, started_at, owner, seen_at, (SELECT count(*) FROM ledger l "
            "WHERE l.run_id = r.id) FROM runs r WHERE status = 'running' ORDER BY started_at"
        )
    return [
        (str(name), float(begun), int(calls))
        for name, begun, owner, seen_at, calls in rows
        if _lives(owner, now - seen_at)
    ]


def _read(text: str, place: str) -> Answer:
    """An answer as it was kept, whatever was kept: earlier versions took more than this one."""
    try:
        fields = orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            fields = read_leniently(text.encode("utf-8", "replace"))
        except ValueError:
            fields = None
    if not isinstance(fields, dict):
        raise JournalError(
            f"the journal {place} is damaged: an answer in it cannot be read",
            hint="move it away, and pay for its answers again",
        )
    answer = restored(fields)
    answer.from_journal = True
    meaning = finish_meaning(answer.finish_reason)
    if meaning in ("cut_off", "filtered") and meaning not in answer.remarks:
        answer.remarks.append(meaning)  # versions before this one did not say so
    return answer


def _owner() -> str:
    process = psutil.Process()
    return f"{socket.gethostname()} {process.pid} {process.create_time():.0f}"


def _lives(owner: str, unseen_s: float) -> bool:
    """Whether the process that began a run is still there."""
    host, pid, created = owner.rsplit(" ", 2)
    if host != socket.gethostname():
        return unseen_s < LOST_S
    try:
        process = psutil.Process(int(pid))
        same = abs(process.create_time() - float(created)) < 2
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

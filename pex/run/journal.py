"""The journal: every answer is on disk before anything else sees it, and is never paid for twice.

An answer is found again by its request's key. `reuse` finds whatever was ever answered; `fresh`
only what this batch (outside a batch: this run) has answered, so that it asks anew but a resumed
one continues; `off` keeps and finds nothing. What was paid is in the ledger in every mode,
written in the same transaction as the answer.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import hashlib
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import orjson
import psutil

from pex.core.batch_context import BatchContext
from pex.core.call import Answer, Request, answer_from, checked, restored
from pex.core.errors import JournalError, PexError, nearest
from pex.guard.redact import redact
from pex.project.settings import ModelSettings
from pex.run.database import Connection, Database
from pex.run.finish_reasons import finish_meaning
from pex.run.images import text_bytes
from pex.run.ledger import BOOKED
from pex.run.lenient import read_leniently
from pex.run.reasoning import Tags, tags_of, without_reasoning

Mode = Literal["reuse", "fresh", "off"]
MODES: tuple[Mode, ...] = ("reuse", "fresh", "off")

LOST_S = 60.0
"""A run of another machine that has not been seen for so long counts as ended."""

_SEEN_EVERY_S = 10.0
_CHUNK = 500
_ANSWERS = (
    "key", "scope", "run_id", "variant", "case_id", "case_group", "model", "answered_at", "answer"
)  # fmt: skip
_LEDGER = (
    "id", "run_id", "at", "model", "variant", "prompt_tokens", "cached_tokens", "completion_tokens",
    "latency_s", "usd", "at_most_usd", "prompt_bytes", "cache_write_tokens", "reasoning_tokens",
    "remark",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """One run as the journal knows it; `continued` where an earlier start of it did not end."""

    id: str
    mode: Mode
    scope: str
    batch_id: str | None = None
    continued: bool = False
    mlflow_run_id: str | None = None
    spent_usd: float = 0.0


@dataclasses.dataclass(slots=True)
class Entry:
    """One call that has ended, on its way to the disk.

    `at_most_usd` is set where it may have been charged and nobody said how much; `tell` are the
    places that are waiting for the answer. `paid` is what the ledger counts where the answer also
    holds what was paid before (the earlier turns of a conversation); `remark` is the ledger's word
    for what is unusual about the cost.
    """

    request: Request
    answer: Answer
    charged: bool
    at_most_usd: float | None = None
    tell: Sequence[Request] = ()
    paid: Answer | None = None
    remark: str | None = None
    id: str = ""
    """Of its line in the ledger; given by the writer where nobody else has."""


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
        """Open a run; one that asks the same and did not end is continued.

        Args:
            experiment: its name.
            keys: of all its requests.
            mode: what may be used again.
            mlflow_uri: where it is recorded, None where it is not.
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
        """The answers that need not be asked again, by key, without the models' reasoning."""
        return {
            key: without_reasoning(answer, self._tags(model))
            for key, (model, answer) in self._found(keys, run).items()
        }

    def find_one(self, key: str, run: Run) -> Answer | None:
        """The answer of one key as it came, None where it has to be asked."""
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


class Writer:
    """Writes entries on a thread of its own and releases them after the commit.

    Args:
        database: where to.
        run: whose entries they are.
        release: gets the entries that are on disk, on the event loop's thread.
        broken: called once, on the event loop's thread, when nothing can be written any more.
    """

    def __init__(
        self,
        database: Database,
        run: Run,
        release: Callable[[list[Entry]], None],
        broken: Callable[[JournalError], None],
    ) -> None:
        self._run = run
        self._release = release
        self._broken = broken
        self._database = database
        self._waiting: list[Entry] = []
        # One random name and a count: the system's random numbers are a tenth of a call's cost.
        self._name, self._count = uuid.uuid4().hex, 0
        self._wake = threading.Event()
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._closed = asyncio.Event()
        threading.Thread(target=self._main, name="pex-journal", daemon=True).start()

    def put(self, entry: Entry) -> None:
        """Take an entry; returns at once. Used on the event loop's thread."""
        if not entry.id:
            self._count += 1
            entry.id = f"{self._name}-{self._count}"
        self._waiting.append(entry)
        self._wake.set()

    async def close(self) -> None:
        """Write what is left; returns when everything has been released."""
        self._closing = True
        self._wake.set()
        await self._closed.wait()

    def _main(self) -> None:
        failure: JournalError | None = None
        connection: Connection | None = None
        seen_at = time.monotonic()
        while not (self._closing and not self._waiting):
            self._wake.wait(_SEEN_EVERY_S)
            self._wake.clear()
            # What came while the group before was being synced is the next group: one answer on
            # an idle disk waits for nobody, and a slow disk is never behind by more than a group.
            entries, self._waiting = self._waiting, []
            seen = time.monotonic() - seen_at > _SEEN_EVERY_S
            if failure is None and (entries or seen):
                try:
                    connection = connection or self._database.connect()
                    self._write(connection, entries, seen)
                    seen_at = time.monotonic() if seen else seen_at
                except Exception as error:  # noqa: BLE001 - a thread that ends would hang the run
                    failure = self._failure(error)
                    self._loop.call_soon_threadsafe(self._broken, failure)
            # What could not be written has been paid for all the same: it is handed on, and the
            # run ends with the failure.
            if entries:
                self._loop.call_soon_threadsafe(self._release, entries)
        if connection is not None:
            connection.close()
        self._loop.call_soon_threadsafe(self._closed.set)

    def _failure(self, error: Exception) -> JournalError:
        if isinstance(error, JournalError):
            return error
        said = redact(f"{type(error).__name__}: {error}")
        return JournalError(f"the journal {self._database.place} could not be written: {said}")

    def _write(self, connection: Connection, entries: list[Entry], seen: bool) -> None:
        """Write a group; where an entry cannot be written, all others are, and it as far as it can.

        Raises:
            JournalError: the database cannot be written.
            Exception: an entry cannot be written at all; all others have been.
        """
        try:
            connection.again(functools.partial(self._commit, connection, entries, seen))
            return
        except JournalError:
            raise
        except Exception as error:  # noqa: BLE001 - one entry that cannot be written loses no other
            failure = error
        lost = False
        for entry in entries:
            for form in (entry, _storable(entry), _reduced(entry)):
                try:
                    connection.again(functools.partial(self._commit, connection, [form], False))
                    break
                except JournalError:
                    raise
                except Exception as error:  # noqa: BLE001 - the next form has less in it
                    failure = error
            else:
                lost = True
        if lost:
            raise failure

    def _commit(self, connection: Connection, entries: list[Entry], seen: bool) -> None:
        run, now = self._run, time.time()
        answers = [
            (e.request.key, run.scope, run.id, e.request.variant, e.request.case_id,
             e.request.case_group, e.request.model, e.answer.started_at,
             orjson.dumps(e.answer).decode())
            for e in entries
            if e.answer.error is None and run.mode != "off"
        ]  # fmt: skip
        ledger = [
            (e.id, run.id, now, e.request.model, e.request.variant, paid.prompt_tokens,
             paid.cached_tokens, paid.completion_tokens, paid.latency_s, paid.cost_usd,
             e.at_most_usd, text_bytes(e.request.body["messages"]), paid.cache_write_tokens,
             paid.reasoning_tokens, e.remark or paid.error_kind)
            for e in entries
            if e.charged
            for paid in [e.paid or e.answer]
        ]  # fmt: skip
        with connection.write():
            if answers:
                connection.insert("answers", _ANSWERS, answers)
            if ledger:
                connection.insert("ledger", _LEDGER, ledger)
            if seen:
                connection.rows(
                    "UPDATE runs SET seen_at = ? WHERE id = ?", [connection.now(), run.id]
                )


def _storable(entry: Entry) -> Entry:
    """The entry with answers of which all can be stored."""
    paid = None if entry.paid is None else checked(entry.paid)
    return dataclasses.replace(entry, answer=checked(entry.answer), paid=paid)


def _reduced(entry: Entry) -> Entry:
    """The entry with the texts of its answer alone."""
    kept = ("output", "error", "error_kind", "finish_reason", "reasoning", "raw_body", "cost_usd")
    answer = answer_from({name: getattr(entry.answer, name) for name in kept})
    paid = answer if entry.paid is None else answer_from({"cost_usd": entry.paid.cost_usd})
    return dataclasses.replace(entry, answer=answer, paid=paid)


def running(database: Database) -> list[tuple[str, float, int]]:
    """The runs that go on at this moment, in any process: experiment, begin, calls so far.

    The begin is in seconds since 1970; the oldest comes first.

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
            hint="move it away; its answers are then paid again",
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

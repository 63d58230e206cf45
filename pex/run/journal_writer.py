"""How calls that ended get into the journal and the ledger: in groups, each synced, then shown."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import threading
import time
import uuid
from collections.abc import Callable, Sequence

import orjson

from pex.core.call import Answer, Request, answer_from, checked
from pex.core.errors import JournalError
from pex.guard.redact import redact
from pex.run.database import Connection, Database
from pex.run.images import counted_bytes
from pex.run.journal import Run

_SEEN_EVERY_S = 10.0
_ANSWERS = (
    "key", "scope", "run_id", "variant", "case_id", "case_group", "model", "answered_at", "answer"
)  # fmt: skip
_LEDGER = (
    "id", "run_id", "at", "model", "variant", "prompt_tokens", "cached_tokens", "completion_tokens",
    "latency_s", "usd", "at_most_usd", "prompt_bytes", "cache_write_tokens", "reasoning_tokens",
    "remark",
)  # fmt: skip


@dataclasses.dataclass(slots=True)
class Entry:
    """One call that has ended, on its way to the disk.

    `at_most_usd` is set if it may have been charged without a reported cost; `tell` are the
    requests that are waiting for the answer. `paid` is what the ledger counts if the answer also
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
    """Of its line in the ledger; given by the writer by default."""
    then: Callable[[], None] | None = None
    """Called when it is on disk."""


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
            # an idle disk is written at once, and a slow disk is never behind by more than a group.
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
             e.at_most_usd, counted_bytes(e.request.body["messages"], e.request.model),
             paid.cache_write_tokens, paid.reasoning_tokens, e.remark or paid.error_kind)
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
    """The entry, with its answers in a form that can be stored."""
    paid = None if entry.paid is None else checked(entry.paid)
    return dataclasses.replace(entry, answer=checked(entry.answer), paid=paid)


def _reduced(entry: Entry) -> Entry:
    """The entry with only the text of its answer."""
    kept = ("output", "error", "error_kind", "finish_reason", "reasoning", "raw_body", "cost_usd")
    answer = answer_from({name: getattr(entry.answer, name) for name in kept})
    paid = answer if entry.paid is None else answer_from({"cost_usd": entry.paid.cost_usd})
    return dataclasses.replace(entry, answer=answer, paid=paid)

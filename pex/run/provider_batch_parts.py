"""Provider batches that are under way, kept in the journal's database until they are merged."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection

import orjson

from pex.core.errors import PexError
from pex.run.database import Database
from pex.run.journal import Run


@dataclasses.dataclass(slots=True)
class Part:
    """One batch at the provider; `batch_id` is None until the provider has named it."""

    id: str
    model: str
    batch_id: str | None
    keys: list[str]
    status: str = "new"
    completed: int = 0


def remember(database: Database, run: Run, part: Part) -> None:
    """Note a batch before it is created, so a killed process does not pay for it twice."""
    columns = ("id", "run_id", "model", "batch_id", "keys", "created_at")
    keys = orjson.dumps(part.keys).decode()
    with database.opened() as connection:
        row = (part.id, run.id, part.model, part.batch_id, keys, time.time())
        connection.insert("provider_batches", columns, [row])


def note_batch_id(database: Database, part: Part) -> None:
    """Note the name that the provider has given the batch."""
    with database.opened() as connection:
        connection.rows(
            "UPDATE provider_batches SET batch_id = ? WHERE id = ?", [part.batch_id, part.id]
        )


def forget(database: Database, part: Part) -> None:
    """Drop the note of a batch that was merged, or never created."""
    with database.opened() as connection:
        connection.rows("DELETE FROM provider_batches WHERE id = ?", [part.id])


def open_parts(database: Database, run_id: str, of_others: bool = False) -> list[Part]:
    """The batches of a run, or of all others, that have not been merged yet."""
    with database.opened() as connection:
        rows = connection.rows(
            "SELECT id, model, batch_id, keys FROM provider_batches WHERE run_id "
            f"{'<>' if of_others else '='} ?",
            [run_id],
        )
    return [Part(str(a), str(b), c, orjson.loads(keys)) for a, b, c, keys in rows]


def check_none_away(database: Database, run: Run, keys: Collection[str], fetches: bool) -> None:
    """Raise a `PexError` if answers are pending in a batch that this run does not fetch.

    Args:
        database: the project's.
        run: the run that is about to start.
        keys: of its requests.
        fetches: it waits for its own provider batches.
    """
    away = [] if fetches else open_parts(database, run.id)
    if run.mode == "reuse":
        away += open_parts(database, run.id, of_others=True)
    for part in away:
        if not set(keys).isdisjoint(part.keys):
            raise PexError(
                f"answers to these requests are pending in the provider batch {part.batch_id}",
                hint="fetch it with the call that started it (provider_batch=True or "
                "--provider-batch, and its other options), or pay twice with journal='fresh'",
            )

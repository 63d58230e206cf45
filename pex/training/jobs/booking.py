"""A job in the ledger: its estimate before it is made, its cost after it has ended."""

from __future__ import annotations

import time

from pex.run.database import Database
from pex.training.jobs.intent import Intent

_RUN = ("id", "experiment", "digest", "scope", "status", "owner", "started_at", "seen_at")
_LINE = ("id", "run_id", "at", "model", "variant", "at_most_usd")


def name_of(intent: Intent) -> str:
    """Its name in `pexlab spend`, where it stands beside experiments."""
    return f"fine-tuning {intent.ref}"


def reserve(database: Database, intent: Intent) -> None:
    """Book the estimate of a job before it is made; booking it again changes nothing.

    Args:
        database: the project's journal.
        intent: the job.

    Raises:
        JournalError: the journal cannot be written.
    """
    now, key = time.time(), _key(intent)
    run = (key, name_of(intent), intent.id, "finetune", "running", "finetune", now, now)
    with database.opened() as connection, connection.write():
        connection.insert("runs", _RUN, [run])
        connection.insert("ledger", _LINE, [(key, key, now, intent.ref, "training", intent.usd)])


def release(database: Database, intent: Intent) -> None:
    """Take the estimate out again: no job was made."""
    with database.opened() as connection, connection.write():
        connection.rows("DELETE FROM ledger WHERE id = ? AND usd IS NULL", [_key(intent)])
        connection.rows("DELETE FROM runs WHERE id = ?", [_key(intent)])


def settle(database: Database, intent: Intent) -> float | None:
    """Replace the estimate by what the endpoint's `trained_tokens` cost.

    Returns:
        USD, None where the endpoint reports no tokens: then the estimate stays as the most that
        it may have cost.

    Raises:
        JournalError: the journal cannot be written.
    """
    tokens = intent.trained_tokens
    usd = None if tokens is None else tokens * intent.usd_per_million / 1e6
    reserve(database, intent)  # of a job that was started before a journal was lost
    with database.opened() as connection, connection.write():
        if usd is not None:
            connection.rows(
                "UPDATE ledger SET usd = ?, at_most_usd = NULL, prompt_tokens = ? WHERE id = ?",
                [usd, tokens, _key(intent)],
            )
        connection.rows(
            "UPDATE runs SET status = 'finished', ended_at = ? WHERE id = ?",
            [time.time(), _key(intent)],
        )
    return usd


def _key(intent: Intent) -> str:
    return f"finetune-{intent.id}"

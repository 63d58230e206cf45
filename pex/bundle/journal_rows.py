"""The journal in a bundle: rows of three tables as lines of JSON, without the machine's traces."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from pex.bundle.manifest import JOURNAL
from pex.core.errors import PexError
from pex.run.database import FILE, Connection, Database, SqliteDatabase

COLUMNS: dict[str, tuple[str, ...]] = {
    "runs": (
        "id", "experiment", "digest", "scope", "batch_id", "job_id", "status", "started_at",
        "seen_at", "ended_at", "mlflow_run_id",
    ),
    "answers": (
        "key", "scope", "run_id", "variant", "case_id", "case_group", "model", "answered_at",
        "answer",
    ),
    "ledger": (
        "id", "run_id", "at", "model", "variant", "prompt_tokens", "cached_tokens",
        "completion_tokens", "latency_s", "usd", "at_most_usd", "prompt_bytes",
        "cache_write_tokens", "reasoning_tokens", "remark",
    ),
}  # fmt: skip
"""What is packed of each table: not which machine made a run, nor where its record is."""

_CHUNK = 500
PAGE = 5_000
"""Rows that are read at once."""


def journal_rows(
    database: Database, experiments: Collection[str], keys: Sequence[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows by the name of their file in the bundle.

    Args:
        database: the project's journal.
        experiments: the names of the chosen experiments; none: all.
        keys: requests of the chosen experiments: other runs may have answered them.
    """
    if not database.exists():
        return
    with database.opened(durable=False) as connection:
        where, values = _in("experiment", experiments)
        runs = {str(row[0]) for row in connection.rows(f"SELECT id FROM runs{where}", values)}
        seen: set[tuple[str, str]] = set()
        for table, columns in COLUMNS.items():
            column = "id" if table == "runs" else "run_id"
            parts = (
                [(column, part) for part in _chunks(sorted(runs))] if experiments else [("", [])]
            )
            if experiments and table == "answers":
                parts += [("key", part) for part in _chunks(keys)]
            for name, part in parts:
                where, values = _in(name, part)
                for row in _paged(connection, table, columns, where, values):
                    data = dict(zip(columns, row, strict=True))
                    if table == "answers":  # found by its run, perhaps by its request as well
                        place = (data["key"], data["scope"])
                        if place in seen:
                            continue
                        seen.add(place)
                    if data.get("status") == "running":
                        data["status"] = "interrupted"
                    yield f"{JOURNAL}{table}.jsonl", data


def _paged(
    connection: Connection, table: str, columns: Sequence[str], where: str, values: Sequence[str]
) -> Iterator[tuple[Any, ...]]:
    """Rows in the order of their key, some at a time: a journal can be larger than memory."""
    key = ("key", "scope") if table == "answers" else ("id",)
    places = [columns.index(name) for name in key]
    last: list[Any] = []
    while True:
        after = f"({', '.join(key)}) > ({', '.join('?' * len(key))})"
        given = f"{where} {'AND' if where else 'WHERE'} {after}" if last else where
        rows = connection.rows(
            f"SELECT {', '.join(columns)} FROM {table}{given} ORDER BY {', '.join(key)} "
            f"LIMIT {PAGE}",
            [*values, *last],
        )
        yield from rows
        if len(rows) < PAGE:
            return
        last = [rows[-1][place] for place in places]


def _in(column: str, values: Collection[str]) -> tuple[str, list[str]]:
    if not values:
        return "", []
    return f" WHERE {column} IN ({', '.join('?' * len(values))})", list(values)


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


class JournalWriter:
    """Writes the rows of a bundle into a new journal."""

    def __init__(self, state: Path) -> None:
        self._connection = SqliteDatabase(state / FILE).connect(durable=False)

    def add(self, table: str, rows: Sequence[dict[str, Any]], where: str) -> None:
        """Add rows to a table.

        Raises:
            PexError: a row has other columns.
        """
        columns = COLUMNS.get(table)
        if columns is None or any(set(row) != set(columns) for row in rows):
            raise PexError(f"{where}: not rows of the journal, or of another version of pex")
        values = [[row[name] for name in columns] for row in rows]
        if table == "runs":
            columns, values = (*columns, "owner"), [[*row, ""] for row in values]
        with self._connection.write():
            self._connection.insert(table, columns, values)

    def close(self) -> None:
        """Close the journal."""
        self._connection.close()

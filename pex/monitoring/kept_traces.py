"""What is kept of traces between two looks: figures in a small sqlite file, no texts."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.errors import PexError

_FORMAT = 4
"""2: the figures of inputs are of what the user said, in 1 of all that was sent.
3: expectations are no opinions. 4: with blocks, and the index of what wants a look.
A file of another format is read anew from MLflow."""
_PAGE = 10_000
_FEW = 250
COLUMNS = (
    "trace_id", "experiment", "name", "service", "started_at", "state", "latency_s", "error_kind",
    "finish_reason", "refused", "prompt", "prompt_version", "model", "prompt_tokens",
    "completion_tokens", "cached_tokens", "cache_write_tokens", "cost_usd", "input_chars",
    "output_chars", "language", "has_expected", "session", "user_digest", "tags",
)  # fmt: skip
OPINIONS = ("trace_id", "name", "value", "number", "source", "by", "at")
WANTED = "(state = 'error' OR refused OR finish_reason = 'length')"
"""What a trace has that wants a look whatever people said of it: it has an index of its own."""

Blocks = Mapping[tuple[str, int | None], str]


class KeptTraces:
    """The file. Every page is one transaction, so a look that is killed loses at most one page."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._version: int | None = None
        try:
            self._db = sqlite3.connect(path, timeout=60, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            if self._db.execute("PRAGMA user_version").fetchone()[0] != _FORMAT:
                self._make()
        except sqlite3.Error as error:
            raise PexError(
                f"{path} cannot be used: {error}", hint="delete it: it is read again from MLflow"
            ) from None

    def _make(self) -> None:
        names = ", ".join(f'"{name}"' for name in COLUMNS[1:])
        about = ", ".join(f'"{name}"' for name in OPINIONS)
        with self._writing() as db:
            for table in ("traces", "opinions", "blocks"):
                db.execute(f"DROP TABLE IF EXISTS {table}")
            db.execute(
                f"CREATE TABLE traces (trace_id TEXT PRIMARY KEY, {names}, mark TEXT, odd TEXT, "
                "kept INTEGER)"
            )
            db.execute("CREATE INDEX by_time ON traces (experiment, started_at, trace_id)")
            db.execute(f"CREATE INDEX wanted ON traces (trace_id) WHERE {WANTED}")
            db.execute(f"CREATE TABLE opinions ({about})")
            db.execute("CREATE INDEX by_trace ON opinions (trace_id)")
            db.execute("CREATE TABLE blocks (experiment TEXT, until INTEGER, digest TEXT)")
            db.execute(f"PRAGMA user_version = {_FORMAT}")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def marks(self, experiment: str, after: int | None, until: int | None) -> dict[str, str]:
        """The marks of the known traces that started after one moment and up to another one."""
        query = "SELECT trace_id, mark FROM traces WHERE experiment = ?"
        values: list[Any] = [experiment]
        if after is not None:
            query, values = query + " AND started_at > ?", [*values, after]
        if until is not None:
            query, values = query + " AND started_at <= ?", [*values, until]
        return dict(self._db.execute(query, values))

    def blocks(self) -> Blocks:
        """The digests of the blocks that were compared, by experiment and end, earliest first.

        They say what is known as long as nothing is written: every change of a trace removes them.
        """
        self._version = self._data_version()
        query = "SELECT experiment, until, digest FROM blocks ORDER BY experiment, until"
        return {(row[0], row[1]): row[2] for row in self._db.execute(query)}

    def remember(self, blocks: Blocks) -> None:
        """Keep the digests of all blocks, unless another look has written since `blocks`."""
        with self._writing() as db:
            if self._data_version() == self._version:
                rows = [(*key, digest) for key, digest in blocks.items()]
                db.execute("DELETE FROM blocks")
                db.executemany("INSERT INTO blocks VALUES (?, ?, ?)", rows)

    def _data_version(self) -> int:
        """A number that changes when another connection has written."""
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def latest(self, experiment: str, now: int) -> int | None:
        """The start of the latest trace that is not in the future, in milliseconds."""
        query = "SELECT max(started_at) FROM traces WHERE experiment = ? AND started_at <= ?"
        found = self._db.execute(query, (experiment, now)).fetchone()[0]
        return None if found is None else int(found)

    def unfinished_since(self, experiment: str, since: int) -> int | None:
        """The start of the first trace without an end that started at a moment or later."""
        query = (
            "SELECT min(started_at) FROM traces "
            "WHERE experiment = ? AND state = 'unfinished' AND started_at >= ?"
        )
        found = self._db.execute(query, (experiment, since)).fetchone()[0]
        return None if found is None else int(found)

    def put(self, rows: Sequence[Mapping[str, Any]], opinions: Iterable[Mapping[str, Any]]) -> None:
        """Add traces, or replace what is known of them. A row has mark, odd and kept as well."""
        names = (*COLUMNS, "mark", "odd", "kept")
        marks = ", ".join("?" * len(names))
        with self._writing() as db:
            db.execute("DELETE FROM blocks")
            db.executemany(
                "DELETE FROM opinions WHERE trace_id = ?", [(r["trace_id"],) for r in rows]
            )
            db.executemany(
                f"INSERT OR REPLACE INTO traces ({', '.join(names)}) VALUES ({marks})",
                [tuple(row.get(name) for name in names) for row in rows],
            )
            db.executemany(
                f"INSERT INTO opinions VALUES ({', '.join('?' * len(OPINIONS))})",
                [tuple(opinion[name] for name in OPINIONS) for opinion in opinions],
            )

    def drop(self, trace_ids: Iterable[str]) -> None:
        """Forget traces that are no longer in MLflow."""
        ids = [(trace_id,) for trace_id in trace_ids]
        if ids:
            with self._writing() as db:
                db.execute("DELETE FROM blocks")
                db.executemany("DELETE FROM opinions WHERE trace_id = ?", ids)
                db.executemany("DELETE FROM traces WHERE trace_id = ?", ids)

    def of_user(self, digest: str) -> list[str]:
        """The ids of a user's traces."""
        query = "SELECT trace_id FROM traces WHERE user_digest = ?"
        return [row[0] for row in self._db.execute(query, (digest,))]

    def known_of(self, trace_ids: Collection[str]) -> set[str]:
        """Which of these traces are known."""
        known = {row[0] for row in self._db.execute("SELECT trace_id FROM traces")}
        return known & set(trace_ids)

    def shrink(self) -> None:
        """Rewrite the file, so that nothing is left of what was deleted."""
        self._db.execute("VACUUM")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def traces(self, first: int | None, last: int | None) -> Iterator[list[list[Any]]]:
        """The traces that fit the source, a page at a time: a list of values for each of `COLUMNS`.

        They come in no particular order: sqlite takes longer to sort whole rows than pandas does.
        Only one page is in memory at a time: as rows, they take many times the place of a frame.
        Few rows are fetched at once, since Python looks through all tuples that stay for garbage.
        """
        limit, values = limits(first, last)
        query = f"SELECT {', '.join(COLUMNS)} FROM traces WHERE kept = 1{limit}"
        cursor = self._db.execute(query, values)
        rows = cursor.fetchmany(_FEW)
        while rows:
            page: list[list[Any]] = [[] for _ in COLUMNS]
            while rows and len(page[0]) < _PAGE:
                for column, given in zip(page, zip(*rows, strict=True), strict=True):
                    column.extend(given)
                rows = cursor.fetchmany(_FEW)
            yield page

    def oddities(self, first: int | None, last: int | None, soon: int) -> dict[str, int]:
        """How many of these traces have which oddity; "future" if they start after a moment."""
        limit, values = limits(first, last)
        query = (
            "SELECT odd || CASE WHEN started_at > ? THEN ' future' ELSE '' END, count(*) "
            f"FROM traces WHERE kept = 1{limit} GROUP BY 1"
        )
        counts: dict[str, int] = {}
        for words, count in self._db.execute(query, [soon, *values]):
            for word in words.split():
                counts[word] = counts.get(word, 0) + count
        return counts

    def opinions(self, first: int | None, last: int | None) -> list[tuple[Any, ...]]:
        """The rows of the assessments of these traces, oldest first."""
        names = ", ".join(f'o."{name}"' for name in OPINIONS)
        limit, values = limits(first, last)
        query = (
            f"SELECT {names} FROM opinions o JOIN traces t ON t.trace_id = o.trace_id "
            f"WHERE t.kept = 1{limit} ORDER BY o.at, o.trace_id"
        )
        return self.select(query, values)

    def select(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows of a query: `traces` has `COLUMNS` and `kept`, `opinions` has `OPINIONS`."""
        return self._db.execute(query, values).fetchall()


def limits(first: int | None, last: int | None) -> tuple[str, list[int]]:
    """A condition on the start of a trace, and its values."""
    limit, values = "", []
    if first is not None:
        limit, values = limit + " AND started_at >= ?", [first]
    if last is not None:
        limit, values = limit + " AND started_at < ?", [*values, last]
    return limit, values

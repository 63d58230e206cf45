"""The project's database: one SQLite file under `.pex/`, or PostgreSQL for several machines.

Both speak the same SQL here; what differs (how a connection is made, how a writer keeps others
out, what errors look like) is in this module alone.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import sqlite3
import time
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pex.core import private
from pex.core.errors import JournalError, PexError
from pex.core.extras import install_line
from pex.guard.redact import redact, register
from pex.project.settings import Settings
from pex.run.schema import MIGRATIONS, VERSION

FILE = "journal.db"
BUSY_S = 30.0
"""How long a writer waits for others, or for a lost server, before it gives up."""

RECONNECT_S = 0.5
T = TypeVar("T")


class ConnectionLostError(JournalError):
    """The database's server does not respond at the moment."""


class Connection:
    """One connection, for one thread at a time.

    `rows` reads; inside `with connection.write():` everything happens or nothing does, and no
    other writer gets between; `again` repeats work that was ended by a lost connection.
    """

    def __init__(self, database: Database, raw: Any, durable: bool) -> None:
        self._database = database
        self._raw = raw
        self._durable = durable

    def again(self, work: Callable[[], T]) -> T:
        """Do some work; if the connection is lost, reconnect and retry, for a while."""
        give_up = time.monotonic() + BUSY_S
        while True:
            try:
                return work()
            except ConnectionLostError:
                if time.monotonic() > give_up:
                    raise
            time.sleep(RECONNECT_S)
            with contextlib.suppress(ConnectionLostError):
                anew = self._database.connect(durable=self._durable)
                self.close()
                self._raw = anew._raw

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows; values stand where the SQL says `?`."""
        with self._database.errors():
            cursor = self._raw.cursor()
            cursor.execute(self._database.dialect(sql), tuple(values))
            return list(cursor.fetchall()) if cursor.description else []

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add rows in as few statements as possible; those that are there already are kept."""
        size = 30_000 // len(columns)
        head = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "
        marks = f"({', '.join('?' * len(columns))})"
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            text = head + ", ".join([marks] * len(part)) + " ON CONFLICT DO NOTHING"
            self.rows(text, [value for row in part for value in row])

    @contextlib.contextmanager
    def write(self) -> Iterator[None]:
        """A transaction that no other writer gets into."""
        self.rows(self._database.begin)
        try:
            if self._database.lock:
                self.rows(self._database.lock)
            yield
        except BaseException:
            # What went wrong matters more than a connection that can no longer roll back.
            with contextlib.suppress(PexError):
                self.rows("ROLLBACK")
            raise
        self.rows("COMMIT")

    def now(self) -> float:
        """Seconds since 1970 by the clock that all machines share."""
        if isinstance(self._database, PostgresDatabase):
            return float(self.rows("SELECT extract(epoch FROM clock_timestamp())")[0][0])
        return time.time()

    def close(self) -> None:
        """Give the connection back."""
        with contextlib.suppress(Exception):
            self._raw.close()


class Database:
    """Where a project's journal, ledger and leases are; `connect` gives a thread its connection."""

    begin = "BEGIN IMMEDIATE"
    lock = ""
    state: Path
    """The project's `.pex/` folder, on this machine."""

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        raise NotImplementedError

    def connect(self, *, durable: bool = True) -> Connection:
        """A new connection. What is committed on a durable one is on disk.

        Raises:
            JournalError: it cannot be opened, is damaged, or comes from a newer version of pex.
        """
        raise NotImplementedError

    @contextlib.contextmanager
    def opened(self, *, durable: bool = True) -> Iterator[Connection]:
        """A connection that is closed at the end of the block."""
        connection = self.connect(durable=durable)
        try:
            yield connection
        finally:
            connection.close()

    def exists(self) -> bool:
        """Whether anything can have been written yet; this creates nothing."""
        return True

    def dialect(self, sql: str) -> str:
        """The SQL as this database wants it."""
        return sql

    def shrink(self, connection: Connection) -> None:
        """Free the space of deleted rows, so nothing of them is left in the files."""
        connection.rows("VACUUM")

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turn the driver's errors into a `JournalError` that says what to do."""
        raise NotImplementedError

    def size(self) -> int | None:
        """Bytes on disk, None if they are not ours to count."""
        return None

    def _migrate(self, connection: Connection, version: int) -> None:
        """Bring the database from `version` to ours, in the writer's transaction."""
        if version > VERSION:
            raise JournalError(
                f"the journal {self.place} was written by a newer pexlab (format {version}, "
                f"this one reads up to {VERSION})",
                hint="upgrade pexlab, or give this project another [journal] path in pex.toml",
            )
        for script in MIGRATIONS[version:]:
            for statement in script.split(";"):
                if statement.strip():
                    connection.rows(statement)


class SqliteDatabase(Database):
    """One file, which any number of processes of this machine write."""

    def __init__(self, path: Path) -> None:
        self.path, self.state = path, path.parent
        self._ready = False

    @property
    def place(self) -> str:
        """The file."""
        return str(self.path)

    def connect(self, *, durable: bool = True) -> Connection:
        """A new connection; WAL, and with `durable` every commit is synced to the disk."""
        try:
            private.folder(self.path.parent)
            private.touch(self.path)
        except OSError as error:
            raise JournalError(
                f"the journal's folder {self.path.parent} cannot be created: {error.strerror}",
                hint="set [journal] path in pex.toml to a writable folder",
            ) from None
        with self.errors():
            raw = sqlite3.connect(
                self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
            raw.create_function("floor", 1, math.floor, deterministic=True)  # not in every build
            connection = Connection(self, raw, durable)
            mode = connection.rows("PRAGMA journal_mode = WAL")[0][0]
            if mode != "wal":
                raise JournalError(
                    f"the journal {self.path} is on a file system that does not support "
                    "SQLite's WAL mode (a network drive?)",
                    hint="set [journal] path in pex.toml to a local folder, or url_env for "
                    "PostgreSQL",
                )
            connection.rows(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            if not self._ready:
                self._prepare(connection)
        return connection

    def shrink(self, connection: Connection) -> None:
        """Rewrite the file without deleted rows, and empty its log."""
        super().shrink(connection)
        connection.rows("PRAGMA wal_checkpoint(TRUNCATE)")

    def _prepare(self, connection: Connection) -> None:
        version = connection.rows("PRAGMA user_version")[0][0]
        if version != VERSION:
            with connection.write():  # another process may have been quicker
                version = connection.rows("PRAGMA user_version")[0][0]
                self._migrate(connection, version)
                connection.rows(f"PRAGMA user_version = {VERSION}")
        elif not os.access(self.path, os.W_OK):
            raise self._read_only()
        self._ready = True

    def exists(self) -> bool:
        """Whether the file is there."""
        return self.path.exists()

    def size(self) -> int | None:
        """Bytes of the file and its write-ahead log."""
        files = (self.path, self.path.with_name(f"{self.path.name}-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turn SQLite's errors into words."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._explain(error) from None

    def _explain(self, error: sqlite3.Error) -> JournalError:
        text, code = str(error), getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            return JournalError(
                f"the journal {self.path} is damaged: {text}",
                hint=f"recover what can be read: sqlite3 {self.path.name} .recover | "
                "sqlite3 saved.db, and put saved.db in its place; or move the file away and "
                "pay for its answers again",
            )
        if code == sqlite3.SQLITE_FULL:
            return JournalError(
                f"the journal {self.path} cannot grow: no space left on the disk",
                hint="free some space (pexlab gc lists what can be deleted) and run again: only "
                "missing answers are requested",
            )
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
            return self._read_only()
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return JournalError(
                f"the journal {self.path} has been locked by another process for {BUSY_S:.0f} s",
                hint="is a backup or another program writing to it?",
            )
        return JournalError(f"the journal {self.path}: {text}")

    def _read_only(self) -> JournalError:
        return JournalError(
            f"the journal {self.path} cannot be written",
            hint="every answer is saved there before it is used: make the folder writable, "
            "or set [journal] path in pex.toml to another folder",
        )


class PostgresDatabase(Database):
    """A PostgreSQL database that several machines share; the tables are in its schema `pex`."""

    begin = "BEGIN"
    lock = "SELECT pg_advisory_xact_lock(7039)"

    def __init__(self, url: str, variable: str, state: Path) -> None:
        self.state = state
        self._url = url
        self._variable = variable
        self._ready = False
        parts = urllib.parse.urlsplit(url)
        register(urllib.parse.unquote(parts.password or ""))
        if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
            raise JournalError(
                f"[journal] url_env: {variable} does not hold a PostgreSQL address",
                hint="expected postgresql://user:password@host:5432/database",
            )
        self._arguments: dict[str, Any] = {
            "user": urllib.parse.unquote(parts.username or ""),
            "password": urllib.parse.unquote(parts.password) if parts.password else None,
            "host": parts.hostname or "localhost",
            "port": parts.port or 5432,
            "database": parts.path.strip("/"),
        }
        query = dict(urllib.parse.parse_qsl(parts.query))
        if query.get("sslmode", "prefer") not in ("disable", "allow", "prefer"):
            self._arguments["ssl_context"] = True

    @property
    def place(self) -> str:
        """The address without its password."""
        host, port = self._arguments["host"], self._arguments["port"]
        return f"postgresql://{host}:{port}/{self._arguments['database']}"

    def connect(self, *, durable: bool = True) -> Connection:
        """A new connection; with `durable`, a commit waits for the server's disk."""
        try:
            import pg8000.dbapi
        except ImportError:
            raise JournalError(
                f"the journal is on PostgreSQL ({self._variable} is set), and its driver is "
                "not installed",
                hint=install_line("postgres"),
            ) from None
        with self.errors():
            raw = pg8000.dbapi.connect(**self._arguments, timeout=BUSY_S)
            raw.autocommit = True
            connection = Connection(self, raw, durable)
            connection.rows("SET search_path TO pex")
            connection.rows(f"SET synchronous_commit TO {'on' if durable else 'off'}")
            if not self._ready:
                self._prepare(connection)
        return connection

    def _prepare(self, connection: Connection) -> None:
        with connection.write():
            connection.rows("CREATE SCHEMA IF NOT EXISTS pex")
            connection.rows("CREATE TABLE IF NOT EXISTS format (version INTEGER NOT NULL)")
            found = connection.rows("SELECT version FROM format")
            self._migrate(connection, found[0][0] if found else 0)
            if not found:
                connection.rows("INSERT INTO format VALUES (?)", [VERSION])
            elif found[0][0] != VERSION:
                connection.rows("UPDATE format SET version = ?", [VERSION])
        self._ready = True

    def dialect(self, sql: str) -> str:
        """Placeholders as the driver wants them."""
        return _percent(sql)

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turn the driver's errors into words; the password is in none of them."""
        import pg8000.exceptions

        try:
            yield
        except (pg8000.exceptions.Error, OSError) as error:
            detail = error.args[0] if error.args else ""
            text = detail.get("M", "") if isinstance(detail, dict) else str(detail)
            lost = isinstance(error, pg8000.exceptions.InterfaceError | OSError)
            raise (ConnectionLostError if lost else JournalError)(
                f"the journal {self.place}: {redact(text) or type(error).__name__}",
                hint=f"the address comes from the environment variable {self._variable}",
            ) from None


@functools.lru_cache(maxsize=256)
def _percent(sql: str) -> str:
    return sql.replace("%", "%%").replace("?", "%s")


def database_of(state: Path, settings: Settings) -> Database:
    """The database of a project; nothing is opened yet.

    Args:
        state: the project's `.pex/` folder.
        settings: the project's; `[journal] url_env` names the variable with PostgreSQL's address.

    Raises:
        JournalError: the variable is not set, or holds no address of PostgreSQL.
    """
    variable = settings.journal.url_env
    if variable is None:
        return SqliteDatabase(state / FILE)
    url = os.environ.get(variable, "")
    if not url:
        raise JournalError(
            f"[journal] url_env: the environment variable {variable} is not set",
            hint=f"export {variable}=postgresql://user:password@host:5432/database",
        )
    return PostgresDatabase(url, variable, state)

"""Reads the prompt registry in MLflow's database, without MLflow and without writing.

A sqlite file is opened read-only by Python itself; other databases by SQLAlchemy, which MLflow
brings.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from pex.core.errors import PexError
from pex.guard.redact import redact
from pex.library.registry_answer import IS_PROMPT, NotThereError, PromptAnswer, VersionAnswer

_DELETED = "Deleted_Internal"
"""The stage of a version that was deleted: its row stays."""
_WORKSPACE = "default"
_MYSQL = ("connect_timeout", "read_timeout", "write_timeout")
_TIMEOUTS = {
    "pg8000": ("timeout",),
    "psycopg2": ("connect_timeout",),
    "psycopg": ("connect_timeout",),
    "pymysql": _MYSQL,
    "mysqldb": _MYSQL,
}
"""What each driver calls the seconds that it waits for a connection, and for an answer."""


class _Snapshot(Protocol):
    """The tables at one moment."""

    def rows(
        self, table: str, columns: tuple[str, ...], where: Mapping[str, Any]
    ) -> list[tuple[Any, ...]]:
        """The rows of a table whose columns have these values."""


class SqlReader:
    """Reads from a database; a class below opens it."""

    def __init__(self, uri: str, workspace: str = "") -> None:
        self._uri = uri
        self._workspace = {"workspace": workspace or _WORKSPACE}

    def prompt(self, name: str, timeout_s: float) -> PromptAnswer:
        """A prompt's entry.

        Raises:
            NotThereError: there is no such prompt.
            PexError: the database cannot be read.
        """
        mine = {"name": name, **self._workspace}
        with self._opened(timeout_s) as snapshot:
            tags = dict(snapshot.rows("registered_model_tags", ("key", "value"), mine))
            if tags.get(IS_PROMPT) != "true":
                raise NotThereError(f"there is no prompt '{name}'")
            aliases = snapshot.rows("registered_model_aliases", ("alias", "version"), mine)
            versions = snapshot.rows("model_versions", ("version", "current_stage"), mine)
        numbers = [int(version) for version, stage in versions if stage != _DELETED]
        found = {str(alias): int(version) for alias, version in aliases}
        return PromptAnswer(name, found, _texts(tags), max(numbers, default=0))

    def version(self, name: str, number: int, timeout_s: float) -> VersionAnswer:
        """One version.

        Raises:
            NotThereError: there is no such version.
            PexError: the database cannot be read.
        """
        mine = {"name": name, "version": number, **self._workspace}
        with self._opened(timeout_s) as snapshot:
            rows = snapshot.rows("model_versions", ("description", "current_stage"), mine)
            if not rows or rows[0][1] == _DELETED:
                raise NotThereError(f"prompt '{name}' has no version {number}")
            tags = dict(snapshot.rows("model_version_tags", ("key", "value"), mine))
        return VersionAnswer(name, number, _texts(tags), rows[0][0])

    def names(self, timeout_s: float) -> list[str]:
        """The names of all prompts."""
        where = {"key": IS_PROMPT, "value": "true", **self._workspace}
        with self._opened(timeout_s) as snapshot:
            return [
                str(name) for (name,) in snapshot.rows("registered_model_tags", ("name",), where)
            ]

    def _opened(self, timeout_s: float) -> contextlib.AbstractContextManager[_Snapshot]:
        raise NotImplementedError

    def _error(self, error: Exception) -> PexError:
        first = (redact(str(error)).strip().splitlines() or [type(error).__name__])[0]
        return PexError(f"MLflow's store {redact(self._uri)} cannot be read: {first}")


def _texts(tags: Mapping[Any, Any]) -> dict[str, str]:
    return {str(key): str(value or "") for key, value in tags.items()}


class _SqliteSnapshot:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(
        self, table: str, columns: tuple[str, ...], where: Mapping[str, Any]
    ) -> list[tuple[Any, ...]]:
        # The names are those written above, never anything given.
        wanted = ", ".join(f'"{column}"' for column in columns)
        limits = " AND ".join(f'"{column}" = ?' for column in where)
        query = f'SELECT {wanted} FROM "{table}" WHERE {limits}'
        return self._connection.execute(query, list(where.values())).fetchall()


class SqliteReader(SqlReader):
    """Reads a sqlite file."""

    @contextlib.contextmanager
    def _opened(self, timeout_s: float) -> Iterator[_Snapshot]:
        path = self._uri.removeprefix("sqlite:///").partition("?")[0]
        if not os.path.exists(path):  # noqa: PTH110 - nothing else is needed of it
            raise NotThereError("nothing has been saved there yet")
        quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
        try:
            opened = sqlite3.connect(
                f"file:{quoted}?mode=ro", uri=True, timeout=timeout_s, isolation_level=None
            )
            with contextlib.closing(opened) as connection:
                connection.execute("BEGIN")  # all rows are of one moment
                yield _SqliteSnapshot(connection)
        except sqlite3.Error as error:
            raise self._error(error) from None


class _ServerSnapshot:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def rows(
        self, table: str, columns: tuple[str, ...], where: Mapping[str, Any]
    ) -> list[tuple[Any, ...]]:
        import sqlalchemy as sql

        names = dict.fromkeys((*columns, *where))
        columns_of = sql.table(table, *map(sql.column, names)).c
        query = sql.select(*(columns_of[name] for name in columns))
        query = query.where(*(columns_of[name] == value for name, value in where.items()))
        return [tuple(row) for row in self._connection.execute(query)]


class ServerReader(SqlReader):
    """Reads from PostgreSQL, MySQL or another database that SQLAlchemy knows."""

    @contextlib.contextmanager
    def _opened(self, timeout_s: float) -> Iterator[_Snapshot]:
        import sqlalchemy as sql
        from sqlalchemy.exc import SQLAlchemyError

        try:
            url = sql.make_url(self._uri)
            names = _TIMEOUTS.get(url.get_driver_name(), ())
            arguments = dict.fromkeys(names, max(1, round(timeout_s)))
            engine = sql.create_engine(url, poolclass=sql.NullPool, connect_args=arguments)
            with engine.connect() as connection, connection.begin():
                if url.get_backend_name() == "postgresql":  # a table that somebody has locked
                    limit = max(1, round(timeout_s * 1000))
                    connection.execute(sql.text(f"SET LOCAL statement_timeout = {limit}"))
                yield _ServerSnapshot(connection)
        except (SQLAlchemyError, OSError, ImportError) as error:
            raise self._error(error) from None
        except PexError:
            raise
        except Exception as error:  # noqa: BLE001 - each driver has errors of its own
            raise self._error(error) from None

"""A registry's prompts and versions in bulk, for the index: from its database, or its server.

MLflow's client reads a prompt at a time, seconds for a thousand. Where the registry is a database,
its tables are read themselves, and only read; MLflow is not even imported for it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.core.errors import PexError
from pex.guard.redact import redact
from pex.library.content import DIGEST, MODEL, SHA256
from pex.library.moves import BY

if TYPE_CHECKING:
    from sqlalchemy import Connection

_DELETED = "Deleted_Internal"
"""MLflow's stage of a version that was deleted."""
_IS_PROMPT = (
    "SELECT name FROM registered_model_tags WHERE workspace = :workspace "
    "AND key = 'mlflow.prompt.is_prompt' AND lower(value) = 'true'"
)
_MANY = 200
"""Prompts named in one query: a database accepts a limited number of parameters."""


@dataclasses.dataclass(frozen=True, slots=True)
class PromptRow:
    """A prompt as the registry has it; `state` changes whenever one of its versions does."""

    name: str
    description: str
    aliases: dict[str, int]
    tags: dict[str, str]
    state: str


@dataclasses.dataclass(frozen=True, slots=True)
class VersionRow:
    """A version as the registry has it: its facts, and its tags with the text."""

    name: str
    version: int
    created_ms: int
    note: str
    tags: Mapping[str, str]

    @property
    def by(self) -> str:
        """The person who saved it, if known."""
        return self.tags.get(BY, "")

    @property
    def sha256(self) -> str | None:
        """The hash of its content; None if plain MLflow saved it."""
        return self.tags.get(SHA256)

    @property
    def digest(self) -> str | None:
        """`Prompt.digest`; None if plain MLflow saved it."""
        return self.tags.get(DIGEST)

    @property
    def model(self) -> str:
        """The model that it was written for."""
        return self.tags.get(MODEL, "")


class DatabaseTables:
    """The tables of a registry that is a database: SQLite, PostgreSQL, MySQL."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._workspace = {"workspace": os.environ.get("MLFLOW_WORKSPACE", "").strip() or "default"}

    def prompts(self) -> list[PromptRow]:
        """Every prompt, in alphabetical order.

        Raises:
            PexError: the database does not answer, or is not one of MLflow.
        """
        from sqlalchemy import inspect

        with self._open() as connection:
            if not inspect(connection).has_table("registered_models"):
                return []  # MLflow makes its tables when something is first saved
            described = dict(self._rows(connection, "SELECT name, description FROM "
                                        f"registered_models WHERE name IN ({_IS_PROMPT}) "
                                        "AND workspace = :workspace"))  # fmt: skip
            aliases: dict[str, dict[str, int]] = {}
            for name, alias, version in self._of_prompts(
                connection, "name, alias, version", "registered_model_aliases"
            ):
                aliases.setdefault(name, {})[alias] = int(version)
            tags: dict[str, dict[str, str]] = {}
            for name, key, value in self._of_prompts(
                connection, "name, key, value", "registered_model_tags"
            ):
                tags.setdefault(name, {})[key] = value or ""
            states = {
                name: json.dumps(state)
                for name, *state in self._rows(
                    connection,
                    "SELECT name, max(version), count(*), max(last_updated_time) FROM "
                    f"model_versions WHERE workspace = :workspace AND current_stage <> '{_DELETED}'"
                    " GROUP BY name",
                )
            }
        return [
            PromptRow(name, described[name] or "", dict(sorted(aliases.get(name, {}).items())),
                      tags.get(name, {}), states.get(name, ""))
            for name in sorted(described)
        ]  # fmt: skip

    def versions(self, names: Sequence[str]) -> Iterator[VersionRow]:
        """Every version of some prompts, the newest first within each.

        Raises:
            PexError: the database does not answer.
        """
        if not names:
            return
        with self._open() as connection:
            for start in range(0, len(names), _MANY):
                yield from self._versions(connection, names[start : start + _MANY])

    def _versions(self, connection: Connection, names: Sequence[str]) -> Iterator[VersionRow]:
        among = ", ".join(f":name_{at}" for at in range(len(names)))
        given = {f"name_{at}": name for at, name in enumerate(names)}
        where = f"workspace = :workspace AND name IN ({among})"
        tags: dict[tuple[str, int], dict[str, str]] = {}
        for name, version, key, value in self._rows(
            connection, f"SELECT name, version, key, value FROM model_version_tags WHERE {where}",
            given,
        ):  # fmt: skip
            tags.setdefault((name, int(version)), {})[key] = value or ""
        for name, version, created, note in self._rows(
            connection,
            "SELECT name, version, creation_time, description FROM model_versions WHERE "
            f"{where} AND current_stage <> '{_DELETED}' ORDER BY name, version DESC",
            given,
        ):
            found = tags.get((name, int(version)), {})
            yield VersionRow(name, int(version), int(created or 0), note or "", found)

    def _of_prompts(self, connection: Connection, columns: str, table: str) -> list[Any]:
        return self._rows(
            connection,
            f"SELECT {columns} FROM {table} WHERE workspace = :workspace "
            f"AND name IN ({_IS_PROMPT})",
        )

    def _rows(
        self, connection: Connection, query: str, values: Mapping[str, Any] | None = None
    ) -> list[Any]:
        from sqlalchemy import text

        # Some databases reserve the word, and each quotes it in its own way.
        key = connection.dialect.identifier_preparer.quote_identifier("key")
        query = query.replace(" key,", f" {key},").replace(" key ", f" {key} ")
        return [
            tuple(row)
            for row in connection.execute(text(query), {**self._workspace, **(values or {})})
        ]

    @contextlib.contextmanager
    def _open(self) -> Iterator[Connection]:
        from sqlalchemy import create_engine
        from sqlalchemy.exc import SQLAlchemyError
        from sqlalchemy.pool import NullPool

        try:
            engine = create_engine(self._uri, poolclass=NullPool)
            with engine.connect() as connection:
                yield connection
        except (SQLAlchemyError, ImportError, OSError) as error:
            first = (redact(str(error)).strip().splitlines() or [type(error).__name__])[0]
            raise PexError(
                f"MLflow's store {redact(self._uri)} does not answer: {first}",
                hint="start it, or change it (MLFLOW_TRACKING_URI, or [record] tracking_uri in "
                "pex.toml)",
            ) from None


class ServerTables:
    """The same from a registry that is a server, through MLflow's client."""

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def prompts(self) -> list[PromptRow]:
        """Every prompt, in alphabetical order.

        Raises:
            PexError: the server does not answer.
        """
        from pex.library.registry_api import cards
        from pex.tracking.store import connect, errors_of

        client = connect(self._uri)
        with errors_of(self._uri, "does not answer"):
            return [
                PromptRow(
                    card.name,
                    card.description or "",
                    {alias: int(card.aliases[alias]) for alias in sorted(card.aliases)},
                    dict(card.tags),
                    json.dumps(
                        [
                            *(
                                [int(item.version), item.last_updated_timestamp]
                                for item in card.latest_versions or []
                            ),
                            card.last_updated_timestamp,
                        ]
                    ),
                )
                for card in cards(client, 1000)
            ]

    def versions(self, names: Sequence[str]) -> Iterator[VersionRow]:
        """Every version of some prompts, the newest first within each.

        Raises:
            PexError: the server does not answer.
        """
        from pex.library.registry_api import all_versions
        from pex.tracking.store import connect, errors_of

        client = connect(self._uri)
        for name in names:
            with errors_of(self._uri, "does not answer"):
                found = all_versions(client, name)
            for item in sorted(found, key=lambda item: -int(item.version)):
                yield VersionRow(
                    name,
                    int(item.version),
                    int(item.creation_timestamp),
                    item.description or "",
                    dict(item.tags),
                )


Tables = DatabaseTables | ServerTables


def tables_of(uri: str) -> Tables:
    """How a registry is read.

    Example:
        >>> type(tables_of("sqlite:///mlruns/mlflow.db")).__name__
        'DatabaseTables'
        >>> type(tables_of("https://mlflow.example.com")).__name__
        'ServerTables'
    """
    kind = uri.partition(":")[0].partition("+")[0]
    known = ("sqlite", "postgresql", "mysql", "mssql")
    return DatabaseTables(uri) if kind in known else ServerTables(uri)

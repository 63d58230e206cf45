"""An index of the registry in `.pex/`: what lists, searches and checks of many prompts read.

It is brought up to date by asking the registry for its list of prompts; only prompts that have
changed are read again. It holds nothing that the registry does not: it may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from pex.core import private
from pex.core.canonical_json import digest
from pex.core.errors import PexError
from pex.library.metadata import Metadata, metadata_of
from pex.library.registry_tables import PromptRow, VersionRow, tables_of
from pex.library.scratch import is_bare, saved_by_tags

_FORMAT = 2
"""The version of the tables; another one in the file means that it is made anew."""
_SCHEMA = """
CREATE TABLE prompt (
  name TEXT PRIMARY KEY, state TEXT, description TEXT, aliases TEXT, tags TEXT, saved INTEGER,
  bare INTEGER, words TEXT, text TEXT, problem TEXT
) WITHOUT ROWID;
CREATE TABLE version (
  name TEXT, version INTEGER, created_ms INTEGER, by TEXT, note TEXT, sha256 TEXT, digest TEXT,
  model TEXT, PRIMARY KEY (name, version)
) WITHOUT ROWID;
CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""
_CHUNK = 200


@dataclasses.dataclass(frozen=True, slots=True)
class IndexedVersion:
    """A version; `sha256` and `digest` are None if plain MLflow saved it."""

    version: int
    created: datetime.datetime
    by: str
    note: str
    sha256: str | None
    digest: str | None
    model: str


@dataclasses.dataclass(frozen=True, slots=True)
class IndexedPrompt:
    """A prompt of the registry.

    `tags` are the prompt's in the registry, `words` its metadata as tags with values, `text` its
    newest version's template, `problem` why that cannot be read, else an empty string.
    """

    name: str
    description: str
    aliases: dict[str, int]
    tags: dict[str, str]
    words: dict[str, str]
    text: str
    problem: str
    versions: tuple[IndexedVersion, ...]
    """The newest first; never empty."""

    @property
    def newest(self) -> IndexedVersion:
        """The version with the highest number."""
        return self.versions[0]

    @property
    def disabled(self) -> frozenset[int]:
        """The versions that are never served."""
        try:
            return frozenset(json.loads(self.tags.get("pex.disabled", "[]")))
        except (ValueError, TypeError):
            return frozenset()

    def version_with(self, sha256: str) -> int | None:
        """The newest version with this content."""
        return next((item.version for item in self.versions if item.sha256 == sha256), None)


class LibraryIndex:
    """The index of one registry in a project.

    Args:
        project: the project's folder.
        uri: the registry.
    """

    def __init__(self, project: Path, uri: str) -> None:
        self._uri = uri
        self.path = private.state(project) / f"library-{digest(uri)}.db"
        self._memory: sqlite3.Connection | None = None

    def refresh(self, *, again: bool = False) -> None:
        """Bring the index up to date.

        Args:
            again: read everything again, also what has not changed.

        Raises:
            PexError: the registry does not answer; the index keeps what it had.
        """
        tables = tables_of(self._uri)
        rows = [] if _is_not_made(self._uri) else tables.prompts()
        with self._open() as connection:
            known = dict(connection.execute("SELECT name, state FROM prompt").fetchall())
            changed = [row for row in rows if again or known.get(row.name) != row.state]
            gone = known.keys() - {row.name for row in rows}
            by_name = {row.name: row for row in changed}
            for start in range(0, len(changed), _CHUNK):
                names = [row.name for row in changed[start : start + _CHUNK]]
                found: dict[str, list[VersionRow]] = {name: [] for name in names}
                for version in tables.versions(names):
                    found[version.name].append(version)
                self._write(connection, [(by_name[name], found[name]) for name in names])
            # Aliases and tags change without a new version.
            connection.executemany(
                "UPDATE prompt SET description = ?, aliases = ?, tags = ?, "
                "saved = coalesce(?, 1 - bare) WHERE name = ?",
                [
                    (row.description, json.dumps(row.aliases), json.dumps(row.tags),
                     saved_by_tags(row.tags, row.aliases), row.name)
                    for row in rows
                ],
            )  # fmt: skip
            _delete(connection, gone)
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            connection.execute("REPLACE INTO state VALUES ('refreshed', ?)", [now])

    @property
    def refreshed(self) -> datetime.datetime | None:
        """When the registry last answered; None if it never did."""
        with self._open() as connection:
            found = connection.execute("SELECT value FROM state WHERE key = 'refreshed'").fetchone()
        return datetime.datetime.fromisoformat(found[0]) if found else None

    def prompts(self, *, scratch: bool = False) -> list[IndexedPrompt]:
        """The prompts that have a version, in alphabetical order.

        Args:
            scratch: also those that nobody saved: runs of earlier versions of pex did.
        """
        with self._open() as connection:
            versions: dict[str, list[IndexedVersion]] = {}
            for name, *facts in connection.execute(
                "SELECT name, version, created_ms, by, note, sha256, digest, model FROM version "
                "ORDER BY name, version DESC"
            ):
                versions.setdefault(name, []).append(_version(*facts))
            return [
                IndexedPrompt(
                    name, description, json.loads(aliases), json.loads(tags), json.loads(words),
                    text, problem, tuple(versions[name]),
                )
                for name, description, aliases, tags, words, text, problem, saved in
                connection.execute(
                    "SELECT name, description, aliases, tags, words, text, problem, saved "
                    "FROM prompt ORDER BY name"
                )
                if name in versions and (saved or scratch)
            ]  # fmt: skip

    def _write(
        self, connection: sqlite3.Connection, found: Iterable[tuple[PromptRow, list[VersionRow]]]
    ) -> None:
        for row, versions in found:
            _delete(connection, [row.name])
            metadata, text, problem = _newest(versions)
            connection.execute(
                "INSERT INTO prompt VALUES (?, ?, '', '{}', '{}', 0, ?, ?, ?, ?)",
                [
                    row.name, row.state, all(is_bare(item.tags, item.note) for item in versions),
                    json.dumps(metadata.words()), text, problem,
                ],
            )  # fmt: skip
            connection.executemany(
                "INSERT INTO version VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (row.name, item.version, item.created_ms, item.by, item.note, item.sha256,
                     item.digest, item.model)
                    for item in versions
                ],
            )  # fmt: skip

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        if self._memory is not None:
            yield self._memory
            self._memory.commit()
            return
        try:
            private.folder(self.path.parent)
            private.touch(self.path)
            connection = self._connect()
        except OSError:  # a read-only project: the index lives as long as this object
            self._memory = self._connect(":memory:")
            yield self._memory
            self._memory.commit()
            return
        with contextlib.closing(connection):
            yield connection
            connection.commit()

    def _connect(self, where: str | None = None) -> sqlite3.Connection:
        try:
            return self._opened(where or str(self.path))
        except sqlite3.OperationalError as error:  # in use for a minute, or not a file to write to
            raise PexError(
                f"{private.STATE}/{self.path.name}: {error}", hint="try again in a moment"
            ) from None
        except sqlite3.DatabaseError:  # damaged, or of another format: it is made anew
            self.path.unlink(missing_ok=True)
            private.touch(self.path)
            return self._opened(str(self.path))

    def _opened(self, where: str) -> sqlite3.Connection:
        connection = sqlite3.connect(where, timeout=60, isolation_level="IMMEDIATE")
        try:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                connection.execute("BEGIN IMMEDIATE")
                # Another process may have made it while this one waited.
                if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
                    for statement in _SCHEMA.split(";"):
                        connection.execute(statement)
                    connection.execute(f"PRAGMA user_version = {_FORMAT}")
                connection.commit()
            elif version != _FORMAT:
                raise sqlite3.DatabaseError("another format")
        except BaseException:
            connection.close()
            raise
        return connection


def _delete(connection: sqlite3.Connection, names: Iterable[str]) -> None:
    for name in names:
        connection.execute("DELETE FROM prompt WHERE name = ?", [name])
        connection.execute("DELETE FROM version WHERE name = ?", [name])


@functools.lru_cache(maxsize=100_000)
def _time(milliseconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)


def _version(
    version: int, created_ms: int, by: str, note: str, sha256: str, digest: str, model: str
) -> IndexedVersion:
    return IndexedVersion(version, _time(created_ms), by, note, sha256, digest, model)


def _newest(versions: list[VersionRow]) -> tuple[Metadata, str, str]:
    """The metadata and the text of the newest version, or why it cannot be read."""
    from pex.library.content import decode_tags

    if not versions:
        return Metadata(), "", ""
    newest = versions[0]
    text = newest.tags.get("mlflow.prompt.text", "")
    try:
        prompt = decode_tags(newest.name, newest.version, newest.tags)
        if prompt is None:  # plain MLflow saved it: it has no metadata
            return Metadata(), text, ""
        return metadata_of(prompt), prompt.text, ""
    except PexError as error:
        return Metadata(), text, error.message


def _is_not_made(uri: str) -> bool:
    """Whether a local store does not exist yet, so that nothing can have been saved."""
    from pex.tracking.store import exists

    return not exists(uri)

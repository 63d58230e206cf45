"""The prompt files of a project with what lists and checks need of them, read only when changed."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import sqlite3
from pathlib import Path
from typing import Any

from pex.core import private
from pex.core.errors import PexError
from pex.core.text import conflict_line
from pex.library.content import encode
from pex.library.files import read_file
from pex.library.metadata import metadata_of, near_misses
from pex.project.listing import prompt_paths

_FORMAT = 2
_NAME = "prompt-files.db"


@dataclasses.dataclass(frozen=True, slots=True)
class IndexedFile:
    """A prompt file; `problem` and `hint` say why it cannot be read, else they are empty.

    `sha256` is the hash of its content and `digest` that of its request; both are empty if it
    cannot be read. `words` is its metadata as tags with values. `remarks` are possible mistakes.
    """

    path: str
    name: str
    changed: datetime.datetime
    sha256: str = ""
    digest: str = ""
    description: str = ""
    model: str = ""
    text: str = ""
    words: dict[str, str] = dataclasses.field(default_factory=dict)
    includes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    problem: str = ""
    hint: str = ""

    @property
    def experiment(self) -> str | None:
        """The experiment whose folder it is in."""
        parts = Path(self.path).parts
        return parts[1] if parts[0] == "experiments" else None


def indexed_files(project: Path, *, keep: bool = True) -> list[IndexedFile]:
    """The prompt files of a project, in the order of their paths.

    What has not changed since the last call of any process comes from `.pex/`.

    Args:
        project: the project's folder.
        keep: keep what was read in `.pex/`, for the next call; not where reading must not write.
    """
    paths = prompt_paths(project)
    stamps = {path.relative_to(project).as_posix(): _stamp(path) for path in paths}
    known = _known(project)
    found, new = [], {}
    for path in paths:
        where = path.relative_to(project).as_posix()
        stamp, data = known.get(where, ("", {}))
        # What it includes can change without the file itself.
        if stamp != stamps[where] or data.get("includes") or data.get("problem"):
            item = _read(project, path)
            new[where] = item
        else:
            item = _of_json(data)
        found.append(item)
    if keep and (new or known.keys() - stamps.keys()):
        _keep(project, stamps, new)
    return found


def _read(project: Path, path: Path) -> IndexedFile:
    file = read_file(project, path)
    prompt = file.prompt
    line = (
        conflict_line(path.read_text(encoding="utf-8", errors="replace"))
        if path.is_file()
        else None
    )
    if line is not None:
        return IndexedFile(
            file.path,
            file.name if prompt else path.stem,
            file.changed,
            problem=f"{path.name}, line {line}: a conflict marker of git",
            hint="choose between the two sides, and delete the marks",
        )
    if prompt is None:
        problem = file.problem
        assert problem is not None  # one of the two is there
        return IndexedFile(
            file.path, file.name, file.changed, problem=problem.message, hint=problem.hint or ""
        )
    facts = IndexedFile(
        file.path, file.name, file.changed, digest=prompt.digest, description=prompt.description,
        model=prompt.model or "", text=prompt.text, includes=tuple(prompt.parts),
    )  # fmt: skip
    try:
        words = metadata_of(prompt, Path(file.path).name).words()
        return dataclasses.replace(
            facts, sha256=encode(prompt).sha256, words=words, remarks=tuple(near_misses(prompt))
        )
    except PexError as error:
        return dataclasses.replace(facts, problem=error.message, hint=error.hint or "")


def _stamp(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_size}-{found.st_mtime_ns}-{found.st_ctime_ns}-{found.st_ino}"


def _known(project: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    path = private.state(project) / _NAME
    if not path.is_file():
        return {}
    with (
        contextlib.suppress(sqlite3.DatabaseError, ValueError),
        contextlib.closing(sqlite3.connect(path, timeout=60)) as connection,
    ):
        if connection.execute("PRAGMA user_version").fetchone()[0] == _FORMAT:
            rows = connection.execute("SELECT path, stamp, data FROM file").fetchall()
            return {name: (stamp, json.loads(data)) for name, stamp, data in rows}
    return {}


def _keep(project: Path, stamps: dict[str, str], new: dict[str, IndexedFile]) -> None:
    """Keep what was read; a read-only or full disk only means that it is read again."""
    with contextlib.suppress(sqlite3.DatabaseError, OSError):
        path = private.folder(private.state(project)) / _NAME
        private.touch(path)
        with contextlib.closing(sqlite3.connect(path, timeout=60)) as connection, connection:
            if connection.execute("PRAGMA user_version").fetchone()[0] != _FORMAT:
                connection.execute("DROP TABLE IF EXISTS file")
                connection.execute(
                    "CREATE TABLE file (path TEXT PRIMARY KEY, stamp TEXT, data TEXT) WITHOUT ROWID"
                )
                connection.execute(f"PRAGMA user_version = {_FORMAT}")
            gone = {row[0] for row in connection.execute("SELECT path FROM file")} - stamps.keys()
            connection.executemany("DELETE FROM file WHERE path = ?", [(name,) for name in gone])
            connection.executemany(
                "REPLACE INTO file VALUES (?, ?, ?)",
                [(where, stamps[where], _to_json(item)) for where, item in new.items()],
            )


def _to_json(item: IndexedFile) -> str:
    data = {field.name: getattr(item, field.name) for field in dataclasses.fields(item)}
    return json.dumps(data | {"changed": item.changed.isoformat()})


def _of_json(data: dict[str, Any]) -> IndexedFile:
    lists = {name: tuple(data[name]) for name in ("includes", "remarks")}
    changed = datetime.datetime.fromisoformat(data["changed"])
    return IndexedFile(**{**data, **lists, "changed": changed})

"""Runs that were deleted in MLflow and are still on disk: finding and removing them.

The store's database names the folder of each run's files, and a database can come with a project.
So a folder is accepted only if it is below the project or the store after links are resolved, and
has the form that MLflow gives it: no row can make pex delete anything else on the machine.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pex.core import python
from pex.core.errors import PexError
from pex.core.project import is_inside, led_outside
from pex.guard.redact import redact
from pex.tracking.store import connect, local_folder

_ASKED = (
    "SELECT run_uuid, artifact_uri FROM runs WHERE lifecycle_stage = 'deleted'",
    "SELECT model_id, artifact_location FROM logged_models WHERE lifecycle_stage = 'deleted'",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Deleted:
    """A run or a logged model, with the place of its files; `foreign` ones are not deleted."""

    id: str
    place: str
    foreign: bool

    @property
    def size(self) -> int:
        """The size of its files in bytes; foreign files are not looked at."""
        files = () if self.foreign else Path(self.place).rglob("*")
        return sum(file.stat().st_size for file in files if file.is_file())


def deleted(uri: str, project: Path) -> list[Deleted]:
    """Find what was deleted in a store on this machine and is still on disk; none for a server."""
    folder = local_folder(uri)
    if folder is None:
        return []
    connect(uri)
    found = []
    for name, location in _rows(Path(uri.removeprefix("sqlite:///"))):
        path = _local(location)
        own = path is not None and _is_own(path, name, project, folder)
        found.append(Deleted(name, str(path or redact(location)), not own))
    return found


def delete(uri: str, found: list[Deleted]) -> None:
    """Permanently remove what was deleted, with MLflow's own command.

    Raises:
        PexError: files are elsewhere (then nothing is deleted), or MLflow's command failed.
    """
    check(uri, found)
    command = python.command("mlflow", "gc", "--backend-store-uri", uri, "--tracking-uri", uri)
    done = subprocess.run(
        command, env=python.environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise PexError(f"mlflow gc failed: {last}")


def check(uri: str, found: list[Deleted]) -> None:
    """Refuse to delete if the store names files outside the project.

    Raises:
        PexError: it does; the message names the first place.
    """
    foreign = [item for item in found if item.foreign]
    if foreign:
        more = f" (and {len(foreign) - 1} more)" if len(foreign) > 1 else ""
        raise PexError(
            f"nothing was deleted: {redact(uri)} says that the files of the deleted run "
            f"{foreign[0].id} are in {foreign[0].place}{more}, which is not a run's folder in "
            "the project or its store",
            hint="look at that folder; if it may be deleted: "
            f"mlflow gc --backend-store-uri {redact(uri)}",
        )


def _rows(file: Path) -> Iterator[tuple[str, str]]:
    with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as db:
        for query in _ASKED:
            with contextlib.suppress(sqlite3.OperationalError):  # a store without logged models
                yield from ((str(name), str(place)) for name, place in db.execute(query))


def _local(location: str) -> Path | None:
    """The path that a location names; None if it is not on this machine's disks."""
    parts = urlsplit(location)
    if len(parts.scheme) < 2:  # a single letter is a drive
        return Path(location).absolute()
    local = parts.scheme == "file" and parts.netloc in ("", "localhost")
    return Path(unquote(parts.path)) if local else None


def _is_own(path: Path, name: str, project: Path, folder: Path) -> bool:
    """Whether a path is `…/<own id>/artifacts` below the project or the store's folder."""
    if path.name != "artifacts" or path.parent.name != name or len(name) < 32:
        return False
    roots = [project] if led_outside(folder, project) else [project, folder]
    return any(is_inside(path, root) for root in roots)

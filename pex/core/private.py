"""Owner-only folders and files: requests, answers, ratings and drafts.

Each person has their own: in a project's `.pex/`, or, where a colleague has that, in a folder of
their own home.

A folder that only its owner may enter protects everything in it, whatever the modes of the files.
Their modes are set all the same: a copy or move takes a file out of its folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from pex.core import home
from pex.core.errors import PexError

STATE = ".pex"
_OTHERS = 0o077


def state(project: Path) -> Path:
    """The folder of what the current user keeps for a project.

    It is the project's `.pex/`. Where a colleague's project has one that only the colleague can
    enter, or is a folder in which the user cannot make one, it is in the user's own home.

    Args:
        project: the project's folder.

    Raises:
        PexError: it would be in the user's home, and there is none.
    """
    inside = project / STATE
    if not _is_closed(project, inside):
        return inside
    place = project.resolve()
    number = hashlib.sha256(os.fsencode(place)).hexdigest()[:12]
    return home.folder("state") / STATE / f"{place.name}-{number}"


def _is_closed(project: Path, inside: Path) -> bool:
    """Whether `.pex/` is somebody else's, or would have to be made in a folder of theirs."""
    if os.name != "posix":
        return False
    try:
        owner = inside.stat().st_uid
    except FileNotFoundError:
        try:
            owner = project.stat().st_uid
        except OSError:
            return False
        return owner != os.geteuid() and not os.access(project, os.W_OK | os.X_OK)
    except OSError:
        return False  # the project itself cannot be entered: its user is told
    return owner != os.geteuid() and not os.access(inside, os.X_OK)


def folder(path: Path, *, own: bool | None = None) -> Path:
    """Create a folder for its owner alone; an existing folder and its contents are made private.

    A folder that the user has named (`[journal] path`) can contain other things and is not
    changed; nor is one behind a link, which can lead anywhere.

    Args:
        path: the folder.
        own: whether it contains only files of pex; default: whether it is named `.pex` or is
            inside a folder with that name.

    Returns:
        The folder.
    """
    ours = _is_state(path) if own is None else own
    if not ours:
        path.mkdir(parents=True, exist_ok=True)
        return path
    missing = [item for item in (path, *path.parents) if not item.exists()]
    for item in reversed(missing):
        item.mkdir(mode=0o700, exist_ok=True)
    if not missing and not path.is_symlink() and _is_open(path):
        tighten(path)
    return path


def tighten(path: Path) -> None:
    """Remove others' access to a folder and its contents; links are not followed."""
    for place, _, names in os.walk(path):
        _set(Path(place), 0o700)
        for name in names:
            _set(Path(place) / name, 0o600)


def keep(path: Path, data: bytes, where: str) -> None:
    """Write a file that is named after its content, if it is not there yet.

    Args:
        path: the file, in a project's `.pex/`.
        data: its content.
        where: what it is, for the message.

    Raises:
        PexError: it cannot be written: the folder is a colleague's, or the disk is full.
    """
    try:
        if not path.is_file():
            folder(path.parent)
            touch(path)
            path.write_bytes(data)
    except OSError as error:
        raise PexError(
            f"{where} cannot be kept in {path.parent}: {error.strerror or error}",
            hint="save it in the project, and write its path instead",
        ) from None


def touch(path: Path) -> None:
    """Create an empty owner-only file in `.pex`; SQLite gives its mode to the files next to it."""
    if not _is_state(path):
        return
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _is_state(path: Path) -> bool:
    return STATE in path.absolute().parts


def _is_open(path: Path) -> bool:
    return os.name == "posix" and bool(path.stat().st_mode & _OTHERS)


def _set(path: Path, mode: int) -> None:
    # Another user's file, or a file system without modes: nothing can be done.
    with contextlib.suppress(OSError):
        if not path.is_symlink() and (path.is_dir() or path.is_file()) and _is_open(path):
            path.chmod(mode)

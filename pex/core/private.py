"""Owner-only folders and files: requests, answers, ratings and drafts.

A folder that only its owner may enter protects everything in it, whatever the modes of the files.
Their modes are set all the same: a copy or move takes a file out of its folder.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

STATE = ".pex"
_OTHERS = 0o077


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

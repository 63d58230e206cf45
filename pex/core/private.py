"""Folders and files that only their owner reads: what was asked, answered, rated and drafted.

A folder that only its owner may enter keeps everything in it from others, whatever the modes of
the files. They are set all the same: a copy or a move takes a file out of its folder.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

STATE = ".pex"
_OTHERS = 0o077


def folder(path: Path, *, own: bool | None = None) -> Path:
    """Make a folder for its owner alone; one that is there is made so, with all that is in it.

    A folder that the user has given another name (`[journal] path`) may hold other things and
    stays as it is; so does one behind a link, which may lead anywhere.

    Args:
        path: the folder.
        own: whether nothing but what pex writes is in it; left out, it is if its name is `.pex`
            or it lies in such a one.

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
    """Take a folder and what is in it away from others; links are not followed."""
    for place, _, names in os.walk(path):
        _set(Path(place), 0o700)
        for name in names:
            _set(Path(place) / name, 0o600)


def touch(path: Path) -> None:
    """Make an empty file in `.pex` for its owner alone; what SQLite puts beside it has its mode."""
    if not _is_state(path):
        return
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _is_state(path: Path) -> bool:
    return STATE in path.absolute().parts


def _is_open(path: Path) -> bool:
    return os.name == "posix" and bool(path.stat().st_mode & _OTHERS)


def _set(path: Path, mode: int) -> None:
    # Another user's file, or a file system without modes: there is nothing to be done.
    with contextlib.suppress(OSError):
        if not path.is_symlink() and (path.is_dir() or path.is_file()) and _is_open(path):
            path.chmod(mode)

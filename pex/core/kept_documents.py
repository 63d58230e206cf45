"""What is kept of documents in `.pex/documents/`: pages as images, texts, and given bytes.

All of it is named by the digest of a document's content, so it is right wherever the document is
and whatever it is called. It can be deleted at any time: it is made again from the documents,
and bytes of a DataFrame are kept again when the cases are read again.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from pex.core import private
from pex.core.project import project_of

FOLDER = f"{private.STATE}/documents"
MOST_BYTES = 500_000_000
"""More than this is not kept: what was used longest ago is deleted first."""

_CHECK_EVERY = 50
_written: dict[str, int] = {}


def folder_of(base: Path) -> Path:
    """The folder where documents of cases in `base` are kept."""
    return project_of(base) / FOLDER


def read(folder: Path, name: str) -> bytes | None:
    """What is kept under a name; None if nothing is."""
    path = folder / name
    try:
        content = path.read_bytes()
    except OSError:
        return None
    with contextlib.suppress(OSError):
        os.utime(path)
    return content


def write(folder: Path, name: str, content: bytes) -> bool:
    """Keep something; returns False if that is not possible, which costs only time."""
    temporary = folder / f".{uuid.uuid4().hex}"
    try:
        private.folder(folder)
        temporary.write_bytes(content)
        temporary.chmod(0o600)
        temporary.replace(folder / name)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        return False
    key = str(folder)
    _written[key] = _written.get(key, -1) + 1
    if _written[key] % _CHECK_EVERY == 0:
        shrink(folder)
    return True


def shrink(folder: Path, most: int = MOST_BYTES) -> None:
    """Delete what was used longest ago until the rest is small enough."""
    files = sorted(_files(folder), key=lambda item: item[2])
    size = sum(item[1] for item in files)
    for path, length, _ in files:
        if size <= most:
            return
        with contextlib.suppress(OSError):
            path.unlink()
            size -= length


def kept(project: Path, older_than_s: float = 0.0, now: float = 0.0) -> list[tuple[Path, int]]:
    """What is kept in a project and was not used for so long, with its size in bytes.

    Args:
        project: its folder.
        older_than_s: for how long.
        now: in seconds since 1970; left out, everything is found.
    """
    return [
        (path, size)
        for path, size, used in _files(project / FOLDER)
        if now - used > older_than_s or not now
    ]


def forget(found: Iterable[tuple[Path, int]]) -> None:
    """Delete what `kept` found."""
    for path, _ in found:
        path.unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[tuple[Path, int, float]]:
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            with contextlib.suppress(OSError):
                stat = path.lstat()
                if path.is_file() and not path.is_symlink():
                    yield path, stat.st_size, stat.st_mtime

"""Reads text files named by users; errors say what is wrong with the file."""

from __future__ import annotations

import stat
from pathlib import Path

from pex.core.errors import PexError, nearest

LARGEST_MB = 50
"""A larger file is not a prompt, experiment, plan or schema."""
_HANDED = (("/", "dev"), ("/", "proc"))
"""The shell's paths for another command's output: `pexlab library push <(…)`."""


def read_text(path: Path, what: str) -> str:
    """The text of a UTF-8 file, with its line endings unchanged.

    Raises:
        PexError: the file is missing, cannot be read, is too large or is not UTF-8.
    """
    return decoded(read_bytes(path, what), path, what)


def read_bytes(path: Path, what: str, most_mb: int = LARGEST_MB) -> bytes:
    """The content of a file.

    Raises:
        PexError: the file is missing, cannot be read or has more than `most_mb` megabytes.
    """
    try:
        _check_file(path, what, most_mb)
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        folder = path.parent
        if not folder.is_dir():
            raise PexError(f"{what} {path}: no such folder {folder}") from None
        if path.is_symlink():
            raise PexError(
                f"{what} {path}: it is a link to {path.readlink()}, which is not there"
            ) from None
        names = [item.name for item in sorted(folder.iterdir()) if item.is_file()]
        raise PexError(f"{what} {path}: no such file", hint=nearest(path.name, names)) from None
    except IsADirectoryError:
        raise PexError(f"{what} {path}: this is a folder") from None
    except OSError as error:
        raise PexError(f"{what} {path}: it cannot be read: {error.strerror}") from None


def _check_file(path: Path, what: str, most_mb: int) -> None:
    """Refuse files that never end, and pipes that would block until somebody writes."""
    about = path.stat()
    pipe = not (stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode))
    if pipe and path.parts[:2] not in _HANDED:
        raise PexError(f"{what} {path}: this is a pipe or a device, expected a file")
    if about.st_size > most_mb * 1_000_000:
        size = f"{about.st_size / 1e6:,.0f} MB"
        raise PexError(f"{what} {path}: it has {size}, at most {most_mb:,} MB are read")


def decoded(data: bytes, path: Path, what: str) -> str:
    """The bytes of a file as text.

    Raises:
        PexError: they are not UTF-8, or look like UTF-16.
    """
    # Without a byte order mark, UTF-16 looks like UTF-8 with every other byte zero.
    if data[:4].count(0) == 2 and 0 in (data[0], data[1]) and data[0] != data[1]:
        raise PexError(f"{what} {path}: this is UTF-16", hint="save the file as UTF-8")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PexError(
            f"{what} {path}: not UTF-8 (byte {error.start})", hint="save the file as UTF-8"
        ) from None

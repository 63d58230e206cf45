"""The project's secret, from which the canaries and delimiters of its requests are derived.

It is a file in `.pex/` that only its owner can read, made when a request needs it for the first
time. Nothing else has it: not a journal in PostgreSQL, a bundle, a record or a log. Another machine
makes another one, and with it other canaries and delimiters; the answers in a shared journal are
found all the same, as their keys have placeholders.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import secrets
import tempfile
from pathlib import Path

from pex.core import private
from pex.core.errors import PexError
from pex.core.textfile import read_bytes

FILE = "secret"
_BYTES = 32
_WHOLE = re.compile(rb"[0-9a-f]{64}\n?")


@functools.lru_cache(maxsize=32)
def project_secret(state: Path) -> bytes:
    """The secret of the project with this state folder; made if there is none.

    Two processes that start at once get the same one.

    Args:
        state: the project's `.pex/` folder.

    Raises:
        PexError: it cannot be read or made, or the file has something else in it.
    """
    path = state / FILE
    try:
        if not path.exists():
            _make(path)
        text = read_bytes(path, "secret", 1)
    except OSError as error:
        raise PexError(
            f"{path}: the project's secret cannot be read: {error.strerror or error}",
            hint="canaries and delimiters are derived from it: make the folder writable",
        ) from None
    if not _WHOLE.fullmatch(text):
        raise PexError(
            f"{path}: it is not a secret of pex: 64 hexadecimal digits were expected",
            hint="delete it; the next run makes another one",
        )
    return bytes.fromhex(text.decode())


def _make(path: Path) -> None:
    """Write a new secret; the file is there whole or not at all, and the first one stays."""
    folder = private.folder(path.parent)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")
    number, name = tempfile.mkstemp(dir=folder, prefix=f".{FILE}.")  # for its owner alone
    try:
        with os.fdopen(number, "w", encoding="ascii") as stream:
            stream.write(secrets.token_hex(_BYTES) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(name, path)
        except FileExistsError:
            return
        except OSError:  # a file system without links
            if not path.exists():
                Path(name).rename(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()

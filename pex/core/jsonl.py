"""Append-only files of JSON lines: each line is on disk before it counts.

A writer that is killed can leave half a line at the end. The next writer starts a new line, and
readers skip unreadable lines.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pex.core import jsontext


def append(path: Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Append entries, one per line; they are on disk when this returns.

    Raises:
        OSError: the file cannot be written.
    """
    with path.open("a+b") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # half a line from a writer that was killed
                file.write(b"\n")
        file.write(b"".join(map(line_of, entries)))
        file.flush()
        os.fsync(file.fileno())


def line_of(entry: Mapping[str, Any]) -> bytes:
    r"""An entry as a line; half a character is written as a JSON escape, so nothing is lost.

    Example:
        >>> line_of({"name": "Zoë\u2028"}).decode()
        '{"name": "Zoë\u2028"}\n'
        >>> line_of({"name": "a\ud800"}).decode()
        '{"name": "a\\ud800"}\n'
    """
    try:
        return json.dumps(dict(entry), ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(dict(entry)).encode() + b"\n"


def lines_in(data: bytes) -> list[bytes]:
    r"""The lines of a file with their line endings; only a line feed ends a line.

    Example:
        >>> lines_in(b'{"a": "x\x0by"}\n{"a"')
        [b'{"a": "x\x0by"}\n', b'{"a"']
    """
    *whole, last = data.split(b"\n")
    return [line + b"\n" for line in whole] + ([last] if last else [])


def entry_in(line: bytes) -> dict[str, Any] | None:
    """The entry in a line; None if it is unreadable: a writer was killed or the disk was full.

    Example:
        >>> entry_in(b'{"a": 1}'), entry_in(b'{"a": '), entry_in(b"[1]")
        ({'a': 1}, None, None)
    """
    try:
        found = jsontext.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def mentions(line: bytes, text: str) -> bool:
    r"""Whether an unreadable line contains this string, in either JSON spelling.

    Example:
        >>> mentions(b'{"case": "Zo\\u00eb", "af', "Zoë"), mentions(b'{"case": "r1', "r1")
        (True, True)
        >>> mentions(b'{"at": "2026-11-28", "case": "12", "af', "1")
        False
    """
    written = (json.dumps(text), json.dumps(text, ensure_ascii=False))
    begun = (item[:-1].encode("utf-8", "surrogatepass") for item in written)
    return any(re.search(re.escape(item) + rb'(?:"|\s*\Z)', line) for item in begun)

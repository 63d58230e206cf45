"""The file cache of served prompts: one file for each prompt of a registry.

A file is replaced as a whole and has a checksum: a reader sees the old one or the new one, and a
damaged one is ignored. It has what was last known, which does not expire.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from pex.core import home, private
from pex.library.known_prompt import KnownPrompt

FORMAT = 1
_LONGEST_NAME = 80

Stamp = tuple[int, int, int] | None
"""Changes whenever the file is replaced; None if there is none."""


def cache_paths(uri: str, name: str, project: Path | None, workspace: str = "") -> Iterator[Path]:
    """Where the file of a prompt may be, in order: the project, the user's cache folder.

    The second one is looked for only if somebody goes on to it.

    Args:
        uri: the address of the registry.
        name: the prompt.
        project: the project's folder, None if there is none.
        workspace: the workspace in the registry: another one has another prompt of this name.
    """
    whose = "\0".join(filter(None, (uri, name, workspace)))
    file = f"{name[:_LONGEST_NAME]}-{hashlib.sha256(whose.encode()).hexdigest()[:16]}.json"
    if project is not None:
        yield private.state(project) / "prompts" / file
    with contextlib.suppress(Exception):  # no home folder: then there is no cache
        yield home.folder("cache") / private.STATE / "prompts" / file


def stamp_of(path: str) -> Stamp:
    """The stamp of a file."""
    try:
        found = os.stat(path)  # noqa: PTH116 - half the time of Path.stat
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def read_cache(path: str, name: str) -> KnownPrompt | None:
    """What a file knows of a prompt; None if there is none, or if it is damaged."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as above
            head, _, body = file.read().partition(b"\n")
        found = json.loads(head)
        if found["format"] != FORMAT or found["sum"] != zlib.crc32(body):
            return None
        known = KnownPrompt.from_json(json.loads(body))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return known if known.name == name else None


def write_cache(path: Path, known: KnownPrompt) -> bool:
    """Replace a prompt's file; False if the folder cannot be written to or the disk is full."""
    body = json.dumps(known.to_json(), ensure_ascii=False).encode()
    head = json.dumps({"format": FORMAT, "sum": zlib.crc32(body)}).encode()
    part = path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(4).hex()}.part")
    try:
        private.folder(path.parent)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(head + b"\n" + body)
        part.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        return False
    return True

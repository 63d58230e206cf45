"""Documents that were changed since a run used them last: their answers are not reused."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Mapping
from pathlib import Path

import orjson

from pex.core import private

FILE = "documents.json"
"""In the project's `.pex/`: the digest of each document when it was used last, and the day."""

_SHOWN = 3
_MOST = 100_000


def changed(state: Path, project: Path, used: Mapping[Path, str]) -> list[str]:
    """A remark about the documents that were changed since they were used last; none if none was.

    Args:
        state: the project's `.pex/`.
        project: its folder.
        used: the digest of each document that is used now.
    """
    before = _read(state) if used else {}
    names = {_name(path, project): digest for path, digest in used.items()}
    found = [name for name, digest in names.items() if before.get(name, [digest])[0] != digest]
    if not found:
        return []
    if len(found) == 1:
        return [
            f"{found[0]} was changed since {before[found[0]][1]}: what is asked about it is a new "
            "request, and its earlier answers are not reused"
        ]
    more = f" and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
    return [
        f"{len(found):,} documents were changed since they were used last: what is asked about "
        f"them is a new request, and their earlier answers are not reused: "
        f"{', '.join(found[:_SHOWN])}{more}"
    ]


def remember(state: Path, project: Path, used: Mapping[Path, str]) -> None:
    """Keep the digests of the documents that a run uses."""
    if not used:
        return
    today = datetime.datetime.now().strftime("%Y-%m-%d")
    now = {_name(path, project): [digest, today] for path, digest in used.items()}
    kept = {name: value for name, value in _read(state).items() if name not in now} | now
    kept = dict(list(kept.items())[-_MOST:])
    temporary = state / f".{FILE}"
    with contextlib.suppress(OSError):  # what is lost is a remark
        private.folder(state)
        temporary.write_bytes(orjson.dumps(kept))
        temporary.chmod(0o600)
        temporary.replace(state / FILE)


def _read(state: Path) -> dict[str, list[str]]:
    try:
        read = orjson.loads((state / FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return {
        str(name): [str(part) for part in value]
        for name, value in (read.items() if isinstance(read, dict) else ())
        if isinstance(value, list) and len(value) == 2
    }


def _name(path: Path, project: Path) -> str:
    path = path.absolute()
    inside = path.is_relative_to(project.absolute())
    return path.relative_to(project.absolute()).as_posix() if inside else path.as_posix()

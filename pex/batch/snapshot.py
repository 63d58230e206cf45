"""The state of a batch at its start, so a resume can report changes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from pex.batch.plan import Plan
from pex.core import jsontext
from pex.core.errors import PexError

FILE = "begun.json"
_KINDS = (".csv", ".json", ".jsonl", ".md", ".parquet", ".prompty", ".py", ".toml", ".tsv", ".txt",
          ".xlsx", ".yaml", ".yml")  # fmt: skip
"""Files that a notebook may read its cases and prompts from."""
_MOST_FILES, _MOST_SEEN = 2000, 20_000
_LARGE = 16_000_000
"""A larger file is identified by its size and time."""
_SHOWN = 8


def begin(folder: Path, plan: Plan) -> list[str]:
    """Record the jobs of a new batch and digests of the files beside its plan.

    Returns:
        What has changed, in sentences without a full stop; nothing for a new batch.

    Raises:
        PexError: the folder cannot be written.
    """
    if (folder / FILE).exists():
        return _since(folder, plan)
    entry = {"jobs": [job.id for job in plan.jobs], "files": _digests(plan)}
    part = folder / f"{FILE}.part"
    try:
        part.write_text(json.dumps(entry, indent=1), encoding="utf-8")
        part.replace(folder / FILE)
    except OSError as error:
        raise PexError(
            f"the batch cannot write its outputs to {folder}: {error.strerror or error}",
            hint="free some space, or let this user write there",
        ) from None
    return []


def jobs_of(folder: Path) -> list[str] | None:
    """The ids of the jobs that a batch started with; None if they were not recorded."""
    try:
        return [str(name) for name in jsontext.loads((folder / FILE).read_text("utf-8"))["jobs"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _since(folder: Path, plan: Plan) -> list[str]:
    try:
        before = jsontext.loads((folder / FILE).read_text("utf-8"))
        files, jobs = dict(before["files"]), set(before["jobs"])
    except (OSError, ValueError, KeyError, TypeError):
        return []
    now = _digests(plan)
    ids = {job.id for job in plan.jobs}
    other = [name for name, digest in files.items() if name in now and now[name] != digest]
    found = [
        ("added to the plan since this batch started", ids - jobs),
        ("removed from the plan, and kept as they are", jobs - ids),
        ("changed since this batch started; finished jobs are not rerun", other),
        ("deleted since this batch started", files.keys() - now.keys()),
    ]
    return [f"{what}: {_names(names)}" for what, names in found if names]


def _names(names: Collection[str]) -> str:
    shown = ", ".join(sorted(names)[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else shown


def _digests(plan: Plan) -> dict[str, Any]:
    found = {}
    for path in _files(plan.folder):
        try:
            about = path.stat()
            if about.st_size > _LARGE:
                digest = f"{about.st_size} {about.st_mtime_ns}"
            else:
                digest = hashlib.sha256(path.read_bytes()).hexdigest()[:20]
        except OSError:
            continue
        found[path.relative_to(plan.folder).as_posix()] = digest
        if len(found) == _MOST_FILES:
            break
    return found


def _files(folder: Path) -> Iterator[Path]:
    """The files in and below the plan's folder, except those written while a batch runs."""
    seen = 0
    for place, folders, names in os.walk(folder):
        seen += len(names)
        if seen > _MOST_SEEN:  # somebody's whole disk
            return
        folders[:] = sorted(n for n in folders if n not in ("outputs", "mlruns") and n[0] != ".")
        yield from (Path(place, name) for name in sorted(names) if name.endswith(_KINDS))

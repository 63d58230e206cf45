"""The accepted baseline: the recorded runs that a plan's candidates are compared with.

It is in `baseline.json` beside the plan, to be committed with it, and in tags on the run.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pex.core import jsontext
from pex.core.errors import PexError
from pex.core.user_name import user_name

FILE = "baseline.json"


def accept(
    uri: str, project: Path, run_ids: list[str], why: str, who: str | None = None
) -> list[Path]:
    """Pin runs of batches as the baseline of their plans.

    Args:
        uri: the store that the runs are in.
        project: the project that the plans are in.
        run_ids: one run, or the runs of all jobs of a night.
        why: the reason, for later readers.
        who: the person who accepts; by default the user.

    Returns:
        The files that were written.

    Raises:
        PexError: no such run, not a run of a plan, a missing plan folder, an unwritable file.
    """
    from pex.record.nights import tag

    who = who or user_name()
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    about = {"pex.accepted_by": who, "pex.accepted_at": at, "pex.accepted_why": why}
    written: dict[Path, None] = {}
    for run_id in run_ids:
        tags = tag(uri, run_id, {})
        if "pex.plan" not in tags:
            raise PexError(
                f"run '{run_id}' is not a run of a batch",
                hint="accept a run that `pexlab batch` made; each night's page names them",
            )
        folder = project / tags["pex.plan_folder"]
        if not folder.is_dir():
            raise PexError(f"the folder of the plan '{tags['pex.plan']}' does not exist: {folder}")
        entry = {
            "run_id": run_id,
            "experiment": tags["pex.experiment"],
            "job": tags.get("pex.job_id", ""),
            "batch": tags.get("pex.batch_id", ""),
            "who": who,
            "when": at,
            "why": why,
        }
        path = folder / FILE
        _write(path, tags["pex.plan"], entry)
        tag(uri, run_id, about)
        written[path] = None
    return list(written)


def pinned(folder: Path, plan: str, run: Mapping[str, Any]) -> dict[str, Any] | None:
    """The accepted run that belongs to a run: of the same job, else the only one of its experiment.

    Args:
        folder: the plan's folder.
        plan: the plan's name.
        run: `experiment` and `job_id`.

    Raises:
        PexError: the file is damaged.
    """
    known = _read(folder / FILE).get(plan, [])
    entries = [item for item in known if item["experiment"] == run["experiment"]]
    for entry in entries:
        if entry["job"] == run["job_id"]:
            return dict(entry)
    return dict(entries[0]) if len(entries) == 1 else None


def _read(path: Path) -> dict[str, list[dict[str, Any]]]:
    if not path.is_file():
        return {}
    try:
        found = jsontext.loads(path.read_text(encoding="utf-8"))
        for entries in found.values():
            for entry in entries:
                entry["run_id"], entry["experiment"], entry["job"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise PexError(
            f"{path}: this is not a list of accepted runs",
            hint="restore it from git, or accept a run again: pexlab batch accept RUN",
        ) from None
    return dict(found)


def _write(path: Path, plan: str, entry: dict[str, Any]) -> None:
    known = _read(path)
    same = (entry["experiment"], entry["job"])
    others = [i for i in known.get(plan, []) if (i["experiment"], i["job"]) != same]
    known[plan] = [*others, entry]
    part = path.with_suffix(".part")
    try:
        part.write_text(json.dumps(known, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise PexError(f"{path} cannot be written: {error.strerror or error}") from None

"""Runs with an incomplete record: kept in the project and not yet in MLflow, or without traces.

A run whose record did not reach MLflow waits in the project until `pexlab record` sends it.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pex.core import private
from pex.core.about import About
from pex.core.project import is_inside
from pex.record import files
from pex.record.traces import WRITTEN
from pex.score.frame import typed
from pex.tracking.store import connect

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "unrecorded"
NEWEST = 100
"""Number of runs in MLflow that are searched for missing traces."""

_OWN = (files.ABOUT, files.PARQUET, files.TABLE)


def keep(
    state: Path,
    run_id: str,
    frame: pd.DataFrame,
    about: About,
    texts: Mapping[str, str],
) -> Path:
    """Write a run's files into the project's state; returns their folder."""
    folder = folder_of(state, run_id)
    part = folder.with_name(f".{run_id}")  # a partial folder would look like a waiting run
    shutil.rmtree(part, ignore_errors=True)
    private.folder(state)
    part.mkdir(parents=True)
    files.write(part, frame, about, texts, None)
    private.tighten(part.parent)
    drop(state, run_id)
    return part.rename(folder)


def folder_of(state: Path, run_id: str) -> Path:
    """The folder of a waiting run."""
    return state / FOLDER / run_id


def waiting(state: Path) -> list[str]:
    """The runs that are waiting to be recorded."""
    folder = state / FOLDER
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return sorted(name for name in names if not name.startswith("."))


def take(state: Path, run_id: str) -> tuple[pd.DataFrame, About, dict[str, str]]:
    """The frame, the description and the texts of a waiting run."""
    folder = folder_of(state, run_id)
    frame, about = files.read(folder, str(folder))
    texts = {
        path.relative_to(folder).as_posix(): path.read_bytes().decode()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and path.name not in _OWN
    }
    return typed(frame), about, texts


def addresses(state: Path) -> list[str]:
    """The intended stores of the waiting runs; an unreadable run is skipped."""
    found: list[str] = []
    for run_id in waiting(state):
        with contextlib.suppress(OSError, ValueError):
            about = json.loads((folder_of(state, run_id) / files.ABOUT).read_bytes())
            uri = about.get("tracking_uri") if isinstance(about, dict) else None
            found += [uri] if isinstance(uri, str) else []
    return found


def drop(state: Path, run_id: str) -> None:
    """Remove a recorded run; a folder that a link places outside the state is kept."""
    folder = folder_of(state, run_id)
    if folder != state / FOLDER and is_inside(folder, state):
        shutil.rmtree(folder, ignore_errors=True)


def unfinished(uri: str) -> list[dict[str, str]]:
    """Return those of the newest runs in MLflow that have missing traces.

    Args:
        uri: the store.

    Returns:
        `run_id`, `experiment` and `traces` (written of total, as `120/500`), newest first.

    Raises:
        PexError: the store does not answer.
    """
    client = connect(uri)
    everywhere = [item.experiment_id for item in client.search_experiments()]
    found = client.search_runs(everywhere, "tags.`pex.kind` = 'run'", max_results=NEWEST)
    return [
        {
            "run_id": run.info.run_id,
            "experiment": run.data.tags["pex.experiment"],
            "traces": run.data.tags[WRITTEN],
        }
        for run in found
        if len(set(run.data.tags.get(WRITTEN, "").split("/"))) > 1
    ]

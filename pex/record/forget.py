"""Taking a case or a group out of what was recorded, and what is left of deleted runs."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.core.errors import PexError
from pex.record.files import CASES, replace
from pex.record.runs import load
from pex.record.store import connect, local_folder

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True, slots=True)
class Recorded:
    """A run that has rows of a case or a group."""

    run_id: str
    experiment: str
    rows: int


def find(uri: str, case_id: str | None, group: str | None) -> list[Recorded]:
    """The runs whose tables have the case or the group."""
    found = []
    for run in _runs(uri):
        try:
            frame, _ = load(uri, run.info.run_id)
        except PexError:  # it never got as far as a table
            continue
        count = int(_of(frame, case_id, group).sum())
        if count:
            found.append(Recorded(run.info.run_id, run.data.tags["pex.experiment"], count))
    return found


def forget(
    uri: str,
    run_id: str,
    case_id: str | None,
    group: str | None,
    page: Callable[[pd.DataFrame, dict[str, Any]], str],
) -> None:
    """Write a run's files anew without the case or the group; its metrics stay as they were.

    Args:
        uri: the store.
        run_id: the parent run.
        case_id: the case, or None.
        group: the group, or None.
        page: makes the report from the frame and the description that are left.
    """
    frame, about = load(uri, run_id)
    gone = _of(frame, case_id, group)
    ids = set(frame.loc[gone, "case_id"])
    about["forgotten"] = int(about.get("forgotten", 0)) + int(gone.sum())
    left = frame[~gone].reset_index(drop=True)
    client = connect(uri)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(client.download_artifacts(run_id, CASES, folder))
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = "".join(line for line in lines if json.loads(line).get("case_id") not in ids)
    replace(client, run_id, left, about, {CASES: kept, "report.html": page(left, about)})


def deleted(uri: str) -> tuple[int, int]:
    """How many runs were deleted in MLflow but are still there, and the bytes of their files."""
    from mlflow.entities import ViewType

    client = connect(uri)
    everywhere = [item.experiment_id for item in client.search_experiments(ViewType.ALL)]
    runs = client.search_runs(everywhere, run_view_type=ViewType.DELETED_ONLY) if everywhere else []
    size = 0
    for run in runs:
        folder = Path(run.info.artifact_uri.removeprefix("file://"))
        if folder.is_dir():
            size += sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return len(runs), size


def delete_deleted(uri: str) -> None:
    """Remove deleted runs for good, with MLflow's own command.

    Raises:
        PexError: the store is on a server, or MLflow could not do it.
    """
    if local_folder(uri) is None:
        raise PexError(
            f"{uri} is a server's store", hint="run `mlflow gc` there, where its database is"
        )
    command = [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", uri]
    command += ["--tracking-uri", uri]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise PexError(f"mlflow gc did not work: {last}")


def _runs(uri: str) -> list[Any]:
    from mlflow.entities import ViewType

    client = connect(uri)
    everywhere = [item.experiment_id for item in client.search_experiments(ViewType.ALL)]
    found: list[Any] = []
    token = None
    while everywhere:
        page = client.search_runs(
            everywhere, "tags.`pex.kind` = 'run'", ViewType.ALL, 1000, page_token=token
        )
        found += page
        token = page.token
        if not token:
            break
    return found


def _of(frame: pd.DataFrame, case_id: str | None, group: str | None) -> pd.Series[bool]:
    chosen = frame["case_id"].notna()
    if case_id is not None:
        chosen &= frame["case_id"] == case_id
    if group is not None:
        chosen &= frame["group"] == group
    return chosen

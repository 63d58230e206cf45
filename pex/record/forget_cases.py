"""Deleting the data of a case or a group from recorded runs.

A case's texts are in a run's tables and report, in its traces, in the datasets of its cases, and,
if recording failed, in the project. Metrics and verdicts are totals over cases and stay.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.core import jsonl
from pex.core.about import About
from pex.core.errors import PexError
from pex.record import traces, unrecorded
from pex.record.files import CASES, replace
from pex.record.runs import NoResultsError, load
from pex.tracking.store import connect, local_folder

if TYPE_CHECKING:
    import pandas as pd

Case = str | Collection[str] | None
_PATIENCE_S = 60.0
"""How long to wait for other processes to release the store's file."""


@dataclasses.dataclass(frozen=True, slots=True)
class Recorded:
    """A run with rows of a case or a group."""

    run_id: str
    experiment: str
    rows: int


def find(uri: str, case_id: str | None, group: str | None) -> list[Recorded]:
    """Find the runs whose tables contain the case or the group."""
    found = []
    for run in _runs(uri):
        try:
            frame, _ = load(uri, run.info.run_id)
        except NoResultsError:  # it ended before it had a table
            continue
        count = int(_of(frame, case_id, group).sum())
        if count:
            found.append(Recorded(run.info.run_id, run.data.tags["pex.experiment"], count))
    return found


def forget(
    uri: str,
    run_id: str,
    case_id: Case,
    group: str | None,
    page: Callable[[pd.DataFrame, About], str],
) -> None:
    """Remove the case or the group from a run: its files, traces and datasets; metrics stay.

    A local store's file retains deleted data until `shrink`.

    Args:
        uri: the store.
        run_id: the parent run.
        case_id: the case or several, or None.
        group: the group, or None.
        page: makes the report from the remaining frame and description.
    """
    client = connect(uri)
    whole = load(uri, run_id)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(client.download_artifacts(run_id, CASES, folder))
        cases = path.read_bytes().decode()
    left, about, cases, ids = _without(*whole, cases, case_id, group)
    # The table comes last: as long as it has the case, the same command finds the run again.
    traces.forget(uri, run_id, ids)
    replace(client, run_id, left, about, {CASES: cases, "report.html": page(left, about)})


def find_waiting(state: Path, case_id: str | None, group: str | None) -> list[Recorded]:
    """Find the runs waiting in the project to be recorded that have the case or the group."""
    found = []
    for run_id in unrecorded.waiting(state):
        frame, about, _ = unrecorded.take(state, run_id)
        count = int(_of(frame, case_id, group).sum())
        if count:
            found.append(Recorded(run_id, about.name, count))
    return found


def forget_waiting(state: Path, run_id: str, case_id: Case, group: str | None) -> None:
    """Remove the case or the group from a run that waits in the project."""
    frame, about, texts = unrecorded.take(state, run_id)
    left, about, cases, _ = _without(frame, about, texts[CASES], case_id, group)
    unrecorded.keep(state, run_id, left, about, {**texts, CASES: cases})


def find_of_traces(
    uri: str, state: Path, goes: Callable[[str, str], bool]
) -> list[tuple[Recorded, set[str], bool]]:
    """Find the runs on cases that were made from some deployed traces.

    Args:
        uri: the store.
        state: the project's `.pex/`, for the runs that wait to be recorded.
        goes: which cases, by the id of the trace and the digest of its user.

    Returns:
        Each run, the ids of these cases in it, and whether it still waits to be recorded.
    """
    from mlflow.exceptions import MlflowException

    client, found = connect(uri), []
    for run in _runs(uri):
        run_id = run.info.run_id
        with tempfile.TemporaryDirectory() as folder:
            try:
                text = Path(client.download_artifacts(run_id, CASES, folder)).read_bytes()
            except (MlflowException, OSError):  # it ended before it had files
                continue
        ids = _made_from(text, goes)
        if ids:
            try:
                rows = int(_of(load(uri, run_id)[0], ids, None).sum())
            except NoResultsError:
                rows = 0
            found.append((Recorded(run_id, run.data.tags["pex.experiment"], rows), ids, False))
    for run_id in unrecorded.waiting(state):
        frame, about, texts = unrecorded.take(state, run_id)
        ids = _made_from(texts[CASES].encode(), goes)
        if ids:
            rows = int(_of(frame, ids, None).sum())
            found.append((Recorded(run_id, about.name, rows), ids, True))
    return found


def _made_from(cases: bytes, goes: Callable[[str, str], bool]) -> set[str]:
    entries = (jsonl.entry_in(line) for line in jsonl.lines_in(cases))
    return {
        str(entry["case_id"])
        for entry in entries
        if entry is not None
        and "case_id" in entry
        and goes(str(entry.get("origin_trace") or ""), str(entry.get("origin_user") or ""))
    }


def shrink(uri: str) -> None:
    """Rewrite a local store's file: SQLite may leave deleted data in its free pages.

    Raises:
        PexError: another process is using the file.
    """
    if local_folder(uri) is None:
        return
    path = uri.removeprefix("sqlite:///")
    try:
        with contextlib.closing(
            sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None)
        ) as file:
            file.execute("VACUUM")
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise PexError(
            f"what was deleted may still be in the free pages of {path}: {error}",
            hint=f"close the programs that use it, then: sqlite3 {path} VACUUM",
        ) from None


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


def _without(
    frame: pd.DataFrame, about: About, cases: str, case_id: Case, group: str | None
) -> tuple[pd.DataFrame, About, str, set[str]]:
    """The rest of a frame, its description and its `cases.jsonl`, and the ids removed."""
    gone = _of(frame, case_id, group)
    ids = set(frame.loc[gone, "case_id"])
    lines = jsonl.lines_in(cases.encode())
    kept = (line for line in lines if (jsonl.entry_in(line) or {}).get("case_id") not in ids)
    left = b"".join(kept).decode()
    about = dataclasses.replace(about, forgotten=about.forgotten + int(gone.sum()))
    return frame[~gone].reset_index(drop=True), about, left, ids


def _of(frame: pd.DataFrame, case_id: Case, group: str | None) -> pd.Series[bool]:
    chosen = frame["case_id"].notna()
    if case_id is not None:
        ids = [case_id] if isinstance(case_id, str) else list(case_id)
        chosen &= frame["case_id"].isin(ids)
    if group is not None:
        chosen &= frame["group"] == group
    return chosen

"""What recorded runs measured: one row for each variant and score, read from MLflow in one search.

A run tried in a Playground or a cell is no measurement, nor is one that has not finished.
"""

from __future__ import annotations

import dataclasses
import datetime
import math
from collections.abc import Collection, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pex.core.case_hash import cases_sha256
from pex.core.cases import load_cases
from pex.core.errors import PexError
from pex.record.files import CASES
from pex.record.metrics import metric_name
from pex.record.search import CASES_SHA256, MOST, RESCORED, YES_NO, is_scratch, numbers_of
from pex.tracking.store import connect, errors_of, exists

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

_OPEN = ("RUNNING", "SCHEDULED", "KILLED", "FAILED")
"""Runs whose results may still come: one that was stopped can be continued under the same id."""


@dataclasses.dataclass(frozen=True, slots=True)
class Measurement:
    """A score of one variant in a recorded run.

    `digest` is the prompt's (`Prompt.digest`), `started_at` in seconds since 1970; `lo` and `hi`
    are the ends of the 95 % interval (NaN if there is none), `n` the number of cases, `primary`
    says whether it is the run's first score. `cases_sha256` is empty for runs of earlier versions.
    """

    digest: str
    prompt: str
    model: str
    experiment: str
    run_id: str
    started_at: float
    metric: str
    value: float
    lo: float
    hi: float
    n: int
    yes_no: bool
    variant: str
    cases_sha256: str
    primary: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """What a search found.

    `runs` are the ids of the runs that were read, `open_runs` those whose results may still come
    (the id, and when it started), `newest` is when the newest run started, in milliseconds.
    """

    measurements: list[Measurement]
    runs: list[str]
    open_runs: dict[str, float]
    newest: int


def read_measurements(
    uri: str,
    since: int = 0,
    again: Collection[str] = (),
    rescored_since: datetime.date | None = None,
) -> Measured:
    """Read what was measured in the runs that started after a time.

    Args:
        uri: the store.
        since: milliseconds since 1970; runs that started before are not searched for.
        again: ids of earlier runs that are read again: they had not ended.
        rescored_since: runs of any time are read again if their scores were changed since this day.

    Raises:
        PexError: the store does not answer.
    """
    if not exists(uri):
        return Measured([], [], {}, since)
    client = connect(uri)
    with errors_of(uri, "does not answer"):
        everywhere = [str(item.experiment_id) for item in _experiments(client)]
        # Parents and their variants together: the hash and the yes/no scores are the parent's.
        query = f"tags.`pex.kind` LIKE '%' and attributes.start_time > {since}"
        found = {str(run.info.run_id): run for run in _search(client, everywhere, query)}
        for month in _months(rescored_since):
            changed = f"tags.`{RESCORED}` LIKE '{month}-%'"
            again = {
                *again,
                *(str(run.info.run_id) for run in _search(client, everywhere, changed)),
            }
        for run_id in sorted({*again, *_missing(found.values())} - found.keys()):
            found |= _with_variants(client, run_id)
        for run in [run for run in found.values() if _is_parent(run) and run.info.run_id in again]:
            found |= _with_variants(client, str(run.info.run_id))
    parents = {run_id: run for run_id, run in found.items() if _is_parent(run)}
    rows = []
    for run in found.values():
        parent = parents.get(run.data.tags.get("mlflow.parentRunId", ""))
        if parent is not None and not _is_parent(run) and _counts(parent):
            rows += _rows(run, parent)
    return Measured(
        rows,
        list(parents),
        {i: run.info.start_time / 1000 for i, run in parents.items() if run.info.status in _OPEN},
        max([since, *(int(run.info.start_time) for run in parents.values())]),
    )


def run_cases_sha256(uri: str, run_id: str) -> str | None:
    """The hash of a run's cases: its tag, or calculated from its file of cases.

    None if an earlier version recorded it without a file of cases.

    Raises:
        PexError: the store does not answer.
    """
    client = connect(uri)
    with errors_of(uri):
        tag = client.get_run(run_id).data.tags.get(CASES_SHA256)
        if tag:
            return str(tag)
        if CASES not in {item.path for item in client.list_artifacts(run_id)}:
            return None
        with TemporaryDirectory() as folder:
            path = Path(client.download_artifacts(run_id, CASES, folder))
            try:
                return cases_sha256(load_cases(path))
            except PexError:
                return None


def _counts(parent: Run) -> bool:
    return parent.info.status == "FINISHED" and not is_scratch(parent)


def _is_parent(run: Run) -> bool:
    return run.data.tags.get("pex.kind") == "run"


def _missing(runs: Iterable[Run]) -> set[str]:
    """The parents of variants that started before the time searched from."""
    return {
        run.data.tags["mlflow.parentRunId"]
        for run in runs
        if not _is_parent(run) and "mlflow.parentRunId" in run.data.tags
    }


def _with_variants(client: MlflowClient, run_id: str) -> dict[str, Run]:
    """A run and those of its variants; nothing if it is deleted."""
    from mlflow.exceptions import MlflowException

    try:
        parent = client.get_run(run_id)
    except MlflowException:
        return {}
    if parent.info.lifecycle_stage == "deleted" or not _is_parent(parent):
        return {}
    query = f"tags.`mlflow.parentRunId` = '{run_id}' and tags.`pex.kind` = 'variant'"
    variants = client.search_runs([parent.info.experiment_id], query, max_results=MOST)
    return {run_id: parent, **{str(run.info.run_id): run for run in variants}}


def _rows(run: Run, parent: Run) -> list[Measurement]:
    numbers = numbers_of(run)
    params, tags = run.data.params, parent.data.tags
    binary = tags.get(YES_NO, "").split(", ")
    first = metric_name(
        (tags.get("pex.scorers") or parent.data.params.get("scorers", "")).split(", ")[0]
    )
    scores = [key[:-2] for key in numbers if key.endswith(".n") and key[:-2] in numbers]
    own = [name for name in scores if name == first or name.startswith(f"{first}.")]
    primary = min(own, key=lambda name: (name != first, name), default=None)
    return [
        Measurement(
            digest=params.get("prompt_version", ""),
            prompt=params.get("prompt", ""),
            model=params.get("model", ""),
            experiment=tags.get("pex.experiment", ""),
            run_id=str(parent.info.run_id),
            started_at=parent.info.start_time / 1000,
            metric=name,
            value=numbers[name],
            lo=numbers.get(f"{name}.lo", math.nan),
            hi=numbers.get(f"{name}.hi", math.nan),
            n=int(numbers[f"{name}.n"]),
            yes_no=name in binary,
            variant=params.get("variant", str(run.info.run_name)),
            cases_sha256=tags.get(CASES_SHA256, ""),
            primary=name == primary,
        )
        for name in scores
    ]


def _experiments(client: MlflowClient) -> Iterable[Experiment]:
    token = None
    while True:
        page = client.search_experiments(max_results=MOST, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _search(client: MlflowClient, everywhere: list[str], query: str) -> Iterable[Run]:
    token = None
    while everywhere:
        page = client.search_runs(everywhere, query, max_results=MOST, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _months(since: datetime.date | None) -> list[str]:
    """The months from a day to today, at most a year of them, as "2026-11".

    Example:
        >>> len(_months(datetime.date.today()))
        1
    """
    if since is None:
        return []
    day = datetime.datetime.now(datetime.UTC).date()
    months = [f"{day:%Y-%m}"]
    while f"{since:%Y-%m}" < months[-1] and len(months) < 12:
        day = day.replace(day=1) - datetime.timedelta(days=1)
        months.append(f"{day:%Y-%m}")
    return months

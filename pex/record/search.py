"""Finding recorded data: runs of pex, their variants, the history of a score."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from pex.core.errors import PexError
from pex.guard.redact import redact
from pex.tracking.store import connect

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Run

MOST = 1000
"""Runs that MLflow returns at once."""
YES_NO = "pex.yes_no"
"""The tag of a run that lists its yes/no scores."""
SOURCE = "pex.source"
"""The tag of a run that was tried in a Playground or a cell: `playground`, `magic`."""
CASES_SHA256 = "pex.cases_sha256"
"""The tag of a run with the hash of its cases."""
PART = "pex.cases_part"
"""The tag of a run on a part of its experiment's cases: `10 of 40`."""
GENERATED_SHARE = "pex.generated_share"
"""The tag of a run with the share of generated cases among those in its verdicts: `0.3100`."""
RESCORED = "pex.rescored_at"
"""The tag of a run whose scores were changed after it ended: when, in UTC."""
_UNKNOWN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""A store's error codes for a run that it does not have, and for an invalid id."""


class UnknownRunError(PexError):
    """The store has no such run."""


def run_of(uri: str, run_id: str) -> Run:
    """Return MLflow's record of a run.

    Raises:
        UnknownRunError: the run does not exist.
        PexError: the store does not answer.
    """
    from mlflow.exceptions import MlflowException

    try:
        return connect(uri).get_run(run_id)
    except MlflowException as error:
        if error.error_code not in _UNKNOWN:
            raise PexError(
                f"the run '{run_id}' cannot be read from {redact(uri)}: "
                f"{redact(error.message.strip().partition(chr(10))[0])}"
            ) from None
    there = latest(uri)
    raise UnknownRunError(
        f"there is no run '{run_id}' in {redact(uri)}",
        hint="`pexlab runs` lists them" if there else "nothing has been recorded there yet",
    )


def latest(uri: str, limit: int = 1, experiment: str | None = None) -> list[dict[str, Any]]:
    """Return the newest runs of pex in a store: run_id, experiment, status.

    With `experiment`, only its own runs: a run tried in a Playground or a cell is a changed part
    of it.
    """
    client = connect(uri)
    everywhere = [item.experiment_id for item in client.search_experiments()]
    query = "tags.`pex.kind` = 'run'"
    if experiment is not None:  # it may be recorded under an experiment that the user chose
        query += f" and tags.`pex.experiment` = '{experiment}'"
    tried = _tried(client, everywhere, query) if experiment is not None else set()
    found = client.search_runs(everywhere, query, max_results=min(limit + len(tried), MOST))
    own = [run for run in found if run.info.run_id not in tried]
    return [
        {
            "run_id": run.info.run_id,
            "experiment": run.data.tags["pex.experiment"],
            "status": run.info.status,
        }
        for run in own[:limit]
    ]


def newest(uri: str, experiments: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return the newest run of each experiment, without those tried in a Playground or a cell.

    Args:
        uri: the store.
        experiments: experiments whose runs are searched for beyond the newest 500.

    Returns:
        By name: `run_id`, MLflow's `status`, `started_at` in seconds since 1970, and `verdicts`
        and `baseline` as in the run's tags, empty if there was nothing to compare.
    """
    client = connect(uri)
    everywhere = [item.experiment_id for item in client.search_experiments()]
    query = "tags.`pex.kind` = 'run'"
    found: dict[str, dict[str, Any]] = {}
    for run in client.search_runs(everywhere, query, max_results=500) if everywhere else []:
        if not is_scratch(run):
            found.setdefault(run.data.tags["pex.experiment"], _about_run(run))
    for name in experiments:
        if name not in found and everywhere:
            own = f"{query} and tags.`pex.experiment` = '{name}'"
            runs = client.search_runs(everywhere, own, max_results=50)
            others = [run for run in runs if not is_scratch(run)]
            if others:
                found[name] = _about_run(others[0])
    return found


def newest_experiment(uri: str) -> str | None:
    """The id of the MLflow experiment with the newest run of pex, None if there is none.

    One where something was only tried counts if nothing else was recorded.
    """
    client = connect(uri)
    everywhere = [item.experiment_id for item in client.search_experiments()]
    query = "tags.`pex.kind` = 'run'"
    runs = client.search_runs(everywhere, query, max_results=100) if everywhere else []
    measured = [run for run in runs if not is_scratch(run)] or runs
    return str(measured[0].info.experiment_id) if measured else None


def is_scratch(run: Run) -> bool:
    """Whether a run was tried in a Playground or a cell, and so is no measurement."""
    return SOURCE in run.data.tags


def _about_run(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.info.run_id,
        "status": run.info.status,
        "started_at": run.info.start_time / 1000,
        "verdicts": run.data.tags.get("pex.verdicts", ""),
        "baseline": run.data.tags.get("pex.baseline", ""),
    }


def _tried(client: MlflowClient, everywhere: list[str], query: str) -> set[str]:
    """The runs of a query that were tried in a Playground or a cell."""
    query += " and tags.`pex.source` LIKE '%'"
    found = client.search_runs(everywhere, query, max_results=MOST) if everywhere else []
    return {str(run.info.run_id) for run in found}


def children(
    client: MlflowClient, experiment_id: str, run_id: str, *, deleted: bool = False
) -> dict[str, str]:
    """Return the runs of the variants under a parent run, by the variant's name.

    With `deleted`, also those that were deleted in MLflow and are still in the store.
    """
    from mlflow.entities import ViewType

    view = ViewType.ALL if deleted else ViewType.ACTIVE_ONLY
    query = f"tags.`mlflow.parentRunId` = '{run_id}' and tags.`pex.kind` = 'variant'"
    return {
        child.data.params.get("variant") or child.data.tags["mlflow.runName"]: str(
            child.info.run_id
        )
        for child in client.search_runs([experiment_id], query, view, max_results=1000)
    }


def find(uri: str, batch_id: str, plan: str) -> list[dict[str, Any]]:
    """The variants recorded by the jobs of a plan's batch.

    Each has `job_id`, `variant`, `run_id`, `metrics` and `yes_no`, the scores that are yes/no.
    """
    client = connect(uri)
    everywhere = [item.experiment_id for item in client.search_experiments()]
    # A scheduler gives the batches of all its plans the same date as name.
    query = f"tags.`pex.batch_id` = '{batch_id}' and tags.`pex.plan` = '{plan}'"
    parents = client.search_runs(everywhere, f"{query} and tags.`pex.kind` = 'run'")
    found = []
    for parent in reversed(parents):
        children = client.search_runs(
            [parent.info.experiment_id],
            f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'",
            order_by=["attributes.start_time ASC"],
        )
        found += [
            {
                "job_id": parent.data.tags.get("pex.job_id", ""),
                "variant": child.data.params["variant"],
                "run_id": parent.info.run_id,
                "metrics": numbers_of(child),
                "yes_no": parent.data.tags.get(YES_NO, "").split(", "),
            }
            for child in children
        ]
    return found


def numbers_of(run: Run) -> dict[str, float]:
    """The current metrics of a run: those cleared by new scores have no number."""
    return {name: value for name, value in run.data.metrics.items() if not math.isnan(value)}


def history(uri: str, experiment: str, score: str, limit: int = 100) -> pd.DataFrame:
    """Return the history of a score over an experiment's runs, oldest first.

    Args:
        uri: the store.
        experiment: the experiment's name.
        score: the score's name.
        limit: at most this many runs, the newest.

    Returns:
        `run_id, started_at, variant, value, lo, hi, n`; a row for each run and variant.
    """
    import pandas as pd

    client = connect(uri)
    everywhere = [item.experiment_id for item in client.search_experiments()]
    query = f"tags.`pex.kind` = 'variant' and tags.`pex.experiment` = '{experiment}'"
    found = client.search_runs(everywhere, query, max_results=limit * 10) if everywhere else []
    tried = _tried(
        client, everywhere, f"tags.`pex.kind` = 'run' and tags.`pex.experiment` = '{experiment}'"
    )
    found = [run for run in found if run.data.tags.get("mlflow.parentRunId") not in tried]
    rows = [
        {
            "run_id": run.data.tags["mlflow.parentRunId"],
            "started_at": pd.Timestamp(run.info.start_time, unit="ms", tz="UTC"),
            "variant": run.data.params.get("variant", run.info.run_name),
            "value": numbers_of(run)[score],
            **{end: numbers_of(run).get(f"{score}.{end}", math.nan) for end in ("lo", "hi", "n")},
        }
        for run in found
        if score in numbers_of(run)
    ]
    columns = ["run_id", "started_at", "variant", "value", "lo", "hi", "n"]
    table = pd.DataFrame(rows, columns=columns).sort_values("started_at", ignore_index=True)
    newest = list(dict.fromkeys(table["run_id"]))[-limit:]
    return table[table["run_id"].isin(newest)].reset_index(drop=True)


def page(uri: str, experiment_id: str, run_id: str) -> str | None:
    """The address of a run in MLflow's UI, if the store is a server; without a login.

    Example:
        >>> page("https://me:pw@host/mlflow/", "3", "a1")
        'https://host/mlflow/#/experiments/3/runs/a1'
    """
    from urllib.parse import urlsplit

    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https"):
        return None
    where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
    return f"{where}/#/experiments/{experiment_id}/runs/{run_id}"


def trace_page(uri: str, experiment_id: str, trace_id: str) -> str | None:
    """The address of a trace in MLflow's UI, if the store is a server; without a login.

    Example:
        >>> trace_page("https://me:pw@host/mlflow/", "3", "tr-1")
        'https://host/mlflow/#/experiments/3/traces?selectedEvaluationId=tr-1'
        >>> trace_page("sqlite:///mlruns/mlflow.db", "3", "tr-1")
    """
    from urllib.parse import quote, urlsplit

    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https"):
        return None
    where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
    return f"{where}/#/experiments/{experiment_id}/traces?selectedEvaluationId={quote(trace_id)}"


def place(uri: str, run_id: str) -> tuple[str, str | None]:
    """The name of a run's experiment, and the run's page if there is one."""
    client = connect(uri)
    experiment_id = str(client.get_run(run_id).info.experiment_id)
    name = str(client.get_experiment(experiment_id).name)
    return name, page(uri, experiment_id, run_id)

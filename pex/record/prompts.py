"""The performance of a prompt's versions in the recorded runs that used them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pex.record.description import verdicts_of
from pex.record.search import YES_NO, numbers_of, page
from pex.tracking.store import connect

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities import Run

COLUMNS = [
    "version", "experiment", "variant", "model", "score", "value", "lo", "hi", "n", "yes_no",
    "started_at", "verdict", "baseline", "run_id", "url",
]  # fmt: skip


def scores(uri: str, name: str, experiments: Iterable[str], limit: int = 300) -> pd.DataFrame:
    """Return the scores of a prompt's versions in recorded runs, newest run first.

    Args:
        uri: the store.
        name: the prompt's name in the library.
        experiments: the ids of the MLflow experiments to search.
        limit: at most this many variants of runs, the newest first.

    Returns:
        A row for each version, variant, run and score: `COLUMNS`; `verdict` and `baseline` are
        empty if the variant was not compared, `url` if the store is not a server.

    Raises:
        PexError: the store does not answer.
    """
    import pandas as pd

    client = connect(uri)
    there = list(experiments)
    wanted = f'%"name": "{name}"%'
    query = f"tags.`pex.kind` = 'variant' and tags.`mlflow.linkedPrompts` LIKE '{wanted}'"
    found = client.search_runs(there, query, max_results=limit) if there else []
    parents: dict[str, Run] = {}
    if found:
        runs = client.search_runs(there, "tags.`pex.kind` = 'run'", max_results=limit)
        parents = {run.info.run_id: run for run in runs}
    rows = []
    for run in found:
        version = _version(run, name)
        parent_id = run.data.tags.get("mlflow.parentRunId", "")
        if version is None or not parent_id:
            continue
        if parent_id not in parents:
            parents[parent_id] = client.get_run(parent_id)
        url = page(uri, run.info.experiment_id, parent_id) or ""
        rows += [
            {"version": version, **row, "url": url} for row in _rows_of(run, parents[parent_id])
        ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _version(run: Run, name: str) -> int | None:
    """The version that a variant used; in a search, `_` matches any character."""
    linked = json.loads(run.data.tags.get("mlflow.linkedPrompts", "[]"))
    return next((int(item["version"]) for item in linked if item["name"] == name), None)


def _rows_of(run: Run, parent: Run) -> list[dict[str, Any]]:
    import pandas as pd

    metrics = numbers_of(run)
    variant = run.data.params.get("variant", run.info.run_name)
    verdicts = verdicts_of(parent.data.tags.get("mlflow.note.content", ""))
    binary = parent.data.tags.get(YES_NO, "").split(", ")
    rows = []
    for score in (key[:-2] for key in metrics if key.endswith(".n") and key[:-2] in metrics):
        baseline, verdict = verdicts.get((variant, score), ("", ""))
        if not verdict and any(
            key[1] == score and against == variant for key, (against, _) in verdicts.items()
        ):
            verdict = "baseline"
        rows.append(
            {
                "experiment": run.data.tags.get("pex.experiment", ""),
                "variant": variant,
                "model": run.data.params.get("model", ""),
                "score": score,
                "value": metrics[score],
                "lo": metrics.get(f"{score}.lo", math.nan),
                "hi": metrics.get(f"{score}.hi", math.nan),
                "n": int(metrics[f"{score}.n"]),
                "yes_no": score in binary,
                "started_at": pd.Timestamp(run.info.start_time, unit="ms", tz="UTC"),
                "verdict": verdict,
                "baseline": baseline,
                "run_id": parent.info.run_id,
            }
        )
    return rows

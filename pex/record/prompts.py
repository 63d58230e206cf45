"""The performance of a prompt's versions in the recorded runs that used them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pex.record.description import verdicts_of
from pex.record.search import YES_NO, is_scratch, numbers_of, page
from pex.tracking.store import connect

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Run

COLUMNS = [
    "version", "experiment", "variant", "model", "score", "value", "lo", "hi", "n", "yes_no",
    "started_at", "verdict", "baseline", "run_id", "url",
]  # fmt: skip


_MOST_DIGESTS = 50
"""Versions whose runs are searched for, the newest; each is a query."""


def scores(
    uri: str,
    name: str,
    digests: Mapping[int, str | None],
    experiments: Iterable[str],
    limit: int = 300,
) -> pd.DataFrame:
    """Return the scores of a prompt's versions in recorded runs, newest run first.

    A run used a version if MLflow links it, or if its prompt is the same: a prompt is often saved
    after the run that made it worth saving. What was tried in a Playground or a cell is left out.

    Args:
        uri: the store.
        name: the prompt's name in the library.
        digests: the digest of each version; None if plain MLflow saved it.
        experiments: the ids of the MLflow experiments to search.
        limit: at most this many variants of runs, the newest.

    Returns:
        A row for each version, variant, run and score: `COLUMNS`; `verdict` and `baseline` are
        empty if the variant was not compared, `url` if the store is not a server.

    Raises:
        PexError: the store does not answer.
    """
    import pandas as pd

    client = connect(uri)
    used = _used(client, name, digests, list(experiments), limit)
    parents: dict[str, Run] = {}
    for run, _ in used:
        parent_id = run.data.tags["mlflow.parentRunId"]
        if parent_id not in parents:
            parents[parent_id] = client.get_run(parent_id)
    rows = []
    for run, version in used:
        parent = parents[run.data.tags["mlflow.parentRunId"]]
        if is_scratch(parent):
            continue
        url = page(uri, run.info.experiment_id, parent.info.run_id) or ""
        rows += [{"version": version, **row, "url": url} for row in _rows_of(run, parent)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _used(
    client: MlflowClient,
    name: str,
    digests: Mapping[int, str | None],
    experiments: list[str],
    limit: int,
) -> list[tuple[Run, int]]:
    """The variants of runs that used a version, each with it, the newest first."""
    if not experiments:
        return []
    by_digest: dict[str, int] = {}
    for version in sorted(digests, reverse=True):
        if digests[version] is not None:
            by_digest.setdefault(str(digests[version]), version)
    queries = [f'tags.`mlflow.linkedPrompts` LIKE \'%"name": "{name}"%\'']
    queries += [f"params.prompt_version = '{digest}'" for digest in list(by_digest)[:_MOST_DIGESTS]]
    runs: dict[str, tuple[Run, int]] = {}
    for query in queries:
        query = f"tags.`pex.kind` = 'variant' and {query}"
        for run in client.search_runs(experiments, query, max_results=limit):
            same = by_digest.get(run.data.params.get("prompt_version", ""))
            used = _linked(run, name) or same
            if used is not None and "mlflow.parentRunId" in run.data.tags:
                runs[run.info.run_id] = (run, used)
    return sorted(runs.values(), key=lambda item: -item[0].info.start_time)[:limit]


def _linked(run: Run, name: str) -> int | None:
    """The version that MLflow links to a variant; in a search, `_` matches any character."""
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

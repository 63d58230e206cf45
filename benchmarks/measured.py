"""How fast "last measured" is with thousands of recorded runs in a SQLite store.

First: the index is made from nothing. Later: one look brings it up to date; a new run: the same
after one more run was recorded. MLflow is loaded already. The store is filled by bulk insert.

Run: python benchmarks/measured.py [--runs 3000] [--variants 3]
"""

from __future__ import annotations

import argparse
import contextlib
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from figures import figure

METRICS = ("label", "label.lo", "label.hi", "label.n", "cost_usd", "latency_s")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3000)
    parser.add_argument("--variants", type=int, default=3)
    asked = parser.parse_args()
    from pex.evidence.measured import last_measured, measured
    from pex.tracking.store import connect

    with tempfile.TemporaryDirectory() as made:
        project = Path(made)
        uri = f"sqlite:///{project / 'mlflow.db'}"
        connect(uri)
        now = time.time()
        with contextlib.closing(sqlite3.connect(project / "mlflow.db")) as store:
            for number in range(asked.runs):
                fill(store, now - 3600 * (asked.runs - number), number, asked.variants)
            store.commit()
        first = timed(lambda: last_measured(project, uri))
        figure(f"the first look, {asked.runs:,} runs of {asked.variants} variants", first, "s")
        later = median(timed(lambda: last_measured(project, uri)) for _ in range(5))
        figure("a later look", later, "s", floor=first, floor_name="the first look")
        with contextlib.closing(sqlite3.connect(project / "mlflow.db")) as store:
            fill(store, now, asked.runs, asked.variants)
            store.commit()
        renewed = timed(lambda: last_measured(project, uri))
        figure("a look after a new run", renewed, "s", floor=first, floor_name="the first look")
        one = timed(lambda: measured(project, uri, "digest-0-0"))
        print(f"one prompt {one:8.3f} s")


def timed(call: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def fill(store: sqlite3.Connection, start: float, number: int, variants: int) -> None:
    """A run and its variants, as MLflow keeps them."""
    parent = uuid.uuid4().hex
    kind = {"pex.kind": "run", "pex.experiment": f"e{number % 50}", "pex.yes_no": "label",
            "pex.cases_sha256": "c" * 64}  # fmt: skip
    row(store, parent, start, kind, {"scorers": "label"}, {})
    for variant in range(variants):
        tags = {"pex.kind": "variant", "mlflow.parentRunId": parent}
        params = {
            "variant": f"v{variant}",
            "prompt": f"p{number % 1000}",
            "prompt_version": f"digest-{number % 1000}-{variant}",
            "model": "local/smollm2",
        }
        metrics = dict(zip(METRICS, (0.8, 0.7, 0.9, 40.0, 0.01, 0.2), strict=True))
        row(store, uuid.uuid4().hex, start + 1, tags, params, metrics)


def row(
    store: sqlite3.Connection,
    run_id: str,
    start: float,
    tags: dict[str, str],
    params: dict[str, str],
    metrics: dict[str, float],
) -> None:
    at = int(start * 1000)
    store.execute(
        "INSERT INTO runs (run_uuid, name, source_type, user_id, status, start_time, end_time, "
        "lifecycle_stage, experiment_id) VALUES (?, 'r', 'LOCAL', 'ada', 'FINISHED', ?, ?, "
        "'active', 0)",
        (run_id, at, at + 60_000),
    )
    store.executemany(
        "INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)",
        [(key, value, run_id) for key, value in tags.items()],
    )
    store.executemany(
        "INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)",
        [(key, value, run_id) for key, value in params.items()],
    )
    store.executemany(
        "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) "
        "VALUES (?, ?, ?, 0, 0, ?)",
        [(key, value, at, run_id) for key, value in metrics.items()],
    )


if __name__ == "__main__":
    main()

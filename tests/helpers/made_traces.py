"""Deployed traces as frames, made from a seed: for what reads `Traces` and needs no store."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pandas as pd

from pex.monitoring.traces import COLUMNS, OPINIONS, Traces

START = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)


def made_traces(days: int, per_day: int, *, seed: int = 0, **columns: Any) -> Traces:
    """So many traces a day from `START`, of one user each; `columns` replaces whole columns."""
    rng = np.random.default_rng(seed)
    n = days * per_day
    day = np.repeat(np.arange(days), per_day)
    offset = day * 86_400_000 + rng.integers(0, 86_400_000, n)
    failed = rng.random(n) < 0.05
    made: dict[str, Any] = {
        "trace_id": [f"tr-{number:06d}" for number in range(n)],
        "experiment": "shop",
        "name": "reply",
        "service": "reviews",
        "started_at": pd.to_datetime(START) + pd.to_timedelta(offset, unit="ms"),
        "state": np.where(failed, "error", "ok"),
        "latency_s": rng.lognormal(0, 0.5, n),
        "error_kind": pd.Series(np.where(failed, "timeout", None), dtype="string"),
        "finish_reason": np.where(rng.random(n) < 0.1, "length", "stop"),
        "refused": rng.random(n) < 0.02,
        "prompt": "reply",
        "prompt_version": np.where(day < days // 2, 1, 2),
        "model": "lab/m1",
        "prompt_tokens": rng.integers(50, 100, n),
        "completion_tokens": rng.integers(5, 20, n),
        "cached_tokens": None,
        "cache_write_tokens": None,
        "cost_usd": rng.lognormal(-7, 0.3, n),
        "input_chars": rng.integers(10, 500, n),
        "output_chars": rng.integers(10, 500, n),
        "language": np.where(rng.random(n) < 0.8, "en", "de"),
        "has_expected": False,
        "session": None,
        "user_digest": None,
    }
    extra = {name: values for name, values in columns.items() if name not in COLUMNS}
    frame = pd.DataFrame({**made, **columns})
    frame = frame.astype({name: kind for name, kind in COLUMNS.items() if name not in extra})
    return Traces(frame.sort_values("started_at", ignore_index=True), opinions([]))


def opinions(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Feedback: rows with at least `trace_id`, `name` and `value`."""
    usual = {"number": None, "source": "person", "by": "ann", "at": START, "rationale": None}
    found = [{**usual, **row} for row in rows]
    for row in found:
        if row["number"] is None and isinstance(row["value"], bool | int | float):
            row["number"] = float(row["value"])
        row["value"] = str(row["value"])
    return pd.DataFrame(found, columns=list(OPINIONS)).astype(OPINIONS)

"""Frames of deployed traces that are made, not read: what happened when is known."""

import datetime
from typing import Any

import numpy as np
import pandas as pd

from pex.monitoring.spec import MonitorSpec
from pex.monitoring.traces import COLUMNS, OPINIONS, Traces

FIRST = datetime.datetime(2026, 3, 2, tzinfo=datetime.UTC)
"""A Monday."""


def day(number: float) -> datetime.datetime:
    """The time so many days after the first."""
    return FIRST + datetime.timedelta(days=number)


def made_traces(
    seed: int, days: int, per_day: int = 500, rate: float = 0.9, spread: float = 0.0,
    fault_at: float | None = None, fault: dict[str, Any] | None = None,
) -> Traces:  # fmt: skip
    """Traces of some days, from `fault_at` (in days) on with a fault.

    `spread` is the standard deviation of a day's own rate. A fault has new values of `rate`,
    `errors`, `cost` (a factor), `latency` (a factor), `french` (a share), `chars` (a factor),
    `model` or `version`.
    """
    rng = np.random.default_rng(seed)
    count = days * per_day
    at = np.sort(rng.uniform(0, days, count))
    bad = at >= (fault_at if fault_at is not None else days + 1)
    fault = fault or {}

    def by(name: str, usual: float) -> Any:
        return np.where(bad, fault.get(name, usual), usual)

    own = rng.normal(0, spread, days)[at.astype(int)] if spread else 0.0
    frame = pd.DataFrame({
        "trace_id": [f"tr-{number:06d}" for number in range(count)],
        "started_at": pd.to_datetime(FIRST) + pd.to_timedelta(at, unit="D"),
        "state": np.where(rng.random(count) < by("errors", 0.01), "error", "ok"),
        "latency_s": rng.lognormal(0, 0.6, count) * by("latency", 1.0),
        "cost_usd": 0.002 * rng.lognormal(0, 1.0, count) * by("cost", 1.0),
        "prompt": "reviews",
        "prompt_version": np.where(bad, fault.get("version", 3), 3),
        "model": np.where(bad, fault.get("model", "lab/m1"), "lab/m1"),
        "input_chars": (rng.lognormal(5, 0.7, count) * by("chars", 1.0)).astype(int),
        "language": np.where(rng.random(count) < by("french", 0.05), "fr", "en"),
        "score.polite": (rng.random(count) < np.clip(by("rate", rate) + own, 0, 1)).astype(float),
    })  # fmt: skip
    for name, kind in COLUMNS.items():
        if name not in frame:
            frame[name] = pd.Series(pd.NA, index=frame.index, dtype=kind)
        else:
            frame[name] = frame[name].astype(kind)
    opinions = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in OPINIONS.items()})
    return Traces(frame, opinions)


def monitor(*alarms: dict[str, Any], **others: Any) -> MonitorSpec:
    """A monitor whose baseline are the first two weeks."""
    dates = {"first": "2026-03-02", "last": "2026-03-15"}
    start = {} if "baseline" in others else {"baseline_dates": dates}
    return MonitorSpec.model_validate({
        "name": "support", "source": {"experiment": "production"}, "alarms": list(alarms),
        **start, **others,
    })  # fmt: skip

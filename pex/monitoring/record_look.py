"""A look at deployed traces as a run in MLflow, with its figures and its page."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pex.record.study_run import StudyRun

if TYPE_CHECKING:
    from pex.monitoring.results import MonitorResults

KIND = "monitoring"
PAGE = "monitor.html"
_FEW = ("traces", "error_share", "refusal_share", "cut_off_share", "latency_s", "latency_s.p90",
        "cost_usd")  # fmt: skip
"""Metrics of the run, with scores and feedback; all figures are in the page and the table."""


def record_look(results: MonitorResults) -> str:
    """Write the run, in the MLflow experiment `<monitor>-monitor`; returns its id.

    Args:
        results: the look.

    Raises:
        PexError: the store does not answer.
    """
    from pex.monitoring.page import page

    at = results.now.astimezone()
    many = len(results.alarms)
    alarms = f"{many} alarm{'' if many == 1 else 's'}"
    state = {0: "no alarm", 1: alarms, 3: "cannot tell"}[results.code]
    study = StudyRun(
        results.uri,
        KIND,
        f"{results.spec.name}-monitor",
        f"{at:%Y-%m-%d %H:%M} {state}",
        [results.spec.name, results.now.isoformat()],
        {"pex.headline": results.headline},
    )
    summary = results.summary() if len(results.frame) else None
    metrics = {}
    for row in [] if summary is None else summary.to_dict("records"):
        name = row["metric"]
        wanted = name in _FEW or name.startswith(("score.", "feedback."))
        if wanted and math.isfinite(row["value"]) and name.isascii():
            metrics[_metric(name)] = float(row["value"])
    metrics["alarms"] = float(len(results.alarms))
    study.write(
        params={
            "source": ", ".join(results.spec.source.experiments),
            "filter": results.spec.source.filter or "",
            "baseline": str(results.baseline),
        },
        metrics=metrics,
        texts={PAGE: page(results)},
        tables={} if summary is None else {"figures.json": summary},
        note=results.headline,
    )
    study.end("finished")
    return study.run_id


def _metric(name: str) -> str:
    """The name without what MLflow's metrics refuse."""
    return "".join(char if char.isalnum() or char in "_.- /" else "_" for char in name)

"""A night as one JSON document, for programs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.batch.night.document import retiring
from pex.batch.night.headline import headline
from pex.batch.night.night import JudgedNight
from pex.batch.result import BatchResult

if TYPE_CHECKING:
    import pandas as pd


def as_json(
    result: BatchResult, table: pd.DataFrame, night: JudgedNight | None, page: Path | None
) -> dict[str, Any]:
    """The document of `pexlab batch --json`.

    Args:
        result: the result of the notebooks.
        table: what their runs measured, one row for each variant of each job.
        night: the judged night; None if the store did not answer.
        page: the file that shows it.
    """
    told: dict[str, Any] = {
        "batch_id": result.batch_id,
        "folder": str(result.folder),
        "jobs": [
            {
                "id": item.job.id,
                "status": item.status,
                "not_due": item.not_due,
                "seconds": round(item.seconds, 1),
                "error": item.error,
                "output": str(item.output) if item.output.is_file() else None,
                "parameters": item.job.parameters,
            }
            for item in result.results
        ],
        "variants": table.dropna(subset="run_id").to_dict("records"),
    }
    if night is None:
        return told
    gate = [
        {
            "experiment": item.run["experiment"],
            "job": item.run["job_id"],
            "run_id": item.run["run_id"],
            "candidate": item.candidate or None,
            "baseline": item.baseline,
            "metric": item.metric,
            "outcome": item.outcome,
            "verdict": item.verdict,
            "reason": item.reason,
            "difference": item.row["diff"] if item.row else None,
            "low": item.row["lo"] if item.row else None,
            "high": item.row["hi"] if item.row else None,
            "e_value": float(f"{item.e:.4g}"),
            "nights": item.nights,
        }
        for item in night.judged
    ]
    changed = {
        subject.title: [{"kind": change.kind, "text": change.text} for change in subject.since_last]
        for subject in night.subjects
    }
    incidents = [
        {
            "experiment": subject.now.run["experiment"],
            "job": subject.now.run["job_id"],
            **dataclasses.asdict(item),
        }
        for subject in night.subjects
        for item in subject.incidents
    ]
    return {
        **told,
        **({"incidents": incidents} if incidents else {}),
        "outcome": night.outcome,
        "headline": headline(night),
        "gate": gate,
        "changed_since_last_night": changed,
        "problems": night.problems,
        "retiring_models": [model.to_json() for model in retiring(night)],
        "page": str(page) if page else None,
        "exit_code": night.exit_code,
    }

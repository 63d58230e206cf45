"""People's ratings of answers, read from MLflow and written to it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.core.errors import PexError
from pex.core.names import check_name
from pex.record.search import run_of
from pex.record.spans import CASE_ID, METADATA, REPEAT, SCORED_BY, VARIANT
from pex.record.traces import of_run
from pex.tracking.store import connect

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Assessment, Run, TraceInfo

COLUMNS = ("case_id", "variant", "repeat", "name", "value", "rationale", "rater", "at", "trace_id")


def read(uri: str, run_ids: Sequence[str]) -> pd.DataFrame:
    """Return the ratings that people gave in MLflow's UI or in pex, oldest first.

    Scores and expected answers are left out: they are in the run's own frame.

    Args:
        uri: the store.
        run_ids: parent runs of pex, or the runs of single variants.

    Returns:
        One row per rating: case_id, variant, repeat, name, value (yes/no, a number or a string),
        rationale, rater, at (UTC), trace_id.

    Raises:
        PexError: the run does not exist.
    """
    import pandas as pd

    client = connect(uri)
    rows = [
        _row(info, item)
        for run in _variant_runs(client, uri, run_ids)
        for info in of_run(client, run.info.experiment_id, run.info.run_id)
        for item in info.assessments
        if _by_a_person(item)
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)  # None stays None
    frame["at"] = pd.to_datetime(frame["at"], unit="ms", utc=True)
    frame["repeat"] = frame["repeat"].astype("int64")
    return frame.sort_values("at", kind="stable", ignore_index=True)


def add(
    uri: str,
    trace_id: str,
    name: str,
    value: bool | float | str,
    rationale: str | None = None,
    rater: str = "default",
) -> str:
    """Write one person's rating of one answer.

    Args:
        uri: the store.
        trace_id: the answer's trace, from the frame or from `traces.trace_id_of`.
        name: the quality rated, for example `polite`.
        value: yes or no, a number, or one of a few words.
        rationale: the reason.
        rater: the rater's name.

    Returns:
        The id that MLflow gave the rating.

    Raises:
        PexError: the name cannot be used, or the answer has no trace.
    """
    check_name(name, "rating")
    client = connect(uri)
    from mlflow.entities import AssessmentSource, Feedback
    from mlflow.exceptions import MlflowException
    from mlflow.tracing.client import TracingClient

    source = AssessmentSource("HUMAN", rater)
    rating = Feedback(name=name, value=value, source=source, rationale=rationale)
    rating.trace_id = trace_id
    try:
        run_id = client.get_trace(trace_id).info.trace_metadata.get("mlflow.sourceRun")
    except MlflowException:
        raise PexError(
            f"MLflow has no trace '{trace_id}'",
            hint="`pexlab record RUN --traces all` writes the traces of all answers",
        ) from None
    if run_id:
        rating.metadata = {"mlflow.assessment.sourceRunId": run_id}
    return str(TracingClient(uri).log_assessment(trace_id, rating).assessment_id)


@dataclasses.dataclass(frozen=True, slots=True)
class Put:
    """The outcome of ratings: just written, already there, or without a trace to write them on."""

    written: int
    already: int
    no_trace: int


def put(uri: str, run_id: str, name: str, ratings: Sequence[Mapping[str, Any]]) -> Put:
    """Write people's ratings of a run's answers; existing ones are not written again.

    A rating that its rater has changed replaces the earlier one; one whose value is None is
    withdrawn.

    Args:
        uri: the store.
        run_id: the parent run.
        name: the quality rated.
        ratings: each with variant, case_id, repeat, value, rationale, rater.

    Raises:
        PexError: the name cannot be used, or the run does not exist.
    """
    check_name(name, "rating")
    client = connect(uri)
    from mlflow.tracing.client import TracingClient

    traces: dict[tuple[Any, ...], TraceInfo] = {}
    for run in _variant_runs(client, uri, [run_id]):
        for info in of_run(client, run.info.experiment_id, run.info.run_id):
            about = info.trace_metadata
            place = about.get(VARIANT), about.get(CASE_ID), int(about.get(REPEAT, 1))
            traces[place] = info
    written = already = no_trace = 0
    for rating in ratings:
        # MLflow keeps the beginning of a long value.
        info_of = traces.get(
            (
                str(rating["variant"])[:METADATA],
                str(rating["case_id"])[:METADATA],
                rating["repeat"],
            )
        )
        if info_of is None:
            no_trace += 1
            continue
        before = [
            item
            for item in info_of.assessments
            if _by_a_person(item) and (item.name, item.source.source_id) == (name, rating["rater"])
        ]
        said = rating["value"], rating["rationale"]
        if any((item.feedback.value, item.rationale) == said for item in before if item.feedback):
            already += 1
            continue
        for item in before:
            TracingClient(uri).delete_assessment(info_of.trace_id, str(item.assessment_id))
        if said[0] is None:
            continue
        add(uri, info_of.trace_id, name, said[0], said[1], rating["rater"])
        written += 1
    return Put(written, already, no_trace)


def _variant_runs(client: MlflowClient, uri: str, run_ids: Sequence[str]) -> list[Run]:
    found = []
    for run_id in run_ids:
        run = run_of(uri, run_id)
        children = client.search_runs(
            [run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run_id}'"
        )
        found += [*children] or [run]
    return found


def _by_a_person(item: Assessment) -> bool:
    if item.feedback is None or item.valid is False:
        return False
    return item.source.source_type == "HUMAN" or SCORED_BY not in (item.metadata or {})


def _row(info: TraceInfo, item: Assessment) -> dict[str, Any]:
    about = info.trace_metadata
    value = item.feedback.value if item.feedback else None
    return {
        "case_id": about.get(CASE_ID),
        "variant": about.get(VARIANT),
        "repeat": int(about.get(REPEAT, 1)),
        "name": item.name,
        "value": json.dumps(value) if isinstance(value, dict | list) else value,
        "rationale": item.rationale,
        "rater": item.source.source_id,
        "at": item.create_time_ms,
        "trace_id": info.trace_id,
    }

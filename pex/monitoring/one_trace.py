"""One trace of MLflow with everything that an incident's record needs of it."""

from __future__ import annotations

import dataclasses
import datetime

from pex.core.errors import PexError
from pex.monitoring.api_traces import ApiTraces
from pex.monitoring.columns import user_digest
from pex.monitoring.fetch_texts import TraceTexts, fetch_texts
from pex.monitoring.spans import model_of
from pex.monitoring.sql_traces import SqlTraces, is_sql
from pex.monitoring.trace_row import RawTrace, linked_prompts
from pex.monitoring.triage.marks import Marks, decisions

INCIDENT = "incident"
"""What a person says of a trace in a triage."""
_RUN = "mlflow.sourceRun"
_USERS = ("mlflow.trace.user", "user.id", "enduser.id")


@dataclasses.dataclass(frozen=True, slots=True)
class Noticed:
    """Somebody marked the trace as an incident in a triage: who, when, why."""

    by: str
    at: datetime.datetime
    why: str


@dataclasses.dataclass(frozen=True, slots=True)
class OneTrace:
    """A trace.

    Args:
        trace_id: its id.
        experiment: the MLflow experiment that it is in.
        started_at: when it began.
        prompts: the versions of prompts that it is linked to, as (name, version).
        model: the model that answered, as the application names it; empty if not known.
        run_id: the run that it belongs to, if any.
        user: a digest that stands for the user; empty if none is known.
        texts: what was said.
        noticed: the first decision that it is an incident.
    """

    trace_id: str
    experiment: str
    started_at: datetime.datetime
    prompts: tuple[tuple[str, int], ...]
    model: str
    run_id: str
    user: str
    texts: TraceTexts
    noticed: Noticed | None


def one_trace(uri: str, trace_id: str) -> OneTrace:
    """A trace by its id.

    Args:
        uri: MLflow's store.
        trace_id: its id, such as `tr-6c5e…`.

    Raises:
        PexError: there is no such trace, or the store does not answer.
    """
    api = ApiTraces(uri)
    info = api.info(trace_id)
    texts = fetch_texts(uri, [trace_id]).get(trace_id)
    if info is None or texts is None:
        raise PexError(
            f"MLflow has no trace '{trace_id}'",
            hint="its id is in MLflow's page of traces, and in the queue of a triage",
        )
    experiments = {number: name for name, number in api.experiments().items()}
    raw = _from_sql(uri, trace_id) or api.details("", [info])[0]
    links = linked_prompts(raw, texts.spans)
    numbered = [(name, int(number)) for name, number in links if number and number.isdecimal()]
    model, _ = model_of(texts.spans)
    user = next((raw.metadata[key] for key in _USERS if raw.metadata.get(key)), "")
    marked = [item for item in decisions(info) if str(item.feedback.value) == INCIDENT]
    first = marked[0] if marked else None
    return OneTrace(
        trace_id=trace_id,
        experiment=experiments.get(str(info.experiment_id), ""),
        started_at=_moment(raw.started_ms),
        prompts=tuple(dict.fromkeys(numbered)),
        model=model or "",
        run_id=str(info.trace_metadata.get(_RUN) or ""),
        user=user_digest(user) if user else "",
        texts=texts,
        noticed=None
        if first is None
        else Noticed(
            str(first.source.source_id), _moment(first.create_time_ms), first.rationale or ""
        ),
    )


def marked_incidents(uri: str) -> list[str]:
    """The ids of the traces that people marked as incidents in a triage.

    Raises:
        PexError: the store does not answer.
    """
    names = list(ApiTraces(uri).experiments())
    decided = Marks(uri, "").decided(names)
    return [
        trace_id
        for trace_id, given in decided.items()
        if any(outcome == INCIDENT for _, outcome in given)
    ]


def _from_sql(uri: str, trace_id: str) -> RawTrace | None:
    if not is_sql(uri):
        return None
    with SqlTraces(uri) as store:
        found = store.details("", [trace_id]) if store.is_current() else []
    return found[0] if found else None


def _moment(milliseconds: int | None) -> datetime.datetime:
    since = datetime.datetime.fromtimestamp(0, datetime.UTC)
    return since + datetime.timedelta(milliseconds=milliseconds or 0)

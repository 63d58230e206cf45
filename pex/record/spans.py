"""One row of a run as an MLflow trace with its assessments and its one span, and storing it.

MLflow's comparison of two runs pairs traces with the same `request_preview`, so that text is made
from the case alone; the differences between variants are in the span.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pex.core.canonical_json import canonical_json, canonical_text, digest
from pex.core.sent_messages import SentMessages
from pex.guard.redact import redact
from pex.record.make_span import hash_of, make_span
from pex.record.path_spans import lasted_ms as path_ms
from pex.record.path_spans import path_spans
from pex.record.sessions import (
    NAMED,
    TURNS,
    count_turns,
    session_of,
    turn_traces,
    turns_of,
)
from pex.score.frame import score_names, yes_no

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities import Assessment, Span, TraceInfo
    from mlflow.tracing.client import TracingClient

SCORED_BY = "pex.scored"
"""The metadata of every assessment that pex wrote for a scorer or for a case."""
CASE_ID = "pex.case_id"
VARIANT = "pex.variant"
REPEAT = "pex.repeat"

METADATA = 250
"""Characters of a metadata value that MLflow keeps."""
_PREVIEW, _RESPONSE, _ID = 900, 1000, 120
"""Characters; MLflow cuts previews at 1000."""
_SPANS = "mlflow.trace.spansLocation"
"""A tag that MLflow sets together with the spans."""
_FILED = "pex.spans_filed"
"""The same if the spans are a file."""
_YEAR_2000 = 946_684_800.0


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """The destination of one run's traces, and the facts about them that its frame lacks.

    `experiment` is its name in pex, `children` are the MLflow runs of the variants, `params` their
    parameters, `prompts` their prompt versions in MLflow's registry, if any, `judges` the models
    behind the scores given by models, by the name of the score or of its scorer, `sent` gives the
    messages of a variant for a case's inputs, `dataset` is the name for the cases, None for cases
    that are not from a file.
    """

    uri: str = dataclasses.field(repr=False)  # it may contain a password
    experiment: str
    experiment_id: str
    run_id: str
    children: Mapping[str, str]
    params: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    prompts: Mapping[str, tuple[str, int]] = dataclasses.field(default_factory=dict)
    judges: Mapping[str, str] = dataclasses.field(default_factory=dict)
    sent: SentMessages | None = dataclasses.field(default=None, repr=False)
    dataset: str | None = None


def trace_id_of(child_run_id: str, case_id: str, repeat: int) -> str:
    """The id of a row's trace in MLflow, whether it has been written or not.

    Example:
        >>> trace_id_of("5f1d", "c1", 1)
        'tr-570d45db4d873157817bfac1bc8ea8ca'
    """
    return f"tr-{hash_of('trace', child_run_id, case_id, repeat)[:32]}"


def preview(case_id: str, repeat: int | None, inputs: Mapping[str, Any]) -> str:
    r"""The text that MLflow uses to find the same case in another run.

    Args:
        case_id: the case.
        repeat: its number, None if there are no repeats.
        inputs: the case's inputs, cut to fit.

    Example:
        >>> preview("c1", 2, {"review": "Nice,\n  really."})
        'c1 r2 | Nice, really.'
        >>> preview("c1", None, {"a": 1, "b": None, "c": ["x"]})
        'c1 | a: 1 · c: ["x"]'
    """
    texts = {name: canonical_text(value) for name, value in inputs.items() if value is not None}
    shown = list(texts.values()) if len(texts) == 1 else [f"{n}: {t}" for n, t in texts.items()]
    return f"{_key(case_id, repeat)} | {' '.join(' · '.join(shown).split())}"[:_PREVIEW]


def _key(case_id: str, repeat: int | None) -> str:
    short = case_id if len(case_id) <= _ID else f"{case_id[:_ID]}…{digest(case_id)}"
    return short if repeat is None else f"{short} r{repeat}"


class Shapes:
    """Makes traces from rows; values shared by the whole frame are looked up once."""

    def __init__(self, target: Target, frame: pd.DataFrame) -> None:
        self._target = target
        self._scores = score_names(frame)
        self._yes_no = yes_no(frame)
        self._repeated = bool((frame["repeat"] > 1).any())
        self._now = time.time()

    def is_whole(self, info: TraceInfo, row: Mapping[str, Any]) -> bool:
        """Whether a trace in MLflow has its spans, and the row's answer and scores."""
        if not {_SPANS, _FILED} & info.tags.keys():
            return False
        if (info.response_preview or "") != _response(row):
            return False
        if self.stale(info, row) or info.trace_metadata.get(TURNS, "0") != str(count_turns(row)):
            return False
        there = {item.assessment_id: item for item in info.assessments}
        return all(
            (old := there.get(new.assessment_id)) and (_changed(old) or _said(old) == _said(new))
            for new in self._assessments(info.trace_id, row)
        )

    def stale(self, there: TraceInfo | None, row: Mapping[str, Any]) -> list[str]:
        """The ids of MLflow assessments for scores that the row no longer has.

        An assessment that a person changed or made in MLflow is kept.
        """
        if there is None:
            return []
        now = {item.assessment_id for item in self._assessments(there.trace_id, row)}
        return [
            str(item.assessment_id)
            for item in there.assessments
            if SCORED_BY in (item.metadata or {})
            and item.assessment_id not in now
            and not _changed(item)
        ]

    def trace(
        self, row: Mapping[str, Any], there: TraceInfo | None = None
    ) -> tuple[TraceInfo, list[Span]]:
        """MLflow's form of a row: the trace with its assessments, and its spans.

        The first span is the case, with its inputs and the answer; the second, inside it, is the
        call with the messages that were sent, which MLflow draws as a chat. Where tools ran, there
        is one for each request and each tool instead.

        Args:
            row: a row of the long frame, as plain values.
            there: the trace that MLflow already has; scores changed there are kept.
        """
        from mlflow.entities import TraceInfo, TraceLocation, TraceState

        child = self._target.children[row["variant"]]
        trace_id = trace_id_of(child, row["case_id"], row["repeat"])
        changed = (
            {item.assessment_id for item in there.assessments if _changed(item)} if there else ()
        )
        inputs = {name[5:]: value for name, value in row.items() if name.startswith("case.")}
        repeat = row["repeat"] if self._repeated else None
        begun_ms = self._begun_ms(row)
        steps = row.get("steps")
        lasted_ms = path_ms(steps) if steps else round((row["latency_s"] or 0.0) * 1000)
        usage, cost = _usage(row), _cost(row)
        tags = {"mlflow.traceName": row["variant"]}
        if row["group"] is not None:
            tags["pex.group"] = str(row["group"])
        if row["tags"]:
            tags["pex.tags"] = ", ".join(row["tags"])
        if prompt := self._target.prompts.get(row["variant"]):
            linked = [{"name": prompt[0], "version": str(prompt[1])}]
            tags["mlflow.linkedPrompts"] = json.dumps(linked)
        metadata = {
            "mlflow.sourceRun": child,
            CASE_ID: row["case_id"][:METADATA],
            VARIANT: row["variant"][:METADATA],
            REPEAT: str(row["repeat"]),
            "pex.request_key": row["request_key"],
            **({"mlflow.trace.tokenUsage": json.dumps(usage)} if usage else {}),
            **({"mlflow.trace.cost": json.dumps(cost)} if cost else {}),
        }
        if turns := count_turns(row):
            named = session_of(row["case_id"], repeat, row["variant"], trace_id)
            metadata |= {NAMED: named, TURNS: str(turns)}
        info = TraceInfo(
            trace_id=trace_id,
            trace_location=TraceLocation.from_experiment_id(self._target.experiment_id),
            request_time=begun_ms,
            execution_duration=lasted_ms,
            state=TraceState.ERROR if row["error"] is not None else TraceState.OK,
            request_preview=preview(row["case_id"], repeat, inputs),
            response_preview=_response(row),
            trace_metadata=metadata,
            tags=tags,
            assessments=[
                item
                for item in self._assessments(trace_id, row)
                if item.assessment_id not in changed
            ],
        )
        whole = {
            "case": _key(row["case_id"], repeat),  # MLflow's search looks only in spans
            "mlflow.spanType": "CHAIN",
            "mlflow.spanInputs": inputs,
            "mlflow.spanOutputs": _output(row),
            "mlflow.traceRequestId": trace_id,
        }
        params = self._target.params.get(row["variant"], {})
        times = (begun_ms, lasted_ms)
        failed = (row["error"], row["error_kind"])
        root = make_span(trace_id, None, *failed, whole["case"], times, whole)
        if steps:
            return info, [root, *self._path(trace_id, row, inputs, params, begun_ms)]
        call = {
            **_attributes(row, params),
            **self._chat(row, inputs, params),
            "mlflow.chat.tokenUsage": usage,
            "mlflow.llm.cost": cost,
            "mlflow.traceRequestId": trace_id,
        }
        return info, [root, make_span(trace_id, "call", *failed, row["model"], times, call)]

    def session(
        self, row: Mapping[str, Any], whole: TraceInfo
    ) -> list[tuple[TraceInfo, list[Span]]]:
        """The traces of a conversation's turns; none if the user wrote only once.

        Args:
            row: a row of the long frame, as plain values.
            whole: the trace that `trace` made of it.
        """
        if not count_turns(row):
            return []
        inputs = {name[5:]: value for name, value in row.items() if name.startswith("case.")}
        sent = self._target.sent(row["variant"], inputs) if self._target.sent else []
        failed = (row["error"], row["error_kind"])
        return turn_traces(whole, turns_of(sent, row), self._target.experiment_id, failed)

    def _path(
        self,
        trace_id: str,
        row: Mapping[str, Any],
        inputs: Mapping[str, Any],
        params: Mapping[str, Any],
        begun_ms: int,
    ) -> list[Span]:
        """A span for each request of a path, and for each tool that was called."""
        sent = self._target.sent(row["variant"], inputs) if self._target.sent else []
        return [
            make_span(
                trace_id,
                span.key,
                span.error,
                span.error_kind,
                span.name,
                (span.begun_ms, span.lasted_ms),
                {**span.values, "mlflow.traceRequestId": trace_id},
            )
            for span in path_spans(row, sent, _params(params), begun_ms)
        ]

    def _chat(
        self, row: Mapping[str, Any], inputs: Mapping[str, Any], params: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What was sent and answered, in the form of OpenAI's chat completions."""
        messages = self._target.sent(row["variant"], inputs) if self._target.sent else []
        if not messages:
            return {"mlflow.spanInputs": inputs, "mlflow.spanOutputs": _output(row)}
        messages += (row.get("conversation") or [])[:-1]  # later turns; the last is the answer
        sent = {"model": row["model"].partition("/")[2], "messages": messages, **_params(params)}
        answer = {"role": "assistant", "content": row["output"]}
        if row.get("tool_calls"):
            answer["tool_calls"] = row["tool_calls"]
        choice = {"index": 0, "message": answer, "finish_reason": row["finish_reason"]}
        return {
            "mlflow.message.format": "openai",
            "mlflow.spanInputs": sent,
            "mlflow.spanOutputs": None if row["error"] is not None else {"choices": [choice]},
        }

    def _begun_ms(self, row: Mapping[str, Any]) -> int:
        begun = datetime.fromisoformat(row["started_at"]).timestamp() if row["started_at"] else 0.0
        # A call that was never sent has no time of its own, and no MLflow page shows 1970.
        return int((begun if begun > _YEAR_2000 else self._now) * 1000)

    def _assessments(self, trace_id: str, row: Mapping[str, Any]) -> list[Assessment]:
        from mlflow.entities import AssessmentError, AssessmentSource, Expectation, Feedback

        child = self._target.children[row["variant"]]
        metadata = {"mlflow.assessment.sourceRunId": child, SCORED_BY: "true"}
        found: list[Assessment] = []
        for name in self._scores:
            value, failed = row[f"score.{name}"], row.get(f"score_error.{name}")
            if value is None and failed is None:
                continue  # the scorer does not apply, or there is nothing to score
            judge = self._judge(name)
            kind = "CODE" if judge is None else "LLM_JUDGE"
            found.append(
                Feedback(
                    name=name,
                    value=bool(value) if value is not None and name in self._yes_no else value,
                    error=None if failed is None else AssessmentError("SCORER_ERROR", failed),
                    source=AssessmentSource(kind, judge or "pex"),
                    rationale=row.get(f"reason.{name}"),
                    metadata=dict(metadata),
                )
            )
        if row["expected"] is not None:
            source = AssessmentSource("HUMAN", "cases")
            found.append(
                Expectation("expected", row["expected"], source=source, metadata=dict(metadata))
            )
        for item in found:
            # Fixed ids: even if two processes write them, each is stored once.
            item.assessment_id = f"a-{hash_of(trace_id, item.name, type(item).__name__)[:32]}"
            item.trace_id = trace_id
            item.last_update_time_ms = item.create_time_ms
        return found

    def _judge(self, name: str) -> str | None:
        judges = self._target.judges
        return judges.get(name) or judges.get(name.partition(".")[0])


def _said(item: Assessment) -> tuple[Any, ...]:
    value = item.feedback.value if item.feedback else item.expectation and item.expectation.value
    error = item.feedback and item.feedback.error and item.feedback.error.error_message
    return value, error or None, item.rationale or None


def _changed(item: Assessment) -> bool:
    """Whether a person has overruled or edited it since it was written."""
    return item.valid is False or item.last_update_time_ms != item.create_time_ms


def _response(row: Mapping[str, Any]) -> str:
    if row["error"] is not None:
        return redact(row["error"])[:_RESPONSE]
    text = row["output"]
    if not text and row.get("tool_calls"):  # of a path, all of its calls
        text = canonical_json(row["tool_calls"]).decode()
    return (text or "")[:_RESPONSE]


def _usage(row: Mapping[str, Any]) -> dict[str, int] | None:
    given, made, cached = row["prompt_tokens"], row["completion_tokens"], row["cached_tokens"]
    if given is None or made is None:
        return None
    usage = {"input_tokens": given, "output_tokens": made, "total_tokens": given + made}
    return usage if cached is None else {**usage, "cache_read_input_tokens": cached}


def _cost(row: Mapping[str, Any]) -> dict[str, float] | None:
    return None if row["cost_usd"] is None else {"total_cost": row["cost_usd"]}


def _output(row: Mapping[str, Any]) -> Any:
    if row.get("tool_calls") and not row.get("steps"):
        return {"content": row["output"], "tool_calls": row["tool_calls"]}
    return row["output"]


def _params(params: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(redact(canonical_json(dict(params)).decode()))
    return found


def _attributes(row: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    provider, _, model = row["model"].partition("/")
    return {
        "mlflow.spanType": "CHAT_MODEL",
        "mlflow.llm.provider": provider,
        "mlflow.llm.model": model,
        "model": row["model"],
        "resolved_model": row["resolved_model"],
        "params": _params(params) or None,
        "finish_reason": row["finish_reason"],
        "ttft_s": row["ttft_s"],
        "from_journal": row["from_journal"] or None,
        "conversation": row.get("conversation"),
    }


def store(
    tracing: TracingClient,
    experiment_id: str,
    pairs: Sequence[tuple[TraceInfo, list[Span]]],
    prompts: Sequence[tuple[str, int] | None],
) -> None:
    """Write some traces; the spans come last: a trace with spans is complete.

    Args:
        tracing: MLflow's client.
        experiment_id: MLflow's experiment.
        pairs: the traces and their spans.
        prompts: the version of each trace's prompt in MLflow's registry.
    """
    from mlflow.entities.model_registry import PromptVersion

    stored = [(tracing.start_trace(info), spans) for info, spans in pairs]
    for (info, _), prompt in zip(stored, prompts, strict=True):
        # Earlier versions of MLflow use only the tag, and the trace already has it.
        if prompt is not None and hasattr(tracing.store, "link_prompts_to_trace"):
            version = PromptVersion(prompt[0], prompt[1], "")  # type: ignore[abstract]
            tracing.store.link_prompts_to_trace(info.trace_id, [version])
    _store_spans(tracing, experiment_id, stored)


def _store_spans(
    tracing: TracingClient, experiment_id: str, pairs: Sequence[tuple[TraceInfo, list[Span]]]
) -> None:
    from mlflow.entities import TraceData
    from mlflow.exceptions import MlflowException

    try:
        tracing.log_spans(experiment_id, [span for _, spans in pairs for span in spans])
    except NotImplementedError:  # an older server stores spans as files, also MLflow's own
        for info, spans in pairs:
            tracing._upload_trace_data(info, TraceData(spans))
            tracing.set_trace_tag(info.trace_id, _FILED, "true")
    except MlflowException:
        if len(pairs) == 1:
            raise
        for pair in pairs:  # earlier versions accept the spans of one trace at a time
            _store_spans(tracing, experiment_id, [pair])

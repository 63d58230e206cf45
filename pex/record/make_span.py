"""One span of an MLflow trace, made without running anything."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pex.guard.redact import redact

if TYPE_CHECKING:
    from mlflow.entities import Span


def hash_of(*parts: object) -> str:
    """A digest of parts, from which ids are made."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


def make_span(
    trace_id: str,
    inside: str | None,
    error: str | None,
    error_kind: str | None,
    name: str,
    times: tuple[int, int],
    values: Mapping[str, Any],
) -> Span:
    """A span of a trace: its root, or one inside it that `inside` names."""
    from mlflow.entities import Span
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.trace import SpanContext, Status, StatusCode

    number = int(trace_id.removeprefix("tr-"), 16)
    begun_ms, lasted_ms = times
    end_ns = (begun_ms + lasted_ms) * 1_000_000

    def context(span_id: int) -> SpanContext:
        return SpanContext(trace_id=number, span_id=span_id % 2**64 or 1, is_remote=False)

    own = context(number if inside is None else int(hash_of(trace_id, inside), 16))
    status, events = Status(StatusCode.OK), []
    if error is not None:
        message = redact(error)
        status = Status(StatusCode.ERROR, message)
        shown = {"exception.type": error_kind or "error", "exception.message": message}
        events = [Event("exception", shown, end_ns)]
    return Span(
        ReadableSpan(
            name=name,
            context=own,
            parent=None if inside is None else context(number),
            start_time=begun_ms * 1_000_000,
            end_time=end_ns,
            # Every value is JSON, as in MLflow's own spans.
            attributes={
                k: json.dumps(v, ensure_ascii=False) for k, v in values.items() if v is not None
            },
            status=status,
            events=events,
            resource=Resource.get_empty(),  # a new one would read the whole environment
        )
    )

"""Traces in a file of OpenTelemetry: OTLP as JSON, a document or one on each line.

Formats: https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/ and the conventions for
generative AI, https://opentelemetry.io/docs/specs/semconv/gen-ai/: messages in attributes (from
1.37 on) or, before that, an event for each message: of the span, or a log record.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from pex.core import jsontext
from pex.core.errors import PexError
from pex.core.textfile import read_bytes
from pex.monitoring.spans import StoredSpan

LARGEST_MB = 500
SENT, SAID = "gen_ai.input.messages", "gen_ai.output.messages"
_SPANS, _LOGS = "resourceSpans", "resourceLogs"
_KIND = ("mlflow.spanType", "openinference.span.kind")
_ROLES = {f"gen_ai.{role}.message": role for role in ("system", "user", "assistant", "tool")}
_CHOICE = "gen_ai.choice"
_WHOLE = ("gen_ai.client.inference.operation.details", "gen_ai.content.prompt",
          "gen_ai.content.completion")  # fmt: skip
"""Events whose attributes are those that a span can have itself."""
_BODY = ("gen_ai.event.content", "event.body", "body")
_NOT_OK = (2, "STATUS_CODE_ERROR")


@dataclasses.dataclass(slots=True)
class _Record:
    """A span as it stands in the file, and the log records that belong to it."""

    span: Mapping[str, Any]
    events: list[Mapping[str, Any]]


def is_otlp(path: Path) -> bool:
    """Whether a file holds traces or logs of OpenTelemetry, by its beginning."""
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except OSError:
        return False
    return any(f'"{name}"'.encode() in start for name in (_SPANS, _LOGS))


def read_otlp(path: Path) -> dict[str, tuple[StoredSpan, ...]]:
    """The spans of each trace in a file by its id, in the order in which they began.

    Traces stand in the order of the file. A log record joins the span that it names.

    Args:
        path: the file; traces and logs may stand in the same one, `cat traces.jsonl logs.jsonl`.

    Raises:
        PexError: the file cannot be read or is not OTLP as JSON, with the line.
    """
    traces: dict[str, dict[str, _Record]] = {}
    logs: list[Mapping[str, Any]] = []
    for where, document in _documents(path):
        for span in _within(document, where, _SPANS, "scopeSpans", "spans"):
            trace_id, span_id = span.get("traceId"), span.get("spanId")
            if not (isinstance(trace_id, str) and trace_id and isinstance(span_id, str)):
                raise PexError(f"{where}: a span has no traceId or spanId")
            events: list[Mapping[str, Any]] = [
                event for event in _list(span.get("events")) if isinstance(event, dict)
            ]
            traces.setdefault(trace_id, {})[span_id] = _Record(span, events)
        logs += _within(document, where, _LOGS, "scopeLogs", "logRecords")
    for record in logs:
        spans = traces.get(str(record.get("traceId")), {})
        if (owner := spans.get(str(record.get("spanId")))) is not None:
            owner.events.append(record)
    return {
        trace_id: tuple(_stored(item) for item in sorted(spans.values(), key=_begun))
        for trace_id, spans in traces.items()
    }


def tools_in(spans: Sequence[StoredSpan]) -> list[dict[str, Any]]:
    """The tools that a trace's models were offered, in OpenAI's form, each once.

    Example:
        >>> offered = [{"type": "function", "name": "look_up", "parameters": {"type": "object"}}]
        >>> span = StoredSpan("chat", None, "", "", {"gen_ai.tool.definitions": offered})
        >>> tools_in([span])
        [{'type': 'function', 'function': {'name': 'look_up', 'parameters': {'type': 'object'}}}]
    """
    found: dict[str, dict[str, Any]] = {}
    for span in spans:
        for tool in _list(span.attributes.get("gen_ai.tool.definitions")):
            about = tool.get("function", tool) if isinstance(tool, dict) else {}
            if isinstance(about, dict) and isinstance(about.get("name"), str):
                function = {key: value for key, value in about.items() if key != "type"}
                found.setdefault(about["name"], {"type": "function", "function": function})
    return list(found.values())


def _documents(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The documents of a file, each with its place."""
    data = read_bytes(path, "traces", LARGEST_MB).removeprefix(b"\xef\xbb\xbf")
    lines = [(number, line) for number, line in enumerate(data.split(b"\n"), 1) if line.strip()]
    whole = _read(data) if len(lines) > 1 else None
    if isinstance(whole, dict | list):  # one document, written over several lines
        for item in whole if isinstance(whole, list) else [whole]:
            yield str(path), _document(item, str(path))
        return
    for number, line in lines:
        where = f"{path}, line {number}"
        value = _read(line)
        for item in value if isinstance(value, list) else [value]:
            yield where, _document(item, where)


def _read(data: bytes) -> Any:
    """A JSON value; an exception of why it is none, so that the place can be named."""
    try:
        return jsontext.loads(data)
    except ValueError as error:
        return error


def _document(value: Any, where: str) -> Mapping[str, Any]:
    if isinstance(value, dict) and (_SPANS in value or _LOGS in value):
        return value
    why = f"not valid JSON: {value}" if isinstance(value, Exception) else f"it has no '{_SPANS}'"
    raise PexError(
        f"{where}: expected traces of OpenTelemetry as JSON (OTLP); {why}",
        hint="OpenTelemetry's file exporter writes them, as does the collector's exporter 'file'",
    )


def _within(document: Mapping[str, Any], where: str, *names: str) -> list[Mapping[str, Any]]:
    """What is in lists in lists of objects."""
    found: list[Mapping[str, Any]] = [document]
    for name in names:
        inner = [item for outer in found for item in _list(outer.get(name))]
        if not all(isinstance(item, dict) for item in inner):
            raise PexError(f"{where}: {name}: expected a list of objects")
        found = inner
    return found


def _begun(record: _Record) -> int:
    try:
        return int(record.span.get("startTimeUnixNano") or 0)
    except (TypeError, ValueError):
        return 0


def _stored(record: _Record) -> StoredSpan:
    span = record.span
    attributes = _attributes(span.get("attributes"))
    attributes = _messages(record.events, attributes) | attributes
    status = span.get("status")
    status = status if isinstance(status, dict) else {}
    kind = next((str(attributes[name]) for name in _KIND if name in attributes), "")
    return StoredSpan(
        name=str(span.get("name") or ""),
        parent=span.get("parentSpanId") or None,
        kind=kind.upper(),
        status="ERROR" if status.get("code") in _NOT_OK else "OK",
        attributes=attributes,
        message=str(status.get("message") or ""),
    )


def _messages(events: Sequence[Mapping[str, Any]], known: Mapping[str, Any]) -> dict[str, Any]:
    """The messages that events tell, under the names of the attributes that came after them."""
    found: dict[str, Any] = {}
    sent, said = [], []
    for event in events:
        about = _attributes(event.get("attributes"))
        name = str(event.get("name") or event.get("eventName") or about.get("event.name") or "")
        if name in _WHOLE:
            body = _value(event.get("body"))
            found |= (body if isinstance(body, dict) else {}) | about
        elif name in _ROLES:
            sent.append({"role": _ROLES[name], **_body(event, about)})
        elif name == _CHOICE:
            body = _body(event, about)
            message = _decoded(body.get("message"))
            said.append(
                {"role": "assistant", **message}
                if isinstance(message, dict)
                else {"role": "assistant", "content": message, **body}
            )
    for message in sent:
        if message.get("role") == "tool" and message.get("id"):
            message.setdefault("tool_call_id", message["id"])
    found |= {SENT: sent} if sent else {}
    found |= {SAID: said} if said else {}
    return {key: value for key, value in found.items() if key not in known}


def _body(event: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    """The message of an event: a log record's body, an attribute with all of it, or several."""
    given = _decoded(_value(event.get("body")))
    if given is None:
        given = next((about[name] for name in _BODY if name in about), about)
    body = dict(given) if isinstance(given, dict) else {"content": given}
    for name in ("tool_calls", "message"):
        body |= {name: _decoded(body[name])} if name in body else {}
    return body


def _attributes(given: Any) -> dict[str, Any]:
    pairs = (item for item in _list(given) if isinstance(item, dict))
    return {str(item.get("key")): _decoded(_value(item.get("value"))) for item in pairs}


def _value(given: Any) -> Any:
    """A value of OTLP, whose only key is its type, as a plain one; numbers may be strings."""
    if not isinstance(given, dict) or not given:
        return None
    kind, value = next(iter(given.items()))
    if kind == "arrayValue":
        return [_value(item) for item in _list(value.get("values"))] if value else []
    if kind == "kvlistValue":
        pairs = _list(value.get("values")) if isinstance(value, dict) else []
        return {str(p.get("key")): _value(p.get("value")) for p in pairs if isinstance(p, dict)}
    try:
        return int(value) if kind == "intValue" else value
    except (TypeError, ValueError):
        return value


def _decoded(value: Any) -> Any:
    """An object or a list that was written as text; other texts stay as they are."""
    if isinstance(value, str) and value[:1] in ("{", "[", '"'):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []

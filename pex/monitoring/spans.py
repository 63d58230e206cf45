"""What the spans of a trace say: the model, why it stopped, errors, texts, and links to prompts.

Spans are read as they are stored: those of MLflow's own tracing and of its autologging, and those
that came in by OpenTelemetry with the attributes of its conventions for generative AI
(https://opentelemetry.io/docs/specs/semconv/gen-ai/). Each attribute may be missing, of another
type or cut off; then it is not there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

INPUTS, OUTPUTS = "mlflow.spanInputs", "mlflow.spanOutputs"
GIVEN = (INPUTS, "gen_ai.input.messages", "gen_ai.prompt", "traceloop.entity.input", "input.value")
_OUT = (
    OUTPUTS,
    "gen_ai.output.messages",
    "gen_ai.completion",
    "traceloop.entity.output",
    "output.value",
)
_MODEL = ("gen_ai.response.model", "gen_ai.request.model", "mlflow.llm.model", "llm.model_name")
_FINISH = ("gen_ai.response.finish_reasons", "gen_ai.response.finish_reason")
_PROVIDER = ("gen_ai.provider.name", "gen_ai.system", "mlflow.llm.provider")
_TOKENS = {
    "prompt_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "completion_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "cached_tokens": ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_tokens"),
    "cache_write_tokens": ("gen_ai.usage.cache_creation.input_tokens",),
}
_USAGE = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "cached_tokens": "cache_read_input_tokens",
    "cache_write_tokens": "cache_creation_input_tokens",
}
_CALLS = frozenset({"CHAT_MODEL", "LLM", "COMPLETION"})


@dataclasses.dataclass(frozen=True, slots=True)
class StoredSpan:
    """One span: its place in the trace, and its attributes as values."""

    name: str
    parent: str | None
    kind: str
    status: str
    attributes: Mapping[str, Any]
    events: Sequence[Any] = ()
    message: str = ""

    def first(self, names: Iterable[str]) -> Any:
        """The first attribute of these that the span has."""
        return next((self.attributes[name] for name in names if name in self.attributes), None)

    @property
    def is_call(self) -> bool:
        """Whether it is the call of a model."""
        return (
            self.kind in _CALLS
            or self.attributes.get("gen_ai.operation.name") in ("chat", "text_completion")
            or "gen_ai.request.model" in self.attributes
        )


def stored_span(content: str | bytes, kind: str | None = None) -> StoredSpan | None:
    """A span as MLflow stores it; None if the JSON is broken."""
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(value, dict):
        return None
    raw = value.get("attributes")
    attributes = {k: _decoded(v) for k, v in raw.items()} if isinstance(raw, dict) else {}
    status = value.get("status")
    status = status if isinstance(status, dict) else {}
    events = value.get("events")
    return StoredSpan(
        name=str(value.get("name") or ""),
        parent=value.get("parent_span_id") or None,
        kind=str(kind or attributes.get("mlflow.spanType") or ""),
        status=str(status.get("code") or "").rpartition("_")[2],
        attributes=attributes,
        events=events if isinstance(events, list) else (),
        message=str(status.get("message") or ""),
    )


def _decoded(value: Any) -> Any:
    """MLflow stores each attribute as JSON in a string; others store it plainly."""
    if isinstance(value, str):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def root_of(spans: Sequence[StoredSpan]) -> StoredSpan | None:
    """The outermost span."""
    return next((span for span in spans if span.parent is None), spans[0] if spans else None)


def model_of(spans: Sequence[StoredSpan]) -> tuple[str | None, str | None]:
    """The model of the last call, and its provider."""
    for span in reversed(spans):
        model = span.first(_MODEL)
        if model is None and span.is_call:
            model = _within(span.attributes.get(INPUTS), "model")
        if isinstance(model, str) and model:
            provider = span.first(_PROVIDER)
            return model, provider if isinstance(provider, str) else None
    return None, None


def finish_of(spans: Sequence[StoredSpan]) -> str | None:
    """Why the last call stopped, in its provider's word."""
    for span in reversed(spans):
        found = span.first(_FINISH)
        if isinstance(found, list) and found:
            found = found[0]
        if found is None and span.is_call:
            found = _finish_in(span.first(_OUT))
        if isinstance(found, str) and found:
            return found
    return None


def _finish_in(output: Any) -> Any:
    """The reason within a reply of the chat, responses, Anthropic or Gemini kind."""
    if isinstance(output, list) and output:  # OpenTelemetry's list of messages
        return _within(output[-1], "finish_reason")
    choices = _within(output, "choices", "candidates")
    if isinstance(choices, list) and choices:
        return _within(choices[0], "finish_reason", "finishReason")
    reason = _within(output, "stop_reason", "finish_reason")
    return reason or _within(_within(output, "incomplete_details"), "reason")


def tokens_of(spans: Sequence[StoredSpan]) -> dict[str, int | None]:
    """The tokens of all calls, added up; None where no call says."""
    found: dict[str, int | None] = dict.fromkeys(_TOKENS)
    for span in spans:
        usage = span.attributes.get("mlflow.chat.tokenUsage")
        for name, names in _TOKENS.items():
            value = _within(usage, _USAGE[name])
            value = span.first(names) if value is None else value
            if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
                found[name] = (found[name] or 0) + value
    return found


def error_of(spans: Sequence[StoredSpan]) -> tuple[str, str] | None:
    """The type and message of the innermost error."""
    for span in sorted(spans, key=lambda item: item.parent is None):
        if span.status != "ERROR":
            continue
        for event in reversed(span.events):
            about = event.get("attributes") if isinstance(event, dict) else None
            if isinstance(about, dict) and about.get("exception.type"):
                kind, message = about["exception.type"], about.get("exception.message")
                return str(_decoded(kind)), str(_decoded(message) or "")
        kind = span.attributes.get("error.type")
        if kind or span.message:
            return str(kind or ""), span.message
    return None


def prompts_of(spans: Sequence[StoredSpan]) -> Iterator[tuple[str, str | None]]:
    """Name and version of the prompts that the spans name, the first first."""
    for span in spans:
        linked = span.attributes.get("mlflow.linkedPrompts")
        for entry in linked if isinstance(linked, list) else ():
            name = _within(entry, "name")
            if isinstance(name, str):
                yield name, _text(_within(entry, "version"))
        name = span.attributes.get("gen_ai.prompt.name")
        if isinstance(name, str):
            yield name, _text(span.attributes.get("gen_ai.prompt.version"))


def messages_of(spans: Sequence[StoredSpan]) -> list[dict[str, Any]]:
    """The messages that the last call sent."""
    for span in reversed(spans):
        if not span.is_call:
            continue
        given = span.first(GIVEN)
        found = given if isinstance(given, list) else _within(given, "messages", "input", "prompt")
        if isinstance(found, str):
            return [{"role": "user", "content": found}]
        if isinstance(found, list):
            return [item for item in found if isinstance(item, dict)]
    return []


def reply_of(spans: Sequence[StoredSpan]) -> str | None:
    """What the application answered: the outermost span's output, else that of the last call."""
    root = root_of(spans)
    given = None if root is None else root.first(_OUT)
    if given is None:
        given = next((s.first(_OUT) for s in reversed(spans) if s.first(_OUT) is not None), None)
    return text_of(given) or None


def refusal_of(spans: Sequence[StoredSpan]) -> bool:
    """Whether a call's reply has a refusal in the field that providers have for it."""
    for span in spans:
        choices = _within(span.first(_OUT), "choices")
        for choice in choices if isinstance(choices, list) else ():
            if _within(_within(choice, "message"), "refusal"):
                return True
    return False


def tool_calls_of(spans: Sequence[StoredSpan]) -> list[dict[str, Any]]:
    """The tool calls: those that replies ask for, and the spans of tools that ran."""
    found = []
    for span in spans:
        choices = _within(span.first(_OUT), "choices")
        for choice in choices if isinstance(choices, list) else ():
            calls = _within(_within(choice, "message"), "tool_calls")
            found += [call for call in calls or () if isinstance(call, dict)]
        if span.kind == "TOOL":
            found.append(
                {
                    "name": span.name,
                    "input": span.attributes.get(INPUTS),
                    "output": span.attributes.get(OUTPUTS),
                }
            )
    return found


def text_of(value: Any) -> str:
    """The text within an input or output of any shape; its JSON if no text stands out.

    Example:
        >>> text_of({"question": "Where is it?"}), text_of([{"type": "text", "text": "Here."}])
        ('Where is it?', 'Here.')
    """
    if value is None or value == "":
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        if value and all(isinstance(item, dict) for item in value):
            parts = [text_of(item) for item in (value[-1:] if "role" in value[-1] else value)]
            return "\n".join(part for part in parts if part)
    elif isinstance(value, dict):
        for name in ("content", "parts", "text", "message", "choices", "messages", "output_text"):
            if value.get(name):
                given = value[name]
                return text_of(given[0] if name == "choices" and isinstance(given, list) else given)
        if "role" in value:  # a message without words, such as one that only calls tools
            return ""
        strings = [item for item in value.values() if isinstance(item, str)]
        if len(value) == 1 and strings:
            return strings[0]
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _within(value: Any, *names: str) -> Any:
    if not isinstance(value, dict):
        return None
    return next((value[name] for name in names if value.get(name) is not None), None)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)

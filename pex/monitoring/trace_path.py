"""The path of tool calls in a trace, as recorded replies and expected calls of a case.

Read are the messages of model calls in the forms of OpenAI's chat and Responses APIs, of Anthropic
and of OpenTelemetry's conventions, and the spans of tools that ran.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pex.core.paths import PathCall, calls_in, read_arguments
from pex.core.sanitized_json import sanitized_json
from pex.monitoring.spans import GIVEN, INPUTS, OUTPUTS, StoredSpan
from pex.score.tool_path import COLUMN
from pex.tools.spec import REPLIES

_SAID = (OUTPUTS, "gen_ai.output.messages", "gen_ai.completion", "output.value")
_CALLS = ("tool_call", "tool_use", "function_call")
_REPLY = ("response", "result", "output", "content")
_ANSWERS = ("tool_call_response", "tool_result", "function_call_output")


def path_of_spans(spans: Sequence[StoredSpan]) -> list[PathCall]:
    """The tool calls of a trace in order, with their replies as far as they are known.

    The last call of a model has the whole path in its messages; what its first call had before the
    user's last message is from earlier turns. Without such messages, the spans of tools are the
    path.

    Args:
        spans: those of the trace, in the order in which they began.
    """
    tools = [call for span in spans if (call := _tool_span(span)) is not None]
    models = [span for span in spans if span.is_call and span.kind != "TOOL"]
    if models:
        first = _sent(models[0])
        users = [at for at, message in enumerate(first) if message.get("role") == "user"]
        earlier = len(list(calls_in(first[: users[-1] if users else 0])))
        whole = [*_sent(models[-1]), *_messages(models[-1].first(_SAID))]
        calls = list(calls_in(whole))[earlier:]
        if not calls:  # each call of a model was recorded without what came before
            calls = [c for span in models for c in calls_in(_messages(span.first(_SAID)))]
        if calls:
            return [_with_reply(call, tools) for call in calls]
    return tools


def path_columns(calls: Sequence[PathCall]) -> dict[str, list[dict[str, Any]]]:
    """The columns of a case: the expected calls, and the replies that were recorded for them.

    Example:
        >>> found = path_columns([PathCall("look_up", {"id": 7}, reply="open")])
        >>> found["tool_replies"]
        [{'name': 'look_up', 'arguments': {'id': 7}, 'reply': 'open'}]
    """
    expected = [{"name": call.name, "arguments": call.arguments or {}} for call in calls]
    replies = [
        {**one, "reply": call.reply}
        for one, call in zip(expected, calls, strict=True)
        if call.reply is not None
    ]
    kept: dict[str, list[dict[str, Any]]] = sanitized_json({COLUMN: expected, REPLIES: replies})
    return kept


def _tool_span(span: StoredSpan) -> PathCall | None:
    about = span.attributes
    if span.kind != "TOOL" and about.get("gen_ai.operation.name") != "execute_tool":
        return None
    name = about.get("gen_ai.tool.name") or span.name
    given = span.first(("gen_ai.tool.call.arguments", INPUTS, "input.value"))
    reply = span.first(("gen_ai.tool.call.result", OUTPUTS, "output.value"))
    failed = span.status == "ERROR"
    if reply is None and failed:
        reply = {"error": span.message or str(about.get("error.type") or "failed")}
    text = None if reply is None else _text(reply)
    return PathCall(str(name), read_arguments(given), text, "raised" if failed else None)


def _with_reply(call: PathCall, tools: list[PathCall]) -> PathCall:
    """A call with the reply, and the error, of the span of the tool that ran for it."""
    ran = next((tool for tool in tools if call.same_call(tool)), None)
    if ran is None:
        return call
    tools.remove(ran)
    reply = ran.reply if call.reply is None else call.reply
    return PathCall(call.name, call.arguments, reply, ran.error, call.step)


def _sent(span: StoredSpan) -> list[dict[str, Any]]:
    return _messages(span.first(GIVEN))


def _messages(value: Any) -> list[dict[str, Any]]:
    """Messages of any of the known forms in that of OpenAI's chat API."""
    if isinstance(value, Mapping):
        for name in ("messages", "choices", "input", "output"):
            if isinstance(value.get(name), list):
                return _messages(value[name])
        value = [value.get("message") or value]
    if not isinstance(value, list):
        return []
    found: list[dict[str, Any]] = []
    for item in value:
        if isinstance(item, Mapping):
            found += _read(item.get("message") if isinstance(item.get("message"), dict) else item)
    return found


def _read(item: Any) -> Iterator[dict[str, Any]]:
    """A message, or an item of a list of output, as messages."""
    kind, role = item.get("type"), item.get("role")
    if kind in _CALLS or kind in _ANSWERS:  # an item of the Responses API
        yield from _parts([item], "assistant")
        return
    parts = item.get("parts") or item.get("content")
    if isinstance(parts, list) and any(_kind(part) in (*_CALLS, *_ANSWERS) for part in parts):
        yield from _parts(parts, str(role or "assistant"))
        return
    message = {name: item[name] for name in ("role", "content", "tool_call_id") if name in item}
    if isinstance(parts, list) and "content" not in message:
        message["content"] = parts
    calls = item.get("tool_calls")
    if isinstance(calls, list):
        message["tool_calls"] = [call for call in calls if isinstance(call, Mapping)]
        message.setdefault("role", "assistant")
    if "role" in message:
        yield message


def _parts(parts: Sequence[Any], role: str) -> Iterator[dict[str, Any]]:
    calls = []
    for part in parts:
        kind = _kind(part)
        if kind in _CALLS:
            given = part.get("arguments", part.get("input"))
            function = {"name": part.get("name"), "arguments": given}
            calls.append({"id": part.get("call_id") or part.get("id"), "function": function})
        elif kind in _ANSWERS:
            names = ("call_id", "tool_use_id", "id", "tool_call_id")
            reply = next((part[name] for name in _REPLY if name in part), None)
            yield {
                "role": "tool",
                "tool_call_id": next((part[name] for name in names if part.get(name)), None),
                "content": reply if isinstance(reply, list) else _text(reply),
            }
    if calls:
        yield {"role": "assistant", "tool_calls": calls}
    elif not any(_kind(part) in _ANSWERS for part in parts):
        yield {"role": role, "content": list(parts)}


def _kind(part: Any) -> Any:
    return part.get("type") if isinstance(part, Mapping) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)

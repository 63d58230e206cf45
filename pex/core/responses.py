"""A chat request in the form of OpenAI's Responses API.

Requests are created, named and priced in the chat form, so there is one path for everything else;
this is the last step before they are sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_LIMITS = ("max_completion_tokens", "max_tokens")
_TOOL = {"strict": False, "parameters": {"type": "object", "properties": {}}}
"""The defaults of a chat tool; this API has other defaults, or none."""


def responses_body(body: Mapping[str, Any], previous: str | None = None) -> dict[str, Any]:
    """The body for `/responses` that is equivalent to a chat body.

    Parameters unknown to the Responses API, such as `stop` or `seed`, are passed on as they are:
    the endpoint decides whether to accept them.

    Args:
        body: the JSON body of a chat completion.
        previous: the response that the endpoint continues from; then only what came after it is
            sent, and the instructions, which it does not keep.

    Example:
        >>> responses_body({"model": "m", "messages": [
        ...     {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        ...     "max_tokens": 20, "reasoning_effort": "low"})
        {'model': 'm', 'instructions': 'Be brief.', 'input': [{'role': 'user', 'content': 'Hi'}], 'max_output_tokens': 20, 'reasoning': {'effort': 'low'}}
    """  # noqa: E501 - the result is one line
    rest = dict(body)
    made: dict[str, Any] = {"model": rest.pop("model")} if "model" in rest else {}
    instructions, messages = _instructions(rest.pop("messages"))
    if instructions is not None:
        made["instructions"] = instructions
    if previous is not None:
        messages, made["previous_response_id"] = _after_answer(messages), previous
    made["input"] = [item for message in messages for item in _items(message)]
    rest.pop("stream_options", None)  # it requests the usage, which this API always sends
    limits = [rest.pop(name) for name in _LIMITS if name in rest]
    if limits:
        rest.setdefault("max_output_tokens", limits[0])
    if rest.get("tools"):
        rest["tools"] = [_flat(tool, **_TOOL) for tool in rest["tools"]]
    if isinstance(rest.get("tool_choice"), Mapping):
        rest["tool_choice"] = _flat(rest["tool_choice"])
    _nest(rest, "reasoning", {"effort": rest.pop("reasoning_effort", None)})
    form = rest.pop("response_format", None)
    _nest(
        rest, "text", {"format": form and _format(form), "verbosity": rest.pop("verbosity", None)}
    )
    if rest.pop("logprobs", None):
        rest["include"] = [*(rest.get("include") or []), "message.output_text.logprobs"]
    return made | rest


def _instructions(messages: Sequence[Mapping[str, Any]]) -> tuple[str | None, Sequence[Any]]:
    """A leading system message, as text, and the messages after it."""
    first = messages[0] if messages else {}
    if first.get("role") in ("system", "developer") and isinstance(first.get("content"), str):
        return first["content"], messages[1:]
    return None, messages


def _after_answer(messages: Sequence[Any]) -> Sequence[Any]:
    """The messages after the model's last: the user's next turn, or what its tools replied."""
    own = [at for at, message in enumerate(messages) if message.get("role") == "assistant"]
    return messages[own[-1] + 1 :] if own and own[-1] + 1 < len(messages) else messages[-1:]


def _items(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The input items for a message: its text, and the tools that it calls."""
    role, content = message["role"], message.get("content")
    if role == "tool":
        return [
            {
                "type": "function_call_output",
                "call_id": message.get("tool_call_id"),
                "output": content if isinstance(content, str) else _parts(content, role),
            }
        ]
    calls = [
        {"type": "function_call", "call_id": call.get("id"), **call.get("function", {})}
        for call in message.get("tool_calls") or []
    ]
    if content is None and calls:
        return calls
    told = content if isinstance(content, str) else _parts(content, role)
    return [{"role": role, "content": told}, *calls]


def _parts(content: Any, role: str) -> list[Any]:
    return [_part(part, role) if isinstance(part, Mapping) else part for part in content or []]


def _part(part: Mapping[str, Any], role: str) -> dict[str, Any]:
    kind = part.get("type")
    if kind == "text":
        return {**part, "type": "output_text" if role == "assistant" else "input_text"}
    if kind == "image_url":
        image = part["image_url"]
        return {
            "type": "input_image",
            "image_url": image["url"],
            "detail": image.get("detail") or "auto",
        }
    if kind == "file":
        return {"type": "input_file", **part["file"]}
    return dict(part)


def _flat(tool: Mapping[str, Any], **defaults: Any) -> dict[str, Any]:
    """A function tool, or the choice of one, without nesting its fields under `function`."""
    function = tool.get("function")
    return {"type": tool["type"], **defaults, **function} if function else dict(tool)


def _format(form: Mapping[str, Any]) -> dict[str, Any]:
    schema = form.get("json_schema")
    return {"type": form["type"], **schema} if isinstance(schema, Mapping) else dict(form)


def _nest(rest: dict[str, Any], key: str, values: Mapping[str, Any]) -> None:
    """Put the values that are present under one key, next to those already given under it."""
    there = {name: value for name, value in values.items() if value is not None}
    if there:
        rest[key] = {**there, **(rest.get(key) or {})}

"""Checks tools, tool calls and their answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pex.core.errors import nearest
from pex.training.check_contents import Add, kind_of
from pex.training.formats import OPENAI, TRL

Numbered = Sequence[tuple[int, Mapping[str, Any]]]
"""Messages with their place in the row."""


def check_calls(known: Numbered, field: str, tools: Any, add: Add) -> None:
    """Each call has an answer, unless it ends the row; each answer has a call."""
    open_calls: dict[str, str] = {}
    seen: set[str] = set()
    names = _tool_names(tools)
    for number, message in known:
        place = f"{field}[{number}]"
        if message["role"] == "tool":
            _check_answer(message, place, open_calls, seen, add)
            continue
        _unanswered(open_calls, add)
        open_calls = {}
        calls = message.get("tool_calls")
        if not calls or message["role"] != "assistant":
            continue
        if not isinstance(calls, list):
            add(
                "calls",
                f"{place}.tool_calls",
                f"expected a list, got {kind_of(calls)}",
                "[{id, type: 'function', function: {name, arguments}}]",
            )
            continue
        for index, call in enumerate(calls):
            where = f"{place}.tool_calls[{index}]"
            call_id = _check_call(call, where, names, add)
            if call_id in seen:
                add(
                    "call-id",
                    f"{where}.id",
                    f"the id '{call_id}' is used twice",
                    "give each call of a row its own id",
                )
            if call_id:
                seen.add(call_id)
                open_calls[call_id] = where


def _check_answer(
    message: Mapping[str, Any], place: str, open_calls: dict[str, str], seen: set[str], add: Add
) -> None:
    call_id = message.get("tool_call_id")
    if not seen and not open_calls:
        add(
            "answer",
            place,
            "a tool message without a call before it",
            "add the assistant message with the tool call, or delete this one",
        )
    elif call_id is None and len(open_calls) == 1 and message.get("name"):
        open_calls.clear()  # as Mistral and trl have it: by order and name
    elif call_id is None:
        add(
            "answer",
            place,
            "a tool message without tool_call_id",
            f"it names the call that it answers{': ' if open_calls else ''}"
            + ", ".join(f"'{one}'" for one in open_calls),
        )
    elif str(call_id) in open_calls:
        del open_calls[str(call_id)]
    elif str(call_id) in seen:
        add(
            "answer",
            f"{place}.tool_call_id",
            f"the call '{call_id}' is answered already or later than the next turn",
            "put one answer to each call directly after it",
        )
    else:
        add(
            "answer",
            f"{place}.tool_call_id",
            f"no call before it has the id '{call_id}'",
            nearest(str(call_id), open_calls),
        )
        if len(open_calls) == 1:
            open_calls.clear()  # its answer, under a mistyped id


def _unanswered(open_calls: Mapping[str, str], add: Add) -> None:
    for call_id, where in open_calls.items():
        add(
            "unanswered",
            f"{where}.id",
            f"the tool call '{call_id}' has no answer",
            f'add {{"role": "tool", "tool_call_id": "{call_id}", "content": "…"}} after it',
        )


def _tool_names(tools: Any) -> list[str] | None:
    if not isinstance(tools, list):
        return None
    functions = [tool.get("function", tool) for tool in tools if isinstance(tool, Mapping)]
    return [str(one.get("name")) for one in functions if isinstance(one, Mapping)]


def _check_call(call: Any, place: str, names: list[str] | None, add: Add) -> str:
    """The id of a call, checked; empty if it has none."""
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(call, Mapping) or not isinstance(function, Mapping):
        add(
            "call",
            place,
            "expected {id, type, function: {name, arguments}}",
            '{"id": "call_1", "type": "function", "function": {"name": "…", "arguments": "{}"}}',
        )
        return ""
    name = function.get("name")
    if not isinstance(name, str) or not name:
        add("call", f"{place}.function.name", "the call names no function", "give it its name")
    elif names is not None and name not in names:
        add(
            "call-name",
            f"{place}.function.name",
            f"'{name}' is not one of the row's tools",
            nearest(name, names),
        )
    call_id = call.get("id")
    return str(call_id) if call_id else ""


def check_arguments(messages: Any, field: str, format_name: str, add: Add) -> None:
    """Arguments of tool calls are a string of JSON; trl takes the object too.

    Args:
        messages: the messages of a row.
        field: their place.
        format_name: the format's name.
        add: takes the findings.
    """
    for number, message in enumerate(messages if isinstance(messages, list) else ()):
        calls = message.get("tool_calls") if isinstance(message, Mapping) else None
        for index, call in enumerate(calls if isinstance(calls, list) else ()):
            function = call.get("function") if isinstance(call, Mapping) else None
            if not isinstance(function, Mapping):
                continue
            place = f"{field}[{number}].tool_calls[{index}]"
            if not call.get("id") and format_name in OPENAI:
                add("call", f"{place}.id", "the call has no id", "give it one: the answer names it")
            if call.get("type") != "function" and format_name in OPENAI:
                add("call", f"{place}.type", "the call has no type", 'add "type": "function"')
            _arguments(function.get("arguments"), f"{place}.function.arguments", format_name, add)


def _arguments(value: Any, place: str, format_name: str, add: Add) -> None:
    if isinstance(value, Mapping):
        if format_name not in TRL:
            add(
                "arguments",
                place,
                "arguments is an object, expected a string of JSON",
                "write it as a string: json.dumps(arguments)",
            )
        return
    if not isinstance(value, str):
        add(
            "arguments",
            place,
            f"arguments is {kind_of(value)}, expected a string of JSON",
            'without arguments: "{}"',
        )
        return
    try:
        inside = json.loads(value)
    except (ValueError, RecursionError):
        add(
            "arguments",
            place,
            f"arguments is not valid JSON: {value[:60]!r}",
            "json.dumps(arguments) writes it",
        )
        return
    if not isinstance(inside, dict):
        add(
            "arguments",
            place,
            f"arguments holds {kind_of(inside)}, expected an object",
            'for example "{\\"city\\": \\"Bern\\"}"',
        )


def check_tools(tools: Any, field: str, format_name: str, add: Add) -> Any:
    """Check the descriptions of a row's tools.

    Args:
        tools: what the row has.
        field: its place.
        format_name: the format's name.
        add: takes the findings.

    Returns:
        The tools; also if they are written as a string of JSON, as trl allows.
    """
    if tools is None:
        return None
    if isinstance(tools, str) and format_name not in OPENAI:
        try:
            tools = json.loads(tools)
        except ValueError:
            add("tools", field, "the string is not valid JSON", "json.dumps(tools) writes it")
            return None
    if not isinstance(tools, list):
        add(
            "tools",
            field,
            f"expected a list, got {kind_of(tools)}",
            "[{type: 'function', function: {name, description, parameters}}]",
        )
        return None
    for number, tool in enumerate(tools):
        place = f"{field}[{number}]"
        function = tool.get("function") if isinstance(tool, Mapping) else None
        if format_name == "sharegpt" and isinstance(tool, Mapping) and "name" in tool:
            continue
        if not isinstance(function, Mapping) or tool.get("type") != "function":
            add(
                "tool",
                place,
                "expected {type: 'function', function: {name, …}}",
                '{"type": "function", "function": {"name": "…", "parameters": {…}}}',
            )
            continue
        if not isinstance(function.get("name"), str) or not function["name"]:
            add("tool", f"{place}.function.name", "the tool has no name", "give it its name")
        parameters = function.get("parameters")
        if parameters is not None and not isinstance(parameters, Mapping | str):
            add(
                "tool",
                f"{place}.function.parameters",
                f"expected a JSON Schema, got {kind_of(parameters)}",
                '{"type": "object", "properties": {…}}',
            )
    return tools

"""An answer that calls tools, as text in a cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def with_calls(output: str | None, calls: Any, steps: Any = None) -> str:
    """The text of an answer, then the tools that it calls, one a line.

    Where tools ran, the text comes after the calls, and is what the cell shows.

    Args:
        output: the answer's text.
        calls: its tool calls in OpenAI's form.
        steps: the requests of its path, if tools ran.

    Example:
        >>> with_calls(None, [{"function": {"name": "lookup", "arguments": '{"id": 7}'}}])
        'lookup({"id": 7})'
        >>> with_calls("Wait.", None)
        'Wait.'
    """
    if output and isinstance(steps, list):
        return output
    lines = [output] if output else []
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, Mapping):
            lines.append(f"{function.get('name')}({function.get('arguments') or ''})")
    return "\n".join(lines)

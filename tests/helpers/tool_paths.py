"""Made endpoints that play known paths of tool calls."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.helpers.endpoint import Reply, completion

Step = Sequence[tuple[str, Any]] | str
"""The tools that a step calls, with their arguments; or the last answer."""


def tool(name: str, *required: str, **properties: str) -> dict[str, Any]:
    """A tool in OpenAI's form; `properties` are JSON types by name."""
    schema = {
        "type": "object",
        "properties": {key: {"type": kind} for key, kind in properties.items()},
        "required": list(required),
        "additionalProperties": False,
    }
    return {"type": "function", "function": {"name": name, "parameters": schema}}


def calling(*calls: tuple[str, Any], text: str | None = None) -> dict[str, Any]:
    """An answer that calls tools."""
    made = [
        {
            "id": f"{name}-{number}",
            "type": "function",
            "function": {
                "name": name,
                "arguments": given if isinstance(given, str) else json.dumps(given),
            },
        }
        for number, (name, given) in enumerate(calls, 1)
    ]
    answer = completion("", tool_calls=made)
    answer["choices"][0]["message"]["content"] = text  # null, as OpenAI sends it
    answer["choices"][0]["finish_reason"] = "tool_calls"
    return answer


def playing(*steps: Step) -> Reply:
    """The reply of an endpoint that plays these steps for every case."""

    def reply(body: dict[str, Any], number: int) -> Any:
        done = sum(message["role"] == "assistant" for message in body["messages"])
        step = steps[min(done, len(steps) - 1)]
        return completion(step) if isinstance(step, str) else calling(*step)

    return reply

"""The model's answer to one request of a conversation."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pex.core.canonical_json import json_text
from pex.widgets.cell import Cell

_FACTS = (
    "ttft_s", "latency_s", "prompt_tokens", "completion_tokens", "cost_usd", "finish_reason",
    "from_journal",
)  # fmt: skip
_STATES = {"asked": "running", "growing": "running"}


@dataclasses.dataclass(frozen=True, slots=True)
class ChatAnswer:
    """An answer, or how far it is; `state` is queued, running, answered, error or stopped.

    `calls` are its tool calls in OpenAI's form, `fingerprint` changes with the prompt and the case.
    """

    state: str
    text: str = ""
    calls: tuple[Mapping[str, Any], ...] = ()
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    fingerprint: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self.state not in ("queued", "running")

    @classmethod
    def of(cls, cell: Cell, fingerprint: str) -> ChatAnswer:
        """The answer in a cell of a run."""
        state = _STATES.get(cell.state, cell.state)
        if state != "answered":
            text = "" if cell.state == "asked" else cell.text
            return cls(state, text, fingerprint=fingerprint)
        calls = tuple(cell.facts.get("tool_calls") or ())
        text = str(cell.facts.get("output") or "")
        if calls and text == json_text(list(calls)):  # one that says nothing else
            text = ""
        facts = {name: cell.facts.get(name) for name in _FACTS}
        return cls(state, text, calls, facts, fingerprint)

    def to_json(self) -> dict[str, Any]:
        """It as plain data."""
        return {**dataclasses.asdict(self), "calls": list(self.calls)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ChatAnswer:
        """It from plain data; what was running when it was kept has stopped.

        Raises:
            KeyError, TypeError: it is not an answer.
        """
        found = cls(
            str(data["state"]),
            str(data["text"]),
            tuple(dict(call) for call in data["calls"]),
            dict(data["facts"]),
            str(data["fingerprint"]),
        )
        return found if found.ended else dataclasses.replace(found, state="stopped")


def function_of(call: Mapping[str, Any]) -> tuple[str, str]:
    """The name of a called tool, and its arguments as the model wrote them.

    Example:
        >>> function_of({"id": "1", "function": {"name": "f", "arguments": {"a": 1}}})
        ('f', '{"a":1}')
    """
    function = call.get("function")
    function = function if isinstance(function, Mapping) else {}
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else json_text(arguments or {})
    return str(function.get("name") or ""), text

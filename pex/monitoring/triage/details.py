"""A whole trace as plain data for people: messages, tool calls, errors, feedback, scores."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pex.core.safe_text import clean
from pex.monitoring.fetch_texts import TraceTexts
from pex.monitoring.spans import text_of
from pex.monitoring.traces import TRIAGE
from pex.monitoring.triage.ordering import Opinion

MOST_CHARS = 20_000


def details(feedback: Sequence[Opinion], texts: TraceTexts) -> list[tuple[str, str]]:
    """The parts of a trace with their headings, in the order in which they are read.

    Args:
        feedback: its assessments.
        texts: its texts.
    """
    parts: list[tuple[str, str]] = []
    given = {name: _text(value) for name, value in (texts.variables or {}).items()}
    parts += [(f"variable {name}", value) for name, value in given.items()]
    sent = [(str(one.get("role", "message")), _text(one.get("content"))) for one in texts.messages]
    if (
        not given
        and texts.request is not None
        and texts.request not in map(text_of, texts.messages)
    ):
        parts.append(("what the user said" if sent else "user", texts.request))
    parts += sent
    parts += [("tool call", _text(call)) for call in texts.tool_calls]
    if texts.response is not None:
        parts.append(("answer", texts.response))
    parts += [(f"expectation {name}", _text(value)) for name, value in texts.expectations.items()]
    errors: dict[str, str] = {}  # an error goes through the spans around it: the innermost has it
    errors |= {span.message: span.name for span in texts.spans if span.message}
    parts += [(f"error in {name}", message) for message, name in errors.items()]
    for item in feedback:
        if item.name != TRIAGE:
            parts.append((f"feedback {item.name}", f"{item.value} ({item.source})"))
    for name, comment in texts.comments:
        if name != TRIAGE:
            parts.append((f"comment on {name}", comment))
    if not texts.spans:
        parts.append(("note", "The trace has no spans: its texts were not recorded."))
    return [(clean(heading), _bounded(clean(text))) for heading, text in parts]


def feedback_line(feedback: Sequence[Opinion], texts: TraceTexts) -> str:
    """What people said of a trace, in a line that stays with its case."""
    said: dict[str, str] = {}
    for item in feedback:
        if item.source == "person" and item.name != TRIAGE:
            said[item.name] = f"{item.name}: {item.value}"
    for name, comment in texts.comments:
        if name in said:
            said[name] += f" ({comment})"
    return "; ".join(said.values())


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (Mapping, list | tuple)):
        return json.dumps(value, ensure_ascii=False, indent=1, default=str)
    return "" if value is None else str(value)


def _bounded(text: str) -> str:
    left = len(text) - MOST_CHARS
    return text if left <= 0 else f"{text[:MOST_CHARS]}… {left:,} more characters"

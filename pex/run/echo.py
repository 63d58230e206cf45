"""An endpoint may echo the key that it was sent: no answer shows it, nothing keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pex.core.call import Answer
from pex.guard.redact import redact_values

_TEXTS = ("output", "reasoning", "raw_body", "error")


def mask(answer: Answer, secrets: Sequence[str]) -> None:
    """Take known values out of an answer; whatever else it says stays as it is.

    Args:
        answer: changed in place.
        secrets: from `pex.guard.redact.known`, looked up once for many answers.

    Example:
        >>> answer = Answer(output="you sent sesame-sesame")
        >>> mask(answer, ["sesame-sesame"])
        >>> answer.output
        'you sent [redacted]'
    """
    if not secrets:
        return
    for name in _TEXTS:
        text = getattr(answer, name)
        if text and any(secret in text for secret in secrets):
            setattr(answer, name, redact_values(text, secrets))
    if answer.tool_calls:
        answer.tool_calls = _masked(answer.tool_calls, secrets)


def _masked(value: Any, secrets: Sequence[str]) -> Any:
    if isinstance(value, str):
        return redact_values(value, secrets)
    if isinstance(value, dict):
        return {key: _masked(item, secrets) for key, item in value.items()}
    return [_masked(item, secrets) for item in value] if isinstance(value, list) else value

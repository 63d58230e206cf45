"""An endpoint may echo the key that it was sent: no answer shows it, nothing stores it."""

from __future__ import annotations

from typing import Any

from pex.core.call import Answer
from pex.guard.known_keys import Known

_TEXTS = ("output", "reasoning", "raw_body", "error")


def mask(answer: Answer, secrets: Known) -> None:
    """Take known values out of an answer; whatever else it says stays as it is.

    Args:
        answer: changed in place.
        secrets: from `pex.guard.redact.known`, looked up once for many answers.

    Example:
        >>> answer = Answer(output="you sent sesame-sesame")
        >>> mask(answer, Known(["sesame-sesame"]))
        >>> answer.output
        'you sent [redacted]'
    """
    if not secrets:
        return
    for name in _TEXTS:
        text = getattr(answer, name)
        if text and secrets.within(text):
            setattr(answer, name, secrets.masked(text))
    if answer.tool_calls:
        answer.tool_calls = _masked(answer.tool_calls, secrets)


def _masked(value: Any, secrets: Known) -> Any:
    if isinstance(value, str):
        return secrets.masked(value)
    if isinstance(value, dict):
        return {secrets.masked(key): _masked(item, secrets) for key, item in value.items()}
    return [_masked(item, secrets) for item in value] if isinstance(value, list) else value

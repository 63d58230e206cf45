"""Every way a call can fail, by name: what a reply that holds no answer means."""

from __future__ import annotations

import dataclasses
import email.utils
import re
import time
from collections.abc import Mapping

import orjson

from pex.guard.redact import redact
from pex.run.refusals import named_parameter

FATAL = frozenset({"auth", "quota", "unknown_model", "refused_parameter", "certificate"})
"""Kinds of error that asking again, or asking for another case, does not mend."""

TRANSIENT = frozenset({"rate_limit", "server", "connection", "timeout", "bad_body", "empty"})
"""Kinds of error that are worth another attempt."""

UNBILLED = FATAL | {"rate_limit", "server", "too_long"}
"""Kinds of error for which no provider charges; after the others a call may have to be paid."""

_CONTEXT = re.compile(r"context|too (?:long|many tokens)|maximum.*tokens", re.IGNORECASE)
_QUOTA = re.compile(r"insufficient.?(?:quota|balance|credit)|current quota", re.IGNORECASE)
_FILTER = re.compile(r"content.?(?:filter|policy|management)", re.IGNORECASE)
_MESSAGE_LENGTH = 400


@dataclasses.dataclass(slots=True)
class CallError(Exception):
    """An attempt that failed: its kind, a message, and how long the provider asks to wait.

    `sent` is False where nothing reached the provider, so that nothing can be charged; `busy`
    where the provider says that it has too much to do. `param` is the parameter that a refusal
    names apart from its words.
    """

    kind: str
    message: str
    retry_after_s: float | None = None
    sent: bool = True
    busy: bool = False
    param: str | None = None

    @property
    def charged(self) -> bool:
        """Whether the provider may charge for it."""
        return self.sent and self.kind not in UNBILLED


def refusal(status: int, raw: bytes, headers: Mapping[str, str]) -> CallError:
    """What a reply that is no answer means."""
    message = message_of(raw)
    text = f"HTTP {status}: {message}"
    wait_s = _wait(headers)
    if status == 402 or (status in (403, 429) and _QUOTA.search(message)):
        return CallError("quota", text)
    if status == 429:
        return CallError("rate_limit", text, wait_s)
    if status in (408, 504):
        return CallError("timeout", text, wait_s)
    if status >= 500:
        return CallError("server", text, wait_s, busy=status in (503, 529))
    if status in (401, 403):
        return CallError("auth", text)
    if status == 404:
        return CallError("unknown_model", text)
    if _FILTER.search(message):
        return CallError("content_filter", text)
    if status == 413 or _CONTEXT.search(message):
        return CallError("too_long", text)
    return CallError("refused_parameter", text, param=named_parameter(raw))


def message_of(raw: bytes) -> str:
    """The provider's own words, without keys and HTML, cut to a readable length."""
    try:
        data = orjson.loads(raw)
        error = data.get("error", data) if isinstance(data, dict) else data
        text = str(error.get("message", error)) if isinstance(error, dict) else str(error)
    except orjson.JSONDecodeError:
        text = re.sub(r"<[^>]*>", " ", raw.decode("utf-8", "replace"))
    text = redact(" ".join(text.split())) or "no message"
    return text if len(text) <= _MESSAGE_LENGTH else f"{text[:_MESSAGE_LENGTH]}…"


def _wait(headers: Mapping[str, str]) -> float | None:
    """How long the provider asks to wait, in seconds; `Retry-After` is a number or a date."""
    exact = headers.get("Retry-After-Ms")
    if exact and exact.isdigit():
        return int(exact) / 1000
    text = headers.get("Retry-After")
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None

"""What the body of an error says, wherever its provider puts it.

Providers nest: a list with one error (Gemini), an error as JSON text in the message of another
(gateways), details, inner errors, FastAPI's `detail`. All codes, types, states, messages and waits
are gathered; `failures` says what they mean.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from pex.guard.redact import redact, redact_values
from pex.run.lenient import dumped, read_leniently
from pex.run.retry_after import wait_in

_INSIDE = ("error", "errors", "detail", "details", "innererror", "inner_error", "metadata",
           "message", "msg", "fault", "raw", "body", "response", "cause", "violations",
           "x_groq", "promptFeedback", "base_resp", "data")  # fmt: skip
"""Where an error is inside another; never `input`: FastAPI sends the request back in it."""

_CODE_KEYS = ("code", "type", "status", "reason", "error_code", "errorCode", "error_type",
              "err_type", "err_code", "name", "blockReason", "block_reason", "quotaId", "errorcode",
              "subtype")  # fmt: skip
_STATUS_KEYS = ("code", "status", "status_code", "statusCode", "http_code", "http_status",
                "raw_status_code", "error_code", "httpStatus", "httpCode",
                "http_status_code")  # fmt: skip
_MESSAGE_KEYS = ("message", "msg", "error", "detail", "error_message", "errorMessage",
                 "error_description", "description", "title", "status_msg",
                 "error_msg", "faultstring", "Message", "blockReason")  # fmt: skip
_BARE_KEYS = ("message", "msg", "error_msg", "error_message", "errorMessage", "Message",
              "status_msg")  # fmt: skip
_MESSAGE_LENGTH = 400
_DEEPEST = 20
_SCANNED = 24_000
"""Letters of a body or message that are looked at for its words."""

_KEY_LENGTH = 4000
"""Of these so many at the end are left out: half a key would not be known as one."""

_MOST_READ = 1024 * 1024
"""Bytes of a body that are looked at for what it says."""


@dataclasses.dataclass(slots=True)
class ErrorBody:
    """All that an error body says, from wherever it says it."""

    codes: list[str] = dataclasses.field(default_factory=list)
    messages: list[str] = dataclasses.field(default_factory=list)
    status: int | None = None
    param: str | None = None
    wait_s: float | None = None

    @property
    def message(self) -> str:
        """The first words that there are, else the codes."""
        return next(iter(self.messages), "") or ", ".join(self.codes)


def message_of(raw: bytes) -> str:
    """The provider's own words, without keys and HTML, cut to a readable length."""
    said = parse_error(raw)
    if said.message:
        return readable(said.message)
    # Known keys go first: one that has a < in it, or stands where the text is cut, is only half of
    # one afterwards.
    text = redact_values(raw[:_SCANNED].decode("utf-8", "replace"))
    return readable(_without_tags(text[: _SCANNED - _KEY_LENGTH]))


def message_in(value: Any) -> str:
    """The same of a JSON value."""
    return message_of(dumped(value))


def readable(text: str) -> str:
    """A message without keys, on one line and not too long.

    Of a text as long as a book only the beginning is looked at, up to a space: half a key would
    not be known as one.
    """
    if len(text) > _SCANNED:
        text = redact_values(text[:_SCANNED])[: _SCANNED - _KEY_LENGTH]
        text = text[: max(text.rfind(" "), text.rfind("\n"), len(text) // 2)] + " …"
    text = redact(" ".join(text.split())) or "no message"
    return text if len(text) <= _MESSAGE_LENGTH else f"{text[:_MESSAGE_LENGTH]}…"


def _without_tags(text: str) -> str:
    """A text without what stands between `<` and `>`, read once from left to right."""
    kept, at = [], 0
    while (begin := text.find("<", at)) >= 0 and (end := text.find(">", begin)) >= 0:
        kept.append(text[at:begin])
        at = end + 1
    return " ".join([*kept, text[at:]])


def parse_error(raw: bytes) -> ErrorBody:
    """What a body says; nothing if it is not JSON, or longer than any error is."""
    raw = raw[:_MOST_READ]
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        try:
            value = read_leniently(raw)
        except ValueError:
            return ErrorBody()
    return error_of_value(value)


def error_of_value(value: Any) -> ErrorBody:
    """What a JSON value says."""
    said = ErrorBody()
    _gather(value, said, 8)
    return said


def _gather(value: Any, said: ErrorBody, depth: int) -> None:
    if depth == 0:
        return
    if isinstance(value, list):
        for item in value[:20]:
            _gather(item, said, depth - 1)
        return
    if isinstance(value, str):
        _gather_text(value, said, depth)
        return
    if not isinstance(value, dict):
        return
    for key in _CODE_KEYS:
        code = value.get(key)
        if isinstance(code, str | int) and not isinstance(code, bool) and len(str(code)) < 100:
            said.codes.append(str(code))
    for key in _STATUS_KEYS:
        status = _status(value.get(key))
        said.status = said.status or status
    if isinstance(value.get("param"), str):
        said.param = said.param or value["param"]
    location = value.get("loc")  # FastAPI
    if isinstance(location, list) and location:
        said.param = said.param or str(location[-1])
    # OpenRouter names the reasons of its moderation, Azure the categories.
    reasons = value.get("reasons")
    if value.get("flagged_input") or (isinstance(reasons, list) and reasons) or _is_filtered(value):
        said.codes.append("flagged")
    wait_s = wait_in(value)
    said.wait_s = wait_s if said.wait_s is None else said.wait_s
    for key in _MESSAGE_KEYS:
        if isinstance(value.get(key), str):
            _gather_text(value[key], said, depth)
    for key in _INSIDE:
        if isinstance(value.get(key), dict | list):
            _gather(value[key], said, depth - 1)
        elif key in ("raw", "body", "response") and isinstance(value.get(key), str):
            _gather_text(value[key], said, depth)


def _gather_text(text: str, said: ErrorBody, depth: int) -> None:
    """A message; gateways put the whole error of the provider behind them into it, as JSON."""
    text = text[:_MOST_READ]
    begin = text.find("{")
    if begin >= 0 and '"' in text[begin:]:
        with contextlib.suppress(ValueError):
            _gather(read_leniently(text[begin:].encode("utf-8", "replace")), said, depth - 1)
    if not text.strip():
        return
    said.messages.append(text)
    if not re.search(r"\s", text) and len(text) < 60:  # {"error": "invalid_api_key"}
        said.codes.append(text)
    wait_s = wait_in(text)
    said.wait_s = wait_s if said.wait_s is None else said.wait_s


def _status(value: Any) -> int | None:
    if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 400 <= value < 600 else None


def _is_filtered(value: Mapping[str, Any]) -> bool:
    """Azure's verdict on a prompt: one of the categories is filtered."""
    for key in ("content_filter_result", "content_filter_results"):
        found = value.get(key)
        if isinstance(found, dict):
            for category in found.values():
                if isinstance(category, dict) and category.get("filtered") is True:
                    return True
    return False


def is_error(value: Any) -> bool:
    """Whether a body, or a piece of a stream, tells of an error."""
    if isinstance(value, list):
        return len(value) == 1 and isinstance(value[0], dict) and is_error(value[0])  # Gemini
    if not isinstance(value, dict):
        return False
    if any(_says(value.get(key)) for key in ("error", "errors")):
        return True
    inside = value.get("x_groq")
    if isinstance(inside, dict) and _says(inside.get("error")):
        return True
    if value.get("object") == "error" or value.get("type") == "error":
        return True
    feedback = value.get("promptFeedback")  # Gemini, where a gateway passes it on
    if isinstance(feedback, dict) and feedback.get("blockReason"):
        return True
    if "choices" in value:
        return False
    if _says(value.get("detail")) or value.get("success") is False:  # FastAPI
        return True
    # A bare error: a message and a code of its own, no more.
    said = any(isinstance(value.get(key), str) for key in _BARE_KEYS)
    return said and any(value.get(key) for key in (*_CODE_KEYS, *_STATUS_KEYS))


def _says(error: Any, depth: int = _DEEPEST) -> bool:
    """Whether an `error` tells of one: some servers send an empty one with every answer."""
    if depth == 0:
        return True
    if isinstance(error, dict):
        return any(_says(v, depth - 1) or (v and not isinstance(v, bool)) for v in error.values())
    if isinstance(error, list):
        return any(_says(item, depth - 1) for item in error)
    return bool(error.strip()) if isinstance(error, str) else error is True


def named_parameter(raw: bytes) -> str | None:
    """The parameter that a refusal names apart from its words, in the forms of the providers.

    Example:
        >>> named_parameter(b'{"error": {"message": "no", "param": "response_format.type"}}')
        'response_format.type'
        >>> named_parameter(b'{"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs"}]}')
        'seed'
    """
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return next(_parameter_names(data), None)


def _parameter_names(data: Any, depth: int = 0) -> Iterator[str]:
    if depth > 8:
        return
    if isinstance(data, list):
        for item in data[:20]:
            yield from _parameter_names(item, depth + 1)
    if not isinstance(data, dict):
        return
    for key in ("param", "parameter", "field", "loc"):
        value = data.get(key)
        if isinstance(value, list):
            value = ".".join(str(part) for part in value if part not in ("body", "query"))
        if isinstance(value, str) and value.strip():
            yield value.strip()[:200]
    for item in data.values():
        yield from _parameter_names(item, depth + 1)

"""How long a provider asks to wait before the next call: in headers, in bodies, in sentences."""

from __future__ import annotations

import email.utils
import math
import re
import time
from collections.abc import Mapping
from typing import Any

_UNITS = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "millisecond": 1e-3, "s": 1.0, "sec": 1.0,
    "second": 1.0, "m": 60.0, "min": 60.0, "minute": 60.0, "h": 3600.0, "hr": 3600.0,
    "hour": 3600.0, "d": 86400.0, "day": 86400.0,
}  # fmt: skip
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-zµ]+)")
_DURATION = r"(\d+(?:\.\d+)?(?:\s*[a-zµ]+(?:\s*(?:and\s*)?\d+(?:\.\d+)?\s*[a-zµ]+)*)?)"
_SENTENCE = re.compile(
    # "Please try again in 1m3s" (OpenAI, Groq), "Please retry after 26 seconds" (Azure),
    # "Please retry in 23.5s" (Gemini), "available again in 2 minutes"
    rf"(?:again|retry|retrying|wait|reset\w*|available)\s+(?:in|after|for)?\s*{_DURATION}",
    re.IGNORECASE,
)
_KEYS = ("retry_after", "retryAfter", "retry_after_seconds", "retryDelay", "retry_delay",
         "retry_in", "retry_after_s")  # fmt: skip
_MS_KEYS = ("retry_after_ms", "retryAfterMs")
_EPOCH = 1e9
"""A wait as long as this many seconds is a time of day: seconds since 1970."""


def wait_of(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by a reply's headers; `Retry-After` is a number or a date.

    Example:
        >>> wait_of({"Retry-After": "1.5"}), wait_of({"Retry-After": "inf"}), wait_of({})
        (1.5, None, None)
    """
    exact = _finite(headers.get("Retry-After-Ms"))
    if exact is not None:
        return exact / 1000
    text = headers.get("Retry-After")
    if not text:
        return None
    seconds = seconds_in(text)
    if seconds is not None:
        return seconds
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def wait_in(value: Any) -> float | None:
    """Seconds to wait by an object of an error's body, or by a sentence of it.

    Example:
        >>> wait_in({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "23s"})
        23.0
        >>> wait_in("Rate limit reached. Please try again in 1m3.5s. Visit …")
        63.5
    """
    if isinstance(value, str):
        found = _SENTENCE.search(value[:4000])
        return seconds_in(found.group(1)) if found else None
    if not isinstance(value, Mapping):
        return None
    for key in _KEYS:
        seconds = seconds_in(value.get(key))
        if seconds is not None:
            return seconds
    for key in _MS_KEYS:
        exact = _finite(value.get(key))
        if exact is not None:
            return exact / 1000
    headers = value.get("headers")  # OpenRouter passes on those of the provider
    if isinstance(headers, dict):
        lower = {str(key).lower(): text for key, text in headers.items()}
        return seconds_in(lower.get("retry-after"))
    return None


def seconds_in(value: Any) -> float | None:
    """The seconds of a duration in any of its forms, None where it is none.

    Example:
        >>> [seconds_in(text) for text in ("23s", "340ms", "1h2m3s", "2 minutes", 7, "soon", "-1")]
        [23.0, 0.34, 3723.0, 120.0, 7.0, None, 0.0]
        >>> seconds_in({"seconds": 3, "nanos": 500_000_000})
        3.5
    """
    if isinstance(value, Mapping):  # google.protobuf.Duration
        whole, nanos = _finite(value.get("seconds")), _finite(value.get("nanos"))
        return None if whole is None and nanos is None else (whole or 0.0) + (nanos or 0.0) / 1e9
    number = _finite(value)
    if number is not None:
        return max(0.0, number - time.time()) if number >= _EPOCH else number
    if not isinstance(value, str):
        return None
    parts = _PART.findall(value.strip().lower())
    total, known = 0.0, False
    for count, unit in parts:
        size = _UNITS.get(unit) or _UNITS.get(unit.removesuffix("s"))
        if size is None:
            break
        total, known = total + float(count) * size, True
    return total if known and math.isfinite(total) else None


def _finite(value: Any) -> float | None:
    """A number from 0, None where it is none; below 0 there is nothing to wait for."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return max(0.0, number) if math.isfinite(number) else None

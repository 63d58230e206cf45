"""How long an endpoint asks to wait: in headers, bodies and sentences, at most a minute.

Whatever it asks for, after `LONGEST_S` one call tries again: a wait of a day, or a wrong time,
must not hold up a project.
"""

from __future__ import annotations

import datetime
import email.utils
import math
import re
import time
from collections.abc import Mapping
from typing import Any

LONGEST_S = 60.0
"""The longest wait, whatever an endpoint asks for."""

_UNIT_S = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "millisecond": 1e-3, "s": 1.0, "sec": 1.0,
    "second": 1.0, "m": 60.0, "min": 60.0, "minute": 60.0, "h": 3600.0, "hr": 3600.0,
    "hour": 3600.0, "d": 86400.0, "day": 86400.0,
}  # fmt: skip
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-zµ]+)")
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?\s*[a-zµ]+(?:,?\s*(?:and\s+)?(?=\d))?)+")
_SENTENCE = re.compile(
    # "Please try again in 1m3s" (OpenAI, Groq), "Please retry after 26 seconds" (Azure),
    # "Please retry in 23.5s" (Gemini), "available again in about 2 minutes", "Retry-After: 33"
    r"(?:again|retry|retrying|wait|reset\w*|available|cool-?down)[\s:=_-]+"
    r"(?:(?:in|after|for|about|approximately|around|at least|another|your|the|requests?)"
    rf"[\s:=_-]+){{0,4}}({_DURATION.pattern}|\d+(?:\.\d+)?)",
    re.IGNORECASE,
)
_ISO = re.compile(r"p(?:\d+d)?(?:t(?:\d+h)?(?:\d+m)?(?:\d+(?:\.\d+)?s)?)?")
_MOST_WORDS = 4000
_KEY = re.compile(
    r"(?:retry(?:after|delay|in)|wait(?:for|time)?|reset(?:in|after)|backoff)"
    r"(?:s|secs?|seconds?)?"
)
_MS = re.compile(r"(?:ms|millis|milliseconds)$")
_LONGEST_KEY = 30
_EPOCH_S = 1e9
"""A number from here on is a time since 1970, in seconds; a thousand times as much in milliseconds.
"""


def bounded(wait_s: float | None) -> float | None:
    """A wait within limits, from 0 to a minute; None if it is not a number.

    Example:
        >>> bounded(86400.0), bounded(-3.0), bounded(float("nan")), bounded(None)
        (60.0, 0.0, None, None)
    """
    if wait_s is None or math.isnan(wait_s):
        return None
    return min(max(0.0, wait_s), LONGEST_S)


def asked_s(headers: Mapping[str, str]) -> float | None:
    """How long a reply's headers ask to wait, from 0 to a minute; None if they do not say.

    Example:
        >>> asked_s({"Retry-After": "86400"}), asked_s({"Retry-After-Ms": "250"}), asked_s({})
        (60.0, 0.25, None)
    """
    exact = seconds(headers.get("Retry-After-Ms"))
    if exact is not None:
        return bounded(exact / 1000)
    return bounded(seconds(headers.get("Retry-After")))


def wait_in(value: Any) -> float | None:
    """How long an object of an error's body, or a sentence in it, asks to wait; as `asked_s`.

    Example:
        >>> wait_in({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "23s"})
        23.0
        >>> wait_in("Rate limit reached. Please try again in 3.5s. Visit …")
        3.5
    """
    if isinstance(value, str):
        found = _SENTENCE.search(value[:_MOST_WORDS])
        return bounded(seconds(found.group(1))) if found else None
    if not isinstance(value, Mapping):
        return None
    for key, asked in value.items():
        unit_s = _unit_of(key)
        wait_s = _seconds_of(asked) if unit_s is not None else None
        if wait_s is not None and unit_s is not None:
            return bounded(wait_s * unit_s)
    headers = value.get("headers")  # OpenRouter passes on those of the provider
    if isinstance(headers, dict):
        lower = {str(key).lower(): text for key, text in headers.items()}
        return bounded(_seconds_of(lower.get("retry-after")))
    return None


def seconds(text: str | None, now: float | None = None) -> float | None:
    """The seconds that a string asks to wait, not bounded yet; None if it cannot be read.

    Args:
        text: a number of seconds, a duration such as `6m0s`, `20ms`, `2 minutes` or `PT30S`, a
            time since 1970 (in seconds or milliseconds), a date of HTTP or ISO 8601.
        now: the time, in seconds since 1970; left out, the clock's.

    Example:
        >>> [seconds(text) for text in ("6m0.5s", "20ms", "3", "2 minutes and 1 s", "soon")]
        [360.5, 0.02, 3.0, 121.0, None]
        >>> seconds("1800000007", 1.8e9), seconds("2027-01-15T08:00:07Z", 1.8e9)
        (7.0, 7.0)
    """
    text = (text or "").strip()
    now = time.time() if now is None else now
    try:
        return _of_number(float(text), now)
    except ValueError:
        pass
    lower = text.lower()
    if _ISO.fullmatch(lower):
        lower = lower[1:].replace("t", "")
    if _DURATION.fullmatch(lower):
        sizes = [(float(count), _unit_s(unit)) for count, unit in _PART.findall(lower)]
        if all(size is not None for _, size in sizes):
            return sum(count * (size or 0.0) for count, size in sizes)
    at = _date(text)
    return None if at is None else at - now


def _seconds_of(value: Any) -> float | None:
    """The same of a value of a body: a text, a number, or google.protobuf.Duration."""
    if isinstance(value, Mapping):
        whole, nanos = _seconds_of(value.get("seconds")), _seconds_of(value.get("nanos"))
        return None if whole is None and nanos is None else (whole or 0.0) + (nanos or 0.0) / 1e9
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return seconds(value) if isinstance(value, str) else _of_number(float(value), time.time())
    except OverflowError:  # a whole number too large for a float
        return math.inf if value > 0 else 0.0  # type: ignore[operator]


def _unit_of(key: Any) -> float | None:
    """The unit of a number under a key that names a wait, None if it names none."""
    if not isinstance(key, str) or len(key) > _LONGEST_KEY:
        return None
    name = re.sub(r"[^a-z]", "", key.lower())
    short = _MS.sub("", name)
    return None if _KEY.fullmatch(short) is None else 1.0 if short == name else 1e-3


def _unit_s(unit: str) -> float | None:
    return _UNIT_S.get(unit) or _UNIT_S.get(unit.removesuffix("s"))


def _of_number(number: float, now: float) -> float | None:
    if math.isnan(number):
        return None
    if math.isinf(number) or number < _EPOCH_S:
        return number
    return (number / 1000 if number >= _EPOCH_S * 1000 else number) - now


def _date(text: str) -> float | None:
    """A date in seconds since 1970; one without a zone is in UTC."""
    for read in (email.utils.parsedate_to_datetime, datetime.datetime.fromisoformat):
        try:
            found = read(text)
            if found.tzinfo is None:
                found = found.replace(tzinfo=datetime.UTC)
            return found.timestamp()
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return None

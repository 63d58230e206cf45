"""How long an endpoint asks to wait: read in every form, and never longer than a minute.

Whatever is asked, after `LONGEST_S` one call asks again: a day's wait, or a time that is a fault,
must not hold up a project.
"""

from __future__ import annotations

import datetime
import email.utils
import math
import re
import time
from collections.abc import Mapping

LONGEST_S = 60.0
"""The longest wait for anything that an endpoint has said."""

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_EPOCH_S = 1e9
"""A number from here on is a time since 1970, in seconds; a thousand times as much in milliseconds.
"""


def bounded(wait_s: float | None) -> float | None:
    """A wait that may be kept: from 0 to a minute; None where none was asked, or it is no number.

    Example:
        >>> bounded(86400.0), bounded(-3.0), bounded(float("nan")), bounded(None)
        (60.0, 0.0, None, None)
    """
    if wait_s is None or math.isnan(wait_s):
        return None
    return min(max(0.0, wait_s), LONGEST_S)


def seconds(text: str | None, now: float | None = None) -> float | None:
    """The seconds that a header asks to wait, not bounded yet; None where it cannot be read.

    Args:
        text: a number of seconds, a duration such as `6m0s` or `20ms`, a time since 1970 (in
            seconds or milliseconds), a date of HTTP or ISO 8601.
        now: the time, in seconds since 1970; left out, the clock's.

    Example:
        >>> seconds("6m0.5s"), seconds("20ms"), seconds("3"), seconds("soon")
        (360.5, 0.02, 3.0, None)
        >>> seconds("1800000007", 1.8e9), seconds("2027-01-15T08:00:07Z", 1.8e9)
        (7.0, 7.0)
    """
    text = (text or "").strip()
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = None
    now = time.time() if now is None else now
    if number is not None:
        return _of_number(number, now)
    if _DURATION.fullmatch(text):
        return sum(float(count) * _UNIT_S[unit] for count, unit in _PART.findall(text))
    at = _date(text)
    return None if at is None else at - now


def asked_s(headers: Mapping[str, str]) -> float | None:
    """How long a reply asks to wait, from 0 to a minute; None where it does not say.

    Example:
        >>> asked_s({"Retry-After": "86400"}), asked_s({"Retry-After-Ms": "250"}), asked_s({})
        (60.0, 0.25, None)
    """
    exact = seconds(headers.get("Retry-After-Ms"))
    if exact is not None:
        return bounded(exact / 1000)
    return bounded(seconds(headers.get("Retry-After")))


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

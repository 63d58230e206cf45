"""Times of an incident: always UTC, always with the zone, so nobody adds up two time zones."""

from __future__ import annotations

import datetime
import re

_WRITTEN = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)[T ](?P<time>\d\d:\d\d(?::\d\d)?)(?:\.\d+)? ?"
    r"(?P<zone>UTC|Z|[+-]\d\d:?\d\d)",
    re.IGNORECASE,
)


def now() -> datetime.datetime:
    """The time now, in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


def text_of(at: datetime.datetime) -> str:
    """A time as records have it.

    Example:
        >>> text_of(datetime.datetime(2026, 11, 30, 3, 12, 5, tzinfo=datetime.UTC))
        '2026-11-30 03:12:05 UTC'
    """
    return f"{at.astimezone(datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"


def minute_of(at: datetime.datetime) -> str:
    """A time for a line of the timeline, to the minute."""
    return f"{at.astimezone(datetime.UTC):%Y-%m-%d %H:%M} UTC"


def moment_of(text: str) -> datetime.datetime:
    """A time as somebody wrote it.

    Raises:
        ValueError: it is not a time, or it has no zone.

    Example:
        >>> moment_of("2026-11-30 03:12 UTC") == moment_of("2026-11-30T04:12:00+01:00")
        True
        >>> moment_of("2026-11-30 03:12")
        Traceback (most recent call last):
        ...
        ValueError: expected a time with its zone, such as '2026-11-30 03:12 UTC'
    """
    found = _WRITTEN.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError
        zone = found["zone"].upper()
        offset = "+00:00" if zone in ("UTC", "Z") else zone
        at = datetime.datetime.fromisoformat(f"{found['day']}T{found['time']}{offset}")
        return at.astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        raise ValueError("expected a time with its zone, such as '2026-11-30 03:12 UTC'") from None


def duration(span: datetime.timedelta | None) -> str:
    """How long something took, in the two units that matter; "n/a" if that is not known.

    Example:
        >>> [duration(datetime.timedelta(seconds=n)) for n in (8, 95, 7260, 200_000)]
        ['8 s', '2 min', '2 h 1 min', '2 d 7 h']
    """
    if span is None:
        return "n/a"
    seconds = round(span.total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} d {hours % 24} h" if hours % 24 else f"{hours // 24} d"

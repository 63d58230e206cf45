"""Reading dates as people and models write them; one with two readings is said, not guessed."""

from __future__ import annotations

import dataclasses
import datetime
import re

from pex.score.reading import shorten

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar janvier janv enero ene gennaio gen janeiro januari jänner",
            "february feb februar février fevrier févr fevr febrero febbraio fevereiro fev",
            "march mar märz maerz mrz mars marzo março marco maart mrt",
            "april apr avril avr abril abr aprile",
            "may mai mayo maggio mag maio mei",
            "june jun juni juin junio giugno giu junho",
            "july jul juli juillet juil julio luglio lug julho",
            "august aug août aout agosto ago augustus",
            "september sept sep septembre septiembre settembre set setembro",
            "october oct oktober okt octobre octubre ottobre ott outubro out",
            "november nov novembre noviembre novembro",
            "december dec dezember dez décembre decembre déc diciembre dic dicembre dezembro",
        ),
        1,
    )
    for name in names.split()
}
"""Names of months in English, German, French, Spanish, Italian, Portuguese and Dutch."""

_LETTERS = r"[^\W\d_]{3,10}"
_YEAR = r"(?P<year>\d{4}|\d{2})"
_BETWEEN = r"(?:\s|-|/|,|\.)\s?"
_TIME = re.compile(
    r"(?:[T,]|\s)\s?(?:at\s)?(?P<hour>\d{1,2}):(?P<minute>\d{2})"
    r"(?::(?P<second>\d{2})(?:[.,]\d{1,9})?)?\s?(?P<half>[ap]\.?m\.?)?"
    r"\s?(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})?$",
    re.IGNORECASE,
)
_WEEKDAY = re.compile(rf"(?P<word>{_LETTERS})\.?,?\s+(?=\d|{_LETTERS})")
_PARTS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})",
        r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})",
        r"(?P<year>\d{4})\s?年\s?(?P<month>\d{1,2})\s?月\s?(?P<day>\d{1,2})\s?日",
        rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th|er|º|\.)?{_BETWEEN}?(?:of\s|de\s)?"
        rf"(?P<word>{_LETTERS}){_BETWEEN}?(?:de\s)?{_YEAR}",
        rf"(?P<word>{_LETTERS}){_BETWEEN}?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:,\s?|\s|-){_YEAR}",
        rf"(?P<year>\d{{4}}){_BETWEEN}?(?P<word>{_LETTERS}){_BETWEEN}?(?P<day>\d{{1,2}})",
    )
)
_NUMBERS = re.compile(r"(\d{1,2})\s?([-/.])\s?(\d{1,2})\s?\2\s?(\d{4}|\d{2})")
_LONGEST = 60


@dataclasses.dataclass(frozen=True, slots=True)
class Moment:
    """A day, and the time of day if one was written; `note` says what was concluded."""

    day: datetime.date
    time: datetime.time | None = None
    note: str | None = None

    def __str__(self) -> str:
        return self.day.isoformat() if self.time is None else f"{self.day}T{self.time.isoformat()}"


def read_date(value: object, day_first: bool | None = None) -> Moment | str:
    """The date that a value gives, or why none is read, to follow the value in a sentence.

    Read are ISO dates, 20240501, 1.5.2024 (the day first), 01/05/2024 if it has only one reading,
    and dates with the name of a month in seven languages; each alone or with a time of day.

    Args:
        value: a text, or a date of Python.
        day_first: what 01/05/2024 is: 1 May if True, January 5 if False; None: it has two readings.

    Example:
        >>> str(read_date("May 1st, 2024")), str(read_date("25/12/2024")), str(read_date("1.5.24"))
        ('2024-05-01', '2024-12-25', '2024-05-01')
        >>> read_date("01/05/2024")
        'is 2024-05-01 or 2024-01-05: day_first: true or false decides'
        >>> str(read_date("01/05/2024", day_first=False)), read_date("soon")
        ('2024-01-05', 'is not read as a date')
    """
    if isinstance(value, datetime.datetime):
        return Moment(value.date(), value.timetz())
    if isinstance(value, datetime.date):
        return Moment(value)
    text = " ".join(value.split()) if isinstance(value, str) else ""
    if not text or len(text) > _LONGEST:
        return "is not read as a date"
    text, time = _time(text)
    if isinstance(time, str):
        return time
    weekday = _WEEKDAY.match(text)
    if weekday and weekday["word"].casefold() not in _MONTHS:
        text = text[weekday.end() :]
    for pattern in _PARTS:
        if match := pattern.fullmatch(text):
            return _named(match, time)
    if match := _NUMBERS.fullmatch(text):
        return _numbers(match, time, day_first)
    return "is not read as a date"


def _time(text: str) -> tuple[str, datetime.time | str | None]:
    """A text without its time of day, and that time."""
    match = _TIME.search(text)
    if match is None:
        return text, None
    hour, half = int(match["hour"]), (match["half"] or "").casefold()[:1]
    if half and 1 <= hour <= 12:
        hour = hour % 12 + (12 if half == "p" else 0)
    try:
        zone = _zone(match["zone"])
        time = datetime.time(hour, int(match["minute"]), int(match["second"] or 0), tzinfo=zone)
    except ValueError:
        return text, "has a time that does not exist"
    return text[: match.start()].rstrip(" ,"), time


def _zone(text: str | None) -> datetime.tzinfo | None:
    if not text:
        return None
    if text[0] not in "+-":
        return datetime.UTC
    digits = text[1:].replace(":", "")
    offset = datetime.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return datetime.timezone(-offset if text[0] == "-" else offset)


def _named(match: re.Match[str], time: datetime.time | None) -> Moment | str:
    """A date of which every part is known by its place or its name."""
    parts = match.groupdict()
    if parts.get("word"):
        month = _MONTHS.get(parts["word"].casefold())
        if month is None:
            return f"is not read as a date: '{shorten(parts['word'])}' is not a month"
    else:
        month = int(parts["month"])
    return _moment(match["year"], month, int(match["day"]), time)


def _numbers(
    match: re.Match[str], time: datetime.time | None, day_first: bool | None
) -> Moment | str:
    first, mark, second, year = match.groups()
    day_month = _moment(year, int(second), int(first), time)
    month_day = _moment(year, int(first), int(second), time)
    if day_first is None and mark == ".":
        day_first = True
    if day_first is not None:
        return day_month if day_first else month_day
    readings = [day_month, month_day]
    if len(year) == 2:  # 24-05-01
        readings.append(_moment(first, int(second), int(year), time))
    found = {item.day: item for item in readings if isinstance(item, Moment)}
    if len(found) == 1:
        return next(iter(found.values()))
    if not found:
        return day_month
    said = f"is {' or '.join(map(str, found))}"
    if len(year) == 2 and readings[-1] in found.values():
        return f"{said}: the year needs four digits"
    return f"{said}: day_first: true or false decides"


def _moment(year: str, month: int, day: int, time: datetime.time | None) -> Moment | str:
    short = len(year) == 2
    whole = int(year) + ((2000 if int(year) < 69 else 1900) if short else 0)
    try:
        found = datetime.date(whole, month, day)
    except ValueError:
        return "is not read as a date: there is no such day"
    return Moment(found, time, f"the year {year} was read as {whole}" if short else None)


def same_moment(given: Moment, wanted: Moment) -> bool:
    """Whether two dates are the same day and, if a time is expected, the same time.

    Times in two time zones are compared as moments, and by the clock if one has no zone.

    Example:
        >>> day, noon = read_date("2024-05-01"), read_date("2024-05-01T12:00Z")
        >>> same_moment(noon, day), same_moment(day, noon)
        (True, False)
    """
    if wanted.time is None:
        return given.day == wanted.day
    time = given.time or datetime.time()
    if time.tzinfo is None or wanted.time.tzinfo is None:
        times = (time.replace(tzinfo=None), wanted.time.replace(tzinfo=None))
        return given.day == wanted.day and times[0] == times[1]
    try:
        return datetime.datetime.combine(given.day, time) == datetime.datetime.combine(
            wanted.day, wanted.time
        )
    except OverflowError:  # the first or last day that there is
        return given == wanted

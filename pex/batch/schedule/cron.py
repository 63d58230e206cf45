"""Times in cron's five fields: checked, computed in a time zone, converted to another one."""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from pex.core.errors import PexError, nearest

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_SHORT = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DAY = datetime.timedelta(days=1)
# 29 February may be eight years away (1896 to 1904, 2096 to 2104).
_HORIZON = 9 * 366


@dataclasses.dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 7, _WEEKDAYS),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Start:
    """A start: the requested local time, and the actual moment.

    `at` has the time zone, `wall` has none.
    """

    wall: datetime.datetime
    at: datetime.datetime

    @property
    def skipped(self) -> bool:
        """Whether the clocks skip that time; then it starts at the first minute after."""
        return self.at.replace(tzinfo=None) != self.wall


@dataclasses.dataclass(frozen=True, slots=True)
class Cron:
    """The minutes, hours and days of the starts; weekday 0 is Sunday.

    `any_day` and `any_weekday` mean that the field is `*`. If neither is, a day needs to match
    only one of the two, as in every cron.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    any_day: bool
    any_weekday: bool

    def __str__(self) -> str:
        """The five fields as numbers and lists only, which all schedulers read in the same way."""
        return " ".join(
            (
                _written(self.minutes, 60),
                _written(self.hours, 24),
                "*" if self.any_day else _written(self.days),
                _written(self.months, 12),
                "*" if self.any_weekday else _written(self.weekdays),
            )
        )

    @property
    def once_a_day(self) -> bool:
        """Whether no day has two starts."""
        return len(self.minutes) * len(self.hours) == 1

    def on(self, day: datetime.date) -> bool:
        """Whether this day has a start."""
        if day.month not in self.months:
            return False
        fits = day.day in self.days
        fits_week = day.isoweekday() % 7 in self.weekdays
        if self.any_day or self.any_weekday:
            return fits and fits_week
        return fits or fits_week

    def coming(self, after: datetime.datetime, zone: ZoneInfo) -> Iterator[datetime.datetime]:
        """The starts after a moment, one by one.

        A time that the clocks skip in spring becomes the first minute after the gap; a time that
        they repeat in autumn means the first of the two. A day that a zone skips has no starts.

        Args:
            after: a moment with a time zone.
            zone: the time zone of the fields.

        Example:
            >>> zone = ZoneInfo("Europe/Berlin")
            >>> starts = parse("30 2 * * mon-fri").coming(datetime.datetime(2026, 3, 27, 3,
            ...     tzinfo=zone), zone)
            >>> next(starts).isoformat()
            '2026-03-30T02:30:00+02:00'
        """
        day, last = after.astimezone(zone).date() - _DAY, after.timestamp()
        for _ in range(_HORIZON):
            for start in self.starts(day, zone):
                if start.at.timestamp() > last:
                    yield start.at
                    last = start.at.timestamp()
            day += _DAY

    def latest(self, now: datetime.datetime, zone: ZoneInfo) -> datetime.datetime:
        """The last start at or before a moment.

        Example:
            >>> zone = ZoneInfo("UTC")
            >>> parse("0 22 * * *").latest(datetime.datetime(2026, 3, 1, 1, tzinfo=zone), zone).day
            28
        """
        return self.due(now, zone).at

    def due(self, now: datetime.datetime, zone: ZoneInfo) -> Start:
        """The last start at or before a moment, with the requested time.

        Example:
            >>> zone = ZoneInfo("America/Scoresbysund")  # after 22:59 on Saturday comes Sunday
            >>> noon = datetime.datetime(2027, 3, 28, 12, tzinfo=zone)
            >>> start = parse("30 23 * * *").due(noon, zone)
            >>> str(start.wall), str(start.at)
            ('2027-03-27 23:30:00', '2027-03-28 00:00:00-01:00')
        """
        day = now.astimezone(zone).date() + _DAY
        while True:
            for start in reversed(self.starts(day, zone)):
                if start.at.timestamp() <= now.timestamp():
                    return start
            day -= _DAY

    def shifted(self, minutes: int) -> list[str]:
        """The same starts on a clock that is `minutes` ahead, as one or more expressions.

        Raises:
            PexError: the day changes in the conversion, and the expression restricts the day of the
                month or the month: no expression says "the day before the first".

        Example:
            >>> parse("30 1 * * mon").shifted(-120)
            ['30 23 * * 0']
        """
        found: dict[tuple[int, int], list[int]] = {}
        for hour in self.hours:
            for minute in self.minutes:
                carry, rest = divmod(hour * 60 + minute + minutes, 24 * 60)
                found.setdefault((carry, rest // 60), []).append(rest % 60)
        lines: dict[tuple[int, tuple[int, ...]], list[int]] = {}
        for (carry, hour), within in found.items():
            lines.setdefault((carry, tuple(sorted(within))), []).append(hour)
        if any(carry for carry, _ in lines) and not (self.any_day and len(self.months) == 12):
            raise PexError(
                f"the times '{self}' fall on another day there, and days of the month or months "
                "cannot be moved by a day",
                hint="choose an hour that is the same day in both time zones, or a scheduler that "
                "knows time zones (systemd, airflow, kubernetes)",
            )
        return [
            str(
                dataclasses.replace(
                    self,
                    minutes=within,
                    hours=tuple(sorted(hours)),
                    weekdays=tuple(sorted({(day + carry) % 7 for day in self.weekdays})),
                )
            )
            for (carry, within), hours in lines.items()
        ]

    def starts(self, day: datetime.date, zone: ZoneInfo) -> list[Start]:
        """The starts of a day, earliest first; of several at one moment the last."""
        begins = _exists(datetime.datetime.combine(day, datetime.time()), zone)
        if not self.on(day) or begins.date() > day:
            return []
        found = {}
        for hour in self.hours:
            for minute in self.minutes:
                wall = datetime.datetime.combine(day, datetime.time(hour, minute))
                start = Start(wall, _exists(wall, zone))
                found[start.at.timestamp()] = start
        return [found[moment] for moment in sorted(found)]


def parse(text: str) -> Cron:
    """Read five fields (minute, hour, day of the month, month, day of the week) or `@daily`.

    Fields accept `*`, numbers, names (`mon`, `jan`), ranges, lists and steps.

    Raises:
        PexError: a wrong number of fields, a value out of range, or days that never come. Also
            what schedulers read differently: `*/2` in one day field beside the other.

    Example:
        >>> str(parse("*/20 2 * * mon-fri"))
        '0,20,40 2 * * 1-5'
        >>> parse("0 25 * * *")
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: the times '0 25 * * *': hour 25: expected 0 to 23
          did you mean '23'?
    """
    written = " ".join(text.split())
    where = f"the times '{written}'"
    if written.startswith("@"):
        if written.lower() not in _SHORT:
            raise PexError(f"{where}: unknown word", hint=nearest(written, _SHORT))
        written = _SHORT[written.lower()]
    fields = written.split(" ")
    if len(fields) != 5 or not written:
        raise PexError(
            f"{where}: expected five fields (minute, hour, day of the month, month, day of the "
            f"week), got {len(fields) if written else 0}",
            hint="every night at two o'clock is '0 2 * * *'",
        )
    minutes, hours, days, months, weekdays = (
        _read(field, rule, where) for field, rule in zip(fields, _FIELDS, strict=True)
    )
    stars = [fields[2].startswith("*"), fields[4].startswith("*")]
    plain = [fields[2] in ("*", "*/1"), fields[4] in ("*", "*/1")]
    if stars != plain and not any(plain):
        raise PexError(
            f"{where}: '{fields[2]}' with '{fields[4]}' means different days to different "
            "schedulers",
            hint="write the days out, as 1-31/2, for days that fit either field",
        )
    cron = Cron(minutes, hours, days, months, weekdays, *plain)
    if plain[1] and not any(_LONGEST[month - 1] >= days[0] for month in months):
        raise PexError(f"{where}: there is no such day: {days[0]} {_MONTHS[months[0] - 1].title()}")
    return cron


def _read(text: str, rule: _Field, where: str) -> tuple[int, ...]:
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            low, high = rule.low, rule.high
        else:
            low = _value(first, rule, where)
            high = _value(last, rule, where) if dash else low
        if slash and (not re.fullmatch(r"[0-9]{1,4}", step) or int(step) == 0):
            raise PexError(f"{where}: {rule.name} '{part}': a step is a number from 1")
        if slash and span != "*" and not dash:
            hint = f"did you mean '{span}-{rule.high}/{step}'?"
            raise PexError(f"{where}: {rule.name} '{part}': a step needs a range", hint=hint)
        if low > high:
            raise PexError(
                f"{where}: {rule.name} '{part}': the range ends before it begins",
                hint=f"did you mean '{first}-{rule.high},{rule.low}-{last}'?",
            )
        found.update(range(low, high + 1, int(step) if slash else 1))
    if rule.high == 7:  # 7 is Sunday too
        found = {day % 7 for day in found} if text != "*" else set(range(7))
    return tuple(sorted(found))


def _value(text: str, rule: _Field, where: str) -> int:
    name = text.lower()
    if name in rule.names:
        return rule.names.index(name) + rule.low
    if not re.fullmatch(r"[0-9]{1,9}", text):
        known = (*rule.names, "*")
        hint = nearest(name, known) if rule.names and text.isalpha() else None
        raise PexError(
            f"{where}: {rule.name} '{text}': expected {rule.low} to {rule.high}, a range such as "
            f"{rule.low}-{rule.low + 4}, a list, or * with or without a step",
            hint=hint,
        )
    if not rule.low <= int(text) <= rule.high:
        near = min(max(int(text), rule.low), rule.high)
        raise PexError(
            f"{where}: {rule.name} {text}: expected {rule.low} to {rule.high}",
            hint=f"did you mean '{near}'?",
        )
    return int(text)


def _written(values: tuple[int, ...], all_of: int = 0) -> str:
    """A field as ranges and lists; three consecutive values form a range.

    Example:
        >>> _written((1, 2, 3, 5, 6))
        '1-3,5,6'
    """
    if len(values) == all_of:
        return "*"
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    parts = [
        [f"{run[0]}-{run[-1]}"] if len(run) > 2 else [str(value) for value in run] for run in runs
    ]
    return ",".join(part for group in parts for part in group)


def _exists(wall: datetime.datetime, zone: ZoneInfo) -> datetime.datetime:
    """The moment of a local time, or the first one after a gap of the clocks."""
    while True:
        moment = wall.replace(tzinfo=zone)
        back = moment.astimezone(datetime.UTC).astimezone(zone)
        if back.replace(tzinfo=None, fold=0) == wall:
            return moment
        wall += datetime.timedelta(minutes=1)

"""The times of one clock on another, and the effect of clock changes on them."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Iterable, Iterator
from zoneinfo import ZoneInfo

from pex.batch.schedule.cron import Cron, Start, parse
from pex.core.errors import PexError

EARLY = datetime.timedelta(seconds=30)
"""How far ahead of its time a scheduler may start a job."""
LATE = datetime.timedelta(minutes=30)
YEARS = 10
"""How many years of dates to write if a scheduler has no rule for them."""
_DAY = datetime.timedelta(days=1)
_MINUTES = 24 * 60
_UTC = ZoneInfo("UTC")


@functools.lru_cache
def differences(cron: Cron, zone: ZoneInfo, to: ZoneInfo, today: datetime.date) -> tuple[int, ...]:
    """The differences of two clocks at the starts of the coming year, in order of appearance.

    Two zones that change on the same day do not change at the same moment: in between they have
    another difference, for an hour or a few. A crontab starts nothing when the clock shows a time
    for the second time: then the same time after that hour is an additional start.
    """
    found: dict[int, None] = {}
    for day in (today + n * _DAY for n in range(366)):
        for hour in cron.hours:
            wall = datetime.datetime.combine(day, datetime.time(hour, cron.minutes[0]))
            there = wall.replace(tzinfo=zone).astimezone(to)
            minutes = _minutes(there.replace(tzinfo=None) - wall)
            found[minutes] = None
            if there.fold:
                again = _minutes(there.replace(fold=0).utcoffset(), there.utcoffset())
                found[minutes + again] = None
    return tuple(found)


def _minutes(span: datetime.timedelta | None, less: datetime.timedelta | None = None) -> int:
    """A span, or a difference of two, in whole minutes."""
    zero = datetime.timedelta()
    return round(((span or zero) - (less or zero)).total_seconds() / 60)


def moved(cron: Cron, zone: ZoneInfo, to: ZoneInfo, today: datetime.date) -> list[str]:
    """The expressions in another time zone that together cover every start of a year.

    Example:
        >>> berlin, utc = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")
        >>> moved(parse("0 2 * * *"), berlin, utc, datetime.date(2026, 11, 26))
        ['0 1 * * *', '0 0 * * *']
    """
    if zone.key == to.key:
        return [str(cron)]
    shifts = differences(cron, zone, to, today)
    return list(dict.fromkeys(line for shift in shifts for line in cron.shifted(shift)))


def is_first(cron: Cron, zone: ZoneInfo, machine: ZoneInfo, now: datetime.datetime) -> bool:
    """Whether a start now is the first that a crontab makes since the last night was due.

    The lines of `moved` fire at the hours of summer and of winter, and only one of them is right:
    usually the one that fires when the night is due; if the clocks have just changed, the next
    one after that.

    Args:
        cron: when nights are due.
        zone: the time zone of these times.
        machine: the crontab's time zone.
        now: the moment of the start.

    Example:
        >>> berlin, utc = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")
        >>> spring = [datetime.datetime(2027, 3, 28, hour, 30, tzinfo=utc) for hour in (0, 1)]
        >>> [is_first(parse("30 2 * * *"), berlin, utc, now) for now in spring]
        [False, True]
    """
    now = now.astimezone(datetime.UTC) + EARLY
    due = cron.latest(now, zone).astimezone(datetime.UTC)
    lines = [parse(line) for line in moved(cron, zone, machine, now.date().replace(day=1))]
    # The clock may have started this one by a rule that crond(8) does not have.
    fired = _fired(lines, machine, due, now) or {due}
    return len(fired) == 1 and now - min(fired) <= LATE + EARLY


def _fired(
    lines: Iterable[Cron], machine: ZoneInfo, since: datetime.datetime, now: datetime.datetime
) -> set[datetime.datetime]:
    """When a crontab has fired between two moments; all in UTC, since clocks repeat times.

    Per crond(8): a skipped time starts right after the gap, a repeated time starts once.
    """
    found = set()
    for line in lines:
        day = since.astimezone(machine).date() - _DAY
        while day <= now.astimezone(machine).date():
            times = (start.at.astimezone(datetime.UTC) for start in line.starts(day, machine))
            found |= {at for at in times if since <= at <= now}
            day += _DAY
    return found


def skipped(cron: Cron, zone: ZoneInfo, today: datetime.date) -> Iterator[Start]:
    """The starts of the coming years at times that the clocks skip.

    Example:
        >>> new_york = ZoneInfo("America/New_York")
        >>> found = skipped(parse("30 2 * * *"), new_york, datetime.date(2026, 11, 26))
        >>> str(next(found).at)
        '2027-03-14 03:00:00-04:00'
    """
    midnight = datetime.datetime.combine(today, datetime.time(), zone)
    for _ in range(366 * YEARS):
        tomorrow = midnight + _DAY  # in local time
        if tomorrow.utcoffset() != midnight.utcoffset():
            yield from (s for s in cron.starts(midnight.date(), zone) if s.skipped)
        midnight = tomorrow


def latest_in_utc(cron: Cron, zone: ZoneInfo, today: datetime.date) -> tuple[list[str], int]:
    """The one UTC time at which a night is due in every season, and how late it is in others.

    In a zone with summer time it is the later one of the two: a start before the night is due
    would find the night of the day before.

    Raises:
        PexError: the starts are so close together that a later one would take their place.
    """
    shifts = differences(cron, zone, _UTC, today)
    late = max(shifts) - min(shifts)
    times = [60 * hour + minute for hour in cron.hours for minute in cron.minutes]
    days = [*times, *(time + _MINUTES for time in times)]
    # Each start, shifted to the other season, and the night that is due then.
    due = {max(time for time in days if time <= start + late) % _MINUTES for start in times}
    if due != set(times):
        raise PexError(
            f"the times '{cron}' are less than {late} minutes apart, by which the clocks change in "
            f"{zone.key}, and GitHub counts in UTC",
            hint="--timezone UTC, or times further apart",
        )
    return cron.shifted(max(shifts)), late

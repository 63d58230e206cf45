"""A plan and its times as a systemd service and timer; `install` installs them."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from pex.batch.schedule.clocks import YEARS, skipped
from pex.batch.schedule.cron import Cron
from pex.batch.schedule.quoting import unit_text, unit_word
from pex.batch.schedule.schedule import Schedule

_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


def service(schedule: Schedule) -> str:
    """The unit that systemd starts."""
    words = [schedule.python, *schedule.arguments(*schedule.keys_file())]
    folder = str(schedule.project)
    folder += "/" if folder[-1].isspace() else ""  # systemd drops spaces at the end of a line
    lines = [
        "[Unit]",
        f"Description=pexlab nightly: {unit_text(schedule.relative)}",
        "",
        "[Service]",
        "Type=oneshot",
        f"WorkingDirectory={unit_text(folder)}",
        "Environment=LANG=C.UTF-8",
    ]
    if schedule.python_path:
        lines.append(f"Environment={unit_word('PYTHONPATH=' + schedule.python_path)}")
    lines += [
        f"ExecStart={' '.join(unit_word(word).replace('$', '$$') for word in words)}",
        "# The batch is asked to end and keeps all answers.",
        "KillMode=mixed",
        "TimeoutStopSec=60",
    ]
    return "\n".join(lines) + "\n"


def timer(schedule: Schedule, today: datetime.date) -> str:
    """The timer unit; a night missed while the machine was off is run later."""
    lines = ["[Unit]", f"Description=Times of pexlab nightly: {unit_text(schedule.relative)}", ""]
    times = [f"OnCalendar={item}" for item in calendar(schedule.cron, schedule.zone)]
    extra = [f"OnCalendar={item}" for item in after_gaps(schedule.cron, schedule.zone, today)]
    lines += ["[Timer]", *times]
    if extra:
        lines += [
            f"# When the clocks skip that time; for {YEARS} years, then create this file again.",
            *extra,
        ]
    lines += ["Persistent=true", "", "[Install]", "WantedBy=timers.target"]
    return "\n".join(lines) + "\n"


def calendar(cron: Cron, zone: ZoneInfo) -> list[str]:
    """The times in systemd's format.

    Example:
        >>> from pex.batch.schedule.cron import parse
        >>> calendar(parse("0 2 * * mon-fri"), ZoneInfo("Europe/Berlin"))
        ['Mon,Tue,Wed,Thu,Fri *-*-* 02:00:00 Europe/Berlin']
    """
    hours = "*" if len(cron.hours) == 24 else _two(cron.hours)
    minutes = "*" if len(cron.minutes) == 60 else _two(cron.minutes)
    months = "*" if len(cron.months) == 12 else _two(cron.months)
    clock = f"{hours}:{minutes}:00 {zone.key}"
    by_date = f"*-{months}-{'*' if cron.any_day else _two(cron.days)} {clock}"
    week = ",".join(_WEEKDAYS[day] for day in cron.weekdays)
    if cron.any_weekday:
        return [by_date]
    if cron.any_day:
        return [f"{week} {by_date}"]
    # Cron accepts a day that matches either field; a systemd line, one that matches both.
    return [by_date, f"{week} *-{months}-* {clock}"]


def after_gaps(cron: Cron, zone: ZoneInfo, today: datetime.date) -> list[str]:
    """The times to add for systemd, which starts nothing at a time that the clocks skip.

    Example:
        >>> from pex.batch.schedule.cron import parse
        >>> new_york = ZoneInfo("America/New_York")
        >>> after_gaps(parse("30 2 * * *"), new_york, datetime.date(2026, 11, 26))[0]
        '2027-03-14 03:00:00 America/New_York'
    """
    moments = dict.fromkeys(start.at for start in skipped(cron, zone, today))
    return [f"{moment:%Y-%m-%d %H:%M}:00 {zone.key}" for moment in moments]


def _two(values: Sequence[int]) -> str:
    return ",".join(f"{value:02d}" for value in values)

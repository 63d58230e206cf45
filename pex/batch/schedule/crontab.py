"""A plan and its times as crontab lines; `install` installs them."""

from __future__ import annotations

import datetime
import shlex
from zoneinfo import ZoneInfo

from pex.batch.schedule.clocks import moved
from pex.batch.schedule.schedule import Schedule
from pex.core.errors import PexError

_LONGEST_LINE = 990
"""Debian's cron refuses commands of 1000 characters and more."""


def crontab(schedule: Schedule, machine: ZoneInfo, today: datetime.date) -> str:
    """The lines of a crontab, between two comments that mark them.

    Cron uses the machine's time zone, and Debian's supports no other. Times of another zone become
    a line for each difference between the two in the coming year; `pexlab nightly` skips starts
    that are not due.

    Raises:
        PexError: the command is too long for cron, or the times cannot be converted.
    """
    times = moved(schedule.cron, schedule.zone, machine, today)
    more = [*schedule.keys_file(), "--quiet", *(["--on-time"] if len(times) > 1 else [])]
    command = shlex.join([schedule.python, *schedule.arguments(*more)])
    if schedule.python_path:
        command = f"PYTHONPATH={shlex.quote(schedule.python_path)} {command}"
    command = f"cd {shlex.quote(str(schedule.project))} && {command}"
    # In a crontab a bare % is a line break, even after two backslashes: quotes separate them.
    command = command.replace("\\%", "\\''%").replace("%", "\\%")
    if len(command) > _LONGEST_LINE:
        raise PexError(
            f"the command has {len(command)} characters, cron takes {_LONGEST_LINE}",
            hint="--to systemd has no such limit",
        )
    begin, end = marks(schedule)
    return "\n".join([begin, *(f"{line} {command}" for line in times), end]) + "\n"


def marks(schedule: Schedule) -> tuple[str, str]:
    """The comments around a plan's lines in a crontab."""
    return (f"# pexlab nightly, begin: {schedule.file}", f"# pexlab nightly, end: {schedule.file}")

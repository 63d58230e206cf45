"""A plan and its times as the text of a scheduler on this machine: crontab, systemd.

Nothing here changes the machine; `pex.batch.schedule.install` puts the text in place.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from pex.batch.schedule.clocks import YEARS, moved, skipped
from pex.batch.schedule.cron import Cron
from pex.batch.schedule.nightly import default_env_file, label_of
from pex.batch.schedule.quoting import (
    unit_text,
    unit_word,
)
from pex.core import python
from pex.core.errors import PexError
from pex.core.project import find_project
from pex.project.settings import load_settings
from pex.project.trust import VARIABLE as TRUST
from pex.run.provider_trust import directed

KINDS = ("crontab", "systemd", "github", "airflow", "kubernetes")
_LONGEST_LINE = 990
"""Debian's cron refuses commands of 1000 characters and more."""
_NO_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


@dataclasses.dataclass(frozen=True, slots=True)
class Schedule:
    """What every text is made of.

    `python` and `python_path` are this process's own: a night finds what is found here.
    """

    file: Path
    project: Path
    label: str
    cron: Cron
    zone: ZoneInfo
    env_file: Path | None
    python: str
    python_path: str
    keys: tuple[str, ...]

    @property
    def relative(self) -> str:
        """The plan's file as seen from the project."""
        return self.file.relative_to(self.project).as_posix()

    @property
    def trusted(self) -> dict[str, str]:
        """What tells another machine that the project is trusted, where its settings need it."""
        return {TRUST: "1"} if directed(load_settings(self.project)) else {}

    def arguments(self, *more: str) -> list[str]:
        """What comes after the interpreter, started in the project's folder."""
        line = [*python.command("pex.cli", "nightly", self.relative)[1:]]
        return [*line, "--cron", str(self.cron), "--timezone", self.zone.key, *more]

    def keys_file(self) -> list[str]:
        """The option that names the file of keys, where it is not the one found anyway."""
        if self.env_file is None or self.env_file == default_env_file(self.file):
            return []
        return ["--env-file", str(self.env_file)]


def make(
    file: Path, cron: Cron, zone: ZoneInfo, env_file: Path | None, keys: Sequence[str]
) -> Schedule:
    """Gather what a scheduler has to know.

    Args:
        file: the plan.
        cron: when.
        zone: where these times count.
        env_file: the file of keys, None for none.
        keys: names of the variables with keys.

    Raises:
        PexError: a path cannot stand in one line.
    """
    file = file.resolve()
    project = find_project(file.parent)
    env_file = env_file.resolve() if env_file else None
    for path in (project, file, env_file, sys.executable):
        if _NO_TEXT.search(str(path or "")):
            raise PexError(
                f"{str(path)!r}: no scheduler can start in a path with line breaks or with "
                "characters that are not text"
            )
    for key in keys:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key):
            # It is not shown: it may be the key itself.
            raise PexError(
                "a variable that the plan or the project names for a key has another name than "
                "variables have: letters, digits and '_'"
            )
    return Schedule(
        file,
        project,
        label_of(file),
        cron,
        zone,
        env_file,
        sys.executable,
        python.python_path(os.environ.get("PYTHONPATH", "")),
        tuple(keys),
    )


def crontab(schedule: Schedule, machine: ZoneInfo, today: datetime.date) -> str:
    """The lines of a crontab, between two comments that mark them.

    Cron counts in the machine's time zone, and Debian's knows no other. Times of another zone
    become the lines for each difference that the two have in the coming year; `pexlab nightly`
    leaves alone what is not due.

    Raises:
        PexError: the command is longer than cron takes, or the times cannot be moved.
    """
    times = moved(schedule.cron, schedule.zone, machine, today)
    more = [*schedule.keys_file(), "--quiet", *(["--on-time"] if len(times) > 1 else [])]
    command = shlex.join([schedule.python, *schedule.arguments(*more)])
    if schedule.python_path:
        command = f"PYTHONPATH={shlex.quote(schedule.python_path)} {command}"
    command = f"cd {shlex.quote(str(schedule.project))} && {command}"
    # To cron a bare % is a line break, also after two backslashes: a pair of quotes parts them.
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
        "# The batch is asked to end and keeps what was answered.",
        "KillMode=mixed",
        "TimeoutStopSec=60",
    ]
    return "\n".join(lines) + "\n"


def timer(schedule: Schedule, today: datetime.date) -> str:
    """The unit that says when; a night that was missed while the machine was off is made up."""
    lines = ["[Unit]", f"Description=Times of pexlab nightly: {unit_text(schedule.relative)}", ""]
    times = [f"OnCalendar={item}" for item in calendar(schedule.cron, schedule.zone)]
    extra = [f"OnCalendar={item}" for item in after_gaps(schedule.cron, schedule.zone, today)]
    lines += ["[Timer]", *times]
    if extra:
        lines += [
            f"# When the clocks skip that time; for {YEARS} years, then write this file again.",
            *extra,
        ]
    lines += ["Persistent=true", "", "[Install]", "WantedBy=timers.target"]
    return "\n".join(lines) + "\n"


def calendar(cron: Cron, zone: ZoneInfo) -> list[str]:
    """The times as systemd writes them.

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
    # Cron takes a day that fits either field; a line of systemd's, one that fits both.
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

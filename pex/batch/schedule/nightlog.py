"""The log of a plan's nights: one file of bounded size, with a few older ones beside it."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from zoneinfo import ZoneInfo

from pex.guard.redact import redact

LARGEST = 1_000_000
"""Maximum bytes of a log; then it is renamed to `.1`, the one before to `.2` …"""
OLDER = 4
"""How many older logs to keep."""
_LONGEST = 4000
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff]")


class NightLog:
    """Lines with their time. The file is opened for each, so two processes can write at once."""

    def __init__(self, path: Path, zone: ZoneInfo) -> None:
        self.path = path
        self._zone = zone
        path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, line: str) -> None:
        """Add a line, without keys and without terminal control characters."""
        now = datetime.datetime.now(self._zone).isoformat(sep=" ", timespec="seconds")
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{now}  {clean(line)}\n")

    def rotate(self) -> None:
        """Rotate a log that has become large; the caller must hold the plan's lock."""
        if not self.path.is_file() or self.path.stat().st_size < LARGEST:
            return
        for number in range(OLDER, 0, -1):
            source = self.path if number == 1 else self._aside(number - 1)
            if source.is_file():
                source.replace(self._aside(number))

    def _aside(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


def clean(line: str) -> str:
    r"""A line made safe for a log or a terminal.

    Example:
        >>> clean("\x1b[31mred\x1b[0m\r\x00 done")
        'red done'
    """
    line = _CONTROL.sub("", _ANSI.sub("", redact(line.rstrip("\r\n"))))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} …"

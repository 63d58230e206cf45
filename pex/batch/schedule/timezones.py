"""Time zones: the machine's, and one that a user names."""

from __future__ import annotations

import os
import re
import zoneinfo
from pathlib import Path

from pex.core.errors import PexError, nearest

_LINK = Path("/etc/localtime")
_NAME = Path("/etc/timezone")


def machine_zone() -> str:
    """The name of the time zone that the machine's own cron uses; UTC if none is set.

    Example:
        >>> _ = zoneinfo.ZoneInfo(machine_zone())
    """
    linked = re.search(r"zoneinfo/(.+)$", str(_LINK.resolve()))
    named = _NAME.read_text(encoding="utf-8").strip() if _NAME.is_file() else ""
    for name in (linked.group(1) if linked else "", named):
        if name and _is_zone(name):
            return name
    return "UTC"


def users_zone() -> str:
    """The user's time zone: `TZ` if it names one, else the machine's."""
    name = os.environ.get("TZ", "").removeprefix(":")
    return name if name and _is_zone(name) else machine_zone()


def read_zone(name: str) -> zoneinfo.ZoneInfo:
    """The time zone of this name.

    Raises:
        PexError: there is no such time zone.

    Example:
        >>> read_zone("Europe/Belrin")
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: there is no time zone 'Europe/Belrin'
          did you mean 'Europe/Berlin'?
    """
    if not _is_zone(name):
        known = sorted(zoneinfo.available_timezones())
        near = nearest(name, known)
        hint = near if near.startswith("did") else "for example 'Europe/Berlin' or 'UTC'"
        raise PexError(f"there is no time zone '{name}'", hint=hint)
    return zoneinfo.ZoneInfo(name)


def _is_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True

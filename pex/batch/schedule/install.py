"""Installing a schedule in the user's crontab or systemd, and removing it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from pex.batch.schedule.crontab import marks
from pex.batch.schedule.schedule import Schedule
from pex.core.errors import PexError
from pex.guard.redact import redact


def merged(existing: str, block: str, begin: str, end: str) -> str:
    r"""A crontab with the marked block in it once; other lines are unchanged.

    Args:
        existing: the crontab.
        block: the new block, including its marks; empty to remove it.
        begin: its first line.
        end: its last line.

    Raises:
        PexError: the crontab has the first mark without the last.

    Example:
        >>> merged("MAILTO=me\n# a\nold\n# b\n", "# a\nnew\n# b\n", "# a", "# b")
        'MAILTO=me\n# a\nnew\n# b\n'
    """
    # Only a line feed ends a crontab line.
    lines = re.findall(r"[^\n]*\n|[^\n]+", existing)
    bare = [line.rstrip("\r\n") for line in lines]
    if begin not in bare:
        gap = "" if not existing or existing.endswith("\n") else "\n"
        return existing + gap + block if block else existing
    first = bare.index(begin)
    if end not in bare[first:]:
        raise PexError(
            f"the crontab has the line '{begin}' without '{end}' after it",
            hint="fix it with crontab -e",
        )
    last = bare.index(end, first)
    rest = "".join(lines[last + 1 :])
    return "".join(lines[:first]) + block + merged(rest, "", begin, end)


def change_crontab(schedule: Schedule, block: str) -> bool:
    """Put the block into the user's crontab, or remove it if `block` is empty.

    Returns:
        Whether the crontab changed.

    Raises:
        PexError: there is no `crontab` here, or it fails.
    """
    program = _program("crontab", "systemd")
    listed = subprocess.run([program, "-l"], capture_output=True, text=True, check=False)
    if listed.returncode and "no crontab" not in listed.stderr:
        raise PexError(f"crontab -l: {_first(listed.stderr)}")
    existing = listed.stdout if not listed.returncode else ""
    new = merged(existing, block, *marks(schedule))
    if new == existing:
        return False
    done = subprocess.run([program, "-"], input=new, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PexError(f"crontab refuses: {_first(done.stderr)}")
    return True


def cron_runs() -> bool:
    """Whether a cron daemon was found running; containers often have `crontab` but no daemon."""
    import psutil

    found = {item.info["name"] for item in psutil.process_iter(["name"])}
    return not sys.platform.startswith("linux") or not found.isdisjoint(("cron", "crond"))


def units(schedule: Schedule) -> tuple[Path, Path]:
    """The paths of the service and the timer."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser())
    folder = home / "systemd" / "user"
    name = f"pexlab-{schedule.label}"
    return folder / f"{name}.service", folder / f"{name}.timer"


def add_units(schedule: Schedule, service: str, timer: str) -> None:
    """Write both units and start the timer.

    Raises:
        PexError: there is no systemd for the user; then no file is left behind.
    """
    program = _program("systemctl", "crontab")
    files = units(schedule)
    before = [file.read_text(encoding="utf-8") if file.is_file() else None for file in files]
    files[0].parent.mkdir(parents=True, exist_ok=True)
    for file, text in zip(files, (service, timer), strict=True):
        file.write_text(text, encoding="utf-8")
    try:
        _systemctl(program, "daemon-reload")
        _systemctl(program, "enable", files[1].name)
        # A running timer takes new times only after a restart.
        _systemctl(program, "restart", files[1].name)
    except PexError:
        for file, old in zip(files, before, strict=True):
            if old is None:
                file.unlink()
            else:
                file.write_text(old, encoding="utf-8")
        raise


def remove_units(schedule: Schedule) -> bool:
    """Stop the timer and delete both units; returns whether there were any."""
    program = _program("systemctl", "crontab")
    files = [file for file in units(schedule) if file.is_file()]
    if not files:
        return False
    _systemctl(program, "disable", "--now", units(schedule)[1].name)
    for file in files:
        file.unlink()
    _systemctl(program, "daemon-reload")
    return True


def _systemctl(program: str, *arguments: str) -> None:
    command = [program, "--user", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PexError(
            f"systemctl --user {' '.join(arguments)}: {_first(done.stderr)}",
            hint="it needs a login session of this user; --to crontab works without",
        )


def _program(name: str, other: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise PexError(f"there is no '{name}' on this machine", hint=f"install it, or --to {other}")
    return found


def _first(text: str) -> str:
    return redact((text.strip().splitlines() or ["it says nothing"])[0])

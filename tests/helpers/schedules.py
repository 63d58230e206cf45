"""Schedules of a small plan, and stand-ins for the programs that take them."""

import os
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pex.batch.schedule import schedule
from pex.batch.schedule.cron import parse
from tests.helpers.notebooks import notebook, plan

BERLIN = ZoneInfo("Europe/Berlin")
CRONTAB = """#!/bin/sh
if [ "$1" = -l ]; then
    [ -f "$STAND_IN/table" ] || { echo "no crontab for me" >&2; exit 1; }
    exec cat "$STAND_IN/table"
fi
exec cat > "$STAND_IN/table"
"""
SYSTEMCTL = """#!/bin/sh
echo "$*" >> "$STAND_IN/asked"
if [ -f "$STAND_IN/broken" ]; then echo "Failed to connect to bus" >&2; exit 1; fi
"""


def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a `crontab` and a `systemctl` that leave the machine alone."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name, text in (("crontab", CRONTAB), ("systemctl", SYSTEMCTL)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("STAND_IN", str(folder))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return folder


def made(
    folder: Path,
    cron: str = "0 2 * * *",
    zone: ZoneInfo = BERLIN,
    keys: tuple[str, ...] = (),
    env_file: Path | None = None,
) -> schedule.Schedule:
    """The schedule of a small plan in `folder`, which becomes a project."""
    inner = folder / "experiments" / "sums"
    inner.mkdir(parents=True, exist_ok=True)
    (folder / "pex.toml").write_text("")
    notebook(inner / "n.ipynb", None, "1")
    file = plan(inner, "steps: [{id: a, notebook: n.ipynb}]\n")
    return schedule.make(file, parse(cron), zone, env_file, keys)

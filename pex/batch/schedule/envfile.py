"""The variables of a scheduled night: its file of keys, which keeps them out of the crontab."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from pex.batch.plan import Plan
from pex.core.errors import PexError
from pex.core.project import find_project
from pex.core.textfile import read_text
from pex.guard.key_names import is_key_name
from pex.project.settings import load_settings
from pex.run.providers import BUILT_IN

NAME = "schedule.env"
_LINE_END = re.compile(r"\r\n|\n|\r")


def read_env(path: Path) -> dict[str, str]:
    """The variables of a file of `KEY=value` lines; `#` begins a comment line.

    A value can be in quotes; `export` before the name is ignored. Nothing is expanded.

    Raises:
        PexError: there is no such file, or a line has another form. No value is shown.
    """
    found = {}
    text = read_text(path, "environment file").removeprefix("\ufeff")
    for number, line in enumerate(_LINE_END.split(text), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.removeprefix("export ").partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise PexError(f"{path}, line {number}: expected NAME=value")
        if "\0" in value:
            raise PexError(f"{path}, line {number}: the value of {name} has a null byte")
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        found[name] = value
    return found


def exposed(path: Path) -> str | None:
    """A warning if anyone but the owner can read or write the file, else None."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if not mode & 0o077:
        return None
    return f"{path}: others can read the keys in it (mode {mode:o}); chmod 600 '{path}'"


def key_names(plan: Plan, env_file: Path | None) -> list[str]:
    """The variables that a night needs, by name: from the file, the settings, the plan's notices.

    Args:
        plan: the plan.
        env_file: the file of keys, None for none.
    """
    settings = load_settings(find_project(plan.folder))
    names = [name for item in settings.providers.values() for name in item.variables]
    built_in = [item.key_env for item in BUILT_IN.values() if item.key_env]
    names += [name for name in built_in if name in os.environ]
    names += [name for notice in plan.notify for name in notice.variables]
    if env_file is not None:
        names += [name for name in read_env(env_file) if is_key_name(name)]
    return sorted({name for name in names if name})

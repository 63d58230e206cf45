"""Files of `NAME=value` lines that hold keys: `.pex/keys.env`, `.pex/schedule.env`."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from pex.core.errors import PexError
from pex.core.textfile import read_text

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

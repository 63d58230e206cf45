"""How a module is started in a process of its own: nothing of the current folder is imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping


def command(module: str, *arguments: str) -> list[str]:
    """The command line that runs a module of this Python's.

    `python -m` alone looks for modules in the current folder first, so that a `selectors.py` of
    a project would run in place of Python's own. `-P` leaves the folder out.

    Example:
        >>> command("pip", "install", "x")[1:]
        ['-P', '-m', 'pip', 'install', 'x']
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def environment(variables: Mapping[str, str] | None = None, /, **more: str) -> dict[str, str]:
    """The variables for a process of its own; without an empty entry in PYTHONPATH.

    Args:
        variables: in place of this process's.
        **more: beside them.

    Example:
        >>> environment({"PYTHONPATH": os.pathsep + "lib"}, LANG="C.UTF-8")
        {'PYTHONPATH': 'lib', 'LANG': 'C.UTF-8'}
    """
    found = {**(os.environ if variables is None else variables), **more}
    if "PYTHONPATH" in found:
        found["PYTHONPATH"] = python_path(found["PYTHONPATH"])
    return found


def python_path(value: str) -> str:
    """PYTHONPATH without empty entries: to Python they are the current folder.

    Nobody writes one on purpose: `PYTHONPATH=$PYTHONPATH:lib` leaves it where there was none.
    """
    return os.pathsep.join(entry for entry in value.split(os.pathsep) if entry)

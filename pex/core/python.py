"""Starts a module in its own process, without importing anything from the current folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping


def command(module: str, *arguments: str) -> list[str]:
    """The command line that runs a module with this Python.

    `python -m` alone looks for modules in the current folder first, so a project's `selectors.py`
    would run in place of Python's own. `-P` skips the folder.

    Example:
        >>> command("pip", "install", "x")[1:]
        ['-P', '-m', 'pip', 'install', 'x']
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def environment(variables: Mapping[str, str] | None = None, /, **more: str) -> dict[str, str]:
    """The environment of a new process; without empty entries in PYTHONPATH.

    Args:
        variables: default: this process's environment.
        **more: additional variables.

    Example:
        >>> environment({"PYTHONPATH": os.pathsep + "lib"}, LANG="C.UTF-8")
        {'PYTHONPATH': 'lib', 'LANG': 'C.UTF-8'}
    """
    found = {**(os.environ if variables is None else variables), **more}
    if "PYTHONPATH" in found:
        found["PYTHONPATH"] = python_path(found["PYTHONPATH"])
    return found


def python_path(value: str) -> str:
    """PYTHONPATH without empty entries, which Python reads as the current folder.

    Nobody writes them on purpose: `PYTHONPATH=$PYTHONPATH:lib` creates one if it was unset.
    """
    return os.pathsep.join(entry for entry in value.split(os.pathsep) if entry)

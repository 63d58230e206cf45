"""Modules that leave a mark when they are imported, under every name that may be looked for."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

MARKS = "PEX_TEST_MARKS"
"""The variable with the file that they leave their marks in."""

TRAP = """\
import posix, sys  # built in: a trap may not need what it stands in front of
places, frame = [], sys._getframe()
while frame := frame.f_back:
    if "importlib" not in frame.f_code.co_filename:
        places.append(frame.f_code.co_filename)
mark = f"{__file__} imported by {places}\\n".encode()
file = posix.open(posix.environ[b"PEX_TEST_MARKS"], posix.O_WRONLY | posix.O_APPEND)
posix.write(file, mark)
posix.close(file)
raise ImportError("a trap")
"""


def traps(folder: Path, *but: str) -> None:
    """Put a trap into a folder for every module of Python's and of every installed package.

    Args:
        folder: where.
        but: names without one.
    """
    installed = importlib.metadata.packages_distributions()
    names = {name for name in {*sys.stdlib_module_names, *installed} if name.isidentifier()}
    for number, name in enumerate(sorted(names - {*but, "__main__"})):
        if number % 3:
            (folder / f"{name}.py").write_text(TRAP)
        else:  # the other form that a module can have
            (folder / name).mkdir(exist_ok=True)
            (folder / name / "__init__.py").write_text(TRAP)

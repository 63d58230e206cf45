"""Functions that files name as `module:function`: looked up, and imported only to be run."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from pex.core.errors import PexError, nearest
from pex.core.project import find_project
from pex.project import origin

_REFERENCE = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*):([^\W\d]\w*)")


def parts_of(reference: str, role: str = "scorer") -> tuple[str, str]:
    """The module and the function of a reference; nothing is imported.

    Args:
        reference: `module:function`.
        role: what the function is used as, for errors.

    Raises:
        PexError: it is not `module:function`, or the module is one of Python's own.

    Example:
        >>> parts_of("house.rules:calm")
        ('house.rules', 'calm')
    """
    parts = _REFERENCE.fullmatch(reference)
    if parts is None:
        raise PexError(f"expected 'module:function', got '{reference}'")
    origin.check_module(reference, parts[1], role)
    return parts[1], parts[2]


def import_callable(reference: str, role: str = "scorer", beside: Path | None = None) -> Any:
    """Import the function, or other callable object, that `module:function` names.

    Args:
        reference: `module:function`.
        role: what the function is used as, for errors.
        beside: a folder that may have the module, before the project's folders.

    Raises:
        PexError: the module or function does not exist (the message gives the nearest name), or
            is one of Python's own.
    """
    module_name, name = parts_of(reference, role)
    try:
        module = _module(module_name, beside)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's module may fail in any way
        failure = (
            str(error) if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
        )
        raise PexError(
            f"cannot import {module_name}: {failure}",
            hint="put the module into the project's folder or its notebooks/, or install it",
        ) from None
    found = getattr(module, name, None)
    if not callable(found):
        names = [key for key, value in vars(module).items() if callable(value) and key[0] != "_"]
        raise PexError(f"{module_name} has no function '{name}'", hint=nearest(name, names))
    origin.check_function(reference, found, role)
    return found


def module_file(reference: str, beside: Path | None = None) -> Path | None:
    """The file of the module that a reference names, where it is found without importing it.

    Args:
        reference: `module:function`.
        beside: a folder that may have the module, before the project's folders.
    """
    name = parts_of(reference)[0].replace(".", "/")
    for folder in (*map(Path, sys.path), *_places(beside)):
        for path in (folder / f"{name}.py", folder / name / "__init__.py"):
            if path.is_file():
                return path
    return None


def _module(name: str, beside: Path | None) -> ModuleType:
    """Import a module that is installed, or is in a project's own folder of modules.

    A notebook finds modules beside it; a night runs in the folder of its plan.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0]:
            raise  # the module was found, but one of its imports was not
    sys.path += [place for place in map(str, _places(beside)) if place not in sys.path]
    importlib.invalidate_caches()
    return importlib.import_module(name)


def _places(beside: Path | None) -> Iterator[Path]:
    project = find_project()
    yield from () if beside is None else (beside,)
    yield from (project, project / "notebooks")

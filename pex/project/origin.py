"""The real origin of a function: Python's own functions are not allowed as scorers or tools.

An experiment's file names functions, and pex calls them with a model's output: `os:system` would
execute it. A name can be hidden: another module may have imported the function, or a partial may
hold it.
"""

from __future__ import annotations

import functools
import os
import sys
import types
from pathlib import Path
from typing import Any

from pex.core.errors import PexError

_STANDARD = {*sys.stdlib_module_names, *sys.builtin_module_names}
if (Path(os.__file__).parent / "test").is_dir():  # not in the list, and not always installed
    _STANDARD.add("test")
_DEEPEST = 20


def is_standard(module: str) -> bool:
    """Whether a module is Python's own, or in one of Python's own packages.

    Example:
        >>> is_standard("os.path"), is_standard("builtins"), is_standard("pandas")
        (True, True, False)
    """
    return module.partition(".")[0] in _STANDARD


def check_module(reference: str, module: str, role: str = "scorer") -> None:
    """Refuse a reference to Python's own modules; nothing is imported.

    Raises:
        PexError: it is one.
    """
    if is_standard(module):
        raise _refused(reference, role, f"'{module.partition('.')[0]}' is Python's own module")


def check_function(reference: str, function: Any, role: str = "scorer") -> None:
    """Refuse one of Python's own functions, whichever module it is reached through.

    Raises:
        PexError: it is one.
    """
    module = origin(function)
    if module is not None and is_standard(module):
        raise _refused(reference, role, f"it comes from Python's own module '{module}'")


def _refused(reference: str, role: str, reason: str) -> PexError:
    return PexError(
        f"function: '{reference}' cannot be a {role}: {reason}",
        hint="name your own function that calls it, in a module of the project or of an "
        "installed package",
    )


def origin(function: Any) -> str | None:
    """The module that a callable was written in; None if that cannot be determined.

    Example:
        >>> import functools, shutil
        >>> origin(functools.partial(shutil.os.system, "ls")) in ("posix", "nt")
        True
        >>> origin(is_standard)
        'pex.project.origin'
    """
    module = None
    for _ in range(_DEEPEST):
        if isinstance(function, functools.partial):
            function = function.func
            continue
        if isinstance(function, types.MethodType):
            function = function.__func__
            continue
        module = _module(function)
        # The wrappers of `functools` and `contextlib` are theirs, the wrapped function is not.
        inner = getattr(function, "__wrapped__", None)
        if module is None or not is_standard(module) or not callable(inner):
            break
        function = inner
    return module


def _module(function: Any) -> str | None:
    if isinstance(function, types.FunctionType):
        # `functools.wraps` gives a function the `__module__` of the function that it calls.
        found = function.__globals__.get("__name__")
    elif isinstance(function, types.BuiltinFunctionType):
        owner = function.__self__
        found = function.__module__
        if found is None and owner is not None and type(owner).__name__ != "PyCapsule":
            found = (owner if isinstance(owner, type) else type(owner)).__module__
    elif isinstance(function, type):
        found = function.__module__
    else:
        # A method of a C class knows its class; any other object is judged by its class.
        found = getattr(function, "__objclass__", type(function)).__module__
    return found if isinstance(found, str) else None

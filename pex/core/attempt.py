"""Keeps one bad file from breaking a listing: the error is listed instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pex.core.errors import PexError

T = TypeVar("T")


def attempt(read: Callable[[], T]) -> T | PexError:
    """The result of `read`, or any exception it raised as a `PexError`.

    Somebody else's file can break its reader in unforeseen ways; a listing then shows the error on
    a line and continues.

    Example:
        >>> attempt(lambda: 1)
        1
        >>> attempt(lambda: {}["x"]).message
        "it cannot be read: KeyError: 'x'"
    """
    try:
        return read()
    except PexError as error:
        return error
    except OSError as error:
        return PexError(f"it cannot be read: {error.strerror or error}")
    except RecursionError:
        return PexError("it cannot be read: it is nested too deeply")
    except MemoryError:
        return PexError("it cannot be read: it does not fit into memory")
    except Exception as error:  # noqa: BLE001 - any other error, with its type and message
        said = (str(error).strip().splitlines() or [""])[0][:200]
        return PexError(f"it cannot be read: {type(error).__name__}: {said}".removesuffix(": "))

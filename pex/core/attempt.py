"""One odd file among many: a listing says what is wrong with it and goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pex.core.errors import PexError

T = TypeVar("T")


def attempt(read: Callable[[], T]) -> T | PexError:
    """What `read` returns, or why it could not, whatever it raised.

    A file of somebody else's may break what reads it in ways that nobody has thought of: for a
    listing that is a line of its own and no end.

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
    except Exception as error:  # noqa: BLE001 - any other, with what there is to say of it
        said = (str(error).strip().splitlines() or [""])[0][:200]
        return PexError(f"it cannot be read: {type(error).__name__}: {said}".removesuffix(": "))

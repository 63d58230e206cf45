"""An error as the view shows it: nobody reads a traceback there."""

from __future__ import annotations

from pex.core.errors import PexError
from pex.guard.redact import redact


def error_text(error: BaseException) -> str:
    """An error's message, without a traceback and without keys."""
    if isinstance(error, PexError):
        return redact(f"{error.message} ({error.hint})" if error.hint else error.message)
    return redact(f"{type(error).__name__}: {error}")

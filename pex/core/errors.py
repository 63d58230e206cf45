"""Errors that a user can act on.

Every error that a user can cause is a `PexError`: a message in plain words that names the place,
what was expected and the nearest right name. The command line prints it without a traceback and
exits with its `exit_code`; a notebook shows it in the same way.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pex.core.safe_text import clean


class PexError(Exception):
    """Wrong use or configuration; no model was called.

    Example:
        >>> raise PexError("cases.csv: no column 'reveiw'", hint="did you mean 'review'?")
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: cases.csv: no column 'reveiw'
          did you mean 'review'?
    """

    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        self.message = message
        self.hint = hint
        # It quotes files and endpoints, and Python itself can print it.
        super().__init__(clean(f"{message}\n  {hint}" if hint else message))

    def _render_traceback_(self) -> list[str]:
        # IPython calls this: a user's mistake does not need forty lines of our own frames.
        return [f"{type(self).__name__}: {self}"]


class ProviderError(PexError):
    """The provider refused in a way that a retry cannot fix, or too many calls failed."""

    exit_code = 5


class BudgetError(PexError):
    """The run reached its budget; its answers are kept."""

    exit_code = 4


class JournalError(PexError):
    """The journal cannot be opened, read or written; no model is called without it."""


class Interrupted(KeyboardInterrupt):
    """A run was interrupted; `results` has the answers up to that point."""

    exit_code = 130

    def __init__(self, message: str, results: object) -> None:
        self.results = results
        super().__init__(clean(message))

    def _render_traceback_(self) -> list[str]:
        return [f"Interrupted: {self}"]


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint with the nearest right name, or a list of the known names.

    Example:
        >>> nearest("postive", ["positive", "negative"])
        "did you mean 'positive'?"
        >>> nearest("xyz", ["b", "a"])
        "there is: 'b', 'a'"
        >>> nearest("xyz", [])
        'there is none'
    """
    names = [str(item) for item in known]
    if not names:
        return "there is none"
    folded = {item.casefold(): item for item in reversed(names)}
    found = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.6)
    if found:
        return f"did you mean '{folded[found[0]]}'?"
    shown = ", ".join(f"'{item}'" for item in names[:12])
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return f"there is: {shown}{more}"

"""Regular expressions of users: one that backtracks without end is stopped, and it is said."""

from __future__ import annotations

import re
import warnings
from typing import Any

from pex.core.errors import PexError
from pex.score.reading import shorten

LIMIT_S = 1.0
"""How long a pattern may look at one text."""


class Pattern:
    """A pattern as Python's `re` understands it, with a limit on its time.

    Example:
        >>> Pattern("a+b").search("xaab"), Pattern("a+b").fullmatch("xaab")
        (True, False)
    """

    def __init__(self, pattern: str, ignore_case: bool = False, what: str = "pattern") -> None:
        """Compile it.

        Args:
            pattern: the regular expression.
            ignore_case: whether upper and lower case are the same.
            what: what to call it in messages.

        Raises:
            PexError: it is not a valid regular expression.
        """
        import regex  # type: ignore[import-untyped]

        self._text = pattern
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of sets, which `re` does not have
            try:
                # `re` says what is valid; the other package takes more, and only runs it.
                re.compile(pattern, re.IGNORECASE if ignore_case else 0)
                flags = regex.VERSION0 | (regex.IGNORECASE if ignore_case else 0)
                self._compiled: Any = regex.compile(pattern, flags)
            except (re.error, regex.error, OverflowError, RecursionError) as error:
                raise PexError(f"{what} {pattern!r}: {error}") from None

    def search(self, text: str) -> bool:
        """Whether the pattern is found in a text.

        Raises:
            TimeoutError: it took too long, and was stopped.
        """
        return self._run(self._compiled.search, text)

    def fullmatch(self, text: str) -> bool:
        """Whether the pattern matches the whole of a text.

        Raises:
            TimeoutError: it took too long, and was stopped.
        """
        return self._run(self._compiled.fullmatch, text)

    def _run(self, find: Any, text: str) -> bool:
        try:
            return find(text, timeout=LIMIT_S) is not None
        except TimeoutError:
            raise TimeoutError(
                f"the pattern {shorten(self._text)!r} was stopped after {LIMIT_S:g} s: it tries "
                "too many ways to match this text"
            ) from None

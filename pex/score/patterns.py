"""Users' regular expressions: one that backtracks endlessly is stopped with an error."""

from __future__ import annotations

import re
import warnings
from typing import Any

from pex.core.errors import PexError
from pex.score.reading import shorten

LIMIT_S = 1.0
"""The time limit of a pattern on one text."""


class Pattern:
    """A pattern in the syntax of Python's `re`, with a time limit.

    Example:
        >>> Pattern("a+b").search("xaab"), Pattern("a+b").fullmatch("xaab")
        (True, False)
    """

    def __init__(self, pattern: str, ignore_case: bool = False, what: str = "pattern") -> None:
        """Compile the pattern.

        Args:
            pattern: the regular expression.
            ignore_case: whether upper and lower case are treated as equal.
            what: the pattern's name in messages.

        Raises:
            PexError: it is not a valid regular expression.
        """
        import regex  # type: ignore[import-untyped]

        self._text = pattern
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # about sets, which `re` does not have
            try:
                # `re` decides what is valid; the other package accepts more, and only runs it.
                re.compile(pattern, re.IGNORECASE if ignore_case else 0)
                flags = regex.VERSION0 | (regex.IGNORECASE if ignore_case else 0)
                self._compiled: Any = regex.compile(pattern, flags)
            except (re.error, regex.error, OverflowError, RecursionError) as error:
                raise PexError(f"{what} {pattern!r}: {error}") from None

    def search(self, text: str) -> bool:
        """Whether the pattern occurs in a text.

        Raises:
            TimeoutError: it took too long, and was stopped.
        """
        return self._run(self._compiled.search, text)

    def fullmatch(self, text: str) -> bool:
        """Whether the pattern matches a whole text.

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

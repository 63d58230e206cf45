"""JavaScript's regular expressions as Python has them, and checks of text as patterns."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pex.core.errors import PexError
from pex.importers.promptfoo_config.sources import LeftOutError
from pex.score.patterns import Pattern


def from_javascript(pattern: str) -> str:
    r"""A pattern of JavaScript for Python.

    Raises:
        LeftOutError: Python has nothing like it.

    Example:
        >>> from_javascript(r"^(?<year>\d{4})\/x$")
        '^(?P<year>\\d{4})\\/x\\Z'
        >>> from_javascript("[$]a[^]")
        '[$]a[\\s\\S]'
    """
    made: list[str] = []
    at, in_class = 0, False
    text = pattern.replace("(?<", "(?P<").replace("(?P<=", "(?<=").replace("(?P<!", "(?<!")
    while at < len(text):
        sign = text[at]
        if sign == "\\" and at + 1 < len(text):
            made.append(text[at : at + 2])
            at += 2
            continue
        if not in_class and text.startswith("[^]", at):
            made.append(r"[\s\S]")
            at += 3
            continue
        if sign == "[" and not in_class:
            in_class = True
        elif sign == "]" and in_class:
            in_class = False
        # `$` of JavaScript is only the very end; Python's also matches before a last line break.
        made.append(r"\Z" if sign == "$" and not in_class else sign)
        at += 1
    found = re.sub(r"\\k<(\w+)>", r"(?P=\1)", "".join(made))
    try:
        Pattern(found)
    except PexError as error:
        raise LeftOutError(f"Python cannot read this pattern: {error.message}") from None
    return found


def any_of(texts: Sequence[str]) -> str:
    r"""A pattern that one of several texts matches.

    Example:
        >>> any_of(["a.b", "c"])
        '(?:a\\.b|c)'
    """
    return f"(?:{'|'.join(map(re.escape, texts))})"


def all_of(texts: Sequence[str]) -> str:
    r"""A pattern that a text matches in which all of several occur.

    Example:
        >>> all_of(["a", "b"])
        '(?=[\\s\\S]*a)(?=[\\s\\S]*b)'
    """
    return "".join(rf"(?=[\s\S]*{re.escape(text)})" for text in texts)


def not_containing(pattern: str) -> str:
    """A pattern that a text matches in which another pattern does not occur."""
    return rf"\A(?![\s\S]*(?:{pattern}))"

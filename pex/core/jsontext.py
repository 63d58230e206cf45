"""Reads JSON written by others: every way of being unreadable is a ValueError.

Python's own reader runs out of stack on deeply nested text, and refuses long integers with a
message about `sys.set_int_max_str_digits`. Even a value it can read can be nested so deeply that
later code runs out of stack.
"""

from __future__ import annotations

import json
import re
from typing import Any

DEEPEST = 100
"""Levels of nested lists and objects."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}\n]')
_LONG_NUMBER = re.compile(r"\d{4301}")
_TOO_LONG = "it has a whole number of more than 4300 digits; put it in quotes"


def loads(text: str | bytes) -> Any:
    """The JSON value of a text, as read by `json.loads`.

    Raises:
        ValueError: it is nested too deeply or has an integer that is too long; if it is not valid
            JSON, a `json.JSONDecodeError`.

    Example:
        >>> loads('{"a": [1]}')
        {'a': [1]}
        >>> loads("[" * 500 + "]" * 500)
        Traceback (most recent call last):
        ...
        ValueError: line 1: it is nested more than 100 levels deep
        >>> loads("9" * 5000)
        Traceback (most recent call last):
        ...
        ValueError: it has a whole number of more than 4300 digits; put it in quotes
    """
    try:
        value = json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except RecursionError:
        raise ValueError(_too_deep(text)) from None
    except ValueError:
        raise ValueError(_TOO_LONG) from None
    check_depth(value, text)
    return value


def check_depth(value: Any, text: str | bytes) -> None:
    """Raise a `ValueError` if a value that was read is nested too deeply.

    Args:
        value: the value read.
        text: its source: with few brackets, no further check is needed.
    """
    if isinstance(text, str):
        brackets = text.count("[") + text.count("{")
    else:
        brackets = text.count(b"[") + text.count(b"{")
    if brackets > DEEPEST and is_deep(value):
        raise ValueError(_too_deep(text))


def is_deep(value: Any, most: int = DEEPEST) -> bool:
    """Whether lists and objects are nested more than `most` levels deep.

    Example:
        >>> is_deep([[1]], 2), is_deep([[{}]], 2)
        (False, True)
    """
    level = [value]
    for _ in range(most):
        level = [
            item
            for part in level
            if isinstance(part, dict | list | tuple)
            for item in (part.values() if isinstance(part, dict) else part)
            if isinstance(item, dict | list | tuple)
        ]
        if not level:
            return False
    return True


def why(text: str, said: str) -> str:
    """Why a reader refused a text, in better words if its own do not help.

    Args:
        text: the refused text.
        said: the reader's own message.

    Example:
        >>> why("[" * 2000, "Recursion limit reached"), why("9" * 5000, "number is infinity")[:25]
        ('it is nested more than 100 levels deep', 'it has a whole number of ')
    """
    if _LONG_NUMBER.search(text):
        return _TOO_LONG
    found = _too_deep(text)
    return found.partition(": ")[2] if found else said


def _too_deep(text: str | bytes) -> str:
    """The sentence that names the line; "" if it is not nested too deeply."""
    depth, line = 0, 1
    text = text if isinstance(text, str) else text.decode("utf-8", "replace")
    for found in _TOKEN.finditer(text):
        mark = found[0]
        depth += (mark in "[{") - (mark in "]}")
        if depth > DEEPEST:
            return f"line {line}: it is nested more than {DEEPEST} levels deep"
        line += mark == "\n"
    return ""

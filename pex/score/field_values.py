"""JSON values compared, and written in a reason."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from pex.score.reading import fold, shorten


def same(given: Any, wanted: Any) -> bool:
    """Whether two JSON values are the same: strings ignoring case and white space.

    Example:
        >>> same({"a": " New  York", "n": 2.0}, {"a": "new york", "n": 2}), same("0042", "42")
        (True, False)
    """
    if isinstance(given, str) and isinstance(wanted, str):
        # As strings, even if they are digits: order number 0042 is not 42.
        return " ".join(fold(given).split()) == " ".join(fold(wanted).split())
    if isinstance(given, list) and isinstance(wanted, list):
        return len(given) == len(wanted) and all(map(same, given, wanted))
    if isinstance(given, dict) and isinstance(wanted, dict):
        return given.keys() == wanted.keys() and all(same(given[k], wanted[k]) for k in wanted)
    if isinstance(given, bool) or isinstance(wanted, bool) or given is None or wanted is None:
        return given is wanted
    if isinstance(given, dict | list) or isinstance(wanted, dict | list):
        return False
    try:  # decimals, not floats: two numbers of 20 digits can differ in the last
        return Decimal(str(given).strip()) == Decimal(str(wanted).strip())
    except InvalidOperation:
        return False


def identical(given: Any, wanted: Any) -> bool:
    """Whether two JSON values are equal; True is not 1, but 1.0 is."""
    if isinstance(given, list) and isinstance(wanted, list):
        return len(given) == len(wanted) and all(map(identical, given, wanted))
    if isinstance(given, dict) and isinstance(wanted, dict):
        return given.keys() == wanted.keys() and all(
            identical(given[key], wanted[key]) for key in wanted
        )
    return isinstance(given, bool) == isinstance(wanted, bool) and bool(given == wanted)


def shown(value: Any) -> str:
    """A value as it is written in a reason."""
    return shorten(json.dumps(value, ensure_ascii=False, default=str))


def instead(given: Any, wanted: Any) -> str:
    """Two values in a reason."""
    return f"{shown(given)} instead of {shown(wanted)}"


def key(value: Any) -> str:
    """A text that only equal values have."""
    if isinstance(value, str):
        return f'"{value}'
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def distinct(values: Iterable[Any]) -> list[Any]:
    """The values without repeated ones, in order."""
    return list({key(value): value for value in values}.values())

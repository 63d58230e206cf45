"""Outside data as JSON that every file, table and database can store."""

from __future__ import annotations

import math
from typing import Any

import orjson

from pex.core.text import replace_surrogates

DEEPEST = 100
"""Levels of lists and objects that are kept; orjson writes up to 254."""

_LARGEST = 2**63 - 1


def sanitized_json(value: Any, depth: int = DEEPEST) -> Any:
    """The value without anything that JSON cannot represent.

    Infinite numbers, NaN, unknown objects and values nested too deeply become None; integers
    beyond 64 bits become floats.

    Example:
        >>> sanitized_json({"logprob": float("-inf"), "rank": 10**30, 1: ("a", b"b")})
        {'logprob': None, 'rank': 1e+30, '1': ['a', None]}
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return replace_surrogates(value)
    if isinstance(value, int):
        return value if -_LARGEST <= value <= _LARGEST else _decimal(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth == 0:
        return None
    if isinstance(value, dict):
        return {replace_surrogates(str(k)): sanitized_json(v, depth - 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [sanitized_json(item, depth - 1) for item in value]
    return None


def _decimal(value: int) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def sanitized_json_text(value: Any) -> str:
    """The value as JSON text, for objects received in place of a string.

    Example:
        >>> sanitized_json_text({"city": "Köln"})
        '{"city":"Köln"}'
    """
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # too deep, too large, half a surrogate
        return orjson.dumps(sanitized_json(value)).decode()

"""The canonical JSON form of a value, and its digests."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import orjson

from pex.core.values import to_json_value


def canonical_json(value: Any) -> bytes:
    """The canonical JSON form of a value: sorted keys, no spaces, UTF-8.

    Example:
        >>> canonical_json({"b": 1, "a": ["é"]}).decode()
        '{"a":["é"],"b":1}'
    """
    value = to_json_value(value)
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # an integer of more than 64 bits
        text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return text.encode("utf-8", "surrogatepass")


def canonical_text(value: Any) -> str:
    """A value for a name or a short line: a string as it is, anything else as canonical JSON.

    Example:
        >>> canonical_text("a"), canonical_text(["a", 1])
        ('a', '["a",1]')
    """
    return value if isinstance(value, str) else canonical_json(value).decode()


def json_text(value: Any) -> str:
    """Plain data as JSON, including integers of more than 64 bits.

    Example:
        >>> json_text({"n": 2**70})
        '{"n":1180591620717411303424}'
    """
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def digest(value: Any, length: int = 12) -> str:
    """The first hex digits of SHA-256 over the canonical form.

    Example:
        >>> digest({"review": "Nice."})
        '73e47d9ff020'
    """
    return hashlib.sha256(canonical_json(value)).hexdigest()[:length]

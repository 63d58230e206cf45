"""Which names may be used, and digests of content."""

from __future__ import annotations

import hashlib
import json
import math
import re
from typing import Any

import orjson

from pex.core import values
from pex.core.errors import PexError

plain = values.plain

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_LONGEST = 100
"""Letters of a file's name; systems take 255, of which endings and digests need some."""


def check_name(name: str, what: str) -> str:
    """Return `name` if it may name a prompt, an experiment or a score.

    MLflow's registry refuses spaces and `/`, its metrics refuse `@` and `(`: what passes here
    can be used in both.

    Raises:
        PexError: another character, or nothing at all.

    Example:
        >>> check_name("review-sentiment", "experiment name")
        'review-sentiment'
        >>> check_name("my prompt", "prompt name")
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: prompt name 'my prompt': only letters, digits, '_', '.' and '-' may be used
          for example 'my-prompt'
    """  # noqa: E501 - the message is one line
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    if not name:
        raise PexError(f"{what}: it is empty")
    example = re.sub(r"[^A-Za-z0-9_.-]+", "-", str(name)).strip("-") or "name-1"
    raise PexError(
        f"{what} {name!r}: only letters, digits, '_', '.' and '-' may be used",
        hint=f"for example '{example}'",
    )


def check_file_name(name: str, what: str) -> str:
    """Return `name` if it may name a folder or a file as well: no `..`, nothing hidden or long.

    Raises:
        PexError: it may not.

    Example:
        >>> check_file_name("..", "batch id")
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: batch id '..': it begins with '.'
    """
    check_name(name, what)
    if name.startswith("."):
        raise PexError(f"{what} {name!r}: it begins with '.'")
    if len(name) > _LONGEST:
        raise PexError(f"{what} '{name[:20]}…': {len(name)} characters, at most {_LONGEST}")
    return name


def is_file_name(name: str) -> bool:
    """Whether `check_file_name` lets a name pass.

    Example:
        >>> is_file_name("2026-03-10"), is_file_name(".ipynb_checkpoints"), is_file_name("a (copy)")
        (True, False, False)
    """
    return bool(_NAME.fullmatch(name)) and not name.startswith(".") and len(name) <= _LONGEST


def canonical(value: Any) -> bytes:
    """The one JSON form of a value: sorted keys, no spaces, UTF-8.

    Example:
        >>> canonical({"b": 1, "a": ["é"]}).decode()
        '{"a":["é"],"b":1}'
    """
    value = plain(value)
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # a whole number of more than 64 bits
        text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return text.encode("utf-8", "surrogatepass")


def json_text(value: Any) -> str:
    """Plain data as JSON, also with whole numbers of more than 64 bits.

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
    return hashlib.sha256(canonical(value)).hexdigest()[:length]


def check_positive(key: str, value: Any, *, zero: bool = False) -> None:
    """Raise a `PexError` unless `value` is None or a finite number above 0 (or 0, with `zero`).

    Example:
        >>> check_positive("timeout_s", "soon")
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: timeout_s: expected a number, more than 0, got 'soon'
    """
    if value is None:
        return
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not (value > 0 or (zero and value == 0)):
        least = "0 or more" if zero else "more than 0"
        raise PexError(f"{key}: expected a number, {least}, got {value!r}")


def check_count(key: str, value: Any) -> None:
    """Raise a `PexError` unless `value` is None or a whole number from 1.

    Example:
        >>> check_count("max_in_flight", 0)
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: max_in_flight: expected a whole number from 1, got 0
    """
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise PexError(f"{key}: expected a whole number from 1, got {value!r}")

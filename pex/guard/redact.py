"""Removes keys from messages before anyone sees or stores them.

There are only two rules: a *value* known to be secret (from a key variable, a header, a login) is
removed wherever it appears; messages also lose anything with the *shape* of a key
(`key_shapes.py`).
Words are never enough: "a basic understanding" is not a login.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from pex.guard import key_shapes, keys_inside, printed_output
from pex.guard import project_secrets as project
from pex.guard.key_names import holds_a_key
from pex.guard.known_keys import Known

__all__ = [
    "MASK",
    "is_secret",
    "known",
    "redact",
    "redact_data",
    "redact_values",
    "register",
    "register_headers",
    "secrets",
]

_OPEN_HEADER = re.compile(
    r"(?i)accept.*|content-.*|user-agent|(?:http-)?referer|origin|host|x-title|.*-(?:version|beta)"
    r"|openai-(?:organization|project)|x-(?:request|trace|correlation)-id"
)
"""Headers that describe the request and do not identify the sender."""

T = TypeVar("T")

_registered: set[str] = set()

MASK = key_shapes.MASK


def register(secret: str | None) -> None:
    """Add a value to remove from now on, for example a token from a command.

    A value of fewer than eight characters is removed only as a separate word, and kept if it is a
    word or a number ("local", "4711"): ordinary texts contain those.

    Example:
        >>> register("sk-1")
        >>> redact("sk-1 was refused; sk-10 was not")
        '[redacted] was refused; sk-10 was not'
    """
    if secret:
        _registered.add(secret)


def register_headers(headers: Mapping[str, str]) -> None:
    """Add the header values of a provider.

    Well-known headers without a key (`User-Agent`, `HTTP-Referer`) stay readable, and so do headers
    whose value is a plain word and whose name does not suggest a key.

    Example:
        >>> register_headers({"X-Team": "research", "X-Gate": "open-4711-sesame"})
        >>> redact("research says open-4711-sesame")
        'research says [redacted]'
    """
    for name, value in headers.items():
        for secret in _of_header(name, value):
            register(secret)


@functools.lru_cache(maxsize=1024)
def _of_header(name: str, value: str) -> tuple[str, ...]:
    named = key_shapes.names_a_secret(name)
    if not named and (_OPEN_HEADER.fullmatch(name) or re.fullmatch(r"[A-Za-z]*", value)):
        return ()
    value = value.strip()
    scheme, _, rest = value.partition(" ")  # "Bearer …": the key can occur alone
    return (value, rest.strip()) if rest and scheme.isalpha() else (value,)


def is_secret(name: str, value: str) -> bool:
    """Whether an environment variable holds a key, by its name or by the project's declaration.

    Example:
        >>> is_secret("LAB_KEY", "open-4711-sesame"), is_secret("LAB_KEY_FILE", "/etc/lab.pem")
        (True, False)
    """
    named = name in project.noted.variables or holds_a_key(name, value)
    return named and bool(keys_inside.in_variable(value))


def secrets(environment: Mapping[str, str] | None = None) -> list[str]:
    """The values that must not be shown, longest first.

    These are the values of variables whose name suggests a key or that the project declares, the
    logins in the addresses of other variables, and registered values.

    Args:
        environment: default: this process's environment.
    """
    given: Mapping[str, str] = os.environ if environment is None else environment
    named = {*project.noted.variables, *given.get(project.LISTED, "").split(",")}
    found = set(_registered)
    for name, value in given.items():
        if name in named or holds_a_key(name, value):
            found.update(keys_inside.in_variable(value))
        elif "://" in value:
            found.update(_of_address(value))
        elif "@" in value and name.lower().endswith("_proxy"):  # they may lack their http://
            found.update(_of_address(f"http://{value}"))
    for address in project.noted.addresses:
        found.update(_of_address(address))
    for name, value in project.noted.headers:
        found.update(_of_header(name, value))
    return sorted(filter(None, found), key=len, reverse=True)


@functools.lru_cache(maxsize=1024)
def _of_address(text: str) -> tuple[str, ...]:
    return tuple(keys_inside.in_address(text))


def known(environment: Mapping[str, str] | None = None) -> Known:
    """The values that must not be shown, prepared for searching many texts.

    Args:
        environment: default: this process's environment.
    """
    return _ready(tuple(secrets(environment)))


@functools.lru_cache(maxsize=16)
def _ready(values: tuple[str, ...]) -> Known:
    return Known(values)


def redact_values(text: str, values: Known | None = None) -> str:
    """`text` without known values: for model answers and cases, which are otherwise unchanged.

    Args:
        text: any text.
        values: from `known()`, for a caller with many texts.
    """
    return (known() if values is None else values).masked(text)


def redact_data(value: T, values: Known | None = None) -> T:
    """JSON-like data without known values, also in names: a copy where there is one in it.

    Args:
        value: any JSON value; other objects are kept as they are.
        values: from `known()`, for a caller with many.

    Example:
        >>> register("open-4711-sesame")
        >>> redact_data({"a": ["it is open-4711-sesame", 3]})
        {'a': ['it is [redacted]', 3]}
    """
    ready = known() if values is None else values
    return cast(T, _without(value, ready)) if ready else value


def _without(value: Any, values: Known) -> Any:
    if isinstance(value, str):
        return values.masked(value)
    if isinstance(value, Mapping):
        return {_without(key, values): _without(item, values) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without(item, values) for item in value]
    return value


def redact(text: str) -> str:
    """`text` without known values and without anything shaped like a key: for messages.

    Example:
        >>> redact("GET https://me:pw@host/v1?api_key=abc with Bearer abcdefgh1234")
        'GET https://[redacted]@host/v1?api_key=[redacted] with Bearer [redacted]'
        >>> redact("a basic understanding, and a bearer of bad news")
        'a basic understanding, and a bearer of bad news'
    """
    return redact_with(text, known())


def redact_with(text: str, values: Known) -> str:
    """As `redact`, for a caller with many texts.

    Args:
        text: any text.
        values: from `known()`.

    Example:
        >>> redact_with("Bearer abcdefgh1234", known())
        'Bearer [redacted]'
    """
    return key_shapes.redact_shapes(printed_output.masked(text, values))

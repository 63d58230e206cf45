"""Keys are taken out of messages before anyone sees or stores them.

Two rules and no others: a *value* that is known to be secret (of a key variable, a header, a login)
is taken out wherever it stands; in messages, so is what has the *shape* of a key (`shapes.py`).
Words are never enough: "a basic understanding" is not a login.
"""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Iterable, Mapping

from pex.guard import shapes

_KEY_NAME = re.compile(
    r"(?:(?:^|_)(?:API)?(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?)"
    r"|^(?:PG|MYSQL_|REDIS)(?:PASSWORD|PWD)|_(?:PAT|ACCESS_KEY_ID))(?:_?\d{1,3})?$",
    re.IGNORECASE,
)
_OPEN_HEADER = re.compile(
    r"(?i)accept.*|content-.*|user-agent|(?:http-)?referer|origin|host|x-title|.*-(?:version|beta)"
    r"|openai-(?:organization|project)|x-(?:request|trace|correlation)-id"
)
"""Headers that say what a request is, not who sends it."""

_registered: set[str] = set()

SHORTEST = 8
"""Shorter values are not taken out: they are words ("true", "local"), not keys."""

MASK = shapes.MASK


def register(secret: str | None) -> None:
    """Add a value that is to be taken out from now on, for example a token from a command."""
    if secret and len(secret) >= SHORTEST:
        _registered.add(secret)


def register_headers(headers: Mapping[str, str]) -> None:
    """Add the values of the headers of a provider.

    A header of a well-known name that holds no key (`User-Agent`, `HTTP-Referer`) stays readable,
    and so does one whose value is a plain word and whose name does not speak of a key.

    Example:
        >>> register_headers({"X-Team": "research", "X-Gate": "open-4711-sesame"})
        >>> redact("research says open-4711-sesame")
        'research says [redacted]'
    """
    for name, value in headers.items():
        named = shapes.names_a_secret(name)
        if named or not (_OPEN_HEADER.fullmatch(name) or re.fullmatch(r"[A-Za-z]*", value)):
            register(value.strip())
            scheme, _, rest = value.strip().partition(" ")  # "Bearer …": the key may stand alone
            if rest and scheme.isalpha():
                register(rest.strip())


def is_key_name(name: str) -> bool:
    """Whether an environment variable of this name holds a key.

    Example:
        >>> is_key_name("OPENAI_API_KEY"), is_key_name("OPENAI_API_KEY_2"), is_key_name("MONKEY")
        (True, True, False)
    """
    return bool(_KEY_NAME.search(name))


def secrets() -> list[str]:
    """The values that must not be shown, longest first."""
    values = {
        value for name, value in os.environ.items() if is_key_name(name) and len(value) >= SHORTEST
    }
    return sorted(values | _registered, key=len, reverse=True)


def known() -> list[str]:
    """The values that must not be shown, also as they look in an address, longest first."""
    values = secrets()
    quoted = {urllib.parse.quote(value, safe="") for value in values}
    return sorted({*values, *quoted}, key=len, reverse=True)


def redact_values(text: str, values: Iterable[str] | None = None) -> str:
    """`text` without known values: for what a model or a case says, which is else left as it is.

    Args:
        text: any.
        values: from `known()`, for a caller with many texts.
    """
    for secret in known() if values is None else values:
        text = text.replace(secret, MASK)
    return text


def redact(text: str) -> str:
    """`text` without known values and without what has the shape of a key: for messages.

    Example:
        >>> redact("GET https://me:pw@host/v1?api_key=abc with Bearer abcdefgh1234")
        'GET https://[redacted]@host/v1?api_key=[redacted] with Bearer [redacted]'
        >>> redact("a basic understanding, and a bearer of bad news")
        'a basic understanding, and a bearer of bad news'
    """
    return shapes.redact_shapes(redact_values(text))

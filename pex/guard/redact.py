"""Keys are taken out of messages before anyone sees or stores them."""

from __future__ import annotations

import os
import re

_KEY_NAME = re.compile(
    r"(?:^|_)(?:API)?(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$", re.IGNORECASE
)
_URL_LOGIN = re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")
_HEADER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}")
_registered: set[str] = set()

SHORTEST = 8
"""Shorter values are not taken out: they are words ("true", "local"), not keys."""

MASK = "[redacted]"


def register(secret: str | None) -> None:
    """Add a value that is to be taken out from now on, for example a token from a command."""
    if secret and len(secret) >= SHORTEST:
        _registered.add(secret)


def is_key_name(name: str) -> bool:
    """Whether an environment variable of this name holds a key.

    Example:
        >>> is_key_name("OPENAI_API_KEY"), is_key_name("MONKEY")
        (True, False)
    """
    return bool(_KEY_NAME.search(name))


def secrets() -> list[str]:
    """The values that must not be shown, longest first."""
    values = {
        value for name, value in os.environ.items() if is_key_name(name) and len(value) >= SHORTEST
    }
    return sorted(values | _registered, key=len, reverse=True)


def redact(text: str) -> str:
    """`text` without the values of key variables, login parts of URLs and authorization headers.

    Example:
        >>> redact("GET https://me:pw@host/v1 with Bearer abcdefgh1234")
        'GET https://[redacted]@host/v1 with Bearer [redacted]'
    """
    for secret in secrets():
        text = text.replace(secret, MASK)
    text = _URL_LOGIN.sub(MASK, text)
    return _HEADER.sub(lambda found: f"{found.group(1)} {MASK}", text)

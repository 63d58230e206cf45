"""Which environment variables hold a key, judging by their names."""

from __future__ import annotations

import functools
import re

from pex.guard.encoded_keys import is_word
from pex.guard.key_shapes import NOT_SECRET

_KEYS = frozenset(
    ("KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "CREDENTIALS",
     "PAT", "DSN", "AUTH", "BEARER", "JWT", "COOKIE", "WEBHOOK", "SSHPASS")
)  # fmt: skip
_PERHAPS = frozenset(("AUTH", "COOKIE", "PASS", "DSN", "WEBHOOK", "BEARER"))
"""Also names of settings whose values are words: "required", "disabled"."""
_AFTER_ANOTHER = frozenset(("PWD", "PASS"))
"""Keys only after another word: PWD alone is a folder."""
_PAIRS = frozenset(
    (("CONNECTION", "STRING"), ("CONN", "STR"), ("CONNECTION", "STR"), ("WEBHOOK", "URL"),
     ("ACCESS", "KEY", "ID"), ("AUTH", "CONFIG"), ("AUTH", "HEADER"), ("SAS", "URL"),
     ("API", "KEYS"), ("ACCESS", "KEYS"), ("SECRET", "KEYS"), ("API", "TOKENS"),
     ("ACCESS", "TOKENS"), ("AUTH", "TOKENS"))
)  # fmt: skip
"""Words that together name a key. Other key ids are names, not keys."""
_ENDINGS = ("APIKEY", "ACCESSKEY", "SECRETKEY", "PRIVATEKEY", "PASSWORD", "PASSWD", "PASSPHRASE",
            "AUTHTOKEN", "ACCESSTOKEN", "APITOKEN", "CONNECTIONSTRING", "CONNSTR")  # fmt: skip
"""Endings of a single word, as in PGPASSWORD."""
_WHICH = frozenset(
    ("PROD", "PRODUCTION", "STAGING", "STAGE", "DEV", "TEST", "LIVE", "OLD", "NEW", "BACKUP",
     "PRIMARY", "SECONDARY", "MAIN", "DEFAULT", "RO", "RW", "READ", "WRITE", "VALUE", "BASE64",
     "B64", "JSON", "EU", "US")
)  # fmt: skip
"""Suffixes that distinguish several keys, or name the encoding."""
_NO_TOKENS = frozenset(word.upper() for word in NOT_SECRET)
_NUMBERED = re.compile(r"(?<=[A-Z])\d{1,3}$")
_WHICH_ONE = re.compile(r"\d{1,4}|[A-Z]|V\d{1,3}")


def is_sure(name: str) -> bool:
    """Whether this name always means a key, never a setting of the same name.

    Example:
        >>> is_sure("api_key"), is_sure("dsn"), is_sure("limit")
        (True, False, False)
    """
    return is_key_name(name) and _last(name)[-1] not in _PERHAPS


def holds_a_key(name: str, value: str) -> bool:
    """Whether an environment variable holds a key, judging by its name; a word can be a setting.

    Example:
        >>> holds_a_key("NPM_AUTH", "a1b2c3d4"), holds_a_key("NPM_AUTH", "required")
        (True, False)
    """
    return is_sure(name) or (is_key_name(name) and not is_word(value))


@functools.lru_cache(maxsize=4096)
def is_key_name(name: str) -> bool:
    """Whether an environment variable of this name holds a key.

    Example:
        >>> [is_key_name(name) for name in ("OPENAI_API_KEY_2", "PGPASSWORD", "GITHUB_PAT")]
        [True, True, True]
        >>> [is_key_name(name) for name in ("MONKEY", "TLS_KEY_FILE", "SSH_AUTH_SOCK", "PWD")]
        [False, False, False, False]
    """
    words = _last(name)
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last == "TOKEN" and before in _NO_TOKENS:
        return False
    return (
        last in _KEYS
        or (bool(before) and last in _AFTER_ANOTHER)
        or any(tuple(words[-len(pair) :]) == pair for pair in _PAIRS)
        or last.endswith(_ENDINGS)
    )


def _last(name: str) -> list[str]:
    """The words of a name without suffixes that distinguish keys."""
    words = [word for word in re.split(r"[_.-]+", name.upper()) if word] or [""]
    while len(words) > 1 and (words[-1] in _WHICH or _WHICH_ONE.fullmatch(words[-1])):
        words.pop()
    words[-1] = _NUMBERED.sub("", words[-1])
    return words

"""The keys inside a value: the login in an address, a query parameter, a part of a DSN."""

from __future__ import annotations

import base64
import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_plus

from pex.guard import key_shapes
from pex.guard.encoded_keys import SHORTEST, is_word

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{1,30})://([^\s\"'<>`]{1,4000})")
_PART = re.compile(r"(?:^|[;\s,])\s*([A-Za-z][A-Za-z0-9_ -]{0,40}?)\s*=\s*([^;\s,]{1,2000})")
_SCHEME = re.compile(r"(?i)(?:bearer|basic|token|apikey|api-key|key)\s+(\S+)")
_PAIR = re.compile(r"[^\s:/{}\"]{1,200}:([^\s:/@]\S{0,500})")
_UNQUOTED = re.compile(r"[^/:@?#]{0,200}:(?!\d{1,5}[/?#])[^/?#@]{0,500}[/?#]")
"""The beginning of a login with an unescaped / ? or # in its password; not a host with a port."""
_WEB = ("http", "https", "ws", "wss")
_LONGEST = 20_000
"""Longer values are treated only as a whole."""


def in_address(text: str) -> Iterator[str]:
    """The keys in the addresses of a text: passwords, tokens, and logins encoded for `Basic`.

    A user name alone is not a key, unless it looks like a token in a web address. A password that
    is a word counts only together with its user; otherwise that word would be removed everywhere.

    Example:
        >>> sorted(in_address("postgresql://me:pass%2Fword@db/lab?sslmode=require"))
        ['bWU6cGFzcy93b3Jk', 'me:pass%2Fword', 'pass%2Fword', 'pass/word']
        >>> set(in_address("https://host/v1?api-version=2024-10-21&sig=a1b2c3d4e5"))
        {'a1b2c3d4e5'}
        >>> list(in_address("ssh://git@github.com/lab"))
        []
    """
    for found in _ADDRESS.finditer(text[:_LONGEST]):
        scheme, rest = found.groups()
        place, _, query = rest.partition("?")
        login = re.split(r"[/#]", place)[0].rpartition("@")[0]
        if not login and _UNQUOTED.match(rest):
            login = rest.rpartition("@")[0]
        yield from _in_login(scheme.lower(), login)
        for part in re.split(r"[&;]", query.partition("#")[0]):
            name, _, value = part.partition("=")
            if key_shapes.is_secret_parameter(name, value):
                yield from (value, unquote(value), unquote_plus(value))


def _in_login(scheme: str, login: str) -> Iterator[str]:
    user, colon, password = login.partition(":")
    if password:
        # Half the databases on developers' machines have the password "postgres".
        yield from (login,) if is_word(password) else (login, password, unquote(password))
        yield base64.b64encode(unquote(login).encode()).decode()
    plain = unquote(user)
    alone = scheme in _WEB and password in ("", "x-oauth-basic")
    if alone and user and (colon or key_shapes.looks_random(plain)):
        yield from (user, plain, base64.b64encode(f"{plain}:".encode()).decode())


@functools.lru_cache(maxsize=1024)
def in_variable(value: str) -> tuple[str, ...]:
    """The keys in the value of a key variable: the whole value and its parts.

    The path of an existing file is not a key, nor is an address without a login, except a
    webhook's.

    Example:
        >>> in_variable("Server=db;User Id=lab;Password=open-sesame")[1:]
        ('open-sesame',)
        >>> in_variable("lab:open-sesame")[1:]
        ('open-sesame',)
    """
    value = value.strip()
    if not value or _is_file(value):
        return ()
    found = _ADDRESS.fullmatch(value)
    if found and found[1].lower() not in _WEB and not any(in_address(value)):
        return ()
    return tuple(dict.fromkeys((value, *_pieces(value))))


def _pieces(value: str) -> Iterator[str]:
    if len(value) > _LONGEST:
        return
    yield from in_address(value)
    if (found := _ADDRESS.fullmatch(value)) and found[1].lower() in _WEB:
        # The path of a webhook is its key, and messages can contain it without the host.
        path = f"/{found[2].partition('/')[2]}"
        yield from (found[2], path) if len(path) > SHORTEST else ()
    if found := _SCHEME.fullmatch(value):
        yield found[1]
    if "://" not in value:
        if found := _PAIR.fullmatch(value):
            yield found[1]
        if re.fullmatch(r"[^\s=]{8,}(?:\s*[,;\s]\s*[^\s=]{8,}){1,20}", value):
            yield from re.split(r"[,;\s]+", value)  # several keys in one variable
    for name, part in _PART.findall(value):
        if key_shapes.names_a_secret(name.replace(" ", "_")):
            yield part
    if value.startswith("{"):
        try:
            yield from _in_json(json.loads(value))
        except (ValueError, RecursionError):
            return


def _in_json(value: Any) -> Iterator[str]:
    """The keys in a credentials file, such as Google's."""
    for name, item in value.items() if isinstance(value, dict) else ():
        if isinstance(item, str) and (key_shapes.names_a_secret(name) or name == "private_key"):
            yield item
        elif isinstance(item, dict):
            yield from _in_json(item)


def _is_file(value: str) -> bool:
    if value[0] not in "/~." and value[1:3] != ":\\":
        return False
    try:
        return Path(value).expanduser().is_file()
    except (OSError, ValueError, RuntimeError):  # too long, a null byte, an unknown home
        return False

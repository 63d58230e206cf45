"""Cleans pasted addresses, and recognises those that never leave this machine."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import urllib.parse

_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")
_NAMES = frozenset(("localhost", "localhost.localdomain", "localhost6", "ip6-localhost",
                    "ip6-loopback"))  # fmt: skip
"""Names of this machine in /etc/hosts."""

_LOOPBACK = ("localhost", "127.0.0.1", "127.0.0.0/8", "::1", "[::1]", "0.0.0.0")
"""In NO_PROXY form: clients match names by suffix, addresses exactly or as a network."""


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine itself and needs no proxy.

    Example:
        >>> [is_loopback(name) for name in ("127.3.2.1", "lab.localhost", "::1", "localhost.org")]
        [True, True, True, False]
    """
    name = (host or "").strip("[]").rstrip(".").partition("%")[0].lower()
    if name in _NAMES or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(_written_out(name))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback or address.is_unspecified)


def _written_out(name: str) -> str:
    """An IPv4 address in its usual form, also from shortened forms: 127.1, 0x7f000001."""
    if not re.fullmatch(r"[\dxa-f]+(?:\.[\dxa-f]+){0,3}", name) or not name[0].isdigit():
        return name
    try:
        return socket.inet_ntoa(socket.inet_aton(name))
    except OSError:
        return name


def keep_loopback_direct() -> None:
    """Make all clients in this process and its children reach this machine without a proxy.

    Changes nothing if the environment names no proxy.
    """
    names = {name.lower() for name, value in os.environ.items() if value}
    if names.isdisjoint(_PROXY_VARIABLES):
        return
    given = [os.environ.get(name, "") for name in ("no_proxy", "NO_PROXY")]
    parts = [part.strip() for text in given for part in text.split(",") if part.strip()]
    if "*" in parts:
        return
    both = ",".join(dict.fromkeys([*parts, *_LOOPBACK]))
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = both


def clean_url(text: str) -> str:
    """A web address without pasting artefacts: quotes, spaces, capitals.

    A host without a scheme gets one: `http` if it is this machine, a bare name or a local network
    address, else `https`.

    Raises:
        ValueError: it is not a web address; the message says what was expected.

    Example:
        >>> clean_url(' "HTTPS://API.Example.com/v1/" '), clean_url("localhost:11434")
        ('https://api.example.com/v1/', 'http://localhost:11434')
    """
    url = text.strip().strip("\"'`<>,;").strip()
    if not url:
        raise ValueError("is empty: expected an address such as https://api.example.com/v1")
    if re.search(r"\s", url) or any(ord(char) < 32 for char in url):
        raise ValueError("must be one address, without spaces")
    url = re.sub(r"(?i)^(https?)[:;]?/{1,3}(?=[^/])", r"\1://", url)  # a lost colon or slash
    scheme, found, rest = url.partition("://")
    if not found:
        rest = url.lstrip("/")
        if re.fullmatch(r"[\w-]+", rest) and rest.lower() != "localhost":
            raise ValueError("must start with http:// or https://")
        scheme = "http" if _is_near(_split(f"http://{rest}").hostname) else "https"
    if scheme.lower() not in ("http", "https"):
        raise ValueError("must start with http:// or https://")
    parts = _split(f"{scheme.lower()}://{rest}")
    host = parts.hostname
    if not host or not re.fullmatch(r"[\w.:%-]+", host):
        raise ValueError("must be an address such as https://api.example.com/v1")
    login, at, _ = parts.netloc.rpartition("@")
    netloc = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port is not None else ""
    return urllib.parse.urlunsplit(parts._replace(netloc=f"{login}{at}{netloc}{port}"))


def _split(url: str) -> urllib.parse.SplitResult:
    try:
        parts = urllib.parse.urlsplit(url)
        _ = parts.port  # parsed only on access
    except ValueError:  # its message can show a login
        raise ValueError("must be an address such as https://api.example.com:8080/v1") from None
    return parts


def _is_near(host: str | None) -> bool:
    if is_loopback(host):
        return True
    try:
        return ipaddress.ip_address(host or "").is_private
    except ValueError:
        return "." not in (host or "") or (host or "").endswith((".local", ".internal", ".lan"))

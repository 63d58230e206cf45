"""MLflow's own pages, behind a token and without loads from other hosts, for `pexlab ui`.

MLflow has no login, so any user of a machine could read another user's record through a port of
127.0.0.1; and its pages show Markdown, in which a model's answer can name an image on any host.
MLflow's server runs as usual, with this wrapped around its application.
"""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import hmac
import os
import urllib.parse
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http import HTTPStatus
from typing import Any

from pex.core.network import is_loopback

APP = "pex"
"""The application's name for MLflow: an entry point of this package."""

TOKEN = "PEX_UI_TOKEN"
"""The variable that passes the token to the server: others can read a process's arguments."""

_ALLOWED_HOSTS = "MLFLOW_SERVER_ALLOWED_HOSTS"
_ALLOWED_ORIGINS = "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"
_STATIC_PREFIX = "_MLFLOW_STATIC_PREFIX"

_NOTHING_FOREIGN = (
    "default-src 'none'; script-src {own} 'unsafe-inline'; style-src {own} 'unsafe-inline'; "
    "img-src {own} data: blob:; font-src {own} data:; media-src {own} data: blob:; "
    "base-uri 'none'; form-action 'none'; object-src 'none'; frame-ancestors 'self'"
)
_PAGE = (
    _NOTHING_FOREIGN.format(own="'self'")
    + "; connect-src 'self' blob: data:; worker-src 'self' blob:; frame-src 'self' blob:; "
    "manifest-src 'self'"
)
"""For MLflow's page itself. Its HTML viewer shows a file in a frame that inherits this, and a
report's scripts are inline: therefore 'unsafe-inline'."""

_FILE = "sandbox allow-scripts; " + _NOTHING_FOREIGN.format(own="")
"""For everything else: a run's file that is opened by its address runs without an origin, so it
can neither read the record nor write to it."""

_AGAIN = "location.reload()"
_AGAIN_HASH = base64.b64encode(hashlib.sha256(_AGAIN.encode()).digest()).decode()

_LENGTH = b"content-length"
_SEEN = (
    b"<script>try { localStorage['mlflow.assistant.fab.autoOpenedOnFirstLoad_v1'] ??= 'true' }"
    b" catch { /* a browser that keeps nothing */ }</script>"
)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


def application() -> App:
    """MLflow's application, as `mlflow ui --app-name pex` starts it in each worker."""
    from mlflow.server.fastapi_app import app

    return Guarded(app, os.environ[TOKEN])


class Guarded:
    """An ASGI application that can be reached only with its token."""

    def __init__(self, app: App, token: str) -> None:
        self._app = app
        self._token = token
        self._prefix = os.environ.get(_STATIC_PREFIX, "").rstrip("/")
        self._hosts = _listed(_ALLOWED_HOSTS)
        self._origins = _listed(_ALLOWED_ORIGINS)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it to MLflow."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = _Headers(scope["headers"])
        refusal = self._foreign(scope, headers)
        if refusal is None and scope["type"] == "http":
            if scope["path"] == f"{self._prefix}/health":  # says only that the server is up
                await self._app(scope, receive, _with(_FILE, send))
                return
            if (asked := self._without_token(scope)) is not None:
                await _answer(send, HTTPStatus.SEE_OTHER, "", *asked)
                return
        if refusal is None and not self._is_known(scope, headers):
            refusal = (
                "MLflow's pages at this address need a token. Open the link with ?token=… that "
                "pexlab ui printed in its terminal; programs send it as Authorization: Bearer."
            )
        if refusal is None:
            policy = _PAGE if self._is_page(scope["path"]) else _FILE
            sending = _with(policy, send)
            if scope["path"].removeprefix(self._prefix) in ("", "/"):
                sending = _quiet(sending)
            await self._app(scope, receive, sending)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            again = _is_link(scope, headers) and headers["sec-fetch-site"] != "same-origin"
            await _answer(send, HTTPStatus.FORBIDDEN, _refused(refusal, again))

    def _foreign(self, scope: Message, headers: _Headers) -> str | None:
        """Why a request does not come from a person on this machine or from their program."""
        host = headers["host"]
        name = _split(f"//{host}").hostname or ""
        if not (_is_address(name) or _matches(host, self._hosts) or _matches(name, self._hosts)):
            return (
                f"The request names the host {host[:100]!r}, which is not this server's. To "
                "reach it by a name, start pexlab ui with -- --allowed-hosts NAME."
            )
        origin = headers["origin"]
        if origin and _split(origin).netloc != host:
            if not _matches(origin, self._origins):
                return f"A page of {origin[:100]} may not call this server."
        elif headers["sec-fetch-site"] in ("same-site", "cross-site") and not _is_link(
            scope, headers
        ):
            return "A page of another address may only link to this server."
        return None

    def _without_token(self, scope: Message) -> list[tuple[bytes, bytes]] | None:
        """The redirect and the cookie for a link with the token; None for any other request."""
        query = urllib.parse.parse_qsl(
            scope["query_string"].decode("latin-1"), keep_blank_values=True
        )
        given = [value for name, value in query if name == "token"]
        if not given or not self._is_token(given[0]):
            return None
        rest = urllib.parse.urlencode([pair for pair in query if pair[0] != "token"])
        # One slash only: two would name a host.
        path = "/" + urllib.parse.quote(scope["path"].lstrip("/\\"))
        scope["query_string"] = b""  # the server logs the request after this
        cookie = f"{_cookie(scope)}={self._token}; Path=/; HttpOnly; SameSite=Strict"
        return [
            (b"location", (f"{path}?{rest}" if rest else path).encode()),
            (b"set-cookie", cookie.encode()),
        ]

    def _is_known(self, scope: Message, headers: _Headers) -> bool:
        kind, _, bearer = headers["authorization"].partition(" ")
        if kind.lower() == "bearer" and self._is_token(bearer.strip()):
            return True
        pairs = (part.strip().partition("=") for part in headers["cookie"].split(";"))
        return any(name == _cookie(scope) and self._is_token(value) for name, _, value in pairs)

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self._token.encode())

    def _is_page(self, path: str) -> bool:
        inner = path.removeprefix(self._prefix)
        return inner in ("", "/") or inner.startswith("/static-files/")


class _Headers:
    """The headers of a request by their lower-case names; "" for a missing header."""

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._found: dict[str, list[str]] = {}
        for name, value in raw:
            self._found.setdefault(name.decode("latin-1").lower(), []).append(
                value.decode("latin-1")
            )

    def __getitem__(self, name: str) -> str:
        return "; ".join(self._found.get(name, []))


def _listed(name: str) -> list[str]:
    return [part for item in os.environ.get(name, "").split(",") if (part := item.strip())]


def _split(url: str) -> urllib.parse.SplitResult:
    try:
        return urllib.parse.urlsplit(url)
    except ValueError:  # half an IPv6 address
        return urllib.parse.SplitResult("", "", "", "", "")


def _matches(text: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(text, pattern) for pattern in patterns)


def _is_address(name: str) -> bool:
    """Whether a host is this machine or an IP address: DNS can redirect neither.

    Example:
        >>> [_is_address(name) for name in ("localhost", "192.168.1.7", "::1", "10.evil.example")]
        [True, True, True, False]
    """
    import ipaddress

    try:
        ipaddress.ip_address(name)
    except ValueError:
        return is_loopback(name)
    return True


def _is_link(scope: Message, headers: _Headers) -> bool:
    """Whether a person followed a link or typed the address."""
    return (
        scope.get("method") == "GET"
        and headers["sec-fetch-mode"] == "navigate"
        and headers["sec-fetch-dest"] == "document"
    )


def _cookie(scope: Message) -> str:
    """The cookie's name: all ports of a host share their cookies."""
    return f"pex-ui-{(scope.get('server') or ('', 0))[1]}"


def _with(policy: str, send: Send) -> Send:
    """Send an answer with the headers that keep a browser on this server."""
    ours = {
        b"content-security-policy": policy.encode(),
        b"x-content-type-options": b"nosniff",
        b"x-frame-options": b"SAMEORIGIN",
        b"referrer-policy": b"no-referrer",
        b"x-dns-prefetch-control": b"off",
        b"cross-origin-resource-policy": b"same-origin",
    }

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [
                pair for pair in message.get("headers", []) if bytes(pair[0]).lower() not in ours
            ]
            message["headers"] = [*kept, *ours.items()]
        await send(message)

    return sending


def _quiet(send: Send) -> Send:
    """Send MLflow's page so that its assistant, which needs a provider, does not open by itself.

    It does so once in each browser and remembers it; that is remembered from the start. Its
    button still opens it.
    """
    start: Message = {}
    body = b""

    async def sending(message: Message) -> None:
        nonlocal start, body
        if message["type"] == "http.response.start":
            start = message
            return
        body += message.get("body", b"")
        if message.get("more_body"):
            return
        if b"<head>" in body:
            body = body.replace(b"<head>", b"<head>" + _SEEN, 1)
            kept = [pair for pair in start["headers"] if bytes(pair[0]).lower() != _LENGTH]
            start["headers"] = [*kept, (_LENGTH, str(len(body)).encode())]
        await send(start)
        await send({"type": "http.response.body", "body": body})

    return sending


async def _answer(send: Send, status: int, page: str, *headers: tuple[bytes, bytes]) -> None:
    body = page.encode()
    basic = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    sending = _with(
        f"default-src 'none'; script-src 'sha256-{_AGAIN_HASH}'; frame-ancestors 'none'", send
    )
    await sending({"type": "http.response.start", "status": status, "headers": [*basic, *headers]})
    await sending({"type": "http.response.body", "body": body})


def _refused(reason: str, again: bool) -> str:
    """The page of a refusal.

    A browser withholds a strict cookie if a page of another address led here; on a request
    `again` from this page, which is the server's own, it sends the cookie.
    """
    import html

    script = f"<script>{_AGAIN}</script>" if again else ""
    return (
        f'<!doctype html><meta charset="utf-8">{script}<title>Not open</title>'
        f"<h1>Not open</h1><p>{html.escape(reason)}</p>\n"
    )

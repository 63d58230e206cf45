"""Notices: a message sent to webhooks and by mail; one that cannot be sent is only reported."""

from __future__ import annotations

import dataclasses
import http.client
import json
import os
import queue
import smtplib
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote, urlsplit

from pex.batch.plan import Notice
from pex.core.errors import PexError
from pex.core.safe_text import clean
from pex.guard.redact import redact, register
from pex.report.tables import cut
from pex.run.bodies import redirect
from pex.run.proxy import proxy_for


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """What is sent.

    Args:
        text: a few lines; the first is the subject of a mail.
        page: an HTML page, which is attached to a mail.
        file_name: the page's name there.
    """

    text: str
    page: str
    file_name: str


def send_notices(
    wanted: Sequence[Notice], message: Message, say: Callable[[str], None], patience_s: float = 12.0
) -> None:
    """Send a message to all of them at the same time.

    Args:
        wanted: where to.
        message: what is sent.
        say: gets a line for each notice.
        patience_s: seconds for all together; then those still unsent are abandoned.
    """
    ended: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()

    def send(number: int, notice: Notice) -> None:
        ended.put((number, _send(notice, message, patience_s)))

    # A server that answers one byte at a time never hits a socket time-out, so each notice has
    # a thread that can be abandoned.
    for number, notice in enumerate(wanted):
        threading.Thread(target=send, args=(number, notice), daemon=True).start()
    said = [f"the {_kind(item)} could not be sent in {patience_s:.0f} s" for item in wanted]
    end = time.monotonic() + patience_s
    try:
        for _ in wanted:
            number, line = ended.get(timeout=max(end - time.monotonic(), 0.001))
            said[number] = line
    except queue.Empty:
        pass  # their lines already report the late notices
    for line in said:
        say(line)


def _kind(notice: Notice) -> str:
    return "mail" if notice.mail_to_env else "webhook"


def _send(notice: Notice, message: Message, patience_s: float) -> str:
    """Send a notice; returns the result in a line."""
    kind = _kind(notice)
    try:
        send = _mail if notice.mail_to_env else _webhook
        send(notice, message, patience_s)
    except KeyError as error:
        return f"the {kind} could not be sent: {error.args[0]} is not set"
    except (OSError, ValueError, http.client.HTTPException) as error:  # smtplib's are OSErrors
        detail = clean(" ".join(redact(str(error)).split()))[:300]
        return f"the {kind} could not be sent: {detail or type(error).__name__}"
    return f"{kind} sent"


def _webhook(notice: Notice, message: Message, patience_s: float) -> None:
    url = os.environ[str(notice.webhook_env)].strip()
    # The address itself is the key, and messages can contain part of it.
    for secret in (url, url.partition("://")[2], "/" + url.partition("://")[2].partition("/")[2]):
        register(secret)
    if urlsplit(url).scheme not in ("http", "https") or not url.isascii() or " " in url:
        raise ValueError(f"{notice.webhook_env} holds no web address")
    # Slack treats &, < and > as markup.
    text = message.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    request = urllib.request.Request(
        url,
        data=json.dumps({"text": text}).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        proxy = proxy_for(url, None, "")
    except PexError as error:
        raise ValueError(error.message) from None
    through = urllib.request.ProxyHandler({"http": proxy, "https": proxy} if proxy else {})
    try:
        with urllib.request.build_opener(through, _Stay).open(
            request, timeout=patience_s
        ) as answer:
            answer.read(1000)
    except OSError as error:
        if isinstance(error, urllib.error.HTTPError) and 300 <= error.code < 400:
            # The other host would get the message, and may not be the intended one.
            said = redirect(error.code, dict(error.headers), url, str(notice.webhook_env)).message
            raise OSError(said) from None
        if proxy is None:
            raise
        raise OSError(f"{error} (through the proxy {redact(proxy)})") from None


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirects."""

    def redirect_request(self, *asked: Any, **named: Any) -> None:
        """Return None: the reply is an error like any other."""


def _mail(notice: Notice, message: Message, patience_s: float) -> None:
    scheme, host, port, user, password = _server(str(notice.smtp_env))
    to = os.environ[str(notice.mail_to_env)]
    mail = EmailMessage()
    mail["To"] = to
    sender = os.environ[notice.mail_from_env] if notice.mail_from_env else to.split(",")[0]
    mail["From"] = sender.strip()
    mail["Subject"] = cut(message.text.partition("\n")[0], 180)
    mail.set_content(message.text)
    mail.add_attachment(message.page, subtype="html", filename=message.file_name)
    safe = ssl.create_default_context()
    with _connected(scheme, host, port, safe, patience_s) as client:
        if scheme == "smtp":
            client.ehlo()
            if client.has_extn("starttls"):
                client.starttls(context=safe)
                client.ehlo()
            elif user and host not in ("localhost", "127.0.0.1", "::1"):
                raise ValueError("the server offers no encryption, so no password is sent to it")
        if user:
            client.login(user, password)
        client.send_message(mail)


def _server(name: str) -> tuple[str, str, int, str, str]:
    """Scheme, host, port, user and password of the mail server that a variable names."""
    address = os.environ[name].strip()
    register(address)
    wrong = ValueError(f"{name}: expected smtp://user:password@host:587 or smtps://…")
    try:
        parts = urlsplit(address)
        port = parts.port or (465 if parts.scheme == "smtps" else 587)
    except ValueError:  # its message contains part of the password
        raise wrong from None
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise wrong
    register(parts.password)
    register(unquote(parts.password or ""))
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return parts.scheme, parts.hostname, port, user, password


def _connected(
    scheme: str, host: str, port: int, safe: ssl.SSLContext, patience_s: float
) -> smtplib.SMTP:
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port, timeout=patience_s, context=safe)
    return smtplib.SMTP(host, port, timeout=patience_s)

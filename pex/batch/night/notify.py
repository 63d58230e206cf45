"""Morning notices: a webhook or a mail; they never make a night fail."""

from __future__ import annotations

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
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote, urlsplit

from pex.batch.night.document import cost, histories, retiring, what_happened
from pex.batch.night.headline import headline, reasons
from pex.batch.night.night import PAGE, JudgedNight
from pex.batch.plan import Notice
from pex.core.errors import PexError
from pex.core.safe_text import clean
from pex.guard.redact import redact, register
from pex.report.tables import cut, format_usd
from pex.run.bodies import redirect
from pex.run.proxy import proxy_for

PATIENCE_S = 12.0
"""Seconds for all notices together; then those still unsent are abandoned."""
MOST = 5
"""Items of one kind that a notice names; the page has all of them."""


def notify(night: JudgedNight, page: str, say: Callable[[str], None]) -> None:
    """Send the plan's notices; those that cannot be sent are only reported.

    Args:
        night: the judged night.
        page: the page, which is attached to a mail.
        say: gets a line for each notice.
    """
    quiet = night.exit_code == 0 and night.outcome != "undecided"
    wanted = [item for item in night.batch.plan.notify if not (quiet and item.when == "problems")]
    ended: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()

    def send(number: int, notice: Notice) -> None:
        ended.put((number, _send(notice, night, page)))

    # A server that answers one byte at a time never hits a socket time-out, so each notice has
    # a thread that can be abandoned.
    for number, notice in enumerate(wanted):
        threading.Thread(target=send, args=(number, notice), daemon=True).start()
    said = [f"the {_kind(item)} could not be sent in {PATIENCE_S:.0f} s" for item in wanted]
    end = time.monotonic() + PATIENCE_S
    try:
        for _ in wanted:
            number, line = ended.get(timeout=max(end - time.monotonic(), 0.001))
            said[number] = line
    except queue.Empty:
        pass  # their lines already report the late notices
    for line in said:
        say(line)


def summary(night: JudgedNight) -> str:
    """The night in a few lines of plain text, for readers who read nothing else."""
    batch = night.batch
    lines = [f"{batch.plan.name}, {batch.batch_id}: {headline(night)}"]
    failed = [f"{item.job.id} {what_happened(item)}" for item in batch.failed]
    lines += [cut(text, 300) for text in failed[:MOST]]
    # Losses come first, then open verdicts; what passed is on the page.
    order = {"fail": 0, "undecided": 1}
    judged = sorted(reasons(night), key=lambda item: order.get(item[0], 2))
    lines += [f"{where}: {reason}" for _, where, reason in judged][:MOST]
    seen = dict.fromkeys(change.text for s in night.subjects for change in s.since_last)
    lines += [f"Changed since last night: {text}" for text in list(seen)[:MOST]]
    lines += [model.sentence for model in retiring(night)][:MOST]
    lines += _authors(night)
    left = max(len(failed) - MOST, 0) + max(len(judged) - MOST, 0) + max(len(seen) - MOST, 0)
    if left:
        lines.append(f"{left} more on the page.")
    done = len(batch.results) - len(batch.failed) - len(batch.not_due)
    of = "1 notebook" if len(batch.results) == 1 else f"{len(batch.results)} notebooks"
    paid = f"cost {format_usd(cost(night))}" if night.subjects else "no answer was recorded"
    lines.append(f"{done} of {of} done, {paid}.")
    lines += [f"The page: {batch.folder / PAGE}", *_in_mlflow(night)]
    return redact("\n".join(clean(" ".join(line.split())) for line in lines))


def _authors(night: JudgedNight) -> list[str]:
    """Who changed the prompts that changed since the baseline."""
    files = [item for subject in night.subjects for item in histories(subject, night)]
    return list(dict.fromkeys(f"{item.path}: {item.changed}" for item in files if item.changed))[
        :MOST
    ]


def _in_mlflow(night: JudgedNight) -> list[str]:
    """Where the page is for readers on other machines, if the store is a server."""
    from pex.record.search import page as run_page

    for subject in night.subjects:
        run = subject.now.run
        url = run_page(night.uri, run["experiment_id"], run["run_id"])
        if url:
            return [f"In MLflow: {url}/artifacts/{PAGE}"]
    return []


def _kind(notice: Notice) -> str:
    return "mail" if notice.mail_to_env else "webhook"


def _send(notice: Notice, night: JudgedNight, page: str) -> str:
    """Send a notice; returns the result in a line."""
    kind = _kind(notice)
    try:
        _mail(notice, night, page) if notice.mail_to_env else _webhook(notice, night)
    except KeyError as error:
        return f"the {kind} could not be sent: {error.args[0]} is not set"
    except (OSError, ValueError, http.client.HTTPException) as error:  # smtplib's are OSErrors
        detail = clean(" ".join(redact(str(error)).split()))[:300]
        return f"the {kind} could not be sent: {detail or type(error).__name__}"
    return f"{kind} sent"


def _webhook(notice: Notice, night: JudgedNight) -> None:
    url = os.environ[str(notice.webhook_env)].strip()
    # The address itself is the key, and messages can contain part of it.
    for secret in (url, url.partition("://")[2], "/" + url.partition("://")[2].partition("/")[2]):
        register(secret)
    if urlsplit(url).scheme not in ("http", "https") or not url.isascii() or " " in url:
        raise ValueError(f"{notice.webhook_env} holds no web address")
    # Slack treats &, < and > as markup.
    text = summary(night).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
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
            request, timeout=PATIENCE_S
        ) as answer:
            answer.read(1000)
    except OSError as error:
        if isinstance(error, urllib.error.HTTPError) and 300 <= error.code < 400:
            # The other host would get the night's summary, and may not be the intended one.
            said = redirect(error.code, dict(error.headers), url, str(notice.webhook_env)).message
            raise OSError(said) from None
        if proxy is None:
            raise
        raise OSError(f"{error} (through the proxy {redact(proxy)})") from None


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirects."""

    def redirect_request(self, *asked: Any, **named: Any) -> None:
        """Return None: the reply is an error like any other."""


def _mail(notice: Notice, night: JudgedNight, page: str) -> None:
    scheme, host, port, user, password = _server(str(notice.smtp_env))
    to = os.environ[str(notice.mail_to_env)]
    message = EmailMessage()
    message["To"] = to
    sender = os.environ[notice.mail_from_env] if notice.mail_from_env else to.split(",")[0]
    message["From"] = sender.strip()
    batch = night.batch
    text = summary(night)
    message["Subject"] = cut(text.partition("\n")[0], 180)
    message.set_content(text)
    name = f"{batch.plan.name}-{batch.batch_id}.html"
    message.add_attachment(page, subtype="html", filename=name)
    safe = ssl.create_default_context()
    with _connected(scheme, host, port, safe) as client:
        if scheme == "smtp":
            client.ehlo()
            if client.has_extn("starttls"):
                client.starttls(context=safe)
                client.ehlo()
            elif user and host not in ("localhost", "127.0.0.1", "::1"):
                raise ValueError("the server offers no encryption, so no password is sent to it")
        if user:
            client.login(user, password)
        client.send_message(message)


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


def _connected(scheme: str, host: str, port: int, safe: ssl.SSLContext) -> smtplib.SMTP:
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port, timeout=PATIENCE_S, context=safe)
    return smtplib.SMTP(host, port, timeout=PATIENCE_S)

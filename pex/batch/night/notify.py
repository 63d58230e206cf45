"""Telling people in the morning: a webhook or a mail, which never make a night fail."""

from __future__ import annotations

import json
import os
import smtplib
import ssl
import urllib.request
from collections.abc import Callable
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from pex.batch.night.headline import headline
from pex.batch.night.morning import Morning
from pex.batch.plan import Notice
from pex.guard.redact import redact, register
from pex.report.tables import format_usd

PATIENCE_S = 20


def notify(morning: Morning, page: str, say: Callable[[str], None]) -> None:
    """Send what the plan asks for; what cannot be sent is said, and that is all.

    Args:
        morning: the night.
        page: the page, which goes with a mail.
        say: gets a line for each notice.
    """
    for notice in morning.batch.plan.notify:
        if notice.when == "problems" and morning.exit_code == 0 and morning.outcome != "undecided":
            continue
        what = "mail" if notice.mail_to_env else "webhook"
        try:
            _mail(notice, morning, page) if notice.mail_to_env else _webhook(notice, morning)
        except (OSError, ValueError, smtplib.SMTPException, KeyError) as error:
            detail = f"{error.args[0]} is not set" if isinstance(error, KeyError) else str(error)
            say(f"the {what} could not be sent: {redact(detail)[:300]}")
        else:
            say(f"{what} sent")


def summary(morning: Morning) -> str:
    """The night in a few lines of plain text."""
    batch = morning.batch
    cost = sum(
        float(s.now.frame.loc[~s.now.frame["from_journal"].astype(bool), "cost_usd"].sum())
        for s in morning.subjects
    )
    lines = [f"{batch.plan.name}, {batch.batch_id}: {headline(morning)}"]
    lines += [f"{item.run['experiment']}: {item.reason}" for item in morning.judged][:8]
    seen = dict.fromkeys(change.text for s in morning.subjects for change in s.since_last)
    lines += [f"Changed since last night: {text}" for text in list(seen)[:5]]
    done = len(batch.results) - len(batch.failed)
    lines.append(f"{done} of {len(batch.results)} notebooks done, cost {format_usd(cost)}.")
    return redact("\n".join(lines))


def _webhook(notice: Notice, morning: Morning) -> None:
    url = os.environ[str(notice.webhook_env)]
    register(url)  # the address itself is the key
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{notice.webhook_env} holds no web address")
    # Slack reads &, < and > as its own marks.
    text = summary(morning).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    request = urllib.request.Request(
        url,
        data=json.dumps({"text": text}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        answer.read(1000)


def _mail(notice: Notice, morning: Morning, page: str) -> None:
    server = os.environ[str(notice.smtp_env)]
    register(server)
    parts = urlsplit(server)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ValueError(f"{notice.smtp_env}: expected smtp://user:password@host:587 or smtps://…")
    register(parts.password and unquote(parts.password))
    to = os.environ[str(notice.mail_to_env)]
    message = EmailMessage()
    message["To"] = to
    sender = os.environ[notice.mail_from_env] if notice.mail_from_env else to.split(",")[0]
    message["From"] = sender.strip()
    batch = morning.batch
    message["Subject"] = f"{batch.plan.name}, {batch.batch_id}: {headline(morning)}"[:180]
    message.set_content(summary(morning))
    name = f"{batch.plan.name}-{batch.batch_id}.html"
    message.add_attachment(page, subtype="html", filename=name)
    safe = ssl.create_default_context()
    port = parts.port or (465 if parts.scheme == "smtps" else 587)
    with _connected(parts.scheme, parts.hostname, port, safe) as client:
        if parts.scheme == "smtp":
            client.ehlo()
            if client.has_extn("starttls"):
                client.starttls(context=safe)
                client.ehlo()
            elif parts.username and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
                raise ValueError("the server offers no encryption, so no password is sent to it")
        if parts.username:
            client.login(unquote(parts.username), unquote(parts.password or ""))
        client.send_message(message)


def _connected(scheme: str, host: str, port: int, safe: ssl.SSLContext) -> smtplib.SMTP:
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port, timeout=PATIENCE_S, context=safe)
    return smtplib.SMTP(host, port, timeout=PATIENCE_S)

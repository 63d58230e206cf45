"""Notices really go out, and one that cannot never makes a night fail."""

import contextlib
import datetime
import http.server
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

import pex
from pex.batch.night import notify as notify_module
from pex.batch.night.night import JudgedNight
from pex.batch.night.notify import notify, summary
from pex.batch.night.run_changes import Change
from pex.batch.plan import Job, Notice, Plan, load_plan
from pex.batch.result import BatchResult, JobResult
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.night_pages import judged_night as judged
from tests.helpers.notebooks import notebook, plan
from tests.helpers.proxy import RecordingProxy


def night(*notices: Notice, status: str = "done") -> JudgedNight:
    job = Job("a", "a", Path("n.ipynb"), {}, ())
    whole = Plan("nightly", Path(), (job,), 1, 0, None, notify=notices)
    result = JobResult(job, Path("a.ipynb"), status, error="<b> & more")
    batch = BatchResult("2026-03-10", whole, Path(), [result])
    at = datetime.datetime(2026, 3, 10, tzinfo=datetime.UTC)
    return JudgedNight(batch, at, "sqlite://", [], [], [], [], [])


@contextmanager
def serving(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def hook(seen: list[Any], status: int = 200) -> socketserver.TCPServer:
    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    return http.server.HTTPServer(("127.0.0.1", 0), Hook)


class Mail(socketserver.StreamRequestHandler):
    """As much of SMTP as a client needs to hand over one mail."""

    mails: list[bytes]

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            word = line.split()[0].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = []
                for text in self.rfile:
                    if text == b".\r\n":
                        break
                    lines.append(text.removeprefix(b".") if text.startswith(b"..") else text)
                self.mails.append(b"".join(lines))
            if word == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            self.wfile.write(b"250 fine\r\n")


def test_a_webhook_on_this_machine_is_sent_past_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    proxy = RecordingProxy()
    with proxy.running(), serving(hook([])) as port:
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("HOOK", f"http://127.0.0.1:{port}/services/T0/secret-path")
        notify(night(Notice(webhook_env="HOOK")), "", said.append)
        monkeypatch.setenv("HOOK", "http://hooks.test/x/y/z")
        proxy.status = 407
        notify(night(Notice(webhook_env="HOOK")), "", said.append)
    assert said[0] == "webhook sent"
    assert f"through the proxy {proxy.url}" in said[1]
    assert [address.split("/")[2] for address in proxy.asked] == ["hooks.test"]


def test_a_webhook_gets_the_night_as_slack_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    said: list[str] = []
    with serving(hook(seen)) as port:
        monkeypatch.setenv("HOOK", f"http://127.0.0.1:{port}/services/T0/secret-path")
        notify(night(Notice(webhook_env="HOOK"), status="failed"), "<html>", said.append)
    assert said == ["webhook sent"]
    assert list(seen[0]) == ["text"]
    assert seen[0]["text"].splitlines() == [
        "nightly, 2026-03-10: The night is incomplete: its notebook did not finish.",
        "a ended with an error: &lt;b&gt; &amp; more",
        "0 of 1 notebook done, no answer was recorded.",
        "The page: night.html",
    ]


def test_a_mail_carries_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = type("Inbox", (Mail,), {"mails": []})
    said: list[str] = []
    with serving(socketserver.TCPServer(("127.0.0.1", 0), handler)) as port:
        monkeypatch.setenv("SERVER", f"smtp://127.0.0.1:{port}")
        monkeypatch.setenv("TO", "ann@example.org, bob@example.org")
        notice = Notice(mail_to_env="TO", smtp_env="SERVER")
        notify(night(notice), "<html>täglich</html>", said.append)
    assert said == ["mail sent"]
    mail = message_from_bytes(handler.mails[0], policy=policy.default)
    assert mail["Subject"].strip().startswith("nightly, 2026-03-10: All notebooks ran.")
    assert mail["From"] == "ann@example.org"
    page = next(part for part in mail.walk() if part.get_content_type() == "text/html")
    assert page.get_content().strip() == "<html>täglich</html>"
    assert page.get_filename() == "nightly-2026-03-10.html"


def test_what_cannot_be_sent_is_said_without_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setenv("HOOK", "http://127.0.0.1:9/services/T0/secret-path")
    monkeypatch.setenv("BAD", "file:///etc/passwd")
    monkeypatch.setenv("SERVER", "smtp://ann:hunter2hunter2@127.0.0.1:9")
    monkeypatch.setenv("TO", "ann@example.org")
    with serving(hook([], 500)) as port:
        monkeypatch.setenv("ANGRY", f"http://127.0.0.1:{port}/")
        notify(
            night(
                Notice(webhook_env="HOOK"),
                Notice(webhook_env="MISSING"),
                Notice(webhook_env="BAD"),
                Notice(webhook_env="ANGRY"),
                Notice(mail_to_env="TO", smtp_env="SERVER"),
            ),
            "",
            said.append,
        )
    assert len(said) == 5
    assert all("could not be sent" in line for line in said)
    assert "MISSING is not set" in said[1]
    assert "500" in said[3]
    assert "secret-path" not in "".join(said)
    assert "hunter2" not in "".join(said)


def test_what_got_worse_comes_first_then_what_changed_the_cost_and_the_page(
    project: Path, lab: FaultyEndpoint
) -> None:
    night = judged(project, 60, 8)
    last = night.judged[-1]
    last.outcome, last.reason = "fail", "it fell\nby \x1b[31ma lot\ud800"
    night.subjects[0].since_last.append(Change("prompt", "The prompt 'p' was changed."))
    lines = summary(night).splitlines()
    assert lines[0].startswith("nightly, tonight: Something got worse: 'variant-7' (label ")
    assert lines[1] == "made: it fell by ␛[31ma lot�"
    assert lines[6:] == [
        "Changed since last night: The prompt 'p' was changed.",
        "2 more on the page.",
        "1 of 1 notebook done, cost $0.58.",
        f"The page: {project / 'night.html'}",
    ]
    night.uri = "https://me:secret-word@mlflow.example.org/"
    assert summary(night).splitlines()[-1] == (
        "In MLflow: https://mlflow.example.org/#/experiments/0/runs/tonight/artifacts/night.html"
    )


@contextmanager
def speaking(words: bytes, every_s: float = 0, together: int = 1) -> Iterator[int]:
    """A server that says the same, whatever it is asked, a byte at a time where `every_s`.

    It begins when `together` have asked.
    """
    ended = threading.Event()
    all_there = threading.Barrier(together)

    class Speaker(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                asked = b""
                while not asked.endswith(b"}"):
                    asked += self.request.recv(10_000)
                all_there.wait()
                for byte in words if every_s else [words]:
                    self.request.sendall(bytes([byte]) if every_s else byte)
                    if ended.wait(every_s):
                        return

    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Speaker)) as port:
        try:
            yield port
        finally:
            ended.set()


def test_a_server_that_speaks_no_http_fails_no_night(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    with speaking(b"SSH-2.0-nobody\r\n") as port:
        monkeypatch.setenv("HOOK", f"http://127.0.0.1:{port}/services/T0/secret-path")
        notify(night(Notice(webhook_env="HOOK")), "", said.append)
    assert said == ["the webhook could not be sent: SSH-2.0-nobody"]


def test_servers_are_waited_for_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify_module, "PATIENCE_S", 3600.0)
    said: list[str] = []
    with speaking(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", together=2) as port:
        monkeypatch.setenv("HOOK", f"http://127.0.0.1:{port}/services/T0/secret-path")
        notify(night(Notice(webhook_env="HOOK"), Notice(webhook_env="HOOK")), "", said.append)
    assert said == ["webhook sent"] * 2


def test_servers_that_dawdle_are_not_waited_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notify_module, "PATIENCE_S", 1.0)
    said: list[str] = []
    seen: list[Any] = []
    with (
        speaking(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000, 0.2) as slow,
        serving(hook(seen)) as port,
    ):
        monkeypatch.setenv("SLOW", f"http://127.0.0.1:{slow}/services/T0/secret-path")
        monkeypatch.setenv("HOOK", f"http://127.0.0.1:{port}/services/T0/secret-path")
        notices = [Notice(webhook_env=name) for name in ("SLOW", "SLOW", "HOOK")]
        notify(night(*notices), "", said.append)
    assert said == ["the webhook could not be sent in 1 s"] * 2 + ["webhook sent"]
    assert len(seen) == 1


@pytest.mark.parametrize(
    "address",
    [
        "https://hooks.example.org/services/T0/secret-path with a space",
        "https://hooks.example.org/services/T0/secret-päth",
        "hooks.example.org/services/T0/secret-path",
        "smtp://ann:secret/word@mail.example.org",
        "smtp://ann:secret#word@mail.example.org",
    ],
)
def test_a_wrong_address_is_not_told(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setenv("PLACE", address)
    monkeypatch.setenv("TO", "ann@example.org")
    mail = Notice(mail_to_env="TO", smtp_env="PLACE")
    notice = mail if address.startswith("smtp") else Notice(webhook_env="PLACE")
    notify(night(notice), "", said.append)
    assert len(said) == 1
    assert "PLACE" in said[0]
    assert "secret" not in said[0]


def test_a_quiet_notice_is_for_problems_only(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    notice = Notice(webhook_env="MISSING", when="problems")
    notify(night(notice), "", said.append)
    assert said == []
    notify(night(notice, status="failed"), "", said.append)
    assert len(said) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("notify: [{webhook_env: 'https://hooks.example.org/x'}]", "not its value"),
        ("notify: [{mail_to_env: TO}]", "needs smtp_env"),
        ("notify: [{}]", "either webhook_env, or mail_to_env"),
        ("notify: [{webhok_env: X}]", "did you mean 'webhook_env'"),
        ("gate: {margn: 0.1}", "did you mean 'margin'"),
        ("gate: {margin: -1}", "margin"),
        ("canary: {cases: nope.csv}", "canary: there is no file"),
        ("keep: 0", "keep"),
    ],
)
def test_a_plan_that_cannot_be_meant(text: str, message: str, tmp_path: Path) -> None:
    notebook(tmp_path / "n.ipynb", None, "1")
    with pytest.raises(pex.PexError, match=message):
        load_plan(plan(tmp_path, f"steps: [{{id: a, notebook: n.ipynb}}]\n{text}\n"))

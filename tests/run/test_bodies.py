"""What endpoints send: followed nowhere else, read no further than it may be long."""

from __future__ import annotations

import asyncio
import collections
import gzip
import http.server
import json
import re
import sqlite3
import threading
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import openai
import pytest
from aiohttp import web

import pex
from pex.batch import notices
from pex.core.errors import PexError, ProviderError
from pex.run import bodies, provider_batch
from pex.run.bodies import MOST_BYTES, Unpacker, each_line, redirect
from pex.run.error_body import message_of
from pex.run.errors import CallError
from pex.run.response_stream import ResponseStream
from pex.run.stream import Stream
from tests.helpers.batch_endpoint import BatchEndpoint, answered
from tests.helpers.endpoint import FaultyEndpoint, completion

MB = 1024 * 1024


@pytest.fixture
def paid(
    project: Path, endpoint: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> FaultyEndpoint:
    monkeypatch.setattr("pex.run.retry.FIRST_WAIT_S", 0.01)
    settings(project, endpoint.url)
    return endpoint


def settings(project: Path, url: str, more: str = "") -> None:
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{url}"\n{more}'
        '[prices."lab/m1"]\ninput_usd_per_million = 1000\noutput_usd_per_million = 1000\n'
    )


def experiment(model: Any = "lab/m1", count: int = 3) -> pex.Experiment:
    prompt = pex.Prompt("{{ word }}", name="echo")
    cases = [{"case_id": f"c{i}", "word": f"w{i}", "expected": f"w{i}"} for i in range(count)]
    return pex.Experiment("bodies", pex.grid(prompt, model, {"max_tokens": 2}), cases, ["exact"])


def run(exp: pex.Experiment, **options: Any) -> pex.Results:
    return exp.run(**{"record": False, "show": False, "budget_usd": 1000, **options})


def ledger(project: Path) -> list[Any]:
    with sqlite3.connect(project / ".pex" / "journal.db") as connection:
        return connection.execute("SELECT usd, at_most_usd FROM ledger").fetchall()


# -- redirects


@pytest.fixture
def elsewhere() -> Iterator[FaultyEndpoint]:
    """Another host: whatever reaches it has gone where nobody sent it."""
    server = FaultyEndpoint()
    with server.running():
        yield server


def to(code: int, address: str | None) -> Callable[..., web.Response]:
    headers = {"Location": address} if address is not None else {}
    return lambda *asked: web.Response(status=code, headers=headers)


CLIENTS: dict[str, Callable[[str], Any]] = {
    "by name": lambda url: "lab/m1",
    "OpenAI": lambda url: client(openai.OpenAI, url),
    "AsyncOpenAI": lambda url: client(openai.AsyncOpenAI, url),
    "own transport": lambda url: client(
        openai.OpenAI, url, http_client=httpx.Client(follow_redirects=True)
    ),
    "own async transport": lambda url: client(
        openai.AsyncOpenAI, url, http_client=httpx.AsyncClient(follow_redirects=True)
    ),
    "a subclass": lambda url: client(type("Ours", (openai.OpenAI,), {}), url),
}
every_client = pytest.mark.parametrize("made", CLIENTS.values(), ids=list(CLIENTS))


def client(kind: Any, url: str, **more: Any) -> pex.Model:
    return pex.Model(kind(base_url=url, api_key="sk-mine-0123456789", **more), "m1", "lab")


@pytest.mark.parametrize(
    ("made", "code", "stream"),
    [
        *(("by name", code, stream) for code in (301, 302, 303, 307, 308) for stream in (0, 1)),
        *((name, 307, 0) for name in list(CLIENTS)[1:]),
        *((name, 302, 1) for name in list(CLIENTS)[1:3]),
    ],
)
def test_a_redirect_is_an_error_and_nothing_goes_there(
    paid: FaultyEndpoint,
    elsewhere: FaultyEndpoint,
    project: Path,
    made: str,
    code: int,
    stream: int,
) -> None:
    paid.reply = to(code, f"{elsewhere.url}/chat/completions?key=abc")
    exp = experiment(CLIENTS[made](paid.url), count=40)
    listener: dict[str, Any] = {"show": lambda event: None} if stream else {}
    at = elsewhere.url.partition("://")[2]
    said = f"redirects to http://{at}/chat/completions; set base_url to that address"
    with pytest.raises(ProviderError, match=re.escape(said)) as raised:
        run(exp, max_in_flight=1, **listener)
    assert "abc" not in str(raised.value)
    assert elsewhere.calls == 0
    assert paid.calls == 1  # nothing is tried again, and nobody else is asked for
    assert all(not usd and not most for usd, most in ledger(project))


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        (None, "redirects without naming an address; check base_url"),
        ("", "redirects without naming an address; check base_url"),
        (
            "/v2/chat",
            "redirects to https://api.example.com:8443/v2/chat; set base_url to that address",
        ),
        ("//other.example.com/v1", "redirects to https://other.example.com/v1; set"),
        ("http://api.example.com/v1", "redirects to http://api.example.com/v1; set"),
        ("https://me:secret-word@x.example.com/v1", "redirects to https://x.example.com/v1; set"),
        ("https://x.example.com/?sig=0123456789abcdef", "redirects to https://x.example.com/;"),
        ("https://[::1]:80/v1", "redirects to https://[::1]:80/v1; set"),
        ("https://x:99999/v1", "redirects without naming an address"),
        ("https://x.example.com/\x1b[31mred", "to https://x.example.com/[31mred; set"),
        ("https://x.example.com/" + "a" * 9000, "to https://x.example.com/aaa"),
    ],
)
def test_where_a_redirect_leads_is_shown(location: str | None, shown: str) -> None:
    asked = "https://api.example.com:8443/v1/chat/completions"
    headers = {} if location is None else {"location": location}
    message = redirect(307, headers, asked).message
    assert shown in message
    assert "secret-word" not in message
    assert len(message) < 400


@every_client
def test_a_list_of_models_that_redirects_is_said_before_anything_is_asked(
    project: Path, elsewhere: FaultyEndpoint, made: Callable[[str], Any]
) -> None:
    class Moved(FaultyEndpoint):
        async def _list(self, request: web.Request) -> web.Response:
            return to(308, f"{elsewhere.url}/models")()

    server = Moved()
    with server.running():
        settings(project, server.url)
        with pytest.raises(PexError, match=r"redirects to .*; set base_url to that address"):
            run(experiment(made(server.url)))
    assert server.calls == elsewhere.calls == 0


@pytest.mark.parametrize("made", list(CLIENTS.values())[:3], ids=list(CLIENTS)[:3])
def test_a_provider_batch_that_redirects_uploads_nothing_elsewhere(
    project: Path, elsewhere: FaultyEndpoint, made: Callable[[str], Any]
) -> None:
    class Moved(BatchEndpoint):
        def add_routes(self, app: web.Application) -> None:
            async def moved(request: web.Request) -> web.Response:
                return to(307, f"{elsewhere.url}/chat/completions")()

            app.router.add_post("/v1/files", moved)

    server = Moved()
    with server.running():
        settings(project, server.url)
        with pytest.raises(PexError, match=r"redirects to .*; set base_url to that address"):
            run(experiment(made(server.url)), provider_batch=True)
    assert elsewhere.calls == 0


@contextmanager
def page(code: int, headers: dict[str, str], body: bytes = b"") -> Iterator[tuple[str, list[str]]]:
    """A web page for the standard library's clients, and what it was asked."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def _answer(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.send_response(code)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _answer  # noqa: N815

        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_webhook_that_redirects_is_told_nothing_elsewhere(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    with page(200, {}) as (other, asked), page(code, {"Location": f"{other}/x"}) as (url, _):
        monkeypatch.setenv("HOOK", f"{url}/secret-path-of-the-hook")
        notice: Any = SimpleNamespace(webhook_env="HOOK", mail_to_env=None)
        said: list[str] = []
        notices.send_notices([notice], notices.Message("the night", "", ""), said.append)
        assert f"redirects to {other}/x; set HOOK to that address" in said[0]
        assert asked == []


# -- bodies


def packed(kind: str, size: int) -> bytes:
    bits = {"gzip": 31, "deflate": 15, "bare deflate": -15}[kind]
    packer = zlib.compressobj(1, wbits=bits)
    out = [packer.compress(b" " * MB) for _ in range(size // MB)]
    return b"".join(out) + packer.flush()


@pytest.mark.parametrize("kind", ["gzip", "deflate", "bare deflate", "many members"])
def test_a_body_is_unpacked_no_further_than_it_may_be_long(kind: str) -> None:
    bomb = b"".join([gzip.compress(bytes(MB))] * 100) if kind == "many members" else (
        packed(kind, 100 * MB)
    )  # fmt: skip
    name = "deflate" if "deflate" in kind else "gzip"
    tracemalloc.start()
    try:
        with pytest.raises(CallError, match="the answer is longer than 64 MB"):
            collections.deque(Unpacker(name).feed(bomb), maxlen=0)
        assert tracemalloc.get_traced_memory()[1] < 8 * MB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["gzip", "deflate", "bare deflate"])
def test_a_packed_body_in_any_pieces(kind: str) -> None:
    body = json.dumps(completion("Hello ä " * 5000)).encode()
    bits = {"gzip": 31, "deflate": 15, "bare deflate": -15}[kind]
    whole = zlib.compress(body, wbits=bits)
    for size in (1, 7, 100, len(whole)):
        unpacker = Unpacker("deflate" if "deflate" in kind else kind)
        parts = [whole[at : at + size] for at in range(0, len(whole), size)]
        assert b"".join(piece for part in parts for piece in unpacker.feed(part)) == body


def response(body: bytes, packing: str | None, stream: bool = False) -> Callable[..., Any]:
    """A handler that sends this body, in pieces where it is a stream."""

    async def send(request: web.Request) -> web.StreamResponse:
        headers = {"Content-Type": "text/event-stream" if stream else "application/json"}
        if packing:
            headers["Content-Encoding"] = packing
        reply = web.StreamResponse(headers=headers)
        await reply.prepare(request)
        for at in range(0, len(body), MB):
            await reply.write(body[at : at + MB])
        return reply

    return send


LONG = {
    "gzip": response(packed("gzip", 100 * MB), "gzip"),
    "deflate": response(packed("deflate", 100 * MB), "deflate"),
    "not packed": response(b" " * (MOST_BYTES + 1), None),
    "one line without an end": response(b"data: " + b"x" * (MOST_BYTES + 1), None, True),
    "many lines": response(b": ping\n\n" * (MOST_BYTES // 8 + 1), None, True),
    "a packed stream": response(packed("gzip", 100 * MB), "gzip", True),
}


@pytest.mark.parametrize(
    ("made", "long"),
    [*(("by name", name) for name in LONG), ("OpenAI", "gzip"), ("AsyncOpenAI", "gzip"),
     ("OpenAI", "a packed stream"), ("AsyncOpenAI", "a packed stream")],
)  # fmt: skip
def test_an_answer_that_is_too_long_is_a_row_and_the_run_goes_on(
    paid: FaultyEndpoint,
    project: Path,
    made: str,
    long: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pex.run.retry.MAX_ATTEMPTS", 1)
    sent = LONG[long]
    paid.reply = lambda body, number: sent if body["messages"][-1]["content"] == "w1" else None
    listener: dict[str, Any] = {"show": lambda event: None} if "stream" in long else {}
    frame = run(experiment(CLIENTS[made](paid.url)), **listener).frame.set_index("case_id")
    assert list(frame.output[["c0", "c2"]]) == ["w0", "w2"]
    assert frame.error_kind["c1"] == "bad_body"
    assert "the answer is longer than 64 MB" in frame.error["c1"]
    assert len([most for _, most in ledger(project) if most]) == 1
    with sqlite3.connect(project / ".pex" / "journal.db") as connection:
        sizes = connection.execute("SELECT max(length(answer)) FROM answers").fetchone()
    assert sizes[0] < 3 * MB


@pytest.mark.parametrize("made", list(CLIENTS.values())[:3], ids=list(CLIENTS)[:3])
@pytest.mark.parametrize("packing", ["gzip", None])
def test_the_body_of_an_error_is_read_only_in_part(
    paid: FaultyEndpoint, made: Callable[[str], Any], packing: str | None
) -> None:
    body = b'{"error": {"message": "no such key"}}' + b" " * (20 * MB if packing else 3 * MB)

    async def refuse(request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse(status=401, headers={"Content-Encoding": packing or "identity"})
        await reply.prepare(request)
        await reply.write(gzip.compress(body, 1) if packing else body)
        return reply

    paid.reply = lambda asked, number: refuse
    with pytest.raises(ProviderError, match=r"HTTP 401: no such key"):
        run(experiment(made(paid.url), 1))


def test_packing_that_nobody_asked_for_is_said(paid: FaultyEndpoint) -> None:
    for packing in ("br", "zstd", "gzip, gzip"):
        paid.reply = lambda body, number, packing=packing: response(b"\x8b\x03\x80{}", packing)
        frame = run(experiment(count=1), journal="fresh").frame
        assert frame.error_kind[0] == "bad_body"
        assert f"the answer is compressed as '{packing}'" in frame.error[0]


def test_what_is_no_gzip_is_said(paid: FaultyEndpoint) -> None:
    paid.reply = lambda body, number: response(b'{"choices": []}', "gzip")
    frame = run(experiment(count=1)).frame
    assert "the answer is not valid gzip, although its header says so" in frame.error[0]


class Pieces:
    """A response whose body comes in these pieces."""

    def __init__(self, *parts: bytes, **headers: str) -> None:
        self.headers = headers
        self.content = self
        self._parts = parts

    async def iter_any(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            yield part


def test_a_long_file_is_read_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MOST_BYTES", 1000)
    monkeypatch.setattr(bodies, "_KEPT_OF_LINE", 100)
    lines: list[bytes] = []
    parts = [b'{"a": 1}\r\n{"b"', b": 2}\n\n", b"x" * 900, b"y" * 900, b"z" * 900, b"\nend"]
    asyncio.run(each_line(Pieces(*parts), lines.append))
    assert lines == [b'{"a": 1}', b'{"b": 2}', b"x" * 100, b"end"]


def test_a_line_of_a_batch_that_is_too_long_is_a_row(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_batch, "FIRST_POLL_S", 0.02)
    monkeypatch.setattr(bodies, "MOST_BYTES", 20_000)
    monkeypatch.setattr(bodies, "_KEPT_OF_LINE", 1000)
    server = BatchEndpoint()

    def line(item: dict[str, Any], number: int) -> dict[str, Any] | None:
        found = answered(item, number)
        if found is not None and item["body"]["messages"][-1]["content"] == "w1":
            found["padding"] = "long " * 10_000
        return found

    server.line = line
    with server.running():
        settings(project, server.url)
        frame = run(experiment(), provider_batch=True).frame.set_index("case_id")
    assert list(frame.output[["c0", "c2"]]) == ["w0", "w2"]
    assert frame.error_kind["c1"] == "bad_body"


# -- nothing looks at a whole body to show a part of it


def test_only_the_beginning_of_a_long_message_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr("pex.run.error_body.redact", lambda text: seen.append(len(text)) or text)
    for raw in (b"<" * MB, b"<p>no</p>" * MB, json.dumps({"error": "no " * MB}).encode()):
        assert len(message_of(raw)) <= 401
    assert max(seen) <= 20_100


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b"<html><b>Bad</b> <a<c>gateway</html>", "Bad gateway"),
        (b"2 < 3 and no end <", "2 < 3 and no end <"),
        (b"plain", "plain"),
        (b"", "no message"),
    ],
)
def test_a_message_without_its_tags(text: bytes, shown: str) -> None:
    assert message_of(text) == shown


@pytest.mark.parametrize("kind", ["chat", "responses"])
def test_a_line_in_many_pieces_is_put_together_once(kind: str) -> None:
    stream: Any = Stream() if kind == "chat" else ResponseStream(lambda text: None)
    stream.feed(b"data: ")
    for _ in range(2000):
        stream.feed(b"x" * 1000)
    assert len(stream._rest._pieces) == 2001  # not joined before its end comes


def test_events_over_many_lines_are_tried_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pex.run.event_stream.MOST_TRIED_BYTES", 10_000)
    tried: list[int] = []
    parsed = Stream._parsed
    monkeypatch.setattr(
        Stream, "_parsed", lambda self, text: tried.append(len(text)) or parsed(self, text)
    )
    stream = Stream()
    stream.feed(b"data: {\n" * 5000)
    with pytest.raises(CallError):
        stream.answer()
    assert sum(tried) < 60_000
    # One that is in order is read all the same.
    event = json.dumps({"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}],
                        "padding": list(range(2000))}, indent=1)  # fmt: skip
    stream = Stream()
    stream.feed(b"".join(b"data: " + line.encode() + b"\n" for line in event.splitlines()) + b"\n")
    assert stream.answer().output == "Hi"

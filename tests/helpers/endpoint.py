"""An OpenAI-compatible endpoint for faults that a real one does not produce on demand."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web

Reply = Callable[[dict[str, Any], int], Any]
"""(request body, number of the call from 1) -> a response, a JSON body, "drop", "hang", a handler
that takes the request, or None for a good answer."""


def completion(text: str, **message: Any) -> dict[str, Any]:
    """A good answer as an endpoint sends it."""
    return {
        "id": "c1",
        "object": "chat.completion",
        "model": "m1-2026-01-01",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": text, **message},
            }
        ],
        "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12},
    }


class FaultyEndpoint:
    """Answers with the last user message, unless `reply` says otherwise; counts its calls."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.reply: Reply = lambda body, number: None
        self.latency_s = 0.0
        self.models = ["m1", "m2"]
        self.facts: dict[str, dict[str, Any]] = {}
        """What the list says of a model, beside its name."""
        self.key: str | None = None
        """The only key that is taken; None takes any, and none."""
        self.calls = 0
        self.lists = 0
        self.most_at_once = 0
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.keep = True
        """Whether bodies and headers are kept; a long test has no use for them."""
        self.url = ""
        self._now = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve on 127.0.0.1 and a free port until the block ends."""
        loop = asyncio.new_event_loop()
        ready = threading.Event()
        thread = threading.Thread(target=self._serve, args=(loop, ready), daemon=True)
        thread.start()
        assert ready.wait(10)
        try:
            yield
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)

    def _serve(self, loop: asyncio.AbstractEventLoop, ready: threading.Event) -> None:
        asyncio.set_event_loop(loop)
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._list)
        self.add_routes(app)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._tls)
        loop.run_until_complete(site.start())
        scheme = "https" if self._tls else "http"
        self.url = f"{scheme}://127.0.0.1:{runner.addresses[0][1]}/v1"
        ready.set()
        try:
            loop.run_forever()
        finally:
            loop.run_until_complete(runner.cleanup())
            left = asyncio.all_tasks(loop)  # handlers that hang on purpose
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            loop.close()

    def add_routes(self, app: web.Application) -> None:
        """Further pages, of an endpoint that can do more."""

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.calls += 1
        if self.keep:
            self.bodies.append(body)
            self.headers.append(dict(request.headers))
        number = self.calls
        if (refusal := self._refusal(request)) is not None:
            return refusal
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            if self.latency_s:
                await asyncio.sleep(self.latency_s)
            reply = self.reply(body, number)
            if reply == "drop":
                assert request.transport is not None
                request.transport.close()
                return web.Response()
            if reply == "hang":
                await asyncio.sleep(60)
            if callable(reply):
                return await reply(request)
            if isinstance(reply, web.StreamResponse):
                return reply
            good = completion(body["messages"][-1]["content"])
            return web.json_response(reply if isinstance(reply, dict) else good)
        finally:
            self._now -= 1

    def _refusal(self, request: web.Request) -> web.Response | None:
        sent = request.headers.get("Authorization")
        if self.key is None or sent == f"Bearer {self.key}":
            return None
        said = {"message": f"Incorrect API key: {sent}", "code": "invalid_api_key"}
        return web.json_response({"error": said}, status=401)

    async def _list(self, request: web.Request) -> web.Response:
        self.lists += 1
        if (refusal := self._refusal(request)) is not None:
            return refusal
        return web.json_response(
            {"data": [{"id": name, **self.facts.get(name, {})} for name in self.models]}
        )

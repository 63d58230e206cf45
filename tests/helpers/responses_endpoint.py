"""An endpoint that also speaks OpenAI's Responses API, and Azure's pages."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

from tests.helpers.batch_endpoint import BatchEndpoint


def response(text: str, **fields: Any) -> dict[str, Any]:
    """A good answer as the Responses API sends it."""
    part = {"type": "output_text", "text": text, "annotations": []}
    return {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "model": "m1-2026-01-01",
        "output": [
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "status": "completed",
                "content": [part],
            }
        ],
        "usage": {
            "input_tokens": 10,
            "input_tokens_details": {"cached_tokens": 4},
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 3},
            "total_tokens": 15,
        },
        **fields,
    }


def said(body: dict[str, Any]) -> str:
    """The text of the last user message in a request."""
    last = body["input"][-1] if isinstance(body["input"], list) else {"content": body["input"]}
    content = last["content"]
    return content if isinstance(content, str) else content[0]["text"]


class ResponsesEndpoint(BatchEndpoint):
    """Answers `/responses` with the last user message, and counts those calls among the others.

    `reply` may return a body, a response, "drop", "hang", or None for a good answer; a body that
    asks for a stream gets the good answer as events. Azure's pages answer by the same rules.
    """

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[str] = []
        self.queries: list[dict[str, str]] = []
        self.kept: dict[str, list[str]] = {}
        """What was said up to each response, by its id."""

    def add_routes(self, app: web.Application) -> None:
        super().add_routes(app)
        app.middlewares.append(self._note)
        app.router.add_post("/v1/responses", self._responses)
        app.router.add_post("/openai/responses", self._responses)
        app.router.add_post("/openai/deployments/{name}/chat/completions", self._chat)

    @web.middleware
    async def _note(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.paths.append(request.path)
        self.queries.append(dict(request.query))
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _responses(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.calls += 1
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        reply = self.reply(body, self.calls)
        if reply == "drop":
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if reply == "hang":
            await asyncio.sleep(60)
        if isinstance(reply, web.StreamResponse):
            return reply
        good = reply if isinstance(reply, dict) else self._good(body)
        if not body.get("stream"):
            return web.json_response(good)
        return await self._events(request, good)

    def _good(self, body: dict[str, Any]) -> dict[str, Any]:
        name = f"resp_{self.calls}"
        before = self.kept.get(body.get("previous_response_id") or "", [])
        self.kept[name] = [*before, said(body)]
        return response(
            said(body),
            id=name,
            previous_response_id=body.get("previous_response_id"),
            store=body.get("store", True),
        )

    async def _events(self, request: web.Request, good: dict[str, Any]) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        text = good["output"][-1]["content"][0]["text"] if good.get("output") else ""
        events: list[dict[str, Any]] = [
            {"type": "response.created", "response": {**good, "status": "in_progress"}}
        ]
        events += [{"type": "response.output_text.delta", "delta": letter} for letter in text]
        events.append({"type": f"response.{good['status']}", "response": good})
        for event in events:
            await stream.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        return stream

"""An endpoint that answers every call after a fixed time, and bare aiohttp's calls to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import aiohttp
import orjson
from aiohttp import web


def completion(message: dict[str, Any], reason: str, tokens: int) -> bytes:
    """An answer as an endpoint sends it."""
    usage = {"prompt_tokens": 40, "completion_tokens": tokens, "total_tokens": 40 + tokens}
    choices = [{"message": message, "finish_reason": reason}]
    return orjson.dumps({"model": "m1", "choices": choices, "usage": usage})


def answering(answer: Callable[[bytes], bytes], latency_s: float, pipe: Connection) -> None:
    """Serve until the process ends; the port goes into the pipe."""

    async def chat(request: web.Request) -> web.Response:
        body = await request.read()
        await asyncio.sleep(latency_s)
        return web.Response(body=answer(body), content_type="application/json")

    async def models(request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "m1"}]})

    async def main() -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", chat)
        app.router.add_get("/v1/models", models)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        pipe.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(main())


def floor(url: str, calls: int, in_flight: int) -> None:
    """As many calls with aiohttp alone."""
    body = {"model": "m1", "messages": [{"role": "user", "content": "Review: 0"}]}

    async def main() -> None:
        left = iter(range(calls))
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def worker() -> None:
                for _ in left:
                    async with session.post(f"{url}/chat/completions", json=body) as response:
                        orjson.loads(await response.read())

            await asyncio.gather(*(worker() for _ in range(in_flight)))

    asyncio.run(main())

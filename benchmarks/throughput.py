"""How much of an endpoint's speed a run of pex reaches, beside bare aiohttp in the same run.

A local endpoint answers every call after a fixed time; the limit is calls / concurrency x latency.

Run: python benchmarks/throughput.py [--calls 1000] [--in-flight 64] [--latency 0.2]
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import aiohttp
import orjson
from aiohttp import web

import pex


def serve(latency_s: float, pipe: Connection) -> None:
    """The endpoint, in a process of its own so that it takes no time from the one measured."""
    body = orjson.dumps(
        {
            "model": "m1",
            "choices": [{"message": {"content": "positive"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 40, "completion_tokens": 1},
        }
    )

    async def chat(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(latency_s)
        return web.Response(body=body, content_type="application/json")

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
    """The same calls with aiohttp alone."""
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


def run_pex(calls: int, in_flight: int) -> None:
    """A whole run: templates, requests, calls, scores, frame."""
    prompt = pex.Prompt("Review: {{ review }}", name="p")
    cases = [{"review": str(n), "expected": "positive"} for n in range(calls)]
    exp = pex.Experiment("bench", pex.grid(prompt, "bench/m1"), cases, ["label"])
    results = exp.run(record=False, show=False, max_in_flight=in_flight, journal="fresh")
    assert results.about["counts"]["answered"] == calls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(given.latency, there), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{here.recv()}/v1"
    folder = tempfile.TemporaryDirectory()
    Path(folder.name, "pex.toml").write_text(
        f'[providers.bench]\nbase_url = "{url}"\nfree = true\n'
    )
    os.chdir(folder.name)
    limit = given.calls / given.in_flight * given.latency
    import pandas  # noqa: F401 - imported once by anyone who runs two experiments

    run_pex(10, 10)
    print(
        f"{given.calls} calls, {given.in_flight} in flight, {given.latency * 1000:.0f} ms each: "
        f"limit {limit:.2f} s; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; "
        f"medians of {given.rounds}"
    )
    ways = {
        "bare aiohttp": lambda: floor(url, given.calls, given.in_flight),
        "pex": lambda: run_pex(given.calls, given.in_flight),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(given.rounds):
        for name, way in ways.items():
            begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
            way()
            after = resource.getrusage(resource.RUSAGE_SELF)
            times[name].append(time.perf_counter() - begun)
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            cpu[name].append(used)
    base = statistics.median(times["bare aiohttp"])
    for name in ways:
        value = statistics.median(times[name])
        thousand = statistics.median(cpu[name]) / given.calls * 1000
        print(
            f"{name:14} {value:7.2f} s  {value / limit:5.2f} x the limit  "
            f"{value / base:5.2f} x aiohttp  {thousand:5.2f} CPU s per 1,000 calls"
        )
    server.terminate()


if __name__ == "__main__":
    main()

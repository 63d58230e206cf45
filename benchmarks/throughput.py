"""How much of an endpoint's speed a run of pex reaches, compared with bare aiohttp.

A local endpoint answers every call after a fixed time; the limit is calls / concurrency x latency.
The openai package's client is measured too, alone and with pex around it, and Inspect where it is
installed: pip install inspect-ai

Run: python benchmarks/throughput.py [--calls 1000 --in-flight 64] [--latency 0.2] [--rounds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from figures import figure, not_measured
from timed_endpoint import answering, completion, floor

import pex


def serve(latency_s: float, pipe: Connection) -> None:
    """The endpoint, in its own process so it takes no time from the measured one."""
    body = completion({"content": "positive"}, "stop", 1)
    answering(lambda sent: body, latency_s, pipe)


def experiment(calls: int, model: Any = "bench/m1") -> pex.Experiment:
    prompt = pex.Prompt("Review: {{ review }}", name="p")
    cases = [{"review": str(n), "expected": "positive"} for n in range(calls)]
    return pex.Experiment("bench", pex.grid(prompt, model), cases, ["label"])


def run_pex(url: str, calls: int, in_flight: int) -> None:
    """A whole run: templates, requests, calls, journal, scores, frame."""
    exp = experiment(calls)
    results = exp.run(record=False, show=False, max_in_flight=in_flight, journal="fresh")
    assert results.about["counts"]["answered"] == calls


def run_with_client(url: str, calls: int, in_flight: int) -> None:
    """The same run, with every call made by the openai package's asynchronous client."""
    import openai

    exp = experiment(calls, pex.Model(openai.AsyncOpenAI(base_url=url, api_key="none"), "m1"))
    results = exp.run(record=False, show=False, max_in_flight=in_flight, journal="fresh")
    assert results.about["counts"]["answered"] == calls


def reuse(url: str, calls: int, in_flight: int) -> None:
    """The same with every answer reused from the journal."""
    results = experiment(calls).run(record=False, show=False)
    assert results.about["counts"]["replayed"] == calls


def openai_client(url: str, calls: int, in_flight: int) -> None:
    """The openai package's asynchronous client, as its documentation shows it."""
    import openai

    async def main() -> None:
        left = iter(range(calls))
        async with openai.AsyncOpenAI(base_url=url, api_key="none") as client:

            async def worker() -> None:
                for number in left:
                    await client.chat.completions.create(
                        model="m1", messages=[{"role": "user", "content": f"Review: {number}"}]
                    )

            await asyncio.gather(*(worker() for _ in range(in_flight)))

    asyncio.run(main())


def inspect(url: str, calls: int, in_flight: int) -> None:
    """Inspect: the same samples, its own exact-match scorer."""
    import inspect_ai
    from inspect_ai.dataset import Sample
    from inspect_ai.scorer import match
    from inspect_ai.solver import generate

    samples = [Sample(input=f"Review: {n}", target="positive") for n in range(calls)]
    task = inspect_ai.Task(dataset=samples, solver=generate(), scorer=match())
    logs = inspect_ai.eval(
        task,
        model="openai-api/bench/m1",
        max_connections=in_flight,
        max_samples=in_flight,
        model_base_url=url,
        display="none",
        log_dir="inspect",
    )
    assert logs[0].status == "success", logs[0].error


def installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


WAYS = {
    "bare aiohttp": floor,
    "pex": run_pex,
    "pex, reused": reuse,
    "openai client": openai_client,
    "pex through it": run_with_client,
    **({"Inspect": inspect} if installed("inspect-ai") else {}),
}


def measure(url: str, calls: int, in_flight: int, latency: float, rounds: int) -> None:
    limit = calls / in_flight * latency
    times: dict[str, list[float]] = {name: [] for name in WAYS}
    cpu: dict[str, list[float]] = {name: [] for name in WAYS}
    busy = os.getloadavg()[0]
    for number in range(rounds):
        for name, way in WAYS.items():
            if name == "Inspect" and (number or calls > 1000):
                continue  # minutes
            begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
            way(url, calls, in_flight)
            after = resource.getrusage(resource.RUSAGE_SELF)
            times[name].append(time.perf_counter() - begun)
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            cpu[name].append(used)
    print(
        f"\n{calls} calls, {in_flight} in flight, {latency * 1000:.0f} ms each: "
        f"limit {limit:.2f} s; load average {busy:.1f} on {os.cpu_count()} cores; "
        f"medians of {rounds}"
    )
    base = statistics.median(times["bare aiohttp"])
    for name in WAYS:
        if not times[name]:
            continue
        value = statistics.median(times[name])
        thousand = statistics.median(cpu[name]) / calls * 1000
        ratios = f"{value / limit:5.2f} x the limit  {value / base:5.2f} x aiohttp"
        if name == "pex, reused":
            ratios = f"{'no call is made':33}"
        print(f"{name:14} {value:7.2f} s  {ratios}  {thousand:5.2f} CPU s per 1,000 calls")
    report({name: statistics.median(found) for name, found in times.items() if found}, calls)


def report(seconds: dict[str, float], calls: int) -> None:
    """The main figures, each with its floor or peer."""
    for name, way, floor_name in (
        ("a run of pex", "pex", "bare aiohttp"),
        ("a run of pex", "pex", "openai client"),
        ("a run of pex through the openai client", "pex through it", "openai client"),
        ("a run of pex", "pex", "Inspect"),
    ):
        if floor_name in seconds:
            figure(
                f"{name}, {calls:,} calls", seconds[way], "s",
                floor=seconds[floor_name], floor_name=floor_name,
            )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, help="only this number, instead of both sizes")
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
    os.environ["BENCH_API_KEY"] = "none"
    import pandas  # noqa: F401 - imported once by anyone who runs two experiments

    run_pex(url, 10, 10)
    sizes = [(given.calls, given.in_flight)] if given.calls else [(1000, 64), (10_000, 256)]
    if "Inspect" not in WAYS:
        not_measured("Inspect", "inspect-ai is not installed")
    for calls, in_flight in sizes:
        measure(url, calls, in_flight, given.latency, given.rounds)
    server.terminate()


if __name__ == "__main__":
    main()

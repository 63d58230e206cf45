"""How long a run of paths takes whose tools run, compared with what the endpoint allows.

An endpoint that plays a known path answers every call after a fixed time; the limit is
calls / concurrency x latency, and bare aiohttp is measured beside it. Between the calls a function
runs, so each path writes every request and every reply to the journal.

Run: python benchmarks/tool_paths.py [--paths 1000 --steps 6 --in-flight 64 --latency 0.2]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from figures import figure
from timed_endpoint import answering, completion, floor

import pex

TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "parameters": {
            "type": "object",
            "properties": {"order_id": {"type": "string"}, "step": {"type": "integer"}},
            "required": ["order_id"],
        },
    },
}


def serve(latency_s: float, steps: int, pipe: Connection) -> None:
    """The endpoint, in its own process so it takes no time from the measured one."""

    def answer(body: bytes) -> bytes:
        done = body.count(b'"role":"assistant"')
        message: dict[str, object] = {"role": "assistant", "content": "It is on its way."}
        if done + 1 < steps:
            function = {"name": "look_up", "arguments": f'{{"order_id":"A1","step":{done}}}'}
            call = {"id": f"c{done}", "type": "function", "function": function}
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
        return completion(message, "stop" if done + 1 >= steps else "tool_calls", 9)

    answering(answer, latency_s, pipe)


def look_up(order_id: str, step: int = 0) -> dict[str, object]:
    """The state of an order."""
    return {"order_id": order_id, "step": step, "state": "on its way"}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--paths", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.2)
    given = parser.parse_args()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(
        target=serve, args=(given.latency, given.steps, there), daemon=True
    )
    server.start()
    url = f"http://127.0.0.1:{here.recv()}/v1"
    limit = given.paths * given.steps / given.in_flight * given.latency
    began = time.perf_counter()
    floor(url, given.paths * given.steps, given.in_flight)
    bare = time.perf_counter() - began
    print(f"bare aiohttp: {bare:.1f} s, {bare / limit:.2f} x the endpoint's limit of {limit:.1f} s")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("pex.toml").write_text(
            f'[providers.bench]\nbase_url = "{url}"\nmax_in_flight = {given.in_flight}\n'
            '[prices."bench/m1"]\ninput_usd_per_million = 0\noutput_usd_per_million = 0\n'
        )
        prompt = pex.Prompt("{{ question }}", name="desk", tools=[TOOL])
        for name, tools in (
            ("a function", [look_up]),
            ("made replies", {"look_up": {"kind": "made", "reply": "{order_id} is on its way"}}),
        ):
            cases = [{"question": f"{name} {number}"} for number in range(given.paths)]
            exp = pex.Experiment(
                "bench", pex.grid(prompt, "bench/m1"), cases, tools=tools, max_steps=given.steps
            )
            began, before = time.perf_counter(), _cpu_s()
            results = exp.run(record=False, show=False, max_in_flight=given.in_flight)
            took, cpu = time.perf_counter() - began, _cpu_s() - before
            assert results.about["counts"]["answered"] == given.paths
            assert len(results.frame["steps"].iloc[0]) == given.steps
            print(
                f"{name}: {given.paths:,} paths of {given.steps} steps in {took:.1f} s, "
                f"{took / limit:.2f} x the limit, {took / bare:.2f} x aiohttp; "
                f"{cpu:.1f} s of processor time"
            )
            figure(
                f"{given.paths:,} paths of {given.steps} steps, {name}", took, "s",
                floor=bare, floor_name="as many calls of bare aiohttp",
            )  # fmt: skip
        began = time.perf_counter()
        assert exp.run(record=False, show=False).about["counts"]["replayed"] == given.paths
        figure("every path reused from the journal", time.perf_counter() - began, "s")
        os.chdir("/")
    server.terminate()


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()

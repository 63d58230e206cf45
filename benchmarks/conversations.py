"""The memory of long conversations with a simulated user, beside that of their texts.

Every request holds the whole conversation before it; what a run keeps must be the texts only. So
twice the turns may take twice the memory, not four times. Kept are the different texts of the long
frame, counted once each; at the peak there are also the requests that are on their way, of which
each is a whole conversation. Each length runs in a fresh process.

Run: python benchmarks/conversations.py [--turns 25 50 100 --cases 20 --chars 2000]
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

import orjson
import pandas as pd
from figures import figure
from timed_endpoint import answering, completion

import pex


def serve(chars: int, pipe: Connection) -> None:
    """An endpoint for both: every message is another one of the same length."""

    def answer(body: bytes) -> bytes:
        sent = orjson.loads(body)["messages"]
        text = f"{len(sent)} {sent[-1]['content'][:20]} ".ljust(chars, "x")
        return completion({"role": "assistant", "content": text}, "stop", chars // 4)

    answering(answer, 0.0, pipe)


def run(url: str, turns: int, cases: int, pipe: Connection) -> None:
    """One run in a process of its own: seconds, megabytes more than before it, and of its texts."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("pex.toml").write_text(f'[providers.bench]\nbase_url = "{url}"\nfree = true\n')
        prompt = pex.Prompt("{{ question }}", name="desk")
        variants, user = pex.grid(prompt, "bench/m1"), "bench/user"

        def talk(count: int, most: int, name: str) -> pex.Results:
            rows = [{"question": f"{name} {n}", "goal": "to talk"} for n in range(count)]
            simulated = pex.SimulatedUser(user, max_turns=most)
            exp = pex.Experiment("bench", variants, rows, user=simulated)
            return exp.run(record=False, show=False)

        talk(2, 2, "warm-up")
        before, began = _peak_mb(), time.perf_counter()
        frame = talk(cases, turns, "case").frame
        took, more = time.perf_counter() - began, _peak_mb() - before
        texts = sum(len(message["content"]) for whole in frame["conversation"] for message in whole)
        assert len(frame["conversation"].iloc[0]) == 2 * turns + 1
        pipe.send((took, more, texts / 1e6, kept(frame) / 1e6))
        os.chdir("/")


def kept(frame: pd.DataFrame) -> int:
    """The characters of the different texts that a frame holds, also deep inside."""
    found: dict[int, int] = {}
    todo: list[object] = [frame[name].tolist() for name in frame.columns]
    while todo:
        value = todo.pop()
        if isinstance(value, str):
            found[id(value)] = len(value)
        elif isinstance(value, dict):
            todo += value.values()
        elif isinstance(value, list):
            todo += value
    return sum(found.values())


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, nargs="+", default=[25, 50, 100])
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--chars", type=int, default=2000)
    given = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    server = spawn.Process(target=serve, args=(given.chars, there), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{here.recv()}/v1"
    for turns in given.turns:
        mine, its = spawn.Pipe()
        process = spawn.Process(target=run, args=(url, turns, given.cases, its))
        process.start()
        took, more, texts, held = mine.recv()
        process.join()
        print(
            f"{given.cases} conversations of {turns} turns: {took:5.1f} s, {texts:5.1f} MB of "
            f"texts, kept {held / texts:.2f} x, {more:6.1f} MB more at the peak"
        )
        what = f"{given.cases} conversations of {turns} turns"
        figure(f"kept of {what}", held, "MB", floor=texts, floor_name="their texts")
        figure(f"memory at the peak, {what}", more, "MB", floor=texts, floor_name="their texts")
    server.terminate()


if __name__ == "__main__":
    main()

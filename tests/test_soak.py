"""Long tests; `make soak`."""

import json
import random
import resource
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from aiohttp import web

import pex
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.journals import kill_at_random

pytestmark = pytest.mark.soak


def test_ten_thousand_calls_with_faults(
    lab: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pex.run.retry.FIRST_WAIT_S", 0.05)
    dice = random.Random(1)

    def reply(body: dict, number: int) -> object:
        roll = dice.random()
        if roll < 0.05:
            return web.json_response({"error": "slow down"}, status=429)
        if roll < 0.10:
            return web.json_response({"error": "oops"}, status=500)
        if roll < 0.15:
            return "drop"
        return web.Response(text="<html>garbage") if roll < 0.18 else None

    lab.reply = reply
    prompt = pex.Prompt("{{ word }}", name="echo")
    cases = [{"word": f"w{i}", "expected": f"w{i}"} for i in range(10_000)]
    exp = pex.Experiment("soak", pex.grid(prompt, "lab/m1"), cases, ["exact"])
    results = exp.run(record=False, show=False, max_in_flight=64)
    counts = results.about["counts"]
    assert counts["answered"] + counts["errors"] == 10_000
    assert counts["answered"] >= 9_950
    assert results.frame.dropna(subset="output")["score.exact"].eq(1).all()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 1_000_000  # KiB


def test_fifty_kills(lab: FaultyEndpoint, project: Path) -> None:
    dice = random.Random(time.time())
    assert kill_at_random(lab, project, dice, "fresh", calls=15_000, kills=50) == 50


LARGE = textwrap.dedent(
    """
    import json, threading, time, psutil, pex
    prompt = pex.Prompt("{{ word }}", name="echo")
    cases = [{"word": f"w{i}", "expected": f"w{i}"} for i in range(100_000)]
    exp = pex.Experiment("large", pex.grid(prompt, "lab/m1"), cases, ["exact"])
    execution, begun, curve = exp.start(record=False, max_in_flight=256), time.monotonic(), []
    while not execution.done:
        memory = psutil.Process().memory_info().rss / 1e6
        curve.append((time.monotonic() - begun, execution.progress.done, memory))
        time.sleep(1)
    results = execution.wait()
    memory = psutil.Process().memory_info().rss / 1e6
    curve.append((time.monotonic() - begun, execution.progress.done, memory))
    right = float(results.frame["score.exact"].sum())
    print(json.dumps({"curve": curve, "right": right, "counts": results.about["counts"]}))
    """
)


def test_a_hundred_thousand_calls(lab: FaultyEndpoint, project: Path) -> None:
    """Below 1 GB, at the same speed from beginning to end; the curve is printed (pytest -s)."""
    lab.keep = False
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", LARGE], cwd=project, capture_output=True, text=True, check=True
    )
    assert time.monotonic() - begun < 900
    found = json.loads(done.stdout)
    assert found["counts"]["answered"] == 100_000
    assert found["right"] == 100_000
    assert lab.calls == 100_000
    curve = found["curve"]
    print("\nseconds    calls   MB")
    for seconds, calls, memory in curve[:: max(1, len(curve) // 12)] + curve[-1:]:
        print(f"{seconds:7.1f}  {calls:7,}  {memory:4.0f}")
    assert max(memory for _, _, memory in curve) < 1000
    marks = [next(s for s, calls, _ in curve if calls >= n) for n in (20_000, 50_000, 90_000)]
    first, second = (marks[1] - marks[0]) / 30_000, (marks[2] - marks[1]) / 40_000
    assert second < 1.3 * first

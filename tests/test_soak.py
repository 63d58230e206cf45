"""Long tests; `make soak`."""

import random
import resource

import pytest
from aiohttp import web

import pex
from pex.run import runner
from tests.endpoint import FaultyEndpoint

pytestmark = pytest.mark.soak


@pytest.mark.timeout(900)
def test_ten_thousand_calls_with_faults(
    lab: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "FIRST_WAIT_S", 0.05)
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

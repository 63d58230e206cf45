"""One call of each prefix goes first, so the others hit the provider's cache."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import pex
from pex.core.errors import PexError
from pex.run.runner import Runner
from pex.run.warm_up import MOST_FAILED
from tests.helpers.caching_endpoint import CachingEndpoint, settings
from tests.helpers.endpoint import completion

RULES = "Answer with the word and nothing else. " * 130


@pytest.fixture
def cache(project: Path) -> Iterator[CachingEndpoint]:
    endpoint = CachingEndpoint()
    with endpoint.running():
        (project / "pex.toml").write_text(settings(endpoint))
        yield endpoint


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pex.run.retry.FIRST_WAIT_S", 0.01)


def prompt(name: str, rules: str = RULES) -> pex.Prompt:
    messages = [{"role": "system", "content": f"{name}. {rules}"},
                {"role": "user", "content": "{{ word }}"}]  # fmt: skip
    return pex.Prompt(messages, name=name, params={"max_tokens": 8})


def experiment(*names: str, cases: int = 24, rules: str = RULES) -> pex.Experiment:
    rows = [{"case_id": f"c{n}", "word": f"word{n}"} for n in range(cases)]
    variants = pex.grid([prompt(name, rules) for name in names or ("one",)], "lab/m1")
    return pex.Experiment("warm", variants=variants, cases=rows, budget_usd=1.0)


def run(exp: pex.Experiment, **options: Any) -> pex.Results:
    return exp.run(record=False, show=False, journal="fresh", max_in_flight=8, **options)


def test_all_but_the_first_are_read_from_the_cache_and_cost_less(cache: CachingEndpoint) -> None:
    cache.latency_s = 0.05
    without = run(experiment(), warm_up=False)
    missed = int((without.frame["cached_tokens"] == 0).sum())
    assert missed > 1, "those that went out together were all charged as the first"
    cache.held.clear()
    warm = run(experiment())  # on by itself: reads are cheaper, and the prefix is long enough
    assert (warm.frame["cached_tokens"] == 0).sum() == 1
    assert (warm.frame["cache_write_tokens"] > 0).sum() == 1
    assert warm.frame["cost_usd"].sum() < without.frame["cost_usd"].sum()
    one = warm.frame.iloc[-1]
    fresh = one["prompt_tokens"] - one["cached_tokens"]
    usd = (fresh * 2.0 + one["cached_tokens"] * 0.2 + 2 * 8.0) / 1e6
    assert one["cost_usd"] == pytest.approx(usd)
    row = warm.summary().iloc[0]
    assert row["cached_tokens"] == 23 * one["cached_tokens"]
    assert "from cache" in repr(warm)
    assert "written to cache" in repr(warm)


def test_a_prefix_that_is_too_short_waits_for_nothing(cache: CachingEndpoint) -> None:
    cache.latency_s = 0.05
    run(experiment(rules="Be brief."))
    assert cache.most_at_once == 8
    first = cache.bodies[:8]
    assert len({body["messages"][-1]["content"] for body in first}) == 8


def test_only_the_same_prefix_waits(cache: CachingEndpoint) -> None:
    """The first call of `one` is answered when all of `two` are: they did not wait for it."""
    done = 0

    def fault(body: dict[str, Any], number: int) -> Any:
        nonlocal done
        if not body["messages"][0]["content"].startswith("one."):
            done += 1
            return None

        async def last(request: web.Request) -> web.Response:
            while done < 24:
                await asyncio.sleep(0.01)
            return web.json_response(completion("late"))

        return last

    cache.fault = fault
    results = run(experiment("one", "two"))
    assert results.about.counts.answered == 48
    order = [body["messages"][0]["content"][:3] for body in cache.bodies]
    assert order[:24].count("one") == 1
    assert order.count("one") == 24


def test_a_first_call_that_fails_lets_the_next_one_lead(cache: CachingEndpoint) -> None:
    cache.latency_s = 0.02
    bad = web.json_response

    def fault(body: dict[str, Any], number: int) -> Any:
        word = body["messages"][-1]["content"]
        if word == "word0":
            return bad({"error": {"message": "flagged", "code": "content_filter"}}, status=400)
        return bad({"error": {"message": "busy"}}, status=503) if number == 2 else None

    cache.fault = fault
    results = run(experiment())
    frame = results.frame.set_index("case_id")
    assert results.about.counts.errors == 1
    assert frame.loc["c0", "error"]
    answered = frame.drop("c0")
    assert answered["error"].isna().all(), "the second was busy, and asked again"
    assert (answered["cached_tokens"] == 0).sum() == 1


def test_a_first_call_that_hangs_is_not_waited_for(
    cache: CachingEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first call is answered when all others are: they went out without it."""
    monkeypatch.setattr("pex.run.warm_up.PATIENCE_S", 0.05)

    def fault(body: dict[str, Any], number: int) -> Any:
        async def last(request: web.Request) -> web.Response:
            while cache.calls < 24:
                await asyncio.sleep(0.01)
            return web.json_response(completion("late"))

        return last if number == 1 else None

    cache.fault = fault
    assert run(experiment()).about.counts.answered == 24


def test_after_a_few_failures_the_others_go_out_together(cache: CachingEndpoint) -> None:
    cache.latency_s = 0.05
    flagged = {f"word{n}" for n in range(MOST_FAILED)}

    def fault(body: dict[str, Any], number: int) -> Any:
        if body["messages"][-1]["content"] not in flagged:
            return None
        said = {"error": {"message": "flagged", "code": "content_filter"}}
        return web.json_response(said, status=400)

    cache.fault = fault
    results = run(experiment())
    assert results.about.counts.answered == 24 - MOST_FAILED
    assert (results.frame["cached_tokens"] == 0).sum() > 1, "nobody led any more"


def test_an_error_of_our_own_does_not_leave_the_others_waiting(
    cache: CachingEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    emit, seen = Runner._emit, []

    def broken(self: Runner, *args: Any) -> None:
        seen.append(args)
        if len(seen) == 1:
            raise RuntimeError("broken listener")
        emit(self, *args)

    monkeypatch.setattr(Runner, "_emit", broken)
    with pytest.raises(RuntimeError, match="broken listener"):
        run(experiment())
    assert cache.calls == 23


def test_a_model_that_is_given_up_takes_what_waits_with_it(cache: CachingEndpoint) -> None:
    cache.key = "no key is right"
    with pytest.raises(PexError, match="API key"):
        run(experiment())
    assert cache.calls <= 2


def test_the_budget_holds_and_the_next_start_continues(cache: CachingEndpoint) -> None:
    exp = experiment()
    results = exp.run(record=False, show=False, max_in_flight=4, budget_usd=0.02)
    spent = results.frame["cost_usd"].sum()
    assert results.status == "budget"
    assert 0 < results.about.counts.answered < 24
    assert spent <= 0.02
    calls = cache.calls
    again = exp.run(record=False, show=False, max_in_flight=4, budget_usd=1.0)
    assert again.about.counts.answered == 24
    assert cache.calls == calls + 24 - results.about.counts.answered


def test_a_stop_leaves_nothing_that_waits(cache: CachingEndpoint) -> None:
    cache.latency_s = 0.3
    execution = experiment().start(record=False, journal="fresh")
    while cache.calls == 0:
        time.sleep(0.005)
    execution.cancel()
    results = execution.wait()
    assert results.status == "interrupted"
    assert cache.calls == 1


def test_wrong_use_is_an_error_before_a_call(cache: CachingEndpoint) -> None:
    with pytest.raises(PexError, match="expected True, False or None"):
        run(experiment(), warm_up="yes")
    with pytest.raises(PexError, match="a provider batch has no order"):
        run(experiment(), warm_up=True, provider_batch=True)
    assert cache.calls == 0

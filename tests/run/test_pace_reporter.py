"""What a real run tells of how it asks: calls in flight, a lowered limit, waits, stops."""

import asyncio
import itertools
import time

import pytest
from aiohttp import web

import pex
from pex.core.events import Answered, Done, Event, Judging, Pace, Queued, Scored, Stopping
from pex.run.feed import Feeds
from tests.helpers.endpoint import FaultyEndpoint


def experiment(count: int) -> pex.Experiment:
    prompt = pex.Prompt("{{ word }}", name="echo")
    cases = [{"word": f"w{n}"} for n in range(count)]
    return pex.Experiment("pace", pex.grid(prompt, "lab/m1"), cases, ["length"])


def heard(exp: pex.Experiment, **options: object) -> list[Event]:
    """All events of a run."""
    events: list[Event] = []
    run = exp.start(record=False, journal="off", **options)
    run.listen(events.append)
    run.wait()
    return events


def paces(events: list[Event]) -> list[Pace]:
    return [event for event in events if isinstance(event, Pace)]


def test_a_limit_that_was_lowered_and_why(lab: FaultyEndpoint) -> None:
    lab.latency_s = 0.1
    lab.reply = lambda body, number: web.Response(status=429) if lab._now > 5 else None
    told = paces(heard(experiment(150), max_in_flight=32))
    lowered = [pace for pace in told if pace.why == "rate_limit"]
    assert lowered
    assert all(pace.allowed < pace.most == 32 for pace in lowered)
    assert max(pace.in_flight for pace in told) > 0
    assert told[-1] == Pace("lab")
    # A few times a second, however many calls there are.
    assert len(told) < 60


def test_a_wait_for_a_rate_limit_is_told_with_its_end(lab: FaultyEndpoint) -> None:
    refused: list[float] = []

    def reply(body: dict, number: int) -> object:
        if number > 4:
            return None
        refused.append(time.monotonic())
        return web.Response(status=429, headers={"Retry-After": "3"})

    lab.reply = reply
    told = [pace for pace in paces(heard(experiment(4))) if pace.waits_until]
    assert told
    assert {pace.waits_for for pace in told} == {"rate_limit"}
    assert all(pace.waits_until > refused[0] + 2.5 for pace in told)
    assert len(told) < 6


def test_what_does_not_change_is_not_told_again(lab: FaultyEndpoint) -> None:
    lab.latency_s = 2.0
    told = paces(heard(experiment(4)))
    assert len(told) <= 4
    assert all(one != other for one, other in itertools.pairwise(told))


def test_a_stop_before_the_first_call_is_heard(lab: FaultyEndpoint) -> None:
    lab.latency_s = 0.2
    run = experiment(100).start(record=False)
    run.cancel()
    assert run.wait().status == "interrupted"
    assert lab.calls < 40
    assert repr(run).startswith("Run of 'pace': ")
    assert repr(run).endswith(" done, interrupted")


def test_a_cancelled_wait_stops_the_run_and_keeps_its_answers(lab: FaultyEndpoint) -> None:
    lab.latency_s = 0.2
    exp = experiment(400)
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(exp.arun(record=False, max_in_flight=2), 2))
    assert exp.results is not None
    assert exp.results.status == "interrupted"
    assert 2 < len(exp.results.frame["output"].dropna()) < 60


def test_one_who_comes_late_hears_each_event_once(lab: FaultyEndpoint) -> None:
    lab.latency_s = 0.05
    run = experiment(60).start(record=False, max_in_flight=4)
    late: list[list[Event]] = []
    while not run.done:
        events: list[Event] = []
        late.append(events)
        run.listen(events.append)
        time.sleep(0.1)
    run.wait()
    time.sleep(0.2)
    late.append([])
    run.listen(late[-1].append)
    time.sleep(0.2)
    assert len(late) > 4
    for events in late:
        assert isinstance(events[0], Queued)
        assert isinstance(events[-1], Done)
        for kind in (Answered, Scored):
            places = [event.place for event in events if isinstance(event, kind)]
            assert len(places) == len(set(places)) == 60


def test_the_last_news_are_told_to_one_who_comes_late() -> None:
    feeds = Feeds()
    for event in (Queued(("a",), ("c",), 1, 1), Pace("x", 1, 2, 2), Pace("x", 2, 2, 2),
                  Judging(0, 4), Stopping(), Judging(1, 4)):  # fmt: skip
        feeds.tell(event)
    heard_late: list[Event] = []
    feeds.listen(heard_late.append, [])
    feeds.tell(Done("interrupted", 1.0))
    feeds.drain(5)
    assert heard_late[0] == Queued(("a",), ("c",), 1, 1)
    assert set(heard_late[1:-1]) == {Pace("x", 2, 2, 2), Judging(1, 4), Stopping()}
    assert heard_late[-1] == Done("interrupted", 1.0)

"""Who watches a run never slows it, and never misses an answer."""

import threading
import time

import pex
from pex.core.call import Answer
from pex.core.events import Answered, Delta, Done, Event, Queued, Scored, Started
from pex.run import feed
from pex.run.feed import Feed
from tests.helpers.endpoint import FaultyEndpoint


def experiment(count: int) -> pex.Experiment:
    prompt = pex.Prompt("{{ word }}", name="echo")
    cases = [{"word": f"w{i}", "expected": f"w{i}"} for i in range(count)]
    return pex.Experiment("feed", pex.grid(prompt, "lab/m1"), cases, ["exact"])


def test_a_slow_listener_slows_no_call(lab: FaultyEndpoint) -> None:
    seen: list[Event] = []

    def slow(event: Event) -> None:
        seen.append(event)
        time.sleep(0.05)

    execution = experiment(300).start(record=False)  # it has 900 events and more
    execution.listen(slow)
    assert execution.wait().about["counts"]["answered"] == 300
    assert len(seen) < 500  # it ends before all have been listened to


def test_a_listener_that_raises_ends_no_run(lab: FaultyEndpoint) -> None:
    def broken(event: Event) -> None:
        raise RuntimeError("no screen")

    execution = experiment(20).start(record=False)
    execution.listen(broken)
    assert execution.wait().frame["score.exact"].eq(1).all()


def test_the_order_of_events(lab: FaultyEndpoint) -> None:
    events: list[Event] = []
    exp = experiment(30)
    execution, _ = exp.prepare(record=False)
    execution.listen(events.append)
    execution.start()
    execution.wait()
    assert isinstance(events[0], Queued)
    assert isinstance(events[-1], Done)
    for case in exp.cases:
        kinds = [type(e) for e in events if getattr(e, "place", (0, 0))[1] == case.id]
        assert kinds == [Started, Answered, Scored]


def test_what_waits_is_bounded_and_no_answer_is_missed(monkeypatch) -> None:
    monkeypatch.setattr(feed, "MOST_WAITING", 100)
    gate, seen = threading.Event(), []

    def blocked(event: Event) -> None:
        gate.wait(10)
        seen.append(event)

    one = Feed(blocked)
    for number in range(1000):
        place = ("v", f"c{number}", 1)
        for event in (Started(place), Delta(place, "x"), Delta(place, "y")):
            one.put(event)
        one.put(Answered(place, Answer(output="xy")))
    assert len(one._waiting) <= 1000 + 100
    one.put(Done("finished", 1.0))
    gate.set()
    one.drain(10)
    assert sum(isinstance(event, Answered) for event in seen) == 1000
    assert isinstance(seen[-1], Done)


def test_no_event_is_lost_between_two_rounds() -> None:
    seen: list[Event] = []
    one = Feed(seen.append)
    threads = [
        threading.Thread(
            target=lambda part=part: [
                one.put(Answered(("v", f"{part}-{n}", 1), Answer())) for n in range(20_000)
            ]
        )
        for part in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one.put(Done("finished", 1.0))
    one.drain(30)
    assert len(seen) == 60_001

"""The line of a run: the same on a terminal and above the grid, whatever happens meanwhile."""

import io
from typing import Any

import pytest

from pex.core.call import Answer
from pex.core.events import (
    Answered,
    Away,
    Done,
    Event,
    Failed,
    Judging,
    Pace,
    Queued,
    Retried,
    Scored,
    Spent,
    Stopping,
)
from pex.core.score import Score
from pex.widgets.cell import Line
from pex.widgets.grid import ResultGrid
from pex.widgets.progress import TerminalProgress
from pex.widgets.sheet import Sheet

BEGUN = Queued(("a",), tuple(f"c{n}" for n in range(100)), 1, 100)
GOOD = Answer(output="x")


class Watched:
    """One run seen in both views, with a clock that the test turns."""

    def __init__(self) -> None:
        self.now = 100.0
        self.stream = io.StringIO()
        self.terminal = TerminalProgress(self.stream)
        self.grid = ResultGrid(Sheet(["a"], [Line("c0", "x")], 1))
        for tally in (self.terminal._tally, self.grid._tally):
            tally.clock = lambda: self.now
        self.number = 0
        self.add(BEGUN)

    def add(self, *events: Event) -> None:
        for event in events:
            self.terminal.on_event(event)
            self.grid.on_event(event)

    def answers(self, count: int, each_s: float, **about: Any) -> None:
        for _ in range(count):
            self.now += each_s
            self.add(Answered(("a", f"c{self.number}", 1), Answer(output="x", **about)))
            self.number += 1

    def line(self) -> str:
        said = self.terminal._tally.line()
        assert self.grid._state()["line"] == said
        return said

    def close(self) -> str:
        """The line that is left."""
        self.add(Done("finished", 1.0))
        self.terminal.close()
        self.grid.close_run()
        left = self.stream.getvalue().splitlines()[-1]
        assert self.grid._head["line"] == left
        return left


@pytest.fixture
def run() -> Watched:
    return Watched()


def test_how_far_how_fast_and_how_long_still(run: Watched) -> None:
    assert run.line() == "0/100"
    run.answers(20, 0.5)
    assert run.line() == "20/100 · 2.0/s · 40 s left"
    run.answers(80, 0.25)
    assert run.close() == "100/100 · 3.3/s · in 30 s"


def test_the_rate_is_that_of_the_last_seconds(run: Watched) -> None:
    run.answers(50, 0.1)
    run.answers(10, 4.0)
    assert run.line() == "60/100 · 15/min · 2:40 min left"


def test_answers_of_the_journal_say_nothing_about_the_rate(run: Watched) -> None:
    run.answers(50, 0.0, from_journal=True)
    assert run.line() == "50/100 · 50 reused"
    run.answers(10, 1.0)
    assert run.line() == "60/100 · 1.0/s · 40 s left · 50 reused"


def test_money_of_the_cap_and_errors_by_kind(run: Watched) -> None:
    run.add(Spent(0.1234, 2.0), Retried(("a", "c1", 1), 1, 0.5, "timeout"))
    for number, kind in enumerate(["server", "timeout", "server", "empty", "auth"]):
        run.add(Failed(("a", f"c{number}", 1), Answer(error="no", error_kind=kind)))
    run.add(Scored(("a", "c9", 1), {"ok": Score(None, error="broken")}))
    assert run.line() == (
        "5/100 · $0.12 of $2.00 · errors: 2 server, 1 timeout, 1 empty, 1 other · "
        "1 answer not scored · 1 retry"
    )


def test_calls_in_flight_their_limit_and_why(run: Watched) -> None:
    said = {
        Pace("lab", 3, 8, 8): "3 of 8 calls in flight",
        Pace("lab", 3, 8, 64, "timeout"): "(64 were too many: timeouts of lab)",
        Pace("lab", 3, 8, 64, "learnt"): "(64 were too many: known from earlier calls to lab)",
        Pace("lab", 3, 8, 64, "shared", 1): "(lab is shared with another process)",
        Pace("lab", 3, 8, 8, "rate"): "(lab is limited to its rate per minute)",
    }
    for pace, text in said.items():
        run.add(pace)
        assert text in run.line()
    for name in ("b", "c", "d"):
        run.add(Pace(name, 1, 4, 4))
    assert run.line() == "0/100 · 6 calls in flight"
    for name in ("lab", "b", "c", "d"):
        run.add(Pace(name))
    assert run.line() == "0/100"


def test_a_wait_is_counted_down(run: Watched) -> None:
    run.add(Pace("openai", 0, 8, 8, waits_until=run.now + 12, waits_for="rate_limit"))
    assert run.line().endswith("waiting 12 s for openai's rate limit")
    run.now += 4.2
    assert run.line().endswith("waiting 8 s for openai's rate limit")
    run.now += 8
    assert "waiting" not in run.line()
    run.add(Pace("lab", 0, 8, 8, waits_until=run.now + 3, waits_for="connection"))
    assert run.line().endswith("retrying lab in 3 s (connection error)")


def test_judges_are_counted(run: Watched) -> None:
    run.add(Judging(0, 200))
    run.answers(100, 0.1)
    assert run.line().startswith("100/300 · 10.0/s · 20 s left · judging 0 of 200")
    run.add(Judging(30, 150))
    assert "130/250" in run.line()
    assert "judging 30 of 150" in run.line()


def test_a_provider_batch_that_is_waited_for(run: Watched) -> None:
    run.add(Away("batch_1", "in_progress", 40, 100))
    assert run.line() == "0/100 · provider batch batch_1 in progress, 40 of 100 done"


def test_a_stop_is_said_and_how_the_run_ended(run: Watched) -> None:
    run.answers(4, 1.0)
    run.add(Pace("lab", 3, 8, 8), Stopping())
    assert run.line() == "4/100 · 1.0/s · stopping: 3 calls in flight"
    run.add(Done("interrupted", 5.0))
    assert run.line() == "4/100 · 1.0/s · in 4 s · interrupted, all answers kept"
    run.add(Done("budget", 5.0))
    assert run.line().endswith("stopped by the budget, all answers kept")


def test_the_terminal_cuts_nothing_and_goes_on_counting() -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Screen()
    progress = TerminalProgress(stream)
    progress.on_event(BEGUN)
    progress.on_event(Pace("lab", 3, 8, 64, "rate_limit"))
    progress.on_event(Failed(("a", "c1", 1), Answer(error="no", error_kind="server")))
    progress.close()
    shown = " ".join(stream.getvalue().split())
    assert "rate limit of lab) · errors: 1 server" in shown

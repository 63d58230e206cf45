"""The views, without a browser: what they count, keep and send."""

import io
import time

import pytest

from pex.core.call import Answer
from pex.core.events import Answered, Done, Failed, Queued, Retried, Scored, Spent, Started
from pex.core.score import Score
from pex.widgets.live import LiveGrid
from pex.widgets.progress import TerminalProgress
from pex.widgets.tally import Tally

PLACE = ("a", "c1", 1)
BEGUN = Queued(("a", "b"), ("c1", "c2"), 1, 4)


def test_tally() -> None:
    tally = Tally()
    for event in (
        BEGUN,
        Started(PLACE),
        Retried(PLACE, 1, 0.5, "rate_limit"),
        Answered(PLACE, Answer(output="x", cost_usd=0.5)),
        Failed(("b", "c1", 1), Answer(error="no", error_kind="server")),
        Spent(0.5, 2.0),
        Done("interrupted", 1.0),
    ):
        tally.add(event)
    assert (tally.done, tally.answered, tally.errors["server"]) == (2, 1, 1)
    line = tally.line()
    assert line.startswith("2/4 · ")
    for part in ("interrupted", "$0.5 of $2", "errors: 1 server", "1 retries"):
        assert part in line


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_on_a_terminal_and_lines_elsewhere() -> None:
    for stream in (Screen(), io.StringIO()):
        progress = TerminalProgress(stream)
        progress.on_event(BEGUN)
        progress.on_event(Answered(PLACE, Answer(output="x")))
        progress.on_event(Done("finished", 1.0))
        progress.close()
        assert "1/4" in stream.getvalue()
    assert stream.getvalue().count("\n") == 1


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    messages: list[dict] = []
    monkeypatch.setattr(LiveGrid, "send", lambda self, content: messages.append(content))
    return messages


def test_the_live_grid_sends_batches_and_everything_at_the_end(sent: list[dict]) -> None:
    grid = LiveGrid({"c1": ("<b>one</b>", "expected: x"), "c2": ("two", "")})
    grid.on_event(BEGUN)
    assert grid._begin["variants"] == ("a", "b")
    assert grid._begin["cases"][0] == ["c1", "<b>one</b>", "expected: x"]
    for number in range(50):
        grid.on_event(Started(("a", "c1", number)))
    grid.on_event(Answered(PLACE, Answer(output="", latency_s=0.1)))
    grid.on_event(Scored(PLACE, {"ok": Score(False, "why"), "bad": Score(None, error="E")}))
    grid.on_event(Answered(("b", "c2", 1), Answer(error="no", error_kind="server")))
    time.sleep(0.2)
    grid.on_event(Done("finished", 1.0))
    grid.close_run()
    assert len(sent) < 10
    last = sent[-1]
    assert (last["status"], last["done"], last["scores"]) == ("finished", 2, {"a": "ok 0% of 1"})
    cells = {tuple(cell["place"]): cell for cell in last["cells"]}
    assert cells[PLACE]["text"] == "(empty answer)"
    assert cells[PLACE]["scores"] == [["bad", "✗ ok", "why"], ["bad", "! bad failed", "E"]]
    assert cells["b", "c2", 1]["text"] == "server: no"


def test_a_late_view_gets_everything_and_stop_reaches_the_run(sent: list[dict]) -> None:
    stopped: list[bool] = []
    grid = LiveGrid({"c1": ("one", ""), "c2": ("two", "")}, lambda: stopped.append(True))
    grid.on_event(BEGUN)
    grid.on_event(Answered(PLACE, Answer(output="x")))
    grid.close_run()
    sent.clear()
    grid._on_message(grid, "ready", [])
    assert [tuple(cell["place"]) for cell in sent[0]["cells"]] == [PLACE]
    grid._on_message(grid, "stop", [])
    assert stopped == [True]
    assert grid._begin["can_stop"] is True

"""What every view counts, and the progress of a run on a terminal."""

import io

from pex.core.call import Answer
from pex.core.events import Answered, Done, Failed, Queued, Retried, Spent, Started
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
    for part in ("interrupted", "$0.50 of $2.00", "errors: 1 server", "1 retry"):
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

"""A cell of a running grid after each kind of event."""

from pex.core.call import Answer
from pex.core.events import Answered, Delta, Failed, Retried, Scored, Started
from pex.core.score import Score
from pex.widgets.cell import Cell
from pex.widgets.live_cell import cell_after

PLACE = ("a", "c1", 1)


def test_what_came_before_a_retry_is_dropped() -> None:
    cell = cell_after(cell_after(None, Started(PLACE)), Delta(PLACE, "half"))
    assert (cell.state, cell.text) == ("growing", "half")
    cell = cell_after(cell, Retried(PLACE, 1, 2.0, "rate_limit"))
    assert (cell.state, cell.text) == ("asked", "rate_limit, retrying in 2.0 s")
    assert cell_after(cell, Delta(PLACE, "new")).text == "new"


def test_the_whole_answer_takes_the_place_of_its_pieces() -> None:
    answer = Answer(output="whole", latency_s=1.5, cost_usd=0.25, started_at=99.0)
    cell = cell_after(Cell("growing", "who"), Answered(PLACE, answer))
    assert (cell.state, cell.text, cell.latency_s, cell.cost_usd) == (
        "answered",
        "whole",
        1.5,
        0.25,
    )
    assert "started_at" not in cell.facts
    assert cell.facts["output"] == "whole"


def test_an_error_says_its_kind_and_an_empty_answer_is_none() -> None:
    failed = cell_after(None, Failed(PLACE, Answer(error="no", error_kind="server")))
    assert (failed.state, failed.text) == ("error", "server: no")
    assert cell_after(None, Failed(PLACE, Answer(error="no"))).text == "error: no"
    assert cell_after(None, Answered(PLACE, Answer(output=None))).text == ""


def test_the_scores_of_judges_join_those_of_the_scorers() -> None:
    cell = cell_after(Cell("answered", "x"), Scored(PLACE, {"ok": Score(True), "n": Score(0.25)}))
    cell = cell_after(cell, Scored(PLACE, {"polite": Score(False, reason="rude")}))
    assert [(m.name, m.kind, m.value) for m in cell.marks] == [
        ("ok", "good", 1.0), ("n", "number", 0.25), ("polite", "bad", 0.0),
    ]  # fmt: skip
    assert cell.marks[2].reason == "rude"
    assert cell.text == "x"


def test_a_score_that_does_not_apply_is_not_shown_and_one_that_failed_is() -> None:
    scores = {"skipped": Score(None), "broken": Score(None, error="boom")}
    (mark,) = cell_after(Cell("answered", "x"), Scored(PLACE, scores)).marks
    assert (mark.name, mark.kind, mark.reason) == ("broken", "failed", "boom")

"""Questions outside an experiment go the way of every other call."""

from pathlib import Path

import pytest

import pex
from pex.experiment.asking import ask_model
from pex.run.shared_budget import SharedBudget
from tests.helpers.endpoint import FaultyEndpoint, completion

QUESTION = pex.Prompt("Say {{ word }}", name="ask", params={"max_tokens": 10})


def test_replies_come_in_the_order_of_the_rows(project: Path, lab: FaultyEndpoint) -> None:
    lab.reply = lambda body, number: completion(body["messages"][-1]["content"].upper())
    rows = [{"word": word} for word in ("b", "a", "b")]
    found = ask_model(QUESTION, rows, "lab/m1", name="reviews.improve", times=2)
    assert [[reply.text for reply in replies] for replies in found] == [
        ["SAY B"] * 2,
        ["SAY A"] * 2,
        ["SAY B"] * 2,
    ]
    calls = lab.calls
    ask_model(QUESTION, rows, "lab/m1", name="reviews.improve", times=2)
    assert lab.calls == calls  # from the journal


def test_an_error_is_a_reply(project: Path, lab: FaultyEndpoint) -> None:
    lab.reply = lambda body, number: (
        {"error": {"message": "content policy"}} if "bad" in str(body) else None
    )
    good, bad = ask_model(QUESTION, [{"word": "good"}, {"word": "bad"}], "lab/m1", name="x")
    assert good[0].text == "Say good"
    assert bad[0].text == ""
    assert bad[0].error


def test_a_question_whose_turn_did_not_come_has_no_reply(
    project: Path, lab: FaultyEndpoint
) -> None:
    toml = project / "pex.toml"
    toml.write_text(
        toml.read_text().replace("free = true", "")
        + '[prices."lab/m1"]\ninput_usd_per_million = 1000.0\noutput_usd_per_million = 1000.0\n'
    )
    rows = [{"word": str(n)} for n in range(50)]
    found = ask_model(QUESTION, rows, "lab/m1", name="x", budget_usd=SharedBudget(0.2, ["x"], 0))
    assert [] in found
    assert sum(map(len, found)) == lab.calls


def test_bad_questions_are_refused_before_a_call(project: Path, lab: FaultyEndpoint) -> None:
    with pytest.raises(pex.PexError, match="word"):
        ask_model(QUESTION, [{"wrod": "a"}], "lab/m1", name="x")
    assert lab.calls == 0

"""The rating without a browser: what the view is sent, and what it does with what comes back."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

import pex
from pex.rating.page import PLANS
from pex.rating.rating import REASONS, Rating
from pex.rating.widget import MAX_CHARS, RatingWidget, pair_for_view
from tests.helpers.made import HOSTILE, made

NAMES = ("variant-0", "variant-1")


class View:
    """What a browser would do, without one."""

    def __init__(self, widget: RatingWidget, monkeypatch: pytest.MonkeyPatch) -> None:
        self.widget = widget
        self.got: list[dict[str, Any]] = []
        monkeypatch.setattr(widget, "send", lambda content, buffers=None: self.got.append(content))

    def say(self, kind: str, **content: Any) -> list[dict[str, Any]]:
        before = len(self.got)
        self.widget._on_message(None, {"kind": kind, **content}, [])
        return self.got[before:]

    def rate(self, turn: int, choice: str, reasons: Any = (), note: str = "") -> list[dict]:
        return self.say("rate", turn=turn, choice=choice, reasons=list(reasons), note=note)


@pytest.fixture
def rating(project: Path) -> Rating:
    return made(20, 2, hostile=True).rate()


@pytest.fixture
def view(rating: Rating, monkeypatch: pytest.MonkeyPatch) -> View:
    return View(rating.widget, monkeypatch)


def test_nothing_that_is_sent_before_the_end_names_a_variant(view: View) -> None:
    view.say("start", rater="ada")
    for number in range(21):
        view.say("need", turn=number)
        view.rate(number, "left", ["clear"], "so")
    sent = json.dumps([view.widget._begin, view.widget._state, view.got], default=str)
    assert view.widget._state["done"] == 21
    assert not any(name in sent for name in NAMES)
    assert not any(name in view.widget.html + repr(view.widget) for name in NAMES)
    view.rate(21, "right")
    assert NAMES[0] in view.widget._state["result"]
    assert NAMES[0] in view.widget.html


def test_raters_are_told_the_task_and_not_that_some_pairs_come_again(project: Path) -> None:
    results = made(20, 2)
    begin = results.rate(instructions="Which is more polite?\x00").widget._begin
    assert (begin["task"], begin["count"]) == ("Which is more polite?␀", 22)
    assert begin["intro"].startswith("22 pairs of answers")
    results.about = dataclasses.replace(results.about, purpose="Help customers.")
    assert results.rate().widget._begin["task"] == "Help customers."
    assert "Which is more polite?" in results.rate(instructions="Which is more polite?").to_html(
        project / "rate.html"
    ).read_text(encoding="utf-8")
    with pytest.raises(pex.PexError, match="instructions: expected a string"):
        results.rate(instructions=3)


def test_a_rating_is_on_disk_before_the_view_is_told(view: View, rating: Rating) -> None:
    view.say("start", rater="  Ada ")
    told = view.rate(0, "left", ["clear", "made up"], "why\x00")
    assert told == [{"kind": "saved", "turn": 0}]
    line = json.loads(rating.path.read_text())
    assert (line["rater"], line["reasons"], line["note"]) == ("Ada", ["clear"], "why␀")
    assert rating.path.parent == Path(".pex/ratings").resolve()
    turn = view.say("need", turn=0)[0]["shown"]
    assert turn["said"] == {"choice": "left", "reasons": ["clear"], "note": "why␀"}


def test_hostile_answers_are_sent_as_text_that_can_be_seen_and_bounded(rating: Rating) -> None:
    for pair in rating._pairs.different[: len(HOSTILE)]:
        found = pair_for_view(rating._frame, pair)
        assert len(found["second"]) <= MAX_CHARS + 40
        assert not re.search("[\x00\x1b\ud800-\udfff\u202e]", found["second"])
    assert pair_for_view(rating._frame, rating._pairs.different[7])["second"].endswith(
        "more characters)"
    )


def test_wrong_messages_change_nothing(view: View, rating: Rating) -> None:
    assert view.say("need", turn=0) == []
    assert view.rate(0, "left") == []
    assert "1 to 80 characters" in view.say("start", rater=" ")[0]["text"]
    view.say("start", rater="ada")
    assert view.rate(0, "better")[0]["kind"] == "failed"
    assert view.rate(99, "left")[0]["kind"] == "failed"
    assert view.say("need", turn=99) == view.say("nonsense") == []
    assert len(rating.frame) == 0


def test_a_disk_that_refuses_is_told_to_the_rater(
    view: View, rating: Rating, monkeypatch: pytest.MonkeyPatch
) -> None:
    view.say("start", rater="ada")
    view.rate(0, "left")

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    told = view.rate(1, "left")
    assert told[0]["kind"] == "failed"
    assert "No space left on device" in told[0]["text"]
    assert view.widget._state["done"] == 1


def test_a_second_rater_starts_anew_and_the_first_goes_on(view: View) -> None:
    view.say("start", rater="ada")
    view.rate(0, "left")
    view.say("start", rater="bo")
    assert (view.widget._state["rater"], view.widget._state["done"]) == ("bo", 0)
    view.say("start", rater="ada")
    assert (view.widget._state["done"], view.widget._state["position"]) == (1, 1)


def test_the_page_has_no_name_and_its_data_cannot_end_its_script(rating: Rating) -> None:
    text = rating.to_html("rate.html").read_text()
    assert not any(name in text for name in NAMES)
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    assert "<" not in found[1]
    data = json.loads(found[1])
    assert data["begin"]["reasons"] == list(REASONS)
    assert len(data["plans"]) == PLANS
    assert all(len(plan) == 22 for plan in data["plans"])
    assert not re.search(r"https?://", text.replace(found[1], ""))
    assert "default-src 'none'" in text


def test_with_nothing_to_rate_it_says_so(project: Path) -> None:
    rating = made(5, 2, errors=True).rate(rater="ada")
    assert "nothing to rate" in rating.widget._begin["intro"]
    assert "5 pairs with an error" in rating.explain()
    assert rating.summary().loc[0, "cases"] == 0
    assert isinstance(rating, pex.Rating)

"""A rater before the pairs: resume, change, and pairs seen as they were seen before."""

from pathlib import Path

import pytest

from pex.core.errors import PexError
from pex.rating.session import RatingSession, make_rating, rater_name
from pex.rating.store import RatingFile, parse_rating
from tests.helpers.ratings import many


def sit(path: Path, rater: str = "ada", seed: int = 0) -> RatingSession:
    return RatingSession(rater, many(20), RatingFile(path, parse_rating), seed, make_rating)


def test_one_goes_on_where_one_stopped_and_may_change_ones_mind(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    first = sit(path)
    for number in range(7):
        first.rate(number, "left", ["clear"], "a note")
    first.rate(3, "both bad")
    again = sit(path)
    assert (again.done, again.position, len(again)) == (7, 7, 22)
    assert [again.rating(n).choice for n in (2, 3)] == ["left", "both bad"]
    again.rate(8, "tie")
    assert (again.done, again.position) == (8, 7)
    assert sit(path, "bo").done == 0


def test_who_stood_where_is_written_down(tmp_path: Path) -> None:
    found = sit(tmp_path / "r.jsonl")
    for number, turn in enumerate(found.order):
        rated = found.rate(number, "left")
        assert (rated.left, rated.right) == (("b", "a") if turn.swapped else ("a", "b"))
        assert rated.winner == rated.left
        assert rated.second_look == turn.second_look
    assert found.position == len(found)


def test_another_seed_turns_no_pair_round_that_was_rated(tmp_path: Path) -> None:
    first = sit(tmp_path / "r.jsonl")
    for number in range(len(first)):
        first.rate(number, "left")
    seen = {t.pair.id: t.swapped for t in first.order if not t.second_look}
    other = sit(tmp_path / "r.jsonl", seed=9)
    assert {t.pair.id: t.swapped for t in other.order if not t.second_look} == seen


def test_what_cannot_be_rated_is_said(tmp_path: Path) -> None:
    with pytest.raises(PexError, match="no choice 'better'"):
        sit(tmp_path / "r.jsonl").rate(0, "better")
    with pytest.raises(PexError, match="no pair 23"):
        sit(tmp_path / "r.jsonl").rate(22, "left")
    for name in ("", " \t", "x" * 81, "\x00"):
        with pytest.raises(PexError, match="a rater's name has 1 to 80"):
            rater_name(name)

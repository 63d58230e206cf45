"""Agreement of a judge with people: against published figures, and what goes wrong is said."""

from __future__ import annotations

from pathlib import Path

import pytest

import pex
from pex.score.judge.calibration import Calibration, calibrate
from pex.score.judge.positions import positions


def from_table(table: list[list[int]], labels: tuple[float, ...] = (0.0, 1.0)) -> Calibration:
    """Ratings whose table (rows: people) this is."""
    human, judged = {}, {}
    for row, counts in zip(labels, table, strict=True):
        for column, count in zip(labels, counts, strict=True):
            for number in range(count):
                place = (f"{row:g}{column:g}", str(number), 1)
                human[place], judged[place] = row, column
    return calibrate(judged, human)


def test_kappa_of_the_textbook_example() -> None:
    found = from_table([[20, 5], [10, 15]])
    assert (found.n, found.table) == (50, ((20, 5), (10, 15)))
    assert found.kappa == pytest.approx(0.4)
    assert found.kappa_low == pytest.approx(0.1510923, abs=1e-6)
    assert found.kappa_high == pytest.approx(0.6489077, abs=1e-6)
    assert found.agreement.value == pytest.approx(0.7)
    assert found.sensitivity.value == pytest.approx(15 / 25)
    assert found.specificity.value == pytest.approx(20 / 25)
    assert found.sensitivity.low < 0.6 < found.sensitivity.high


def test_the_same_agreement_can_be_a_different_kappa() -> None:
    one, other = from_table([[45, 15], [25, 15]]), from_table([[25, 35], [5, 35]])
    assert one.agreement.value == other.agreement.value == 0.6
    assert (round(one.kappa, 2), round(other.kappa, 2)) == (0.13, 0.26)


def test_a_scale_counts_how_far_apart_the_scores_are() -> None:
    places = [("a", str(n), 1) for n in range(6)]
    people = dict(zip(places, [1, 2, 3, 3, 5, 5], strict=True))
    near = calibrate(dict(zip(places, [1, 2, 3, 3, 5, 4], strict=True)), people)
    far = calibrate(dict(zip(places, [1, 2, 3, 3, 5, 1], strict=True)), people)
    assert near.labels == (1.0, 2.0, 3.0, 4.0, 5.0)
    assert near.agreement == far.agreement
    assert near.kappa > 0.9 > far.kappa
    assert near.sensitivity is None
    assert near.specificity is None


def test_disagreements_come_with_the_widest_first() -> None:
    human = {("a", "1", 1): 5, ("a", "2", 1): 5, ("a", "3", 1): 2}
    found = calibrate({("a", "1", 1): 4, ("a", "2", 1): 1, ("a", "3", 1): 2}, human)
    assert [(d.place[1], d.judged, d.human) for d in found.disagreements] == [
        ("2", 1.0, 5.0),
        ("1", 4.0, 5.0),
    ]


def test_what_only_one_has_scored_is_counted_and_left_out() -> None:
    judged = {("a", "1", 1): True, ("a", "2", 1): None, ("a", "3", 1): False}
    human = {("a", "1", 1): True, ("a", "2", 1): True, ("a", "4", 1): None}
    found = calibrate(judged, human)
    assert (found.n, found.unrated) == (1, 2)


def test_no_common_answer_is_an_error() -> None:
    with pytest.raises(pex.PexError, match=r"no answer has both.*\n.*1 answers are judged and 0"):
        calibrate({("a", "1", 1): True}, {})


def test_scores_that_are_all_the_same_say_nothing() -> None:
    found = from_table([[0, 0], [0, 30]])
    assert (found.kappa, found.specificity) == (None, None)
    assert found.enough(0.6) == (
        False,
        "uncalibrated: all 30 ratings and verdicts are 1, which says nothing about agreement",
    )


def test_it_is_shown_with_its_figures_and_its_table() -> None:
    first, second, head, *rows = repr(from_table([[4, 6], [3, 7]])).splitlines()
    assert first == "kappa 0.10 [-0.32, 0.52] on 20 answers rated by people"
    assert second.startswith("agreement 55% [34%, 74%], sensitivity 70%")
    assert [head.split(), *map(str.split, rows)] == [
        ["people", "\\", "judge", "0", "1"], ["0", "4", "6"], ["1", "3", "7"],
    ]  # fmt: skip


def test_it_is_kept_as_it_was(tmp_path: Path) -> None:
    order = positions([("first", "second"), ("first", "first")])
    human = {("a", "1", 1): 1.0, ("b", "1", 2): 0.5, ("c", "1", 1): 0.0}
    judged = {("a", "1", 1): 1.0, ("b", "1", 2): 0.0, ("c", "1", 1): 0.0}
    identity = {"prompt": "abc", "model": "lab/j", "params": {"temperature": 0}}
    found = calibrate(judged, human, identity, order, ["ann", "bob"], "2026-11-25")
    again = Calibration.load(found.save(tmp_path / "judges" / "polite.calibration.json"))
    assert again == found
    assert again.positions.consistent == 1
    assert again.labels == (0.0, 0.5, 1.0)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"n": 1', '{"n": 1, "labels": 3}'])
def test_a_damaged_file_is_an_error_that_names_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "polite.calibration.json"
    path.write_text(text)
    with pytest.raises(pex.PexError, match=r"polite\.calibration\.json: it cannot be read"):
        Calibration.load(path)


def test_a_judge_that_always_likes_the_first_is_found_out() -> None:
    found = positions([("first", "first")] * 12)
    assert (found.consistency, found.first_share) == (0.0, 1.0)
    assert found.p == pytest.approx(2 / 2**12)


def test_a_judge_that_looks_at_the_answers_is_not() -> None:
    found = positions([("first", "second")] * 20 + [("second", "first")] * 30 + [("tie", "tie")])
    assert (found.consistency, found.first_share, found.p) == (1.0, 0.5, 1.0)
    assert found.interval[0] > 0.9


def test_ties_and_no_pairs_have_no_share() -> None:
    nothing = positions([])
    assert (nothing.consistency, nothing.interval, nothing.first_share, nothing.p) == (
        None,
        None,
        None,
        1.0,
    )
    assert positions([("tie", "tie")]).first_share is None


def test_the_sign_test_gives_the_published_value() -> None:
    # 68 of 100: p = .0004 (the exact binomial test).
    found = positions([("first", "first")] * 68 + [("second", "second")] * 32)
    assert round(found.p, 4) == 0.0004

"""Answers rated alone: numbers on a scale, and categories."""

import json
import random
from pathlib import Path

import pytest

import pex
from pex.rating.answers import AnswersRating
from pex.rating.form import category_form, scale_form
from pex.rating.levels import levels
from pex.rating.levels_report import details, plain_headline, result_html, table
from pex.rating.order import find_answers, presentation_order
from pex.rating.preference import Target
from pex.rating.store import AnswerRating
from tests.helpers.grids import frame_of
from tests.helpers.made import made

FIVE = scale_form(5)
KINDS = category_form(["good", "minor", "bad"])


def answers_of(cases: int, names: str = "ab", group: bool = False):
    frame = frame_of({name: ["good"] * cases for name in names})
    frame["output"] = [f"{v} {c}" for v, c in zip(frame["variant"], frame["case_id"], strict=True)]
    return find_answers(frame if group else frame.drop(columns="group"), tuple(names))


def rated(answers, choose, raters: tuple[str, ...] = ("ada",), upto: int | None = None):
    """What raters say who choose by the first variant that gave an answer."""
    return [
        AnswerRating(
            shown.pair.id, shown.pair.case_id, 1, rater, choose(shown.pair.variants[0]),
            at=f"{number:04}", second_look=shown.second_look,
        )
        for rater in raters
        for number, shown in enumerate(presentation_order(answers.different, rater, 0)[:upto])
    ]  # fmt: skip


def test_the_same_text_is_shown_once_and_counts_for_all_who_gave_it() -> None:
    frame = frame_of({"a": ["good"] * 3, "b": ["good"] * 3, "c": ["good", None, "good"]})
    frame.loc[frame["variant"] == "c", "output"] = ["other", None, "other"]
    answers = find_answers(frame, ("a", "b", "c"))
    assert [len(answer.variants) for answer in answers.different] == [2, 2, 2, 1, 1]
    assert answers.errors == 1
    found = levels(rated(answers, lambda name: "4"), answers, FIVE, Target())
    assert {level.variant: level.ratings for level in found.order} == {"a": 3, "b": 3, "c": 2}


def test_answers_have_no_sides_and_the_answers_to_a_case_are_apart() -> None:
    answers = answers_of(12, "abc")
    order = presentation_order(answers.different, "ada", 0)
    assert (len(order), sum(shown.second_look for shown in order)) == (40, 4)
    assert not any(shown.swapped for shown in order)
    first = [shown.pair.case_id for shown in order if not shown.second_look]
    assert len(set(first[:12])) == 12


def test_a_difference_that_is_more_than_chance_is_said() -> None:
    answers = answers_of(25)
    dice = random.Random(1)
    said = rated(
        answers, lambda name: str(dice.randint(3, 5) if name == "b" else dice.randint(1, 3))
    )
    found = levels(said, answers, FIVE, Target())
    assert (found.verdict, found.surely_worse) == ("b", ("a",))
    best = found.order[0]
    assert best.mean is not None
    assert best.low is not None
    assert best.high is not None
    assert best.low < best.mean < best.high <= 5
    assert plain_headline(found).startswith("'b' is rated higher than 'a'. 'b' has ")
    assert "on average, on a scale from 1 to 5; 'a' has " in plain_headline(found)
    html = result_html(found)
    assert html.count("▲ best") == html.count("▼ worse") == 1


def test_chance_is_called_chance() -> None:
    wrong = 0
    answers = answers_of(15, "abc")
    for seed in range(40):
        dice = random.Random(seed)
        said = rated(answers, lambda name, dice=dice: str(dice.randint(1, 5)))
        found = levels(said, answers, FIVE, Target())
        wrong += bool(found.surely_worse)
        if not found.surely_worse:
            assert plain_headline(found).endswith("This can still be chance.")
    assert wrong <= 4


def test_before_the_end_being_ahead_is_not_enough() -> None:
    answers = answers_of(60)
    dice = random.Random(2)
    choose = lambda name: str(dice.randint(2, 5) if name == "b" else dice.randint(1, 4))  # noqa: E731
    found = levels(rated(answers, choose, upto=12), answers, FIVE, Target())
    assert found.verdict is None
    assert found.more > 0


def test_groups_are_what_counts() -> None:
    answers = answers_of(20, group=True)  # in two groups
    dice = random.Random(2)
    choose = lambda name: str(dice.randint(3, 5) if name == "b" else dice.randint(2, 4))  # noqa: E731
    apart, grouped = (
        levels(rated(given, choose), given, FIVE, Target()) for given in (answers_of(20), answers)
    )
    widths = [found.order[0].high - found.order[0].low for found in (apart, grouped)]
    assert widths[1] != widths[0]
    assert grouped.verdict is None


def test_categories_count_the_first_one() -> None:
    answers = answers_of(30)
    choose = lambda name: "good" if name == "a" else "bad"  # noqa: E731
    found = levels(rated(answers, choose), answers, KINDS, Target())
    assert found.verdict == "a"
    assert plain_headline(found) == (
        "'a' is 'good' more often than 'b'. 'a' is 'good' in 30 of 30 ratings; "
        "'b' is 'good' in 0 of 30 ratings."
    )
    frame = table(found)
    assert list(frame.loc[0, ["good", "minor", "bad"]]) == [30, 0, 0]
    assert found.order[0].low is not None
    assert 0.8 < found.order[0].low < 1  # no spread proves less than it seems


def test_one_variant_has_a_level_and_no_verdict() -> None:
    answers = answers_of(10, "a")
    found = levels(rated(answers, lambda name: "3"), answers, FIVE, Target())
    assert (found.verdict, plain_headline(found)) == (
        None, "'a' has 3.00 on average, on a scale from 1 to 5.",
    )  # fmt: skip
    nothing = levels([], answers, FIVE, Target())
    assert plain_headline(nothing) == "No answer has been rated yet."
    assert "<table" not in result_html(nothing)


def test_raters_agree_with_themselves_and_with_each_other() -> None:
    answers = answers_of(20)
    said = rated(answers, lambda name: "4" if name == "a" else "2", ("ada", "bo"))
    found = levels(said, answers, FIVE, Target())
    assert found.self_agreement["ada"].same == found.self_agreement["ada"].of == 4
    assert found.rater_agreement is not None
    assert (found.rater_agreement.same, found.rater_agreement.alpha) == (40, 1.0)
    text = " ".join(details(found))
    assert "4 of 4 answers that were shown a second time got the same verdict" in text
    assert "the same verdict on 40 of 40 answers rated by two or more" in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"scale": 1}, "scale=1: expected the highest number"),
        ({"scale": (5, 1)}, "expected the highest number, or the lowest and the highest"),
        ({"scale": 2.5}, "expected"),
        ({"scale": True}, "expected the highest number"),
        ({"scale": 100}, "100 steps; at most 10"),
        ({"categories": ["one"]}, "expected 2 to 10 different short strings"),
        ({"categories": "good"}, "expected 2 to 10 different short strings"),
        ({"categories": ["a", "a"]}, "expected 2 to 10 different short strings"),
        ({"categories": ["a", "b"], "scale": 5}, "a scale or categories, not both"),
        ({"scale": 5, "variants": ["variant-9"]}, "no variant 'variant-9'"),
    ],
)
def test_wrong_options_are_said(options: dict, said: str, project: Path) -> None:
    with pytest.raises(pex.PexError, match=said):
        made(3, 2).rate(**options)
    assert not (project / ".pex").exists()


def test_keys_are_the_numbers_themselves_where_they_are_digits() -> None:
    assert [key for _, _, key in scale_form((0, 3)).choices] == ["0", "1", "2", "3"]
    assert [key for _, _, key in scale_form(10).choices] == [*"123456789", "0"]
    assert [key for _, _, key in KINDS.choices] == ["1", "2", "3"]


def test_it_is_stored_resumed_sent_to_others_and_found_again(project: Path) -> None:
    results = made(12, 2)
    rating = results.rate(scale=5, rater="ada")
    assert isinstance(rating, AnswersRating)
    session = rating._open_session("ada")
    assert len(session) == 26
    for number in range(5):
        session.rate(number, "4", ("clear",), "fine")
    with pytest.raises(pex.PexError, match="there is no choice '6'"):
        session.rate(5, "6")
    assert rating._open_session("ada").position == 5
    assert rating.frame["value"].tolist() == [4.0] * 5
    assert rating.frame["choice"].tolist() == ["4"] * 5
    assert "5 of 12 cases rated" in rating._line()  # not how many: some come twice
    # Other variants, another scale and categories are ratings of their own.
    assert results.rate("variant-0", scale=5).path == rating.path
    others = [results.rate(scale=4).path, results.rate(categories=["1", "2"]).path]
    assert len({rating.path, results.rate().path, *others}) == 4
    page = rating.to_html(project / "page.html").read_text()
    assert "variant-0" not in page
    assert "How good is the answer, from 1 (worst) to 5 (best)?" in page
    shown = session.order[12]
    item = {
        "pair": shown.pair.id, "swapped": False, "second_look": False, "choice": "2",
        "reasons": [], "note": "", "at": "2026-01-01T10:00:00Z",
    }  # fmt: skip
    about = {"format": "pex ratings 1", "experiment": "made", "run_id": None, "rater": "bo"}
    file = project / "bo.json"
    file.write_text(json.dumps({**about, "ratings": [item]}))
    assert rating.add(file) == 1
    assert rating.add(file) == 0
    file.write_text(json.dumps({**about, "ratings": [{**item, "choice": "9"}]}))
    with pytest.raises(pex.PexError, match="rating 1: choice is '9'\n  expected one of 1, 2, 3"):
        rating.add(file)
    first = next(i for i in rating._assessments(rating._ratings()) if i["rater"] == "ada")
    assert (first["value"], first["rationale"]) == (4.0, "clear; fine")
    assert len(made(12, 2).rate(scale=5).frame) == 6
    assert "This can still be chance." in rating.explain()
    kinds = results.rate(categories=["good", "bad"])
    kinds._open_session("ada").rate(0, "bad")
    assert kinds._assessments(kinds._ratings())[0]["value"] == "bad"

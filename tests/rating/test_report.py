"""What came of a rating, in words: the verdict, what is missing, what the ratings are worth."""

import dataclasses
from xml.etree import ElementTree

from pex.rating.order import Pairs
from pex.rating.preference import Findings, Target, findings
from pex.rating.report import explain, growth_svg, progress_line, result_html, table
from tests.helpers.ratings import pairs, said


def found(letters: str, again: str = "", count: int = 100) -> Findings:
    there = Pairs(("a", "b"), tuple(pairs(count).values()), tuple(pairs(10).values()), 2)
    return findings([*said(letters), *said(again, second=True)], there, Target())


def test_the_line_between_two_pairs_does_not_say_who_is_ahead() -> None:
    ahead, behind = found("aab" * 10).total, found("bba" * 10).total
    assert progress_line(ahead, Target()) == progress_line(behind, Target())
    assert "30 cases rated" in progress_line(ahead, Target())
    assert progress_line(found("").total, Target()).endswith("about 93 cases")
    assert progress_line(found("a" * 30).total, Target()).endswith("enough, ±10 is the goal")


def test_it_says_all_that_was_left_out_and_what_the_ratings_are_worth() -> None:
    text = explain(found("aaabtx" * 5, again="ab"), ["A note."])
    first = text.split("\n\n")[0]
    assert first == (
        "No clear preference yet: 'a' was better 15 times, 'b' 5 times, neither 10 times. This can "
        "still be chance."
    )
    sure = explain(found("a" * 30))
    assert sure.startswith("'a' is preferred to 'b': 'a' was better 30 times, 'b' never.\n\n")
    undecided = explain(found("aab")).split("\n\n")
    assert undecided[0] == (
        "No clear preference yet: 'a' was better twice, 'b' once. This can still be chance."
    )
    assert undecided[1].startswith("Undecided between 'a' and 'b': 'a' has a win rate of 67 %")
    for part in (
        "10 pairs had identical answers and were not shown",
        "2 pairs with an error or without an answer are left out",
        "5 ties, both bad in 5 (each counts as half a win)",
        "1 of 2 pairs that were shown a second time",
        "The answer on the left was chosen in 75 %",
        "A note.",
        "however often you look",
    ):
        assert part in text
    assert "No pair of 'a' and 'b' has been rated yet." in explain(found(""))
    assert "that precision needs a run with about" in explain(found("ab" * 5, count=10))


def test_the_table_has_all_and_each() -> None:
    both = found("aab", again="a")
    frame = table(both)
    assert frame["rater"].tolist() == ["all", "ada"]
    assert frame.loc[0, ["wins", "losses", "looked_twice", "same_twice"]].tolist() == [2, 1, 1, 1]
    assert table(found("")).loc[0, "share"] is not None  # <NA>, never NaN
    assert table(found(""))["share"].isna().all()


def test_names_of_variants_and_raters_are_escaped() -> None:
    evil = "<img src=x onerror=1>"
    there = Pairs((evil, "b"), tuple(pairs(9).values()), (), 0)
    ratings = [dataclasses.replace(r, rater=evil, left=evil) for r in said("aab")]
    html = result_html(findings(ratings, there, Target()), [evil])
    assert "<img" not in html


def test_the_picture_is_whole_and_says_what_it_shows() -> None:
    picture = growth_svg(found("ab" * 20).steps, "'<a>'")
    root = ElementTree.fromstring(picture)
    assert root.get("aria-label") == "win rate of '<a>' after each case, at the end 50 %"
    assert growth_svg(found("a").steps, "a") == ""

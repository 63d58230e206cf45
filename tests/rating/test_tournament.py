"""Three or more variants: pairs in balance, a ranking with its uncertainty, a plain sentence."""

import itertools
import json
import random
from collections import Counter
from pathlib import Path

import pytest

import pex
from pex.rating.order import find_pairs, presentation_order
from pex.rating.preference import Target
from pex.rating.session import RatingSession, make_rating
from pex.rating.standings import count, half_width, standings
from pex.rating.standings_report import details, plain_headline, result_html, table
from pex.rating.store import PairRating, RatingFile, parse_rating
from pex.rating.tournament import Tournament
from tests.helpers.grids import frame_of
from tests.helpers.made import made

NAMES = ("a", "b", "c")


def pairs_of(cases: int, names: tuple[str, ...] = NAMES):
    frame = frame_of({name: ["good"] * cases for name in names})
    frame["output"] = [f"{v} {c}" for v, c in zip(frame["variant"], frame["case_id"], strict=True)]
    return find_pairs(frame.drop(columns="group"), names)


def rated(pairs, choose, raters: tuple[str, ...] = ("ada",), upto: int | None = None):
    """What raters say who decide by `choose(first, second)`: the better one, or None."""
    found = []
    for rater in raters:
        for number, shown in enumerate(presentation_order(pairs.different, rater, 0)[:upto]):
            left, right = shown.pair.variants[::-1] if shown.swapped else shown.pair.variants
            better = choose(left, right)
            choice = "tie" if better is None else "left" if better == left else "right"
            found.append(
                PairRating(
                    shown.pair.id, shown.pair.case_id, 1, rater, left, right, choice,
                    at=f"{rater}{number:04}", second_look=shown.second_look,
                )
            )  # fmt: skip
    return found


def test_all_pairings_of_all_cases_are_there_once() -> None:
    pairs = pairs_of(10, ("a", "b", "c", "d"))
    assert len(pairs.different) == 60
    assert {pair.variants for pair in pairs.different} == set(itertools.combinations("abcd", 2))
    assert len({pair.id for pair in pairs.different}) == 60


@pytest.mark.parametrize("names", [NAMES, ("a", "b", "c", "d", "e")])
def test_whoever_stops_early_has_compared_all_variants_about_equally_often(
    names: tuple[str, ...],
) -> None:
    pairs = pairs_of(12, names)
    pairings = len(list(itertools.combinations(names, 2)))
    for rater in ("ada", "bo"):
        order = [s.pair for s in presentation_order(pairs.different, rater, 0) if not s.second_look]
        assert len(order) == len(pairs.different)
        for end in range(1, len(order) + 1):
            seen = Counter(pair.variants for pair in order[:end])
            fewest = min(seen.values()) if len(seen) == pairings else 0
            assert max(seen.values()) - fewest <= 2
        # No case comes twice before all have come once.
        assert len({pair.case_id for pair in order[:12]}) == 12
        other = [s.pair for s in presentation_order(pairs.different, rater, 1) if not s.second_look]
        assert order != other


def test_a_clear_winner_is_said_with_counts() -> None:
    pairs = pairs_of(30)
    found = standings(rated(pairs, min), pairs, Target())
    assert [standing.variant for standing in found.order] == ["a", "b", "c"]
    assert (found.verdict, set(found.surely_worse)) == ("a", {"b", "c"})
    first = found.order[0]
    assert (first.ratings, first.wins, first.losses) == (60, 60, 0)
    assert first.low is not None
    assert first.low > 0.5
    assert plain_headline(found) == (
        "'a' is preferred to all others. 'a' was better in 60 of 60 comparisons; "
        "'b' was better in 30 of 60 comparisons; 'c' was better in 0 of 60 comparisons."
    )


@pytest.mark.soak
def test_chance_is_called_chance() -> None:
    wrong = 0
    for seed in range(10):
        dice = random.Random(seed)
        pairs = pairs_of(20)
        said = rated(pairs, lambda one, two, dice=dice: dice.choice([one, two, None]))
        found = standings(said, pairs, Target())
        wrong += found.verdict is not None
        if found.verdict is None and not found.surely_worse:
            assert plain_headline(found).startswith("No clear preference yet. ")
            assert plain_headline(found).endswith("This can still be chance.")
    assert wrong <= 1


def test_few_groups_give_no_verdict_whatever_they_say() -> None:
    frame = frame_of({name: ["good"] * 20 for name in NAMES})  # in two groups
    frame["output"] = [f"{v} {c}" for v, c in zip(frame["variant"], frame["case_id"], strict=True)]
    pairs = find_pairs(frame, NAMES)
    found = standings(rated(pairs, min), pairs, Target())
    assert (found.verdict, found.surely_worse, found.order[0].low) == (None, (), None)
    assert any("need ratings of at least 10 cases (or groups" in text for text in details(found))


def test_two_that_are_equal_are_separated_from_a_third_only() -> None:
    dice = random.Random(3)
    pairs = pairs_of(40)

    def choose(one: str, two: str) -> str:
        return dice.choice([name for name in (one, two) if name != "c"])

    found = standings(rated(pairs, choose), pairs, Target())
    assert (found.verdict, found.surely_worse) == (None, ("c",))
    assert "is preferred to 'c'; between " in plain_headline(found)
    assert "there is no clear preference yet" in plain_headline(found)


def test_ties_are_kept_and_count_as_half_a_win() -> None:
    pairs = pairs_of(20)
    found = standings(rated(pairs, lambda one, two: None), pairs, Target())
    assert [(s.wins, s.ties, s.losses) for s in found.order] == [(0, 40, 0)] * 3
    assert [round(s.share or 0, 2) for s in found.order] == [0.5] * 3
    assert (found.verdict, found.surely_worse) == (None, ())


def test_before_the_end_being_ahead_is_not_enough() -> None:
    pairs = pairs_of(60)
    found = standings(rated(pairs, min, upto=12), pairs, Target())
    assert found.verdict is None
    assert found.more > 0


def test_what_is_not_connected_is_not_ranked() -> None:
    pairs = pairs_of(5)
    only = [r for r in rated(pairs, min) if {r.left, r.right} == {"a", "b"}]
    found = standings(only, pairs, Target())
    assert all(standing.share is None for standing in found.order)
    assert "Not all variants have been compared yet, so there is no ranking." in details(found)
    assert half_width(only, pairs, Target()) is None
    nothing = standings([], pairs, Target())
    assert plain_headline(nothing) == "No pair of 'a', 'b' and 'c' has been rated yet."
    assert "<table" not in result_html(nothing)


def test_raters_are_counted_apart_and_agree_with_themselves_and_each_other() -> None:
    pairs = pairs_of(20)
    found = standings(rated(pairs, min, ("ada", "bo")), pairs, Target())
    assert set(found.by_rater) == {"ada", "bo"}
    alone = [r for r in rated(pairs, min) if not r.second_look]
    assert found.by_rater["ada"] == count(alone, NAMES)
    assert found.self_agreement["ada"].same == found.self_agreement["ada"].of == 6
    assert found.rater_agreement is not None
    assert found.rater_agreement.same == found.rater_agreement.of == 60
    frame = table(found)
    assert frame["rater"].tolist() == ["all"] * 3 + ["ada"] * 3 + ["bo"] * 3
    assert frame["same_twice"].tolist()[:4] == [12, 12, 12, 6]
    html = result_html(found)
    assert html.count("▲ preferred") == 1
    assert html.count("▼ worse") == 2


def test_a_rating_of_all_variants_is_stored_resumed_and_sent_to_others(project: Path) -> None:
    results = made(12, 3)
    rating = results.rate("all", rater="ada")
    assert isinstance(rating, Tournament)
    assert rating.variants == ("variant-0", "variant-1", "variant-2")
    assert results.rate("variant-2", "variant-0", "variant-1").path == rating.path
    assert not isinstance(results.rate("variant-0", "variant-1"), Tournament)
    assert not isinstance(results.rate(["variant-0", "variant-1"]), Tournament)
    session = rating._open_session("ada")
    assert len(session) == 40  # 36 pairs, and a tenth of them again
    for number in range(10):
        session.rate(number, "left", (), "")
    assert rating._open_session("ada").position == 10
    assert len(rating.frame) == 10
    assert set(rating.frame["left"]) | set(rating.frame["right"]) == set(rating.variants)
    assert "10 of 12 cases rated" in rating._line()  # not how many pairs: some come twice
    page = rating.to_html(project / "page.html").read_text()
    assert not any(name in page for name in rating.variants)
    shown = session.order[12]
    item = {
        "pair": shown.pair.id, "swapped": True, "second_look": False, "choice": "left",
        "reasons": [], "note": "", "at": "2026-01-01T10:00:00Z",
    }  # fmt: skip
    about = {"format": "pex ratings 1", "experiment": "made", "run_id": None, "rater": "bo"}
    (project / "bo.json").write_text(json.dumps({**about, "ratings": [item]}))
    assert rating.add(project / "bo.json") == 1
    (added,) = [r for r in RatingFile(rating.path, parse_rating).ratings if r.rater == "bo"]
    assert (added.left, added.right) == (shown.pair.variants[1], shown.pair.variants[0])
    assert added.winner == shown.pair.variants[1]
    assert "No clear preference yet." in rating.explain()


def test_mlflow_gets_one_value_for_each_answer(project: Path) -> None:
    rating = made(4, 3).rate("all")
    session = rating._open_session("ada")
    for number in range(len(session)):
        shown = session.order[number]
        names = shown.pair.variants[::-1] if shown.swapped else shown.pair.variants
        session.rate(number, "left" if names[0] < names[1] else "right", (), "")
    given = rating._assessments(rating._ratings())
    assert len(given) == 12
    values = {item["variant"]: item["value"] for item in given}
    assert values == {"variant-0": 1.0, "variant-1": 0.5, "variant-2": 0.0}
    assert "not as good as" in next(i for i in given if i["value"] == 0.5)["rationale"]


def test_a_variant_that_is_not_there_is_named(project: Path) -> None:
    with pytest.raises(pex.PexError, match="no variant 'variant-9'"):
        made(3, 3).rate("variant-0", "variant-1", "variant-9")


def test_sides_of_a_resumed_pair_stay(tmp_path: Path) -> None:
    pairs = pairs_of(6)
    file = RatingFile(tmp_path / "r.jsonl", parse_rating)
    first = RatingSession("ada", pairs.different, file, 0, make_rating)
    rating = first.rate(0, "left")
    again = RatingSession("ada", pairs.different, file, 5, make_rating)
    (same,) = [s for s in again.order if s.pair.id == rating.pair and not s.second_look]
    assert same.swapped == first.order[0].swapped

"""From ratings to a win rate: known intervals, stopping, clusters, agreement."""

import numpy as np
import pytest

from pex.rating.order import Pairs
from pex.rating.preference import (
    MIN_CASES,
    Target,
    agreement_between_raters,
    agreement_with_self,
    findings,
    preference,
)
from pex.stats import tango
from tests.helpers.ratings import pairs, said

VARIANTS = ("a", "b")


def test_the_win_rate_counts_a_tie_as_half_a_win() -> None:
    found = preference(said("aaabtx"), pairs(6), VARIANTS, Target())
    assert (found.wins, found.losses, found.ties, found.both_bad) == (3, 1, 1, 1)
    assert found.share == pytest.approx((3 + 0.5 + 0.5) / 6)
    low, high = tango(0, 3, 1, 2)
    assert (found.low, found.high) == pytest.approx(((1 + low) / 2, (1 + high) / 2))
    assert not found.enough


def test_nothing_rated_says_nothing_and_how_many_it_takes() -> None:
    found = preference([], pairs(6), VARIANTS, Target())
    assert (found.share, found.low, found.p_always, found.enough) == (None, None, 1.0, False)
    assert 90 <= found.more <= 100
    assert 350 <= preference([], pairs(6), VARIANTS, Target(0.05)).more <= 400


def test_it_is_enough_when_the_interval_is_narrow_and_never_below_the_least() -> None:
    found = preference(said("a" * (MIN_CASES - 1)), pairs(99), VARIANTS, Target())
    assert found.half_width is not None
    assert found.half_width < 0.1
    assert (found.enough, found.more) == (False, 1)
    assert preference(said("a" * 30), pairs(99), VARIANTS, Target()).enough
    wide = preference(said("ab" * 20), pairs(99), VARIANTS, Target())
    assert not wide.enough
    for share, enough in ((0.8, False), (1.05, True)):
        more = "ab" * round((40 + share * wide.more) / 2)
        assert preference(said(more), pairs(300), VARIANTS, Target()).enough is enough


def test_raters_of_one_case_and_cases_of_one_group_do_not_count_as_more() -> None:
    one = preference(said("aabab" * 6), pairs(30), VARIANTS, Target())
    thrice = [rated for rater in ("ada", "bo", "cy") for rated in said("aabab" * 6, rater)]
    three = preference(thrice, pairs(30), VARIANTS, Target())
    assert three.ratings == 90
    assert (three.cases, three.share) == (30, one.share)
    assert three.half_width == pytest.approx(one.half_width, abs=0.02)
    grouped = preference(said("aaaaabbbbb" * 3), pairs(30, group=5), VARIANTS, Target())
    alone = preference(said("aaaaabbbbb" * 3), pairs(30), VARIANTS, Target())
    assert grouped.half_width is not None
    assert alone.half_width is not None
    assert grouped.half_width > 1.5 * alone.half_width
    # All groups saying the same is no proof without a width.
    same = preference(said("a" * 30), pairs(30, group=10), VARIANTS, Target())
    assert same.method == "Wilson"
    assert same.low == pytest.approx(0.438, abs=0.001)


def test_stopping_when_it_is_narrow_keeps_what_the_interval_promises() -> None:
    """As a rater does it: look after each case, stop when it is enough."""
    dice, trials, hits = np.random.default_rng(5), 400, 0
    by_id = pairs(200)
    for _ in range(trials):
        drawn = "".join(dice.choice(list("abt"), p=[0.6, 0.2, 0.2], size=200))
        n = MIN_CASES
        while True:
            wins, losses = drawn[:n].count("a"), drawn[:n].count("b")
            low, high = (end / 2 + 0.5 for end in tango(0, wins, losses, n - wins - losses))
            if (high - low) / 2 <= 0.1:
                break
            n += 1
        found = preference(said(drawn[:n]), by_id, VARIANTS, Target())
        assert found.enough
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 0.7 <= found.high
    assert 0.92 <= hits / trials <= 0.98


def test_no_verdict_is_taken_from_looking_early() -> None:
    whole = Pairs(VARIANTS, tuple(pairs(100).values()), (), 0)
    early = findings(said("aaaaaaab"), whole, Target())
    assert early.total.low is not None
    assert early.total.low > 0.5
    assert early.total.p_always > 0.05
    assert early.verdict is None
    assert findings(said("a" * 12), whole, Target()).verdict == "a"  # p holds at any time
    assert findings(said("b" * 30), whole, Target()).verdict == "b"
    # All there are were rated: it was not stopped because one was ahead.
    small = Pairs(VARIANTS, tuple(pairs(8).values()), (), 0)
    assert findings(said("aaaaaaab"), small, Target()).verdict == "a"


def test_equal_answers_are_ties_in_the_win_rate_over_all() -> None:
    same = tuple(pairs(10).values())
    found = findings(said("a" * 10), Pairs(VARIANTS, same, same, 3), Target())
    assert found.total.share == 1.0
    assert found.share_with_ties == 0.75


def test_second_looks_measure_the_rater_and_count_nowhere_else() -> None:
    ratings = said("aabtx") + said("ab-xt", second=True)
    found = findings(ratings, Pairs(VARIANTS, tuple(pairs(5).values()), (), 0), Target())
    assert (found.total.ratings, found.total.cases) == (5, 5)
    twice = found.self_agreement["ada"]
    assert (twice.same, twice.of) == (3, 4)  # a tie and "both bad" are both no winner
    assert agreement_with_self(said("a")).of == 0


def test_raters_are_held_against_each_other() -> None:
    found = agreement_between_raters(said("aabb", "ada") + said("aaba-", "bo") + said("--b", "cy"))
    assert found is not None
    assert (found.same, found.of) == (3, 4)
    assert found.alpha is not None
    assert 0 < found.alpha < 1
    assert agreement_between_raters(said("aabb")) is None
    agreed = agreement_between_raters(said("aa", "ada") + said("aa", "bo"))
    assert agreed is not None
    assert agreed.alpha is None


def test_it_grows_in_at_most_sixty_steps_and_ends_at_the_whole() -> None:
    found = findings(said("ab" * 100), Pairs(VARIANTS, tuple(pairs(200).values()), (), 0), Target())
    assert 40 <= len(found.steps) <= 60
    assert found.steps[-1] == found.total

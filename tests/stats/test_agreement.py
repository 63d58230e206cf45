import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa

from pex.stats import agreement

SQUARES = st.integers(2, 4).flatmap(
    lambda size: st.lists(
        st.lists(st.integers(0, 20), min_size=size, max_size=size), min_size=size, max_size=size
    )
)
WEIGHTS = st.sampled_from([None, "linear", "quadratic"])


@pytest.mark.filterwarnings("ignore::RuntimeWarning:statsmodels")
@settings(max_examples=60)
@given(SQUARES, WEIGHTS)
def test_kappa_agrees_with_statsmodels_and_scikit_learn(table: list[list[int]], weights) -> None:
    counts = np.array(table)
    used = (counts.sum(axis=0) + counts.sum(axis=1)) > 0
    assume(used.all())
    found = agreement.kappa(table, weights)
    first, second = zip(
        *(pair for pair in np.ndindex(counts.shape) for _ in range(counts[pair])), strict=True
    )
    assert found.kappa == pytest.approx(cohen_kappa_score(first, second, weights=weights))
    if np.trace(counts) == counts.sum():
        assert (found.se, found.high) == (0.0, 1.0)
        assert found.low < 1
        return
    expected = cohens_kappa(counts, wt=weights)
    # Where the variance is 0 or the other computation drowns it in rounding, both are 0.
    variance = max(0.0, float(expected.var_kappa))
    assert found.se == pytest.approx(math.sqrt(variance), abs=1e-6)
    low, high = found.kappa - 1.959964 * found.se, found.kappa + 1.959964 * found.se
    assert (found.low, found.high) == pytest.approx((max(-1, low), min(1, high)), abs=1e-6)


def test_five_items_of_perfect_agreement_are_no_proof_of_it() -> None:
    few, many = agreement.kappa([[3, 0], [0, 2]]), agreement.kappa([[300, 0], [0, 200]])
    assert few.kappa == many.kappa == 1.0
    assert few.low < 0.2 < 0.95 < many.low


def test_one_category_leaves_kappa_undefined() -> None:
    found = agreement.kappa([[9, 0], [0, 0]])
    assert (found.kappa, found.se, found.low, found.high) == (None, None, None, None)
    assert found.observed == found.expected == 1.0


def test_one_rater_who_never_varies_agrees_as_chance_would() -> None:
    found = agreement.kappa([[6, 0], [4, 0]])
    assert found.kappa == pytest.approx(0.0)
    assert found.low <= 0 <= found.high


@pytest.mark.parametrize(
    ("table", "options", "says"),
    [
        ([[0, 0], [0, 0]], {}, "at least 1 item"),
        ([[1, 2, 3], [4, 5, 6]], {}, "as many rows as columns"),
        ([[0.5, 1], [1, 1]], {}, "whole numbers"),
        ([[1, 1], [1, 1]], {"weights": "cubic"}, "weights is 'cubic'"),
    ],
)
def test_what_is_no_table_is_refused(table, options: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        agreement.kappa(table, **options)


def by_pairs(items: list[list[float]], level: str) -> float:
    """Alpha written out: every pair within an item against every pair of all ratings."""
    items = [item for item in items if len(item) > 1]
    everything = [rating for item in items for rating in item]

    def distance(a: float, b: float) -> float:
        low, high = min(a, b), max(a, b)
        if level == "nominal":
            return float(a != b)
        if level == "ordinal":
            inside = sum(low <= rating <= high for rating in everything)
            ends = (everything.count(low) + everything.count(high)) / 2
            return (inside - ends) ** 2 if a != b else 0.0
        if level == "interval":
            return (a - b) ** 2
        return ((a - b) / (a + b)) ** 2 if a + b else 0.0

    n = len(everything)
    seen = sum(
        distance(a, b) / (len(item) - 1)
        for item in items
        for a, b in itertools.permutations(item, 2)
    )
    by_chance = sum(distance(a, b) for a, b in itertools.permutations(everything, 2))
    return 1 - (n - 1) * seen / by_chance


RATINGS = st.lists(
    st.lists(st.none() | st.integers(0, 4), min_size=3, max_size=3), min_size=2, max_size=12
)


@given(RATINGS, st.sampled_from(["nominal", "ordinal", "interval", "ratio"]))
def test_krippendorff_is_disagreement_seen_over_disagreement_by_chance(
    by_item: list[list[int | None]], level
) -> None:
    items = [[rating for rating in item if rating is not None] for item in by_item]
    paired = {rating for item in items if len(item) > 1 for rating in item}
    assume(len(paired) > 1)
    found = agreement.krippendorff([list(rater) for rater in zip(*by_item, strict=True)], level)
    assert found == pytest.approx(by_pairs(items, level), abs=1e-9)


def test_krippendorff_takes_names_numbers_of_any_size_and_numpys() -> None:
    names = agreement.krippendorff([["good", "bad", "good", None], ["good", "bad", "bad", "bad"]])
    assert names == pytest.approx(agreement.krippendorff([[1, 0, 1, None], [1, 0, 0, 0]]))
    small = agreement.krippendorff([[1, 2, 3], [1, 2, 2]], "interval")
    large = agreement.krippendorff([[1e300, 2e300, 3e300], [1e300, 2e300, 2e300]], "interval")
    assert large == pytest.approx(small)
    assert agreement.krippendorff(np.array([[1, 2, 3], [1, 2, 2]]), "ratio") < 1


def test_krippendorff_where_all_ratings_are_the_same_is_undefined() -> None:
    for level in ("nominal", "ordinal", "interval", "ratio"):
        assert agreement.krippendorff([[0, 0, None], [0, 0, 5]], level) is None


@pytest.mark.parametrize(
    ("ratings", "level", "says"),
    [
        ([[1, None], [None, 2]], "nominal", "no item has two ratings"),
        ([], "nominal", "no item has two ratings"),
        ([[1, 2], [1]], "nominal", "one entry per item"),
        ([["a"], ["b"]], "interval", "rating 'a'"),
        ([[-1], [1]], "ratio", "rating -1"),
        ([[float("nan")], [1]], "nominal", "missing one is None"),
        ([[1], [1]], "cardinal", "level is 'cardinal'"),
    ],
)
def test_what_cannot_be_rated_is_refused(ratings, level, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        agreement.krippendorff(ratings, level)


def test_detector_rates_carry_wilson_intervals() -> None:
    found = agreement.sensitivity_specificity(17, 3, 38, 2)
    assert (found.sensitivity, found.specificity) == (0.85, 0.95)
    assert found.sensitivity_interval == pytest.approx((0.6396, 0.9476), abs=1e-4)
    assert found.specificity_interval[1] < 1


def test_a_rate_without_items_is_none() -> None:
    found = agreement.sensitivity_specificity(0, 0, 3, 0)
    assert (found.sensitivity, found.sensitivity_interval, found.specificity) == (None, None, 1.0)
    with pytest.raises(ValueError, match="every count is 0"):
        agreement.sensitivity_specificity(0, 0, 0, 0)

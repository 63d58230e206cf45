import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pex.stats import repeats

CASES = st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=6), min_size=2, max_size=12)


@given(CASES.filter(lambda cases: max(map(len, cases)) > 1))
def test_the_mean_squares_are_those_of_the_analysis_of_variance(cases: list[list[int]]) -> None:
    found = repeats.variance_components(cases)
    assert found.ms_within >= 0
    assert found.mean == pytest.approx(np.mean([np.mean(case) for case in cases]))
    if found.ms_within > 0:
        ratio = stats.f_oneway(*cases).statistic
        assert found.ms_between / found.ms_within == pytest.approx(ratio, abs=1e-9)
    assert found.se_endless <= found.se_one + 1e-12
    assert found.se_with(1) == pytest.approx(found.se_one)
    assert found.icc is None or 0 <= found.icc <= 1


def test_the_components_of_unequal_cases_are_found_again() -> None:
    rng = np.random.default_rng(1)
    cases = [
        (rng.normal(0, 2) + rng.normal(0, 1, size=k)).tolist()
        for k in rng.integers(1, 6, size=4000)
    ]
    found = repeats.variance_components(cases)
    assert found.between == pytest.approx(4, rel=0.1)
    assert found.within == pytest.approx(1, rel=0.04)


def test_nothing_varies() -> None:
    found = repeats.variance_components([[1, 1], [1, 1]])
    assert (found.se, found.se_one, found.se_endless, found.icc) == (0, 0, 0, None)


def test_repeats_that_vary_more_than_cases_leave_no_variance_between() -> None:
    found = repeats.variance_components([[0, 1], [1, 0], [0, 1]])
    assert (found.between, found.icc, found.se_endless) == (0, 0, 0)
    assert found.se_with(4) == pytest.approx(found.se_one / 2)


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        ([[1, 0]], "at least 2 cases"),
        ([[1, 0], []], r"scores\[1\] is empty"),
        ([[1], [0]], "no case has two scores"),
        ([[1, 0], [1, float("nan")]], r"scores\[1\]\[1\] is nan"),
    ],
)
def test_what_cannot_be_split_is_refused(scores: list[list[float]], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        repeats.variance_components(scores)


def test_a_repeat_too_few_is_refused() -> None:
    with pytest.raises(ValueError, match="repeats is 0"):
        repeats.variance_components([[0, 1], [1, 1]]).se_with(0)


@pytest.mark.parametrize(
    ("n", "passed", "k"), [(5, 2, 1), (5, 2, 3), (5, 0, 5), (5, 5, 2), (6, 3, 3)]
)
def test_pass_at_k_and_pass_hat_k_count_the_draws(n: int, passed: int, k: int) -> None:
    draws = list(itertools.combinations([True] * passed + [False] * (n - passed), k))
    some, every = sum(map(any, draws)) / len(draws), sum(map(all, draws)) / len(draws)
    assert repeats.pass_at_k(n, passed, k) == pytest.approx(some)
    assert repeats.pass_hat_k(n, passed, k) == pytest.approx(every)


def test_the_averages_run_over_cases() -> None:
    counts = [(4, 1), (8, 8), (4, 0)]
    assert repeats.mean_pass_at_k(counts, 1) == pytest.approx((0.25 + 1 + 0) / 3)
    assert repeats.mean_pass_hat_k(counts, 2) == pytest.approx((0 + 1 + 0) / 3)


def test_pass_at_k_of_thousands_of_answers() -> None:
    assert repeats.pass_at_k(10_000, 100, 500) == pytest.approx(
        1 - stats.hypergeom.pmf(0, 10_000, 100, 500), rel=1e-9
    )
    assert math.isfinite(repeats.pass_hat_k(10_000, 9_000, 5_000))


@pytest.mark.parametrize("function", [repeats.pass_at_k, repeats.pass_hat_k])
def test_impossible_counts_are_refused(function) -> None:
    for wrong in ((3, 4, 1), (3, 1, 4), (3, 1, 0), (3, -1, 1)):
        with pytest.raises(ValueError, match="expected"):
            function(*wrong)


@pytest.mark.parametrize("function", [repeats.mean_pass_at_k, repeats.mean_pass_hat_k])
def test_no_case_has_no_average(function) -> None:
    with pytest.raises(ValueError, match="counts is empty"):
        function([], 1)

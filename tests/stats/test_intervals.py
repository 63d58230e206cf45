import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from pex.stats import intervals

LEVELS = st.sampled_from([0.8, 0.9, 0.95, 0.99])


@st.composite
def shares(draw: st.DrawFn, most: int = 400) -> tuple[int, int]:
    n = draw(st.integers(1, most))
    return draw(st.integers(0, n)), n


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 40), (33, 40), (40, 40), (9, 10)])
def test_wilson_agrees_with_scipy(k: int, n: int) -> None:
    expected = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert intervals.wilson(k, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


@given(shares(), LEVELS)
def test_shares_agree_with_statsmodels(share: tuple[int, int], confidence: float) -> None:
    k, n = share
    for function, method in ((intervals.wilson, "wilson"), (intervals.clopper_pearson, "beta")):
        expected = proportion_confint(k, n, 1 - confidence, method)
        assert function(k, n, confidence) == pytest.approx(expected, abs=1e-9)


@given(shares(), shares(), LEVELS)
def test_newcombe_agrees_with_statsmodels(
    a: tuple[int, int], b: tuple[int, int], confidence: float
) -> None:
    expected = confint_proportions_2indep(
        *a, *b, method="newcomb", compare="diff", alpha=1 - confidence
    )
    assert intervals.newcombe(*a, *b, confidence) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5), (0, 0)])
def test_wilson_refuses_what_is_no_share(k: int, n: int) -> None:
    with pytest.raises(ValueError, match="successes"):
        intervals.wilson(k, n)


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5), (0, 0), (2.5, 5)])
def test_the_exact_interval_refuses_what_is_no_count(k: float, n: int) -> None:
    with pytest.raises(ValueError, match="successes"):
        intervals.clopper_pearson(k, n)


def test_a_percentage_is_no_confidence() -> None:
    for function in (intervals.wilson, intervals.clopper_pearson):
        with pytest.raises(ValueError, match="confidence is 95"):
            function(3, 5, 95)
    with pytest.raises(ValueError, match="confidence is 95"):
        intervals.bca([1.0, 2.0], 95)


@pytest.mark.parametrize("n", [1, 5, 40, 10**9])
def test_zero_failures_is_the_exact_one_sided_bound(n: int) -> None:
    expected = stats.binomtest(0, n, alternative="less").proportion_ci(0.95, "exact").high
    assert intervals.zero_failures_bound(n) == pytest.approx(expected, rel=1e-6)


def test_zero_failures_of_no_case_says_nothing() -> None:
    with pytest.raises(ValueError, match="at least 1 case"):
        intervals.zero_failures_bound(0)


def test_mean_agrees_with_scipy() -> None:
    values = np.random.default_rng(1).normal(size=17)
    expected = stats.ttest_1samp(values, 0).confidence_interval()
    assert intervals.mean(list(values)) == pytest.approx((expected.low, expected.high))


def test_mean_of_equal_values_and_of_one() -> None:
    assert intervals.mean([2.0, 2.0, 2.0]) == (2.0, 2.0)
    assert intervals.mean([2.0]) is None


def test_bca_is_scipys_in_the_unit_of_the_values() -> None:
    values = np.random.default_rng(2).exponential(0.003, size=30)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=4999, random_state=np.random.default_rng(7)
    ).confidence_interval
    found = intervals.bca(values.tolist(), seed=7, resamples=4999)
    assert found == pytest.approx((expected.low, expected.high), rel=1e-9)


def test_bca_is_the_same_for_the_same_seed() -> None:
    values = np.random.default_rng(3).exponential(size=25).tolist()
    assert intervals.bca(values, seed=1) == intervals.bca(values, seed=1)
    assert intervals.bca(values, seed=1) != intervals.bca(values, seed=2)


@pytest.mark.parametrize(
    "values",
    [[0.0, 1e-300], [1.0, 1.0 + 2e-16, 1.0], [0.3, 0.1 + 0.2] * 5, [0.0] * 99 + [1.0], [-1e300, 2]],
)
def test_bca_of_awkward_values_is_an_interval_around_them(values: list[float]) -> None:
    low, high = intervals.bca(values, resamples=999)
    assert min(values) <= low <= high <= max(values)


def test_bca_of_equal_values_of_one_and_of_none() -> None:
    assert intervals.bca([0.1, 0.1, 0.1]) == (0.1, 0.1)
    assert intervals.bca([0.1]) is None
    assert intervals.bca([]) is None


def test_bca_of_many_values_is_the_t_interval() -> None:
    values = np.random.default_rng(4).exponential(size=intervals.BCA_LIMIT + 1).tolist()
    assert intervals.bca(values) == intervals.mean(values)


def test_bca_names_the_value_that_is_not_finite() -> None:
    with pytest.raises(ValueError, match=r"values\[1\] is nan"):
        intervals.bca([1.0, float("nan")])

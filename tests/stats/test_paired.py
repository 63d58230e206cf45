import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from pex.stats import paired

COUNTS = st.integers(0, 60)
TABLES = st.tuples(COUNTS, COUNTS, COUNTS, COUNTS).filter(any)
# Tenths: differences as scores have them, with ties and zeros.
VALUES = st.integers(-20, 20).map(lambda tenth: tenth / 10)
LISTS = st.lists(VALUES, min_size=2, max_size=40)


def numerical_tango(both: int, a_only: int, b_only: int, neither: int, sign: int) -> float:
    """The limit from the constrained likelihood itself, maximised by a search."""
    n = both + a_only + b_only + neither

    def statistic(delta: float) -> float:
        def loss(b_share: float) -> float:
            a_share = b_share + delta
            concordant = 1 - a_share - b_share
            return -(
                a_only * math.log(max(a_share, 1e-300))
                + b_only * math.log(max(b_share, 1e-300))
                + (both + neither) * math.log(max(concordant, 1e-300))
            )

        bounds = max(0.0, -delta), (1 - delta) / 2
        b_share = optimize.minimize_scalar(
            loss, bounds=bounds, method="bounded", options={"xatol": 1e-13}
        ).x
        variance = n * (2 * b_share + delta - delta**2)
        return (a_only - b_only - n * delta) / math.sqrt(variance) + sign * 1.959963984540054

    return optimize.brentq(statistic, -1 + 1e-9, 1 - 1e-9)


@pytest.mark.parametrize("table", [(20, 12, 2, 16), (100, 15, 5, 80), (3, 4, 1, 0), (9, 1, 1, 9)])
def test_tango_agrees_with_a_search_over_the_likelihood(table: tuple[int, int, int, int]) -> None:
    expected = numerical_tango(*table, sign=-1), numerical_tango(*table, sign=1)
    assert paired.tango(*table) == pytest.approx(expected, abs=1e-5)


@given(TABLES)
def test_paired_intervals_hold_the_difference_and_turn_round_with_the_variants(
    table: tuple[int, int, int, int],
) -> None:
    both, a_only, b_only, neither = table
    diff = (a_only - b_only) / sum(table)
    for interval in (paired.newcombe_paired, paired.tango):
        low, high = interval(*table)
        assert -1 <= low <= diff <= high <= 1
        assert low < high
        turned = interval(both, b_only, a_only, neither)
        assert turned == pytest.approx((-high, -low), abs=1e-9)


@given(TABLES)
def test_newcombe_paired_is_the_closed_form(table: tuple[int, int, int, int]) -> None:
    both, a_only, b_only, _ = table
    assume(a_only + b_only)
    n, diff = sum(table), (a_only - b_only) / sum(table)
    of_a, of_b = (
        stats.binomtest(k, n).proportion_ci(method="wilson") for k in (both + a_only, both + b_only)
    )
    a, b = (both + a_only) / n, (both + b_only) / n
    r = paired.phi(*table)
    below = (a - of_a.low) ** 2 + (of_b.high - b) ** 2 - 2 * r * (a - of_a.low) * (of_b.high - b)
    above = (of_a.high - a) ** 2 + (b - of_b.low) ** 2 - 2 * r * (of_a.high - a) * (b - of_b.low)
    expected = max(-1, diff - max(0, below) ** 0.5), min(1, diff + max(0, above) ** 0.5)
    assert paired.newcombe_paired(*table) == pytest.approx(expected, abs=1e-7)


@given(TABLES)
def test_phi_is_the_correlation_of_the_two_columns(table: tuple[int, int, int, int]) -> None:
    both, a_only, b_only, neither = table
    a = [1] * (both + a_only) + [0] * (b_only + neither)
    b = [1] * both + [0] * a_only + [1] * b_only + [0] * neither
    assume(len(set(a)) == len(set(b)) == 2)
    assert paired.phi(*table) == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-9)


def test_twenty_equal_answers_are_no_proof_of_equality() -> None:
    for table in ((20, 0, 0, 0), (10, 0, 0, 10), (0, 0, 0, 20)):
        for interval in (paired.newcombe_paired, paired.tango):
            assert interval(*table) == pytest.approx((-0.161125, 0.161125), abs=1e-6)
        assert paired.phi(*table) in (0.0, 1.0)


def test_every_case_discordant_to_one_side() -> None:
    assert paired.newcombe_paired(0, 5, 0, 0)[1] == 1.0
    assert paired.tango(0, 5, 0, 0)[1] == 1.0
    assert paired.tango(0, 0, 5, 0)[0] == -1.0


@given(st.integers(0, 80), st.integers(0, 80))
def test_mcnemar_agrees_with_scipy_and_statsmodels(a_only: int, b_only: int) -> None:
    found, smaller, n = paired.mcnemar(a_only, b_only), min(a_only, b_only), a_only + b_only
    assume(n)
    exact = stats.binomtest(smaller, n).pvalue
    pmf = stats.binom.pmf(smaller, n, 0.5)
    assert found.exact == pytest.approx(exact, rel=1e-9)
    assert found.mid == pytest.approx(exact - (pmf if a_only != b_only else pmf / 2), abs=1e-12)
    assert found.mid <= found.exact
    for corrected, p in ((False, found.chi2), (True, found.chi2_corrected)):
        if a_only != b_only or not corrected:
            table = [[0, a_only], [b_only, 0]]
            expected = statsmodels_mcnemar(table, exact=False, correction=corrected).pvalue
            assert p == pytest.approx(expected, abs=1e-12)


def test_mcnemar_without_discordant_cases_and_with_equal_ones() -> None:
    assert paired.mcnemar(0, 0) == paired.McNemar(1.0, 1.0, 1.0, 1.0)
    assert paired.mcnemar(4, 4).chi2_corrected == 1.0


def test_mcnemar_of_a_million_cases() -> None:
    found = paired.mcnemar(500_000, 498_000)
    assert found.exact == pytest.approx(found.chi2_corrected, rel=1e-3)


@given(LISTS)
def test_paired_t_agrees_with_scipy(diffs: list[float]) -> None:
    assume(len(set(diffs)) > 1)
    found, expected = paired.paired_t(diffs), stats.ttest_1samp(diffs, 0)
    interval = expected.confidence_interval()
    assert (found.t, found.p) == pytest.approx((expected.statistic, expected.pvalue), abs=1e-9)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=1e-9)
    assert (found.n, found.df, found.n_groups) == (len(diffs), len(diffs) - 1, None)


def test_paired_t_of_differences_that_do_not_vary() -> None:
    none = paired.paired_t([0.0, 0.0, 0.0])
    assert (none.diff, none.low, none.high, none.p, none.t) == (0, 0, 0, 1, None)
    some = paired.paired_t([0.1] * 5)
    assert (some.diff, some.low, some.high, some.se) == (0.1, 0.1, 0.1, 0)
    assert some.p == 2**-4 == paired.sign_flip([0.1] * 5)


def test_equal_differences_are_equal_in_spite_of_rounding() -> None:
    diffs = [0.9 - 0.8, 0.4 - 0.3, 0.7 - 0.6, 0.2 - 0.1]
    assert len(set(diffs)) > 1
    assert paired.paired_t(diffs).p == 2**-3


@pytest.mark.parametrize("scale", [1e-300, 1e-12, 1e300])
def test_the_unit_of_the_score_does_not_matter(scale: float) -> None:
    found = paired.paired_t([scale, 3 * scale, 2 * scale])
    assert found.p == pytest.approx(paired.paired_t([1, 3, 2]).p)
    other = paired.welch_t([scale, 2 * scale], [3 * scale, 5 * scale])
    assert other.p == pytest.approx(paired.welch_t([1, 2], [3, 5]).p)
    assert paired.sign_flip([scale, 3 * scale, 2 * scale]) == 0.25


def test_one_case_or_one_group_has_no_interval() -> None:
    assert paired.paired_t([0.3]) is None
    assert paired.paired_t([]) is None
    assert paired.clustered([1, 0, 1], ["x", "x", "x"]) is None
    assert paired.welch_t([1.0], [1.0, 2.0]) is None


@given(st.lists(st.tuples(VALUES, st.integers(0, 6)), min_size=3, max_size=40))
def test_clustered_agrees_with_statsmodels(rows: list[tuple[float, int]]) -> None:
    diffs, groups = (list(column) for column in zip(*rows, strict=True))
    found = paired.clustered(diffs, [f"g{group}" for group in groups])
    assume(found is not None)
    assume(found.se > 0)
    n, count = len(diffs), len(set(groups))
    model = OLS(np.array(diffs), np.ones(n)).fit(
        cov_type="cluster", cov_kwds={"groups": np.array(groups), "use_correction": False}
    )
    assert found.se == pytest.approx(model.bse[0] * (count / (count - 1)) ** 0.5, rel=1e-9)
    half = stats.t.ppf(0.975, count - 1) * found.se
    assert (found.low, found.high) == pytest.approx((found.diff - half, found.diff + half))
    assert found.n_groups == count


@given(LISTS)
def test_groups_of_one_case_each_are_no_groups(diffs: list[float]) -> None:
    alone, grouped = paired.paired_t(diffs), paired.clustered(diffs, range(len(diffs)))
    assert (grouped.low, grouped.p) == pytest.approx((alone.low, alone.p))


def test_groups_that_cancel_do_not_vary() -> None:
    found = paired.clustered([1, -1, 1, -1], ["x", "x", "y", "y"])
    assert (found.diff, found.se, found.p) == (0.0, 0.0, 1.0)


def test_clustered_needs_a_group_for_each_difference() -> None:
    with pytest.raises(ValueError, match=r"one per difference \(3\), got 2"):
        paired.clustered([1, 2, 3], ["x", "y"])


@pytest.mark.filterwarnings("ignore:Precision loss:RuntimeWarning")
@given(LISTS, LISTS)
def test_welch_agrees_with_scipy_and_statsmodels(a: list[float], b: list[float]) -> None:
    assume(len(set(a)) > 1 or len(set(b)) > 1)
    found, expected = paired.welch_t(a, b), stats.ttest_ind(a, b, equal_var=False)
    assert (found.t, found.p) == pytest.approx((expected.statistic, expected.pvalue), abs=1e-9)
    limits = CompareMeans(DescrStatsW(a), DescrStatsW(b)).tconfint_diff(usevar="unequal")
    assert (found.low, found.high) == pytest.approx(limits, abs=1e-9)


def test_welch_of_values_that_do_not_vary() -> None:
    assert paired.welch_t([1, 1], [1, 1, 1]).p == 1.0
    assert paired.welch_t([1, 1, 1], [0, 0, 0]).p == pytest.approx(2 / 20)
    assert paired.welch_t([1, 1], [0, 0, 0]).p == pytest.approx(1 / 10)


def test_sign_flip_of_few_differences_is_scipys_exact_permutation_test() -> None:
    rng = np.random.default_rng(5)
    for n in (2, 5, 8, 12):
        diffs = rng.normal(0.4, 1, size=n).round(1)
        diffs[diffs == 0] = 0.1
        expected = stats.permutation_test(
            (diffs,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True
        ).pvalue
        assert paired.sign_flip([*diffs, 0.0, 0.0]) == pytest.approx(expected, abs=1e-12)


def test_sign_flip_of_more_is_near_it_and_the_same_for_the_same_seed() -> None:
    diffs = np.random.default_rng(6).normal(0.5, 1, size=16)
    expected = stats.permutation_test(
        (diffs,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True
    ).pvalue
    assert paired.sign_flip(diffs.tolist(), seed=1) == pytest.approx(expected, abs=0.01)
    assert paired.sign_flip(diffs.tolist(), seed=1) == paired.sign_flip(diffs.tolist(), seed=1)


def test_sign_flip_of_very_many_is_students() -> None:
    diffs = np.random.default_rng(7).normal(0.05, 1, size=paired.SAMPLED_LIMIT + 1).tolist()
    assert paired.sign_flip(diffs) == paired.paired_t(diffs).p
    fewer = diffs[: paired.SAMPLED_LIMIT]
    assert paired.sign_flip(fewer) == pytest.approx(paired.paired_t(fewer).p, abs=0.01)


def test_sign_flip_is_never_zero_and_one_without_a_difference() -> None:
    assert paired.sign_flip([0.0, 0.0]) == 1.0
    assert paired.sign_flip([]) == 1.0
    assert paired.sign_flip([1.0] * 100) == 1 / 10_000


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), None, "x"])
def test_a_value_that_is_no_number_is_refused(bad: object) -> None:
    for function in (paired.paired_t, paired.sign_flip):
        with pytest.raises(ValueError, match="diffs"):
            function([1.0, bad])


@pytest.mark.parametrize("table", [(0, 0, 0, 0), (-1, 2, 3, 4), (1.5, 0, 0, 0)])
def test_what_is_no_table_is_refused(table: tuple[int, int, int, int]) -> None:
    for function in (paired.newcombe_paired, paired.tango, paired.phi):
        with pytest.raises(ValueError, match=r"table is empty|whole numbers"):
            function(*table)

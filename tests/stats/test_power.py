import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from statsmodels.stats.power import TTestPower

from pex.stats import paired, power


@settings(max_examples=30)
@given(st.integers(5, 3000), st.sampled_from([0.5, 0.8, 0.95]), st.sampled_from([0.01, 0.05, 0.1]))
def test_the_smallest_difference_has_the_power_by_statsmodels(
    n: int, often: float, alpha: float
) -> None:
    effect = power.minimal_difference(n, 2.0, alpha, often) / 2
    assert TTestPower().power(effect, n, alpha) == pytest.approx(often, abs=1e-6)


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("often", [0.5, 0.8, 0.999])
def test_the_smallest_difference_of_a_handful_agrees_with_an_integral(n: int, often: float) -> None:
    shift = power.minimal_difference(n, 1.0, 0.05, often) * math.sqrt(n)
    quantile = stats.t.ppf(0.975, n - 1)

    def below(z: float) -> float:
        spread = stats.chi2.cdf((n - 1) * ((z + shift) / quantile) ** 2, n - 1)
        return stats.norm.pdf(z) * spread

    found = integrate.quad(below, -10, 10, points=[-shift] if shift < 10 else None)[0]
    assert found == pytest.approx(often, abs=1e-6)


@pytest.mark.parametrize("effect", [0.9, 0.3, 0.05, 0.004])
def test_the_number_of_cases_is_the_first_that_is_enough(effect: float) -> None:
    n = power.cases_for_difference(effect, 1.0)
    assert power.minimal_difference(n, 1.0) <= effect < power.minimal_difference(n - 1, 1.0)
    assert power.cases_for_difference(-effect, 1.0) == n
    assert n == math.ceil(TTestPower().solve_power(effect, alpha=0.05, power=0.8))


@pytest.mark.parametrize("effect", [0.4, 0.1])
def test_noninferiority_is_a_one_sided_test_of_the_shifted_difference(effect: float) -> None:
    n = power.cases_for_noninferiority(effect - 0.05, 1.0, margin=0.05)
    expected = TTestPower().solve_power(effect, alpha=0.05, power=0.8, alternative="larger")
    assert n == math.ceil(expected)


def test_where_no_number_of_cases_will_do() -> None:
    assert power.cases_for_difference(0.0, 1.0) is None
    assert power.cases_for_difference(1e-9, 1.0) is None
    assert power.cases_for_noninferiority(-0.05, 1.0, margin=0.05) is None
    assert power.cases_for_noninferiority(-0.1, 0.0, margin=0.05) is None
    assert power.cases_for_mcnemar(0.1, 0.1) is None


def test_without_spread_two_cases_are_enough() -> None:
    assert power.minimal_difference(10, 0.0) == 0.0
    assert power.cases_for_difference(0.1, 0.0) == 2
    assert power.cases_for_noninferiority(0.0, 0.0, margin=0.05) == 2


def enumerated(n: int, p_a_only: float, p_b_only: float, alpha: float) -> tuple[float, float]:
    """Every table of n cases, one by one, through McNemar's test itself."""
    exact = mid = 0.0
    for a_only in range(n + 1):
        for b_only in range(n + 1 - a_only):
            counts, rest = [a_only, b_only, n - a_only - b_only], 1 - p_a_only - p_b_only
            weight = stats.multinomial.pmf(counts, n, [p_a_only, p_b_only, rest])
            found = paired.mcnemar(a_only, b_only)
            exact += weight * (found.exact <= alpha)
            mid += weight * (found.mid <= alpha)
    return exact, mid


@pytest.mark.parametrize("n", [1, 6, 25])
@pytest.mark.parametrize(("a", "b"), [(0.3, 0.1), (0.2, 0.2), (0.25, 0.0), (0.5, 0.5), (1.0, 0.0)])
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_mcnemar_power_is_that_of_the_tests_over_all_tables(
    n: int, a: float, b: float, alpha: float
) -> None:
    found = power.mcnemar_power(n, a, b, alpha)
    assert (found.exact, found.mid) == pytest.approx(enumerated(n, a, b, alpha), abs=1e-9)


def test_mcnemar_power_of_a_million_cases() -> None:
    found = power.mcnemar_power(10**6, 0.0505, 0.05)
    sd = math.sqrt(0.1005 - 0.0005**2)
    normal = stats.norm.sf(1.96 - 0.0005 / sd * 1000)
    assert found.mid == pytest.approx(normal, abs=0.01)


def test_without_discordant_cases_nothing_is_found() -> None:
    assert power.mcnemar_power(100, 0.0, 0.0) == power.McNemarPower(0.0, 0.0)


@pytest.mark.parametrize(("a", "b"), [(0.15, 0.05), (0.02, 0.0), (0.31, 0.29)])
def test_the_cases_for_mcnemar_have_the_power(a: float, b: float) -> None:
    n = power.cases_for_mcnemar(a, b)
    assert power.mcnemar_power(n, a, b).mid >= 0.8
    assert power.mcnemar_power(int(n * 0.95), a, b).mid < 0.8
    assert power.cases_for_mcnemar(b, a) == n


def test_discordance_and_not_the_pass_rate_decides() -> None:
    few, many = power.cases_for_mcnemar(0.06, 0.01), power.cases_for_mcnemar(0.2, 0.15)
    assert few * 3 < many


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: power.minimal_difference(1, 0.5), "at least 2 cases"),
        (lambda: power.minimal_difference(10, -1), "sd is -1"),
        (lambda: power.minimal_difference(10, np.nan), "sd is nan"),
        (lambda: power.minimal_difference(10, 1, alpha=5), "alpha is 5"),
        (lambda: power.minimal_difference(10, 1, power=0.04), "power is 0.04"),
        (lambda: power.cases_for_noninferiority(0, 1, margin=-0.1), "margin is -0.1"),
        (lambda: power.mcnemar_power(0, 0.1, 0.1), "at least 1 case"),
        (lambda: power.mcnemar_power(10, 0.7, 0.7), "sum is at most 1"),
        (lambda: power.cases_for_mcnemar(0.1, 0.0, power=80), "power is 80"),
    ],
)
def test_impossible_plans_are_refused(call, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call()

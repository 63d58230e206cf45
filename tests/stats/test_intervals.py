import numpy as np
import pytest
from scipy import stats

from pex.stats import intervals


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 40), (33, 40), (40, 40), (9, 10)])
def test_wilson_agrees_with_scipy(k: int, n: int) -> None:
    expected = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert intervals.wilson(k, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5), (0, 0)])
def test_wilson_refuses_what_is_no_share(k: int, n: int) -> None:
    with pytest.raises(ValueError, match="successes"):
        intervals.wilson(k, n)


def test_mean_agrees_with_scipy() -> None:
    values = np.random.default_rng(1).normal(size=17)
    expected = stats.ttest_1samp(values, 0).confidence_interval()
    assert intervals.mean(list(values)) == pytest.approx((expected.low, expected.high))


def test_mean_of_equal_values_and_of_one() -> None:
    assert intervals.mean([2.0, 2.0, 2.0]) == (2.0, 2.0)
    assert intervals.mean([2.0]) is None

import numpy as np
import pytest
from scipy import stats

from pex.stats.binomial import binomial_cdf


@pytest.mark.parametrize("p", [0.0, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("n", [0, 1, 7, 1000])
def test_it_agrees_with_scipy_also_outside(n: int, p: float) -> None:
    k = np.arange(-2, n + 3)
    assert binomial_cdf(k, n, p) == pytest.approx(stats.binom.cdf(k, n, p), abs=1e-12)


def test_it_takes_a_number_of_tries_for_each_count() -> None:
    assert binomial_cdf([0, 1], [1, 2], 0.5).tolist() == [0.5, 0.75]

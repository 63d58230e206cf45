from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from pex.stats import multiple

METHODS = [
    (multiple.holm, "holm"),
    (multiple.bonferroni, "bonferroni"),
    (multiple.benjamini_hochberg, "fdr_bh"),
]
P_VALUES = st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.01, 0.05, 1.0]), max_size=30)


@given(P_VALUES.filter(bool))
def test_adjusted_values_agree_with_statsmodels(p_values: list[float]) -> None:
    for function, method in METHODS:
        with mock.patch("gc.collect"):  # statsmodels collects garbage on every call
            expected = multipletests(p_values, method=method)[1]
        assert function(p_values) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("function", [function for function, _ in METHODS])
def test_no_comparison_and_one_need_no_adjustment(function) -> None:
    assert function([]).tolist() == []
    assert function([0.03]).tolist() == [0.03]
    assert isinstance(function(np.array([0.2, 0.1])), np.ndarray)


@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan")])
@pytest.mark.parametrize("function", [function for function, _ in METHODS])
def test_what_is_no_p_value_is_refused(function, bad: float) -> None:
    with pytest.raises(ValueError, match="p_values"):
        function([0.5, bad])

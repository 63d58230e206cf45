import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from pex.stats import sequential


@pytest.mark.parametrize("prior", [0.5, 1.0, 3.0])
@pytest.mark.parametrize(("a", "b"), [(0, 0), (1, 0), (10, 2), (3, 9), (20, 20)])
def test_the_e_value_is_the_likelihood_averaged_over_the_prior(
    a: int, b: int, prior: float
) -> None:
    def weighed(share: float) -> float:
        return stats.beta.pdf(share, prior, prior) * (2 * share) ** a * (2 - 2 * share) ** b

    both = integrate.quad(weighed, 0, 0.5)[0], integrate.quad(weighed, 0.5, 1)[0]
    assert sequential.e_value(a, b, prior) == pytest.approx(sum(both), rel=1e-5)
    one = sequential.e_value(a, b, prior, one_sided=True)
    assert one == pytest.approx(2 * both[1], rel=1e-5)


@pytest.mark.parametrize("one_sided", [False, True])
@pytest.mark.parametrize("share", [0.5, 0.4, 0.1])
def test_without_a_difference_the_next_case_adds_nothing_on_average(
    share: float, one_sided: bool
) -> None:
    if not one_sided and share != 0.5:
        return
    for a in range(12):
        for b in range(12):
            now = sequential.e_value(a, b, one_sided=one_sided)
            then = share * sequential.e_value(a + 1, b, one_sided=one_sided)
            then += (1 - share) * sequential.e_value(a, b + 1, one_sided=one_sided)
            assert then <= now * (1 + 1e-9)


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.booleans())
def test_the_e_value_is_finite_whatever_is_counted(a: int, b: int, one_sided: bool) -> None:
    found = sequential.e_value(a, b, one_sided=one_sided)
    assert 0 <= found < math.inf


def test_one_side_sees_only_its_own() -> None:
    assert sequential.e_value(30, 5, one_sided=True) > sequential.e_value(30, 5)
    assert sequential.e_value(5, 30, one_sided=True) < 0.1
    assert sequential.e_value(30, 5) == pytest.approx(sequential.e_value(5, 30))


def test_the_process_adds_nights_up_and_remembers_the_first_alarm() -> None:
    nights = [(6, 1), (7, 1), (8, 0), (0, 9)]
    found = sequential.e_process(nights)
    assert found.values[2] == sequential.e_value(21, 2)
    assert found.alarm == 2
    assert found.e == found.values[-1] < 20
    assert found.p_always == 1 / max(found.values)


def test_no_night_is_no_evidence() -> None:
    assert sequential.e_process([]) == sequential.EProcess((), 1.0, 1.0, None)
    assert sequential.e_process([(0, 0)]).values == pytest.approx((1.0,))
    assert sequential.e_process([(20, 20)]).p_always == 1.0


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: sequential.e_value(-1, 0), "whole numbers"),
        (lambda: sequential.e_value(1, 0, prior=0), "prior is 0"),
        (lambda: sequential.e_process([(1, 0)], threshold=0.05), "threshold is 0.05"),
        (lambda: sequential.e_process([(1, 0), (0.5, 1)]), r"nights\[1\]"),
    ],
)
def test_impossible_input_is_refused(call, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call()

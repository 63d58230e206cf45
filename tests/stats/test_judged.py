import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pex.stats import judged

RATES = st.floats(0, 1)
SCORES = st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=2, max_size=30)


@given(st.lists(st.tuples(RATES, RATES), min_size=2, max_size=30), SCORES)
def test_the_estimates_follow_from_their_definition(
    pairs: list[tuple[float, float]], rest: list[float]
) -> None:
    human, judge = (np.array(column) for column in zip(*pairs, strict=True))
    found = judged.ppi_mean(human.tolist(), judge.tolist(), rest)
    assert 0 <= found.tuning <= 1
    for weight, estimate in ((0, found.human_only), (1, found.ppi), (found.tuning, found.ppi_plus)):
        errors, scaled = human - weight * judge, weight * np.array(rest)
        variance = errors.var() / len(human) + scaled.var() / len(rest)
        assert estimate.mean == pytest.approx(errors.mean() + scaled.mean(), abs=1e-9)
        assert estimate.se == pytest.approx(variance**0.5, abs=1e-9)


def test_a_judge_that_says_always_the_same_is_not_used() -> None:
    found = judged.ppi_mean([0, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1])
    assert found.tuning == 0.0
    assert found.ppi_plus == found.human_only


def test_a_judge_that_contradicts_is_not_used() -> None:
    assert judged.ppi_mean([0, 1, 0, 1], [1, 0, 1, 0], [1, 0, 1, 1]).tuning == 0.0


def test_everything_equal_has_no_width() -> None:
    found = judged.ppi_mean([1, 1], [1, 1], [1, 1])
    for estimate in (found.ppi, found.ppi_plus, found.human_only, found.judge_only):
        assert (estimate.mean, estimate.low, estimate.high, estimate.se) == (1, 1, 1, 0)


@pytest.mark.parametrize(
    ("human", "judge", "rest", "says"),
    [
        ([1, 0], [1], [1, 0], r"one score per score in human \(2\), got 1"),
        ([1], [1], [1, 0], "at least 2 scores"),
        ([1, 0], [1, 0], [1], "at least 2 scores"),
        ([1, None], [1, 0], [1, 0], r"human\[1\]"),
    ],
)
def test_too_few_or_unequal_labels_are_refused(human, judge, rest, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        judged.ppi_mean(human, judge, rest)


@given(RATES, st.floats(0.6, 1), st.floats(0.6, 1))
def test_the_correction_turns_the_detector_round(
    true: float, sensitivity: float, specificity: float
) -> None:
    observed = true * sensitivity + (1 - true) * (1 - specificity)
    found = judged.rogan_gladen(min(1.0, observed), sensitivity, specificity)
    assert found == pytest.approx(true, abs=1e-9)


def test_the_correction_is_cut_to_a_share() -> None:
    assert judged.rogan_gladen(0.0, 0.9, 0.9) == 0.0
    assert judged.rogan_gladen(1.0, 0.9, 0.9) == 1.0


@pytest.mark.parametrize(
    ("rates", "says"),
    [
        ((0.3, 0.5, 0.5), "no better than chance"),
        ((1.3, 0.9, 0.9), "observed is 1.3"),
        ((0.3, 90, 0.9), "sensitivity is 90"),
        ((0.3, 0.9, float("nan")), "specificity is nan"),
    ],
)
def test_a_detector_that_says_nothing_corrects_nothing(rates, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        judged.rogan_gladen(*rates)


def test_the_interval_grows_when_the_detector_was_tested_on_fewer() -> None:
    many = judged.rogan_gladen_interval(60, 200, 850, 1000, 950, 1000)
    few = judged.rogan_gladen_interval(60, 200, 17, 20, 19, 20)
    assert few[0] < many[0] < 0.3125 < many[1] < few[1]
    assert few == judged.rogan_gladen_interval(60, 200, 17, 20, 19, 20)


def test_a_detector_that_found_all_of_few_is_not_taken_for_perfect() -> None:
    low, high = judged.rogan_gladen_interval(30, 10_000, 5, 5, 5, 5)
    assert low == 0.0
    assert high > 0.003


def test_a_detector_that_may_be_no_better_than_chance_leaves_everything_open() -> None:
    assert judged.rogan_gladen_interval(5, 10, 2, 4, 2, 4) == (0.0, 1.0)


@pytest.mark.parametrize("counts", [(3, 2, 1, 1, 1, 1), (1, 2, 1, 0, 1, 1), (1, 2, 1, 1, -1, 1)])
def test_impossible_counts_are_refused(counts: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected"):
        judged.rogan_gladen_interval(*counts)

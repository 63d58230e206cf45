import numpy as np
import pytest
from scipy import optimize, stats

from pex.stats import preference

THREE = {("a", "b"): 7, ("b", "a"): 3, ("b", "c"): 6, ("c", "b"): 4, ("a", "c"): 8, ("c", "a"): 2}


def negative_likelihood(theta: np.ndarray, wins: np.ndarray) -> float:
    return float((wins * np.logaddexp(0, -np.subtract.outer(theta, theta))).sum())


def test_strengths_and_standard_errors_are_those_of_the_likelihood() -> None:
    rng = np.random.default_rng(1)
    wins = rng.integers(1, 15, size=(5, 5)) * (1 - np.eye(5))
    found = preference.bradley_terry(wins.tolist(), alpha=0)

    def with_first_at_zero(rest: np.ndarray) -> float:
        return negative_likelihood(np.concatenate([[0.0], rest]), wins)

    best = optimize.minimize(with_first_at_zero, np.zeros(4), options={"gtol": 1e-9})
    assert found.relative[1:] == pytest.approx(best.x, abs=1e-5)
    likely = np.array(found.probabilities)
    information = (wins + wins.T) * likely * likely.T
    hessian = np.diag(information.sum(axis=1)) - information
    expected = np.sqrt(np.diag(np.linalg.inv(hessian[1:, 1:])))
    assert found.se == pytest.approx([0.0, *expected])
    assert sum(found.strengths) == pytest.approx(0)
    assert found.connected


def test_names_table_and_reference_only_change_what_is_compared_with() -> None:
    by_name = preference.bradley_terry(THREE, reference="c")
    table = [[0, 7, 8], [3, 0, 6], [2, 4, 0]]
    by_row = preference.bradley_terry(table, names=["a", "b", "c"])
    assert by_name.strengths == pytest.approx(by_row.strengths)
    assert by_name.elo[0] - by_name.elo[2] == pytest.approx(by_row.elo[0] - by_row.elo[2])
    assert by_name.se[0] == pytest.approx(by_row.se[2])
    assert preference.bradley_terry(table).names == ("0", "1", "2")
    chance = 1 / (1 + 10 ** (-(by_name.elo[0] - by_name.elo[1]) / 400))
    assert by_name.probabilities[0][1] == pytest.approx(chance)


def test_half_a_win_each_is_a_tie() -> None:
    found = preference.bradley_terry({("a", "b"): 2.5, ("b", "a"): 2.5})
    assert found.strengths == pytest.approx((0, 0))


def test_one_that_never_lost_is_said_and_kept_finite() -> None:
    wins = {("a", "b"): 10, ("b", "c"): 3, ("c", "b"): 4}
    found = preference.bradley_terry(wins)
    assert not found.connected
    assert found.blocks == (("a",), ("b", "c"))
    assert np.isfinite([*found.strengths, *found.se]).all()
    with pytest.raises(ValueError, match="a: never lost to the others"):
        preference.bradley_terry(wins, alpha=0)


def test_a_chain_of_thousands_of_one_sided_wins_converges() -> None:
    wins = {(f"v{i}", f"v{i + 1}"): 5000 for i in range(6)}
    found = preference.bradley_terry(wins)
    assert list(found.strengths) == sorted(found.strengths, reverse=True)
    assert np.isfinite([*found.strengths, *found.se]).all()


def test_variants_that_were_never_compared_are_not_ranked() -> None:
    wins = {("a", "b"): 3, ("b", "a"): 1, ("c", "d"): 2}
    with pytest.raises(ValueError, match=r"a, b \| c, d"):
        preference.bradley_terry(wins)
    with pytest.raises(ValueError, match=r"a, b \| c"):
        preference.bradley_terry({("a", "b"): 1}, names=["a", "b", "c"])


@pytest.mark.parametrize(
    ("wins", "options", "says"),
    [
        ({("a", "a"): 1}, {}, "at least 2 names"),
        ({("a", "a"): 1, ("a", "b"): 1}, {}, "compared with itself"),
        ({("a", "b"): -1}, {}, "at least 0"),
        ({("a", "x"): 1}, {"names": ["a", "b"]}, "'x' is not one of a, b"),
        ({("a", "b"): 1}, {"reference": "x"}, "reference 'x'"),
        ([[0, 1], [1, 0]], {"names": ["a", "a"]}, "may appear once"),
        ([[0, 1], [1, 0]], {"names": ["a", "b", "c"]}, "expected 3 rows"),
    ],
)
def test_impossible_choices_are_refused(wins, options: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        preference.bradley_terry(wins, **options)


def test_cases_and_not_choices_are_drawn() -> None:
    rng = np.random.default_rng(3)
    leans = rng.beta(2, 1.5, size=30)
    cases = []
    for lean in leans:
        a = int(rng.binomial(8, lean))
        cases.append({("a", "b"): a, ("b", "a"): 8 - a})
    single = [{pair: 1} for case in cases for pair, count in case.items() for _ in range(count)]
    grouped = preference.strength_intervals(cases, seed=1)
    apart = preference.strength_intervals(single, seed=1, resamples=499)
    assert grouped.resamples == 999
    assert grouped.low[0] < apart.low[0] < apart.high[0] < grouped.high[0]
    assert grouped == preference.strength_intervals(cases, seed=1)


def test_too_few_comparisons_have_no_interval() -> None:
    with pytest.raises(ValueError, match="at least 2 cases"):
        preference.strength_intervals([THREE])
    with pytest.raises(ValueError, match="alpha"):
        preference.strength_intervals([THREE, THREE], alpha=0)
    chain = [{(f"v{i}", f"v{i + 1}"): 1} for i in range(7)]
    with pytest.raises(ValueError, match="resamples tie all variants together"):
        preference.strength_intervals(chain)


@pytest.mark.parametrize(("first", "n"), [(68, 100), (5, 10), (0, 7), (1, 1)])
def test_position_bias_is_the_exact_sign_test(first: int, n: int) -> None:
    found = preference.position_bias(first, n)
    assert found.p == pytest.approx(stats.binomtest(first, n).pvalue)
    assert found.low <= found.share <= found.high


def test_no_choice_has_no_position() -> None:
    with pytest.raises(ValueError, match="n >= 1"):
        preference.position_bias(0, 0)

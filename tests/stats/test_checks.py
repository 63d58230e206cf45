import numpy as np
import pytest

from pex.stats import checks


def test_finite_makes_an_array_of_its_own() -> None:
    given = np.array([1.0, 2.0])
    found = checks.finite(given, "scores")
    found[0] = 9
    assert given.tolist() == [1.0, 2.0]
    assert checks.finite([], "scores").size == 0


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([1, None], r"scores\[1\] is nan"),
        ([float("inf")], r"scores\[0\] is inf"),
        (["a"], "scores: expected a list of numbers"),
        ([[1], [2]], "2 dimensions"),
        ([[1], [2, 3]], "expected a list of numbers"),
        (3.0, "0 dimensions"),
    ],
)
def test_finite_says_what_is_no_number_and_where(values, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        checks.finite(values, "scores")


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ([[1, 2]], "as many rows as columns"),
        ([], "as many rows as columns"),
        ([[1, 2], [3]], "rows of numbers"),
        ([[1, -2], [3, 4]], "at least 0"),
        ([[1, float("nan")], [3, 4]], "at least 0"),
    ],
)
def test_square_says_what_is_no_table(table, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        checks.square(table, "table")


@pytest.mark.parametrize("bad", [-1, 0.5, float("nan"), float("inf")])
def test_counted_wants_whole_numbers(bad: float) -> None:
    with pytest.raises(ValueError, match="passes: expected whole numbers"):
        checks.counted([1, bad], "passes")


@pytest.mark.parametrize("bad", [0, 1, 95, float("nan")])
def test_a_level_lies_between_0_and_1(bad: float) -> None:
    with pytest.raises(ValueError, match="confidence is"):
        checks.normal_quantile(bad)

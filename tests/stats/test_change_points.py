"""Change points: planted ones are found, with and without `ruptures`, and noise has few."""

import importlib.util
import sys

import numpy as np
import pytest

from pex import stats

WAYS = [
    False,
    pytest.param(
        True,
        marks=pytest.mark.skipif(
            importlib.util.find_spec("ruptures") is None, reason="ruptures is not installed"
        ),
    ),
]


@pytest.fixture
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if not request.param:
        monkeypatch.setitem(sys.modules, "ruptures", None)
    return bool(request.param)


@pytest.mark.parametrize("way", WAYS, indirect=True)
def test_planted_changes_are_found_with_their_levels(way: bool) -> None:
    rng = np.random.default_rng(1)
    levels = np.repeat([0.9, 0.8, 0.86], [30, 20, 25])
    first, second = stats.change_points(levels + rng.normal(0, 0.015, 75))
    assert (first.index, second.index) == (30, 50)
    assert first.first <= 30 <= first.last
    assert (first.before, first.after, second.after) == pytest.approx((0.9, 0.8, 0.86), abs=0.01)


@pytest.mark.parametrize("way", [False], indirect=True)
def test_noise_has_few_and_the_interval_covers(way: bool) -> None:
    rng = np.random.default_rng(2)
    noise = [bool(stats.change_points(rng.normal(0, 1, 60))) for _ in range(200)]
    assert np.mean(noise) <= 0.15
    covered = []
    for _ in range(200):
        series = np.repeat([0.0, 1.5], [20, 20]) + rng.normal(0, 1, 40)
        points = stats.change_points(series)
        if len(points) == 1:
            covered.append(points[0].first <= 20 <= points[0].last)
    assert len(covered) > 120
    assert np.mean(covered) >= 0.85


def test_nothing_to_find() -> None:
    assert stats.change_points([1.0, 1.0, 1.0, 1.0, 1.0]) == []
    assert stats.change_points([1.0, 2.0]) == []
    with pytest.raises(ValueError, match="confidence is 1"):
        stats.change_points([1.0], 1.0)

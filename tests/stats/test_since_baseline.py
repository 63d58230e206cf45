"""Evidence against a fixed baseline: its mean without a change, false alarms, reference values."""

import math

import numpy as np
import pytest
from scipy.stats import betabinom, norm

from pex import stats
from pex.stats import since_baseline

NEVER = 1e300


def draw(rng, days: int, count: int, rate: float, shared: float = 0.0) -> list[tuple[int, int]]:
    """Days of yes/no values; `shared` is the correlation within a day."""
    if not shared:
        return [(count, int(yes)) for yes in rng.binomial(count, rate, days)]
    total = 1 / shared - 1
    return [
        (count, int(yes))
        for yes in betabinom.rvs(
            count, rate * total, (1 - rate) * total, size=days, random_state=rng
        )
    ]


@pytest.mark.parametrize(("per_day", "shared"), [(20, 0.0), (500, 0.0), (500, 0.004)])
def test_the_mean_evidence_of_unchanged_rates_is_at_most_one_a_day(per_day, shared) -> None:
    rng = np.random.default_rng(1)
    runs = 400
    values = [
        stats.rate_change(
            draw(rng, 6, per_day, 0.9, shared), draw(rng, 4, per_day, 0.9, shared), -0.05, NEVER
        ).values
        for _ in range(runs)
    ]
    for day, found in enumerate(np.array(values).T, 1):
        assert found.mean() <= day + 4 * found.std() / math.sqrt(runs)
        assert found.mean() > 0.02 * day  # evidence that is always 0 would prove nothing


def test_the_mean_evidence_of_an_unchanged_mean_and_categories_is_at_most_one_a_day() -> None:
    rng = np.random.default_rng(2)
    runs = 400
    means, mixes = [], []
    for _ in range(runs):
        table = [(50, float(value)) for value in rng.normal(3, 1 / math.sqrt(50), 9)]
        means.append(stats.mean_change(table[:5], table[5:], 1.0, 0.3, NEVER).values[-1])
        counts = rng.multinomial(80, [0.6, 0.3, 0.1], 9).tolist()
        mixes.append(stats.category_change(counts[:5], counts[5:], NEVER).values[-1])
    for found in (np.array(means), np.array(mixes)):
        assert found.mean() <= 4 + 4 * found.std() / math.sqrt(runs)
        assert found.mean() > 0.01


@pytest.mark.parametrize("shared", [0.0, 0.004])
def test_thirty_quiet_days_rarely_have_an_alarm_even_with_a_small_baseline(shared) -> None:
    rng = np.random.default_rng(3)
    limit = stats.change_threshold(0.05, 30, 2)
    false = 0
    for _ in range(40):
        before = draw(rng, 5, 40, 0.9, shared)
        days = draw(rng, 30, 500, 0.9, shared)
        drop = stats.rate_change(before, days, -0.05, limit)
        rise = stats.rate_change(before, days, 0.05, limit)
        false += drop.alarm is not None or rise.alarm is not None
    assert false <= 5  # 2 are allowed on average, and 6 or more come with a chance of 1 %


def test_a_baseline_of_200_values_is_not_the_truth() -> None:
    days = [(500, 425)] * 3
    small = stats.rate_change([(50, 45)] * 4, days, -0.05, 600)
    large = stats.rate_change([(500, 450)] * 14, days, -0.05, 600)
    assert large.alarm is not None
    assert small.alarm is None
    assert small.values[-1] < large.values[-1]


def test_restless_days_ask_for_more_evidence() -> None:
    calm = [(500, 450 + by) for by in (-4, 4, -3, 3, 0, 2, -2, 0)]
    restless = [(500, 450 + by) for by in (-40, 35, -30, 33, 0, 25, -23, 0)]
    days = [(500, 425)] * 2
    assert stats.rate_change(calm, days, -0.05, 600).alarm is not None
    assert stats.rate_change(restless, days, -0.05, 600).alarm is None


def test_after_a_long_quiet_time_a_drop_is_found_as_fast() -> None:
    rng = np.random.default_rng(4)
    before, later = draw(rng, 14, 500, 0.9), [(500, 410), (500, 412)]
    soon = stats.rate_change(before, later, -0.05, 1800)
    late = stats.rate_change(before, [*draw(rng, 100, 500, 0.9), *later], -0.05, 1800)
    assert soon.alarm is not None
    assert late.start == 100
    assert late.alarm - 100 <= soon.alarm


def test_a_change_the_other_way_is_no_evidence() -> None:
    before = [(500, 450)] * 10
    assert max(stats.rate_change(before, [(500, 480)] * 10, -0.05, NEVER).values) < 1
    assert max(stats.mean_change([(9, 1.0)] * 9, [(9, 0.0)] * 9, 1.0, 0.5, NEVER).values) < 1


def test_one_day_with_a_known_level_is_a_likelihood_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    # Without overdispersion and with one alternative: Wald's ratio for a normal mean.
    monkeypatch.setattr(since_baseline, "_SPREADS", (1.0,))
    monkeypatch.setattr(since_baseline, "_SPREAD_WEIGHTS", (1.0,))
    monkeypatch.setattr(since_baseline, "_SIZES", (1.0,))
    monkeypatch.setattr(since_baseline, "_SIZE_WEIGHTS", (1.0,))
    found = stats.mean_change([], [(16, 0.4)], 2.0, 0.5, NEVER, limit=0.0)
    wanted = norm.pdf(0.4, 0.5, 0.5) / norm.pdf(0.4, 0.0, 0.5)
    assert found.values[0] == pytest.approx(wanted)
    # With an unknown level: that of the difference from the baseline, whose variance adds.
    deviation = math.sqrt(1 / 16 + 1 / 64) * 2
    found = stats.mean_change([(64, 1.0)], [(16, 1.4)], 2.0, 0.5, NEVER)
    wanted = norm.pdf(0.4, 0.5, deviation) / norm.pdf(0.4, 0.0, deviation)
    assert found.values[0] == pytest.approx(wanted, rel=1e-3)


def test_days_of_yes_are_beta_binomial() -> None:
    table = np.array([[50.0, 43.0]])
    found = since_baseline._days_of_yes(table, np.array([0.8]), 50.0)[0, 0]
    for spread, value in zip(since_baseline._SPREADS, found, strict=True):
        ways = math.lgamma(51) - math.lgamma(44) - math.lgamma(8)
        if spread == 1:
            wanted = 43 * math.log(0.8) + 7 * math.log(0.2)
        else:
            total = max(49 / (spread - 1), 5) - 1  # values correlate by at most a fifth
            wanted = betabinom.logpmf(43, 50, 0.8 * total, 0.2 * total) - ways
        assert value == pytest.approx(wanted)


def test_a_new_category_is_found_with_its_day() -> None:
    rng = np.random.default_rng(5)
    quiet = rng.multinomial(200, [0.7, 0.3, 0.0], 40).tolist()
    new = rng.multinomial(200, [0.63, 0.27, 0.1], 2).tolist()
    found = stats.category_change(quiet[:14], quiet[14:] + new, 1800)
    assert found.start == 26
    assert stats.category_change(quiet[:14], quiet[14:], 1800).alarm is None


def test_the_findable_change_is_found_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(6)
    limit = stats.change_threshold(0.05, 30, 3)
    shift = stats.findable_change(0.34, 1500, 7000, limit, 0.8)
    found = [
        stats.rate_change(
            draw(rng, 14, 500, 0.9), draw(rng, 3, 500, 0.9 - shift), -0.05, limit
        ).alarm
        for _ in range(200)
    ]
    assert 0.68 <= np.mean([alarm is not None for alarm in found]) <= 0.92


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stats.rate_change([], [(1, 1)], 0.1, 9), "baseline: there are no values"),
        (lambda: stats.rate_change([(2, 3)], [], 0.1, 9), "baseline: expected from 0 to all"),
        (lambda: stats.rate_change([(2, 1)], [], 0.0, 9), "size is 0.0"),
        (lambda: stats.mean_change([(2, 1.0)], [], 0.0, 0.1, 9), "deviation is 0.0"),
        (lambda: stats.category_change([(1, 2)], [(1, 2, 3)], 9), "the same categories"),
        (lambda: stats.change_threshold(1.5), "alpha is 1.5"),
        (lambda: stats.change_threshold(rules=0), "days and rules"),
        (lambda: stats.findable_change(1, 0, 5, 9), "expected numbers above 0"),
    ],
)
def test_bad_input_is_named(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_a_collapse_is_found_however_small_the_change_that_is_looked_for() -> None:
    quiet = [(30, 25), (30, 27), (30, 27), (30, 27)]
    found = stats.rate_change(quiet, [(30, 27), (30, 2), (30, 1), (30, 2)], -0.1, threshold=2400)
    assert (found.start, found.alarm) == (1, 2)
    # A baseline that is restless itself, as days of 25 and of 30 in 30 are.
    uneven = [(30, 25), (30, 25), (30, 29), (30, 30)]
    found = stats.rate_change(uneven, [(30, 28), (30, 1), (30, 0), (30, 1)], -0.1, threshold=2400)
    assert (found.start, found.alarm) == (1, 2)
    usual = [(30, 1.0), (30, 1.1), (30, 0.9), (30, 1.0)]
    fallen = stats.mean_change(
        usual, [(30, 1.0), (30, -3.0), (30, -3.1)], 1.0, -0.2, threshold=2400
    )
    assert fallen.start == 1

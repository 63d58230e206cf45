"""The figures of docs/methods.md: what each method does, over and over, where the truth is known.

`python -m pytest -m soak -s tests/stats/test_simulations.py` prints the rows of its table.
"""

import functools
import math
from collections.abc import Callable, Iterable

import numpy as np
import pytest

from pex import stats

pytestmark = pytest.mark.soak

NEWCOMBE = functools.cache(stats.newcombe_paired)
TANGO = functools.cache(stats.tango)
MCNEMAR = functools.cache(stats.mcnemar)
E_VALUE = functools.cache(stats.e_value)

Table = tuple[int, int, int, int]


def show(situation: str, **found: float) -> None:
    """One row of the table in the docs."""
    told = "; ".join(f"{name.replace('_', ' ')} {value:.1%}" for name, value in found.items())
    print(f"\n| {situation} | {told} |")


def keeps_its_level(coverage: float) -> bool:
    return 0.93 <= coverage <= 0.97


def drawn_tables(
    seed: int, n: int, p_a: float, p_b: float, latent: float, times: int
) -> list[Table]:
    """Tables of two variants whose chances on a case hang together: hard cases are hard to both."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(times):
        shared, own_a, own_b = rng.normal(size=(3, n))
        mixed = [latent**0.5 * shared + (1 - latent) ** 0.5 * own for own in (own_a, own_b)]
        a, b = (x < math.sqrt(2) * _probit(p) for x, p in zip(mixed, (p_a, p_b), strict=True))
        found.append(_counted(a, b))
    return found


def _probit(p: float) -> float:
    from scipy.special import erfinv

    return float(erfinv(2 * p - 1))


def _counted(a: np.ndarray, b: np.ndarray) -> Table:
    return int((a & b).sum()), int((a & ~b).sum()), int((~a & b).sum()), int((~a & ~b).sum())


def multinomial_tables(seed: int, n: int, shares: Iterable[float], times: int) -> list[Table]:
    draws = np.random.default_rng(seed).multinomial(n, list(shares), size=times)
    return [tuple(row) for row in draws.tolist()]


def covered(
    interval: Callable[..., tuple[float, float]], tables: list[Table], diff: float
) -> float:
    held = [low - 1e-12 <= diff <= high + 1e-12 for low, high in (interval(*t) for t in tables)]
    return float(np.mean(held))


@pytest.mark.parametrize("n", [50, 200])
def test_of_two_equal_prompts_the_higher_mean_wins_nearly_always(n: int) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random((2, 20_000, n)) < 0.9
    higher = float((a.sum(axis=1) != b.sum(axis=1)).mean())
    p = [MCNEMAR(int((x & ~y).sum()), int((y & ~x).sum())).mid for x, y in zip(a, b, strict=True)]
    rejected = float(np.mean([value <= 0.05 for value in p]))
    show(
        f"two equal prompts, 90 % pass, {n} cases: a winner is named",
        by_the_higher_mean=higher,
        by_mid_p=rejected,
    )
    assert higher > 0.8
    assert rejected <= 0.055


def test_pairing_finds_what_the_unpaired_comparison_misses() -> None:
    tables = drawn_tables(2, 200, 0.8, 0.7, latent=0.7, times=10_000)
    tests = [MCNEMAR(t[1], t[2]) for t in tables]
    unpaired, wider = [], []
    for both, a_only, b_only, _ in tables:
        a, b = (both + a_only) / 200, (both + b_only) / 200
        se = math.sqrt((a * (1 - a) + b * (1 - b)) / 200)
        unpaired.append(abs(a - b) > 1.96 * se)
        own = math.sqrt((a_only + b_only) / 200 - (a - b) ** 2) / math.sqrt(200)
        wider.append(se / own)
    found = {
        "unpaired": float(np.mean(unpaired)),
        "exact_McNemar": float(np.mean([t.exact <= 0.05 for t in tests])),
        "mid_p": float(np.mean([t.mid <= 0.05 for t in tests])),
    }
    show("80 % against 70 % on the same 200 cases: the difference is found", **found)
    show("the same: standard error of the unpaired comparison", of_the_paired=np.mean(wider))
    assert found["unpaired"] + 0.05 < found["exact_McNemar"] < found["mid_p"]


@pytest.mark.parametrize(("n", "alpha"), [(20, 0.05), (50, 0.05), (100, 0.05), (200, 0.05)])
def test_the_size_of_mcnemars_tests(n: int, alpha: float) -> None:
    found = stats.mcnemar_power(n, 0.1, 0.1, alpha)
    show(
        f"no difference, 20 % of {n} cases discordant (enumerated): called different",
        exact_McNemar=found.exact,
        mid_p=found.mid,
    )
    assert found.exact <= found.mid <= 0.055


@pytest.mark.parametrize("n", [20, 50, 200])
def test_intervals_of_a_paired_difference_cover_it(n: int) -> None:
    tables = drawn_tables(3, n, 0.8, 0.7, latent=0.7, times=10_000)

    def t_interval(*table: int) -> tuple[float, float]:
        diffs = np.repeat([0, 1, -1, 0], table)
        found = stats.paired_t(diffs)
        return found.low, found.high

    found = {
        "Newcombe": covered(NEWCOMBE, tables, 0.1),
        "Tango": covered(TANGO, tables, 0.1),
        "paired_t": covered(functools.cache(t_interval), tables, 0.1),
    }
    show(f"80 % against 70 %, {n} cases: the 95 % interval holds the truth", **found)
    assert keeps_its_level(found["Newcombe"])
    assert keeps_its_level(found["paired_t"])
    assert 0.93 <= found["Tango"] <= 0.985


@pytest.mark.parametrize(
    ("n", "margin", "better"),
    [(40, 0.1, 0.01), (100, 0.05, 0.01), (100, 0.05, 0.05), (400, 0.02, 0.02)],
)
def test_a_candidate_worse_by_the_margin_passes_the_gate_too_often_by_newcombe(
    n: int, margin: float, better: float
) -> None:
    worse = margin + better
    concordant = (1 - better - worse) / 2
    tables = multinomial_tables(5, n, (concordant, better, worse, concordant), 40_000)
    found = {
        "Newcombe": float(np.mean([NEWCOMBE(*t, 0.9)[0] > -margin for t in tables])),
        "Tango": float(np.mean([TANGO(*t, 0.9)[0] > -margin for t in tables])),
    }
    show(
        f"candidate worse by exactly the margin of {margin:.0%}, better on {better:.0%} and worse "
        f"on {worse:.0%} of {n} cases: passes a 95 % gate",
        **found,
    )
    assert found["Tango"] <= 0.055
    assert found["Tango"] < found["Newcombe"]


def test_errors_that_come_in_groups_are_not_independent() -> None:
    rng = np.random.default_rng(6)
    groups = np.repeat(np.arange(20), 8)
    alone, together, normal = [], [], []
    for _ in range(5000):
        diffs = 0.5 * rng.normal(size=20)[groups] + 0.75**0.5 * rng.normal(size=160)
        iid, grouped = stats.paired_t(diffs), stats.clustered(diffs, groups.tolist())
        alone.append(iid.low <= 0 <= iid.high)
        together.append(grouped.low <= 0 <= grouped.high)
        normal.append(abs(grouped.diff) <= 1.959964 * grouped.se)
    found = {
        "as_if_independent": float(np.mean(alone)),
        "clustered": float(np.mean(together)),
        "clustered_with_the_normal_quantile": float(np.mean(normal)),
    }
    show("20 groups of 8 cases, a quarter of the variance between groups: 95 % interval", **found)
    assert found["as_if_independent"] < 0.8
    assert keeps_its_level(found["clustered"])


@pytest.mark.parametrize("n", [10, 30])
def test_numeric_differences_keep_the_level(n: int) -> None:
    rng = np.random.default_rng(7)
    heavy = rng.standard_t(3, size=(4000, n))
    found = {
        "paired_t": float(np.mean([stats.paired_t(d).p <= 0.05 for d in heavy])),
        "sign_flip": float(np.mean([stats.sign_flip(d, resamples=999) <= 0.05 for d in heavy])),
    }
    show(f"no difference, heavy tails, {n} cases: called different", **found)
    assert max(found.values()) <= 0.055


@pytest.mark.parametrize(
    ("shape", "n", "truth", "floor"),
    [("exponential", 50, 1.0, 0.93), ("lognormal", 100, math.exp(0.5), 0.9)],
)
def test_bca_misses_a_skewed_mean_more_evenly_than_t(
    shape: str, n: int, truth: float, floor: float
) -> None:
    rng = np.random.default_rng(8)
    held, too_low = {"BCa": [], "t": []}, {"BCa": [], "t": []}
    for seed, values in enumerate(getattr(rng, shape)(size=(3000, n))):
        ends = {
            "BCa": stats.bca(values, seed=seed, resamples=999),
            "t": stats.mean(values.tolist()),
        }
        for name, (low, high) in ends.items():
            held[name].append(low <= truth <= high)
            too_low[name].append(high < truth)
    found = {name: float(np.mean(values)) for name, values in held.items()}
    show(f"mean of {n} {shape} costs: the 95 % interval holds the truth", **found)
    below = {name: float(np.mean(values)) for name, values in too_low.items()}
    show("the same: the interval lies below the truth (2.5 % would be right)", **below)
    assert found["BCa"] >= floor
    assert below["BCa"] < below["t"]


def nights(seed: int, p_worse: float, p_better: float, months: int) -> np.ndarray:
    """Discordant cases of 100, worse and better, for 30 nights of each month."""
    rest = 1 - p_worse - p_better
    draws = np.random.default_rng(seed).multinomial(100, [p_worse, p_better, rest], (months, 30))
    return draws[:, :, :2]


def first_alarms(months: np.ndarray, one_sided: bool) -> np.ndarray:
    """The night of the first alarm of each month, 99 without one."""
    alarms = []
    for month in months.cumsum(axis=1).tolist():
        over = (i for i, (a, b) in enumerate(month) if E_VALUE(a, b, 0.5, one_sided) >= 20)
        alarms.append(next(over, 99))
    return np.array(alarms)


def test_a_month_of_nights_without_a_change() -> None:
    months = nights(9, 0.06, 0.06, 4000)
    drop = months[:, :, 0] - months[:, :, 1]
    single = np.array([[MCNEMAR(a, b).mid for a, b in month] for month in months.tolist()])
    exact = np.array([[MCNEMAR(a, b).exact for a, b in month] for month in months.tolist()])
    pooled = np.array(
        [[MCNEMAR(a, b).mid for a, b in month] for month in months.cumsum(axis=1).tolist()]
    )
    found = {
        "a_drop_of_2_points": float((drop >= 2).any(axis=1).mean()),
        "a_drop_of_5_points": float((drop >= 5).any(axis=1).mean()),
        "exact_McNemar_each_night": float((exact <= 0.05).any(axis=1).mean()),
        "mid_p_each_night": float((single <= 0.05).any(axis=1).mean()),
        "mid_p_pooled": float((pooled <= 0.05).any(axis=1).mean()),
        "Holm_over_the_nights": float(np.mean([stats.holm(m).min() <= 0.05 for m in single])),
        "e_process": float((first_alarms(months, False) < 30).mean()),
        "one_sided_e_process": float((first_alarms(months, True) < 30).mean()),
    }
    show("30 nights, 100 cases, 12 % discordant, no change: an alarm within the month", **found)
    assert found["exact_McNemar_each_night"] > 0.3
    assert max(found["e_process"], found["one_sided_e_process"]) <= 0.05


def test_a_month_of_nights_after_a_drop_of_four_points() -> None:
    months = nights(10, 0.08, 0.04, 4000)
    for one_sided in (False, True):
        alarms = first_alarms(months, one_sided)
        found = {f"by_night_{night}": float((alarms < night).mean()) for night in (7, 14, 30)}
        side = "one-sided " if one_sided else ""
        show(f"the same, a drop of 4 points: the {side}e-process has given the alarm", **found)
        assert found["by_night_30"] > 0.98
    one_night = float(np.mean([MCNEMAR(a, b).mid <= 0.05 for a, b in months[:, 0].tolist()]))
    show("the same: McNemar on a single night", finds_it=one_night)


def test_a_one_sided_process_stays_silent_while_it_gets_better() -> None:
    alarms = first_alarms(nights(11, 0.05, 0.07, 4000), one_sided=True)
    assert float((alarms < 30).mean()) <= 0.01


def test_the_best_of_many_equals_looks_better_than_it_is() -> None:
    best = np.random.default_rng(12).binomial(50, 0.7, size=(20_000, 20)).max(axis=1) / 50
    show("the best of 20 equal variants, 50 cases, true pass rate 70 %", reported=best.mean())
    assert best.mean() == pytest.approx(0.817, abs=0.003)


def test_ten_variants_against_a_baseline() -> None:
    rng = np.random.default_rng(13)
    naive, corrected = [], []
    for _ in range(3000):
        shared = rng.normal(size=100)
        passes = (0.8 * shared + 0.6 * rng.normal(size=(11, 100))) < 0.84
        p = [
            MCNEMAR(int((row & ~passes[0]).sum()), int((passes[0] & ~row).sum())).mid
            for row in passes[1:]
        ]
        naive.append(min(p) <= 0.05)
        corrected.append(stats.holm(p).min() <= 0.05)
    found = {"uncorrected": float(np.mean(naive)), "Holm": float(np.mean(corrected))}
    show("10 variants equal to the baseline, 100 cases: at least one called different", **found)
    assert found["uncorrected"] > 0.15
    assert found["Holm"] <= 0.055


def judged_cases(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """What people say and what a judge says that is lenient: it passes a third of the failures."""
    human = rng.random(n) < 0.7
    judge = np.where(human, rng.random(n) < 0.97, rng.random(n) < 0.33)
    return human.astype(float), judge.astype(float)


@pytest.mark.parametrize(("n", "floor"), [(50, 0.9), (100, 0.93), (200, 0.93)])
def test_some_human_labels_mend_a_lenient_judge(n: int, floor: float) -> None:
    rng = np.random.default_rng(14)
    held = {"PPI++": [], "PPI": [], "human_only": [], "judge_only": []}
    widths = {"PPI++": [], "human_only": []}
    for _ in range(5000):
        (human, judge), (_, rest) = judged_cases(rng, n), judged_cases(rng, 1000)
        found = stats.ppi_mean(human, judge, rest)
        parts = {
            "PPI++": found.ppi_plus,
            "PPI": found.ppi,
            "human_only": found.human_only,
            "judge_only": found.judge_only,
        }
        for name, part in parts.items():
            held[name].append(part.low <= 0.7 <= part.high)
            if name in widths:
                widths[name].append(part.high - part.low)
    rates = {name: float(np.mean(values)) for name, values in held.items()}
    show(f"true rate 70 %, lenient judge, {n} human labels, 1,000 judged: 95 % interval", **rates)
    width = {name: float(np.mean(values)) for name, values in widths.items()}
    show("the same: width of the interval", **width)
    assert floor <= rates["PPI++"] <= 0.97
    assert rates["judge_only"] < 0.1
    assert width["PPI++"] < 0.85 * width["human_only"]


@pytest.mark.parametrize(("true", "tested"), [(0.3, 50), (0.05, 50), (0.3, 20)])
def test_a_corrected_attack_rate_covers_the_true_one(true: float, tested: int) -> None:
    rng = np.random.default_rng(15)
    held, plain = [], []
    for seed in range(3000):
        flagged = int(rng.binomial(200, true * 0.85 + (1 - true) * 0.05))
        found, left = int(rng.binomial(tested, 0.85)), int(rng.binomial(tested, 0.95))
        low, high = stats.rogan_gladen_interval(
            flagged, 200, found, tested, left, tested, seed=seed, resamples=999
        )
        held.append(low <= true <= high)
        low, high = stats.wilson(flagged, 200)
        plain.append(low <= true <= high)
    rates = {"corrected": float(np.mean(held)), "as_flagged": float(np.mean(plain))}
    show(
        f"true attack rate {true:.0%}, detector tested on {tested} + {tested} items: 95 % interval",
        **rates,
    )
    assert 0.93 <= rates["corrected"] <= 0.995


@pytest.mark.parametrize("n", [50, 200])
def test_the_interval_of_kappa_covers_it(n: int) -> None:
    shares = np.array([[0.4, 0.1], [0.1, 0.4]])  # kappa .6
    draws = np.random.default_rng(16).multinomial(n, shares.ravel(), size=5000)
    found = [stats.kappa(row.reshape(2, 2).tolist()) for row in draws]
    rate = float(np.mean([k.low <= 0.6 <= k.high for k in found]))
    show(f"kappa .6, {n} items: the 95 % interval holds it", of_the_time=rate)
    assert keeps_its_level(rate)


def test_repeats_are_no_cases() -> None:
    rng = np.random.default_rng(17)
    held = {"case_means": [], "every_repeat_a_case": []}
    for _ in range(4000):
        chance = rng.beta(2, 1, size=60)
        scores = rng.random((60, 5)) < chance[:, None]
        by_case = stats.mean(scores.mean(axis=1).tolist())
        by_row = stats.mean(scores.ravel().astype(float).tolist())
        held["case_means"].append(by_case[0] <= 2 / 3 <= by_case[1])
        held["every_repeat_a_case"].append(by_row[0] <= 2 / 3 <= by_row[1])
    found = {name: float(np.mean(values)) for name, values in held.items()}
    show("60 cases, 5 repeats each: the 95 % interval of the pass rate holds the truth", **found)
    assert keeps_its_level(found["case_means"])
    assert found["every_repeat_a_case"] < 0.9


def test_what_so_many_cases_can_show() -> None:
    numbers = (20, 50, 100, 200, 500, 1000)
    found = {f"{n}_cases": stats.minimal_difference(n, 0.5) for n in numbers}
    show("smallest difference found 4 times in 5, spread of the difference .5", **found)
    assert list(found.values()) == sorted(found.values(), reverse=True)

"""The reference cases, published and computed, replayed through the public functions."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pex import stats

CASES = json.loads(Path(__file__).with_name("stats_cases.json").read_text())["cases"]


def wilson(k: int, n: int) -> dict:
    low, high = stats.wilson(k, n)
    return {"lo": low, "hi": high}


def newcombe(k1: int, n1: int, k2: int, n2: int) -> dict:
    low, high = stats.newcombe(k1, n1, k2, n2)
    return {"diff": k1 / n1 - k2 / n2, "lo": low, "hi": high}


def newcombe_paired(both_pass: int, A_only: int, B_only: int, both_fail: int) -> dict:  # noqa: N803
    table = both_pass, A_only, B_only, both_fail
    low, high = stats.newcombe_paired(*table)
    return {"diff": (A_only - B_only) / sum(table), "lo": low, "hi": high, "phi": stats.phi(*table)}


def tango(both_pass: int, A_only: int, B_only: int, both_fail: int) -> dict:  # noqa: N803
    table = both_pass, A_only, B_only, both_fail
    low, high = stats.tango(*table)
    return {"diff": (A_only - B_only) / sum(table), "lo": low, "hi": high}


def mcnemar(A_only: int, B_only: int) -> dict:  # noqa: N803
    found = stats.mcnemar(A_only, B_only)
    return {
        "p_exact": found.exact,
        "p_mid": found.mid,
        "p_chi2": found.chi2,
        "p_chi2_cc": found.chi2_corrected,
    }


def welch(a: list[float], b: list[float]) -> dict:
    found = stats.welch_t(a, b)
    return {"t": found.t, "p": found.p}


def bca(diffs: list[float]) -> dict:
    low, high = stats.bca(diffs, resamples=200_000)
    found = stats.paired_t(diffs)
    return {"mean": found.diff, "lo": low, "hi": high, "se": found.se}


def clustered(a: list[float], b: list[float], cluster: list[int]) -> dict:
    diffs = [x - y for x, y in zip(a, b, strict=True)]
    found, groups = stats.clustered(diffs, cluster), len(set(cluster))
    return {
        "diff": found.diff,
        "se_unpaired": stats.welch_t(a, b).se,
        "se_paired_iid": stats.paired_t(diffs).se,
        "se_paired_cluster_miller": found.se * ((groups - 1) / groups) ** 0.5,
        "se_paired_cluster_G/(G-1)": found.se,
    }


def bradley_terry(wins: dict[str, int]) -> dict:
    pairs = {tuple(pair.split(">")): count for pair, count in wins.items()}
    found = stats.bradley_terry(pairs, names=["0", "1", "2"], reference="2", alpha=0)
    return {
        "theta_centered": found.strengths,
        "theta_ref_item2": found.relative,
        "se_ref_item2": found.se[:2],
        "elo_scale_400_ref2": found.elo,
        "p_0_beats_1": found.probabilities[0][1],
    }


def adjusted(by: Callable) -> Callable:
    return lambda p: {"adjusted": by(p).tolist()}


def kappa(table: list[list[int]]) -> dict:
    found = stats.kappa(table)
    return {
        "kappa": found.kappa,
        "se": found.se,
        "lo": found.low,
        "hi": found.high,
        "po": found.observed,
        "pe": found.expected,
    }


def krippendorff(ratings_by_rater: list[list[int | None]]) -> dict:
    levels = "nominal", "ordinal", "interval", "ratio"
    return {level: stats.krippendorff(ratings_by_rater, level) for level in levels}


def ppi(
    human: list[int],
    judge_on_human: list[int],
    judge_unlabelled: list[int],
    **truth: list[int],
) -> dict:
    found = stats.ppi_mean(human, judge_on_human, judge_unlabelled)
    return {
        "judge_naive_mean": found.judge_only.mean,
        "human_only_mean": found.human_only.mean,
        "human_only_ci": [found.human_only.low, found.human_only.high],
        "ppi_mean(lam=1)": found.ppi.mean,
        "ppi_ci(lam=1)": [found.ppi.low, found.ppi.high],
        "ppi++_mean": found.ppi_plus.mean,
        "ppi++_ci": [found.ppi_plus.low, found.ppi_plus.high],
    }


def minimal_difference(n: int, sd_diff: float, alpha: float, power: float) -> dict:
    return {"mde": stats.minimal_difference(n, sd_diff, alpha, power)}


def mcnemar_power(n: int, p_A_only: float, p_B_only: float, alpha: float) -> dict:  # noqa: N803
    found = stats.mcnemar_power(n, p_A_only, p_B_only, alpha)
    return {"power_exact": found.exact, "power_midp": found.mid}


def variance(scores: list[list[int]]) -> dict:
    found = stats.variance_components(scores)
    return {
        "mean": found.mean,
        "MS_between": found.ms_between,
        "MS_within": found.ms_within,
        "sigma2_within": found.within,
        "sigma2_between": found.between,
        "icc1": found.icc,
        "se_mean_question_level": found.se,
        "se_if_reps_treated_iid(WRONG)": found.se_as_if_independent,
        "se_predicted_K1": found.se_one,
        "se_predicted_Kinf": found.se_endless,
    }


def noninferiority(
    both_pass: int,
    candidate_only: int,
    baseline_only: int,
    both_fail: int,
    margin: float,
    alpha_one_sided: float,
) -> dict:
    table = both_pass, candidate_only, baseline_only, both_fail
    confidence = 1 - 2 * alpha_one_sided
    lower = stats.tango(*table, confidence)[0]
    diffs = [1] * candidate_only + [-1] * baseline_only + [0] * (both_pass + both_fail)
    diff, n = sum(diffs) / len(diffs), len(diffs)
    # The textbook bound takes the spread over n, not n - 1, and the normal quantile.
    se = stats.paired_t(diffs).se * ((n - 1) / n) ** 0.5
    return {
        "diff": diff,
        "wald_lower_95_one_sided": diff - 1.6448536269514722 * se,
        "newcombe_lower_95_one_sided": stats.newcombe_paired(*table, confidence)[0],
        "tango_lower_95_one_sided": lower,
        "pass_margin_0.05_tango": lower > -margin,
        "mcnemar_p_exact": stats.mcnemar(candidate_only, baseline_only).exact,
    }


def e_values(A_only: int, B_only: int) -> dict:  # noqa: N803
    found = {"p_exact_mcnemar_one_look": stats.mcnemar(A_only, B_only).exact}
    for prior, name in ((0.5, "beta(.5,.5)"), (1, "beta(1,1)")):
        process = stats.e_process([(A_only, B_only)], prior=prior)
        found[f"e_value_{name}"] = process.e
        found[f"p_always_valid_{name}"] = process.p_always
    return found


def attack_rate(k: int, n: int) -> dict:
    return {
        "asr": k / n,
        "wilson": stats.wilson(k, n),
        "clopper_pearson": stats.clopper_pearson(k, n),
    }


def rogan_gladen(observed: float, sensitivity: float, specificity: float) -> dict:
    return {"corrected": stats.rogan_gladen(observed, sensitivity, specificity)}


COVERED: dict[str, Callable[..., dict]] = {
    "wilson_95": wilson,
    "newcombe_diff_independent": newcombe,
    "newcombe_diff_paired": newcombe_paired,
    "tango_score_diff_paired": tango,
    "mcnemar": mcnemar,
    "welch_t (WRONG for paired data)": welch,
    "bootstrap_BCa": bca,
    "clustered_paired_diff": clustered,
    "bradley_terry": bradley_terry,
    "fdr_bh": adjusted(stats.benjamini_hochberg),
    "bonferroni": adjusted(stats.bonferroni),
    "cohen_kappa": kappa,
    "krippendorff_alpha": krippendorff,
    "ppi_mean": ppi,
    "mde_paired": minimal_difference,
    "power_mcnemar": mcnemar_power,
    "variance_decomposition": variance,
    "noninferiority_paired": noninferiority,
    "always_valid_sign_test": e_values,
    "asr_ci": attack_rate,
    "judge_corrected_rate": rogan_gladen,
}

# What a case says of the data, and no method estimates.
OF_THE_DATA = {"true_rate_all"}


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_a_reference_case_comes_out_within_its_tolerance(case: dict[str, Any]) -> None:
    found = COVERED[case["method"]](**case["inputs"])
    for name in case["expected"].keys() - OF_THE_DATA:
        expected = case["expected"][name]
        assert found[name] == pytest.approx(expected, abs=case["tol"], rel=0), name


def test_the_reference_cases_are_there() -> None:
    assert len(CASES) == 35
    assert {case["method"] for case in CASES} == set(COVERED)

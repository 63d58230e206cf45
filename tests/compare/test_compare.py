"""Verdicts: what they need, what they count, and that nothing degenerate breaks them."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest

from pex.compare.compare import compare, pair_cases
from pex.compare.verdict import Options
from pex.core.errors import PexError
from pex.score.frame import percentages, summarise
from tests.helpers.frames import frame


def row(table: pd.DataFrame) -> dict[str, object]:
    assert len(table) == 1
    return {str(key): value for key, value in table.iloc[0].to_dict().items()}


def shares(n: int, both: int, up: int, down: int) -> pd.DataFrame:
    """`both` pass in a and b, `up` in b only, `down` in a only."""
    a = [1] * both + [0] * up + [1] * down + [0] * (n - both - up - down)
    b = [1] * both + [1] * up + [0] * down + [0] * (n - both - up - down)
    return frame({"a": a, "b": b})


def test_a_yes_no_score_has_newcombes_interval_and_mid_p() -> None:
    # The reference case newcombe_paired_20_12_2_16, with b in the part of A.
    found = row(compare(shares(50, 20, 12, 2), "a"))
    assert found["diff"] == pytest.approx(0.2)
    assert found["lo"] == pytest.approx(0.0618047582)
    assert found["hi"] == pytest.approx(0.3241622931)
    assert found["p_exact"] == pytest.approx(0.0129394531)
    assert found["p"] == pytest.approx(0.0073852539)
    assert found["verdict"] == "better"
    assert (found["wins"], found["ties"], found["losses"]) == (12, 36, 2)
    assert "Newcombe" in str(found["method"])


def test_turned_round_it_is_worse_by_the_same() -> None:
    there, back = row(compare(shares(50, 20, 12, 2), "a")), row(compare(shares(50, 20, 12, 2), "b"))
    assert back["verdict"] == "worse"
    assert back["diff"] == pytest.approx(-there["diff"])
    assert back["lo"] == pytest.approx(-there["hi"])


def test_two_equal_prompts_are_undecided_and_told_how_many_more_cases() -> None:
    found = row(compare(shares(50, 35, 6, 4), "a"))
    assert found["verdict"] == "undecided"
    # 4 points, spread sqrt(.2 - .04^2): (1.96 + .84)^2 * .1984 / .0016 = 973 cases.
    assert 850 < found["more_cases"] < 1000
    # (1.96 + .84) * sqrt(.2 / 50) = 18 points
    assert found["min_detectable"] == pytest.approx(0.18, abs=0.01)


def test_numbers_have_the_paired_t_interval_and_the_sign_flip_p() -> None:
    sleep = ([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0],
             [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])  # fmt: skip
    found = row(compare(frame({"a": sleep[0], "b": sleep[1]}), "a"))
    # Student's sleep data: R's t.test(paired=TRUE) gives 1.58, [0.70, 2.46], p 0.0028.
    assert found["diff"] == pytest.approx(1.58)
    assert found["lo"] == pytest.approx(0.7001142)
    assert found["hi"] == pytest.approx(2.4598858)
    # All nine differing cases point one way: 2 of the 512 ways of flipping signs are as far out.
    assert found["p"] == pytest.approx(2 / 512)
    assert found["verdict"] == "better"


def test_repeats_are_averaged_within_their_case() -> None:
    twice = frame({"a": [[0, 0], [1, 0], [1, 1]] * 10, "b": [[1, 0], [1, 1], [1, 1]] * 10})
    found = row(compare(twice, "a"))
    assert (found["n_cases"], found["n_repeats"]) == (30, 2)
    once = frame({"a": [0, 0.5, 1] * 10, "b": [0.5, 1, 1] * 10})
    assert found["lo"] == pytest.approx(row(compare(once, "a"))["lo"])
    assert 0 <= found["se_endless_repeats"] <= found["se"]


def test_groups_count_and_not_their_cases() -> None:
    rng = np.random.default_rng(5)
    groups = [f"g{number // 10}" for number in range(120)]
    effect = np.repeat(rng.normal(0.2, 0.4, 12), 10)
    a = rng.normal(0, 0.1, 120)
    grouped = frame({"a": list(a), "b": list(a + effect)})
    alone = row(compare(grouped, "a"))
    grouped["group"] = groups * 2
    together = row(compare(grouped, "a"))
    assert together["n_groups"] == 12
    assert (together["hi"] - together["lo"]) > 2 * (alone["hi"] - alone["lo"])
    assert alone["verdict"] == "better"
    assert together["verdict"] == "undecided"


def test_holm_corrects_for_every_row_of_the_table() -> None:
    a = [0] * 8 + [1] * 12
    many = {"a": a, "b": [1] * 6 + [0, 0] + [1] * 12} | {f"v{i}": a[:] for i in range(9)}
    alone = row(compare(frame({name: many[name] for name in "ab"}), "a"))
    among = compare(frame(many), "a").set_index("candidate").loc["b"]
    assert alone["verdict"] == "better"
    assert among["p_adjusted"] == pytest.approx(min(1.0, 10 * alone["p"]))
    assert among["verdict"] == "undecided"
    assert any("correcting for 10 comparisons" in note for note in among["warnings"])


def test_no_worse_needs_the_one_sided_bound_inside_the_margin() -> None:
    # The reference case noninferiority_150_9_11_30.
    counts = shares(200, 150, 9, 11)
    found = row(compare(counts, "a", options=Options(margin=0.05)))
    assert found["bound"] == pytest.approx(-0.049034365260)
    assert found["verdict"] == "no worse"
    assert row(compare(counts, "a", options=Options(margin=0.04)))["verdict"] == "undecided"
    assert row(compare(counts, "a"))["verdict"] == "undecided"


def test_measurably_worse_within_the_margin_is_no_worse_and_said() -> None:
    found = row(compare(shares(2000, 1500, 1, 30), "a", options=Options(margin=0.05)))
    assert found["verdict"] == "no worse"
    assert any("measurably worse" in note for note in found["warnings"])


def test_errors_are_left_out_counted_and_shown_as_failures_beside_it() -> None:
    a = [1] * 30
    b = [1] * 18 + ["error"] * 12
    found = row(compare(frame({"a": a, "b": b}), "a"))
    assert (found["n_cases"], found["dropped"], found["errors_candidate"]) == (18, 12, 12)
    assert found["diff"] == 0
    assert found["diff_errors_as_worst"] == pytest.approx(-0.4)
    assert found["verdict_errors_as_worst"] == "worse"
    assert found["verdict"] == "undecided"
    assert any("errors counted as failures" in note for note in found["warnings"])


def test_less_of_a_cost_or_a_time_is_better() -> None:
    times = frame({"a": [1] * 40, "b": [1] * 40})
    rng = np.random.default_rng(1)
    times["latency_s"] = [*rng.gamma(2, 0.5, 40), *rng.gamma(2, 0.2, 40)]
    found = row(compare(times, "a", "latency_s"))
    assert found["diff"] < 0
    assert found["verdict"] == "better"
    assert "bootstrap" in str(found["method"])
    assert row(compare(times, "a", "latency_s"))["lo"] == found["lo"]  # the seed is fixed


def test_a_score_can_be_turned_round() -> None:
    words = frame({"a": [9.0, 8, 9, 8] * 5, "b": [3.0, 2, 3, 4] * 5}, "words")
    assert row(compare(words, "a"))["verdict"] == "worse"
    assert row(compare(words, "a", options=Options(lower_is_better=True)))["verdict"] == "better"


def test_replayed_and_shared_answers_are_counted() -> None:
    same = frame({"a": [1, 0, 1], "b": [1, 0, 1]})
    same["from_journal"] = [True, True, False, False, False, False]
    same["request_key"] = ["k1", "k2", "k3", "k1", "k2", "k9"]
    found = row(compare(same, "a"))
    assert found["replayed"] == 2
    assert any("2 answers come from the same" in note for note in found["warnings"])


def same_answers(**values: list[object]) -> pd.DataFrame:
    """Variants that sent the same requests and got the same answers, unless said otherwise."""
    found = frame(values)
    found["request_key"] = [f"k{case}" for case in found["case_id"]]
    found["resolved_model"] = "m-1"
    found["output"] = [f"answer to {case}" for case in found["case_id"]]
    return found


def test_the_same_requests_and_answers_are_unchanged_and_nothing_is_tested() -> None:
    found = row(compare(same_answers(a=[1, 0, 1], b=[1, 0, 1]), "a", options=Options(margin=0.1)))
    assert (found["verdict"], found["diff"], found["family"]) == ("unchanged", 0.0, 0)
    for nothing in ("lo", "hi", "p_adjusted", "more_cases", "min_detectable"):
        assert pd.isna(found[nothing]), nothing
    assert found["warnings"] == []


@pytest.mark.parametrize("column", ["request_key", "resolved_model", "output", "score.ok"])
def test_one_other_answer_request_model_or_score_is_a_change(column: str) -> None:
    table = same_answers(a=[1, 0, 1], b=[1, 0, 1])
    table[column] = [*table[column][:-1], 0.0 if column == "score.ok" else "another"]
    assert row(compare(table, "a"))["verdict"] == "undecided"


def test_an_answer_that_is_missing_on_both_sides_is_not_called_unchanged() -> None:
    table = same_answers(a=[1, "error", 1], b=[1, "error", 1])
    assert row(compare(table, "a"))["verdict"] == "undecided"


def test_unchanged_variants_do_not_make_the_others_verdict_harder() -> None:
    scores = {"a": [0] * 9 + [1], "b": [1] * 10}
    alone = row(compare(frame(scores), "a"))
    table = same_answers(**scores, **{f"same{n}": scores["a"] for n in range(5)})
    table.loc[table["variant"] == "b", "request_key"] += " b"
    found = compare(table, "a").set_index("candidate")
    assert list(found["verdict"]) == ["better", *["unchanged"] * 5]
    assert found.loc["b", "p_adjusted"] == alone["p_adjusted"]


DEGENERATE = {
    "all equal": {"a": [1, 0, 1, 0], "b": [1, 0, 1, 0]},
    "all pass": {"a": [1] * 30, "b": [1] * 30},
    "all fail": {"a": [0] * 30, "b": [0] * 30},
    "one case": {"a": [1], "b": [0]},
    "one case of numbers": {"a": [0.3], "b": [0.7]},
    "constant difference": {"a": [0.1, 0.2, 0.3], "b": [0.6, 0.7, 0.8]},
    "all errors": {"a": [1, 1], "b": ["error", "error"]},
    "all errors everywhere": {"a": ["error"] * 3, "b": ["error"] * 3},
    "sometimes missing": {"a": [1, None, 0, None], "b": [None, 1, 1, 0]},
    "never in common": {"a": [1, None], "b": [None, 1]},
    "no score at all": {"a": [None, None], "b": [None, None]},
    "repeats of different number": {"a": [[1, 0, 1], [1]], "b": [[0], [1, 1]]},
}


@pytest.mark.parametrize("kind", DEGENERATE)
@pytest.mark.parametrize("margin", [None, 0.02])
def test_nothing_degenerate_gives_a_nan_a_crash_or_a_verdict(
    kind: str, margin: float | None
) -> None:
    table = frame(DEGENERATE[kind])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = row(compare(table, "a", options=Options(margin=margin)))
    for value in found.values():
        assert not (isinstance(value, float) and math.isnan(value))
    assert found["verdict"] == "undecided"
    # What can and cannot be concluded is said.
    assert found["warnings"]


@pytest.mark.parametrize("metric", ["cost_usd", "latency_s"])
def test_equal_costs_are_identical_and_not_nan(metric: str) -> None:
    table = frame({"a": [1] * 5, "b": [1] * 5})
    table[metric] = 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = row(compare(table, "a", metric))
    assert found["p"] == 1
    assert pd.isna(found["lo"])  # no spread to make an interval of
    assert pd.isna(found["hi"])
    assert "identical on every case" in found["warnings"]


def test_one_group_says_nothing_of_others() -> None:
    table = frame({"a": [0] * 30, "b": [1] * 30})
    table["group"] = "g"
    found = row(compare(table, "a"))
    assert found["verdict"] == "undecided"
    assert pd.isna(found["lo"])
    assert any("in one group" in note for note in found["warnings"])


def test_a_hundred_thousand_cases() -> None:
    rng = np.random.default_rng(0)
    n = 100_000
    table = pd.DataFrame(
        {
            "variant": np.repeat(["a", "b"], n),
            "case_id": np.tile([f"c{i}" for i in range(n)], 2),
            "score.ok": np.concatenate([rng.random(n) < 0.70, rng.random(n) < 0.71]).astype(float),
            "score.num": rng.random(2 * n),
        }
    )
    found = compare(table, "a").set_index("metric")
    assert found.loc["ok", "n_cases"] == n
    assert found.loc["ok", "verdict"] == "better"
    assert found.loc["num", "verdict"] == "undecided"


def test_a_baseline_may_be_a_prompt_or_a_model() -> None:
    rows = []
    for prompt in ("short", "long"):
        for model in ("lab/m1", "lab/m2"):
            name = f"{prompt}|{model[4:]}"
            rows += [
                {
                    "variant": name,
                    "prompt": prompt,
                    "model": model,
                    "case_id": f"c{case}",
                    "score.ok": float(case % 2),
                }
                for case in range(4)
            ]
    table = pd.DataFrame(rows)
    by_prompt = compare(table, "short")
    assert list(zip(by_prompt["candidate"], by_prompt["baseline"], strict=True)) == [
        ("long|m1", "short|m1"),
        ("long|m2", "short|m2"),
    ]
    by_model = compare(table, "m2")
    assert list(by_model["baseline"]) == ["short|m2", "long|m2"]
    assert len(compare(table, "short|m1")) == 3
    assert set(compare(table)["baseline"]) == {"short|m1"}


def test_a_baseline_that_pairs_with_nothing_is_an_error() -> None:
    table = frame({"a": [1, 0], "b": [1, 1]})
    table["model"] = np.where(table["variant"] == "a", "lab/m1", "lab/m2")
    with pytest.raises(PexError, match="no two variants differ in the prompt alone"):
        compare(table.assign(variant=table["variant"] + "x"), "a")


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"metrics": "labl"}, "there is no metric 'labl'"),
        ({}, {"baseline": "aa"}, "no variant, prompt or model has this name"),
        ({}, {"options": Options(margin=2)}, "for 2 percentage points use margin=0.02"),
        ({}, {"options": Options(margin=-0.1)}, "0 or more"),
        ({}, {"options": Options(margin=True)}, "expected a number"),
        ({}, {"options": Options(margin=math.nan)}, "expected a number"),
        ({}, {"options": Options(confidence=95)}, "for 95 % use confidence=0.95"),
        ({"drop": "case_id"}, {}, "no column 'case_id'"),
        ({"drop": "variant"}, {}, "no column 'variant'"),
        ({"double": True}, {}, "duplicate rows"),
        ({"empty": True}, {}, "no rows"),
        ({"hole": True}, {}, "1 row has no case_id"),
        ({"text": True}, {}, "'good' is not a number"),
        ({"alone": True}, {}, "only one variant"),
    ],
)
def test_bad_input_is_named(
    change: dict[str, object], options: dict[str, object], message: str
) -> None:
    table = frame({"a": [1, 0, 1], "b": [1, 1, 0]})
    if "drop" in change:
        table = table.drop(columns=str(change["drop"]))
    if change.get("double"):
        table = pd.concat([table, table.iloc[:2]])
    if change.get("empty"):
        table = table.iloc[:0]
    if change.get("hole"):
        table.loc[0, "case_id"] = None
    if change.get("text"):
        table["score.ok"] = [1.0, "good", 0.0, True, 1, 0]
    if change.get("alone"):
        table = table[table["variant"] == "a"]
    with pytest.raises(PexError, match=message):
        compare(table, **options)  # type: ignore[arg-type]


def test_a_margin_beyond_all_values_is_an_error() -> None:
    words = frame({"a": [3.0, 4.0], "b": [5.0, 4.5]}, "words")
    with pytest.raises(PexError, match="wider than all values"):
        compare(words, "a", options=Options(margin=50))


def test_scores_of_mixed_numbers_and_truths_are_numbers() -> None:
    table = frame({"a": [1, 0, 1], "b": [1, 1, 0]})
    table["score.ok"] = [True, 0, 1.0, np.True_, True, np.float64(0)]
    assert row(compare(table, "a"))["n_cases"] == 3


def test_an_uncalibrated_judge_is_marked() -> None:
    table = frame({"a": [0] * 20, "b": [1] * 20}, "polite")
    found = row(compare(table, "a", options=Options(uncalibrated=("polite",))))
    assert found["calibrated"] is False
    assert any("not calibrated" in note for note in found["warnings"])


def test_the_cases_of_a_pair_come_with_the_largest_loss_first() -> None:
    table = frame({"a": [0, 1, 1], "b": [1, 0, 1]}, **{"case.q": ["one", "two", "three"]})
    cases = pair_cases(table, "b", "a", "ok")
    assert list(cases["case_id"]) == ["c1", "c2", "c0"]
    assert list(cases["diff"]) == [-1, 0, 1]
    assert list(cases["text"]) == ["two", "three", "one"]


def test_a_difference_of_shares_is_never_beyond_one() -> None:
    few = frame({"a": [1, 0, 1], "b": [0, 1, 0]}, group=["g", "g", "h"])
    found = row(compare(few, "a", options=Options(margin=0.1)))
    assert "groups" in str(found["method"])
    assert (found["lo"], found["hi"]) == (-1.0, 1.0)
    assert -1 <= found["bound"] <= 1


def test_equal_differences_of_few_cases_have_no_interval() -> None:
    same = frame({"a": [0.1, 0.2, 0.3], "b": [0.6, 0.7, 0.8]})
    found = row(compare(same, "a"))
    assert pd.isna(found["lo"])
    assert pd.isna(found["hi"])
    assert any("same amount" in note for note in found["warnings"])


def test_a_share_of_fields_is_in_percent_like_its_fields_and_stays_in_its_bounds() -> None:
    scores = {"score.fields.a": [1.0, 1.0, 1.0, 1.0], "score.fields.b": [0.0, 1.0, 0.0, 1.0]}
    table = frame({"v": [0.5, 1.0], "w": [0.5, 1.0]}, "fields").assign(**scores)
    table["prompt_tokens"] = table["completion_tokens"] = 1
    errors = {f"score_error.{name}": None for name in ("fields", "fields.a", "fields.b")}
    table = table.assign(cost_usd=0.0, latency_s=0.1, finish_reason="stop", **errors)
    table = table.assign(output="x", remarks=[[]] * 4)
    assert percentages(table) == {"fields", "fields.a", "fields.b"}
    summary = summarise(table)
    assert (summary["score.fields.lo"] >= 0).all()
    assert (summary["score.fields.hi"] <= 1).all()
    found = compare(table, "v", ["fields"])
    assert bool(found["yes_no"].iloc[0])


def test_an_interval_that_leaves_out_zero_beside_a_test_that_is_not_sure_is_said() -> None:
    found = row(compare(shares(16, 8, 6, 1), "a"))
    assert found["verdict"] == "undecided"
    assert found["lo"] > 0
    assert "the interval leaves out 0, but the test is not sure: p = 0.07" in found["warnings"]

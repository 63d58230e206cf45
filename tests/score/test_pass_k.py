"""pass^k: what tables and records say of repeats."""

import itertools
import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pex.report.tables import summary_table, summary_text
from pex.score.frame import summarise
from pex.score.pass_k import pass_k_of, pass_k_table


def _frame(passes: dict[str, list[float]]) -> pd.DataFrame:
    rows = [
        {"variant": "one", "prompt": "p", "model": "m", "case_id": case, "repeat": repeat,
         "error": None if value == value else "timeout", "output": "x", "finish_reason": "stop",
         "remarks": [], "cost_usd": 0.0, "latency_s": 0.1, "score.right": value,
         "score_error.right": None}
        for case, values in passes.items()
        for repeat, value in enumerate(values, 1)
    ]  # fmt: skip
    return pd.DataFrame(rows)


NAN = math.nan


def test_a_summary_says_how_often_all_repeats_pass() -> None:
    frame = _frame({"a": [1, 1, 1], "b": [1, 0, 1], "c": [1, 1, NAN], "d": [0, 0, 0]})
    (row,) = summarise(frame).to_dict("records")
    assert row["score.right"] == pytest.approx((1 + 2 / 3 + 1 + 0) / 4)
    assert row["score.right.pass_k"] == pytest.approx(1 / 3)
    assert (row["score.right.pass_k.k"], row["score.right.pass_k.cases"]) == (3, 3)
    text = summary_text(summarise(frame), {"right"})
    assert "right pass^3" in text
    assert "33 % [6, 79] (of 3)" in text
    assert "all k repeats of a case pass" in summary_table(summarise(frame), {"right"})


def test_without_repeats_or_for_numbers_there_is_none() -> None:
    assert "score.right.pass_k" not in summarise(_frame({"a": [1], "b": [0]})).columns
    assert "score.right.pass_k" not in summarise(_frame({"a": [1, 3], "b": [0, 2]})).columns


def test_no_case_with_all_repeats_is_no_number() -> None:
    summary = summarise(_frame({"a": [1, NAN], "b": [NAN, 0]}))
    assert math.isnan(summary["score.right.pass_k"][0])
    assert "pass^2" in summary_text(summary, {"right"})


@settings(max_examples=40)
@given(st.lists(st.lists(st.booleans(), min_size=2, max_size=5), min_size=1, max_size=4))
def test_it_is_the_share_of_draws_of_k_that_all_pass(cases: list[list[bool]]) -> None:
    k = min(map(len, cases))
    counts = [(len(case), sum(case)) for case in cases]
    draws = [[all(draw) for draw in itertools.combinations(case, k)] for case in cases]
    found = pass_k_of(counts, k)
    assert found[""] == pytest.approx(sum(sum(d) / len(d) for d in draws) / len(cases))
    assert found[".lo"] <= found[""] + 1e-9 <= found[".hi"] + 2e-9


def test_the_table_begins_with_the_mean_and_falls() -> None:
    table = pass_k_table(_frame({"a": [1, 1, 0, 1], "b": [1, 1, 1, 1]}), "right")
    assert list(table["k"]) == [1, 2, 3, 4]
    assert table["value"][0] == pytest.approx(0.875)
    assert list(table["value"]) == sorted(table["value"], reverse=True)

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from pex import stats
from pex.core.errors import PexError
from pex.monitoring import grouped
from pex.monitoring.grouped import quantiles, shares
from pex.monitoring.over_time import empty_traces, metric_names, over_time, side_by_side
from pex.monitoring.traces import Traces
from tests.helpers.made_traces import START, made_traces, opinions


def at(table: pd.DataFrame, metric: str, day: int = 0) -> pd.Series:
    mine = table[table["metric"] == metric]
    return mine[mine["since"] == pd.Timestamp(START) + pd.Timedelta(days=day)].iloc[0]


def test_each_figure_has_the_interval_of_the_textbook() -> None:
    traces = made_traces(3, 200)
    table = over_time(traces)
    frame = traces.frame
    first = frame[frame["started_at"] < pd.Timestamp(START) + pd.Timedelta(days=1)]

    failed = int((first["state"] == "error").sum())
    row = at(table, "error_share")
    assert (row["n"], row["value"]) == (200, failed / 200)
    assert (row["lo"], row["hi"]) == pytest.approx(stats.wilson(failed, 200))
    row = at(table, "cost_usd")
    costs = first["cost_usd"].astype(float).tolist()
    assert (row["lo"], row["hi"]) == pytest.approx(stats.mean(costs))
    assert row["total"] == pytest.approx(sum(costs))
    row = at(table, "traces")
    assert row["lo"] == pytest.approx(chi2.ppf(0.025, 400) / 2)
    assert row["hi"] == pytest.approx(chi2.ppf(0.975, 402) / 2)
    row = at(table, "latency_s")
    assert row["value"] == pytest.approx(first["latency_s"].median())
    ordered = sorted(first["latency_s"])
    assert (row["lo"], row["hi"]) == (ordered[85], ordered[114])  # ranks 86 and 115 of 200
    row = at(table, "latency_s.p90")
    assert row["value"] == pytest.approx(first["latency_s"].quantile(0.9))
    assert at(table, "error_share.timeout")["value"] == failed / 200
    assert at(table, "language.de")["n"] == 200


def test_a_day_without_traces_is_a_gap_and_not_zero() -> None:
    traces = made_traces(3, 20)
    day = (traces.frame["started_at"] - pd.Timestamp(START)).dt.days
    kept = dataclasses.replace(traces, frame=traces.frame[day != 1])
    table = over_time(kept)
    for metric in ("traces", "error_share", "cost_usd", "latency_s"):
        row = at(table, metric, 1)
        assert row["n"] == 0
        assert row[["value", "lo", "hi"]].isna().all()
    assert at(table, "traces", 2)["value"] == 20


def test_hours_have_points_of_their_own() -> None:
    table = over_time(made_traces(1, 240), step="hour", metrics=["traces"])
    assert table["n"].sum() == 240
    assert (table["since"].diff().dropna() == pd.Timedelta(hours=1)).all()


def test_missing_values_are_not_counted_as_zero() -> None:
    some = np.where(np.arange(100) % 2, 0.001, np.nan)
    reasons = pd.array([None] * 100, dtype="string")
    traces = made_traces(1, 100, cost_usd=some, finish_reason=reasons, refused=[None] * 100)
    table = over_time(traces)
    row = at(table, "cost_usd")
    assert (row["n"], row["value"]) == (50, pytest.approx(0.001))
    assert not {"cut_off_share", "refusal_share", "cached_tokens"} & set(table["metric"])


def test_unfinished_traces_are_no_success_and_no_error() -> None:
    state = ["unfinished"] * 10 + ["error"] * 10 + ["ok"] * 30
    table = over_time(made_traces(1, 50, state=state))
    assert at(table, "error_share")[["n", "value"]].tolist() == [40, 0.25]
    assert at(table, "unfinished_share")[["n", "value"]].tolist() == [50, 0.2]


def test_traces_of_few_users_make_wider_intervals_that_cover() -> None:
    rng = np.random.default_rng(5)
    covered = {"users": 0, "alone": 0}
    for _ in range(200):
        right = np.repeat(rng.random(40) < 0.8, 10).astype(float)  # users are all or nothing
        group = np.zeros(400, dtype=np.int64)
        for name, cluster in (("users", np.repeat(np.arange(40), 10)), ("alone", np.arange(400))):
            found = shares(group, right, cluster, 1, 0.95)
            covered[name] += bool(found.lo[0] <= 0.8 <= found.hi[0])
    assert covered["users"] >= 180
    assert covered["alone"] < 120


@pytest.mark.parametrize("q", [0.5, 0.9])
def test_the_interval_of_a_quantile_covers_it(q: float) -> None:
    rng = np.random.default_rng(6)
    size, n = 400, 80
    group = np.repeat(np.arange(size), n)
    found = quantiles(group, rng.exponential(size=size * n), np.arange(size * n), size, 0.95, q)
    true = -np.log(1 - q)
    assert np.mean((found.lo <= true) & (true <= found.hi)) >= 0.93


def test_feedback_counts_people_once_a_trace_and_words_by_share() -> None:
    traces = made_traces(1, 4)
    ids = traces.frame["trace_id"].tolist()
    said = [
        {"trace_id": ids[0], "name": "helpful", "value": True},
        {"trace_id": ids[0], "name": "helpful", "value": False},
        {"trace_id": ids[1], "name": "helpful", "value": True},
        {"trace_id": ids[2], "name": "helpful", "value": True, "source": "judge"},
        {"trace_id": "tr-gone", "name": "helpful", "value": False},
        {"trace_id": ids[3], "name": "topic", "value": "billing"},
        {"trace_id": ids[2], "name": "topic", "value": "refund"},
        {"trace_id": ids[2], "name": "pex.triage", "value": "case"},
    ]
    table = over_time(dataclasses.replace(traces, feedback=opinions(said)))
    assert at(table, "feedback.helpful")[["n", "value"]].tolist() == [2, 0.75]
    assert at(table, "feedback.topic.billing")[["n", "value"]].tolist() == [2, 0.5]
    assert not table["metric"].str.contains("triage").any()  # a decision is no opinion


def test_versions_beside_each_other_with_the_interval_of_their_difference() -> None:
    right = pd.array(np.where(np.arange(400) < 200, np.arange(400) % 5 != 0, np.arange(400) % 2),
                     dtype="Float64")  # fmt: skip
    traces = made_traces(4, 100)
    traces = Traces(traces.frame.assign(**{"score.right": right}), traces.feedback)
    table = side_by_side(traces, "prompt_version", reference="reply/1")
    assert table.attrs["note"] == "not randomised: other users, other days"
    mine = table[table["metric"] == "score.right"].set_index("prompt_version")
    assert list(mine.index) == ["reply/1", "reply/2"]
    assert mine.loc["reply/2", "diff"] == pytest.approx(-0.3)
    found = tuple(mine.loc["reply/2", ["diff_lo", "diff_hi"]])
    assert found == pytest.approx(stats.newcombe(100, 200, 160, 200))
    assert np.isnan(mine.loc["reply/1", "diff"])
    assert mine.loc["reply/2", "first"] >= pd.Timestamp(START) + pd.Timedelta(days=2)


def test_wrong_names_are_answered_with_the_nearest() -> None:
    traces = made_traces(1, 20, **{"tag.team": "a"})
    with pytest.raises(PexError, match="cannot be divided by 'promt_version'") as caught:
        over_time(traces, by="promt_version")
    assert "prompt_version" in str(caught.value.hint)
    with pytest.raises(PexError, match="no metric 'latency'") as caught:
        over_time(traces, metrics=["latency"])
    assert "latency_s" in str(caught.value.hint)
    with pytest.raises(PexError, match="no trace has the model 'lab/m2'"):
        side_by_side(traces, "model", reference="lab/m2")
    assert set(over_time(traces, by="tag.team")["tag.team"]) == {"a"}


def test_no_traces_are_no_rows() -> None:
    assert not len(over_time(empty_traces()))
    assert not len(side_by_side(empty_traces(), "model"))
    assert metric_names(empty_traces()) == ["traces", "error_share"]


def test_the_design_effect_is_the_same_counted_or_sorted(monkeypatch):
    chance = np.random.default_rng(5)
    group, cluster = chance.integers(0, 9, 400), chance.integers(0, 40, 400)
    values = (chance.random(400) < 0.2 + 0.5 * (cluster % 2)).astype(float)
    counted = grouped.design_effect(group, values, cluster, 12)
    monkeypatch.setattr(grouped, "_DENSE", 0)
    assert grouped.design_effect(group, values, cluster, 12) == counted > 1.2

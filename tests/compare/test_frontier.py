"""Which variant is worth its price: the frontier, and the cheapest that is no worse."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from pex.compare.effect import effect, no_worse_p
from pex.compare.frontier import dominators, frontier
from pex.compare.metric import Metric, metric_of
from pex.compare.pairing import Pairing, Table
from pex.core.errors import PexError
from pex.report.frontier import finding, frontier_html, frontier_text
from pex.report.plots.pareto import Choice
from pex.report.svg import frontier_svg
from pex.score.frame import summarise
from pex.stats import paired
from pex.stats.multiple import holm


def frame(*variants: tuple[str, float, float], cases: int = 400) -> pd.DataFrame:
    """Yes/no scores: (name, rate, USD for an answer); a harder case is harder for all."""
    rows = []
    for case in range(cases):
        hard = (case + 0.5) / cases
        rows += [
            {"variant": name, "prompt": name, "model": "lab/m1", "case_id": f"c{case}",
             "repeat": 1, "score.ok": hard < rate, "score_error.ok": None, "cost_usd": usd,
             "latency_s": usd * 100, "prompt_tokens": 9, "completion_tokens": 1, "output": "x",
             "finish_reason": "stop", "error": None, "group": None}
            for name, rate, usd in variants
        ]  # fmt: skip
    return pd.DataFrame(rows)


def test_the_cheapest_that_is_no_worse_is_named_and_the_dominated_say_by_whom() -> None:
    made = frame(("large", 0.9, 0.01), ("small", 0.89, 0.002), ("tiny", 0.5, 0.001),
                 ("poor", 0.6, 0.02))  # fmt: skip
    found = frontier(made, "ok", margin=0.05)
    by = {item.variant: item for item in found.standings}
    assert (found.best.variant, found.named, found.family) == ("large", "small", 2)
    assert {name: item.verdict for name, item in by.items()} == {
        "large": "best", "small": "no worse", "tiny": "worse", "poor": None,
    }  # fmt: skip
    assert by["poor"].dominated_by == "large"
    assert by["small"].usd_per_1000 == pytest.approx(2.0)
    assert by["small"].seconds_per_1000 == pytest.approx(200.0)
    said = finding(found)
    assert said[0].startswith("Cheapest that is shown to be no worse than the best (large): small")
    assert said[1] == "Cheaper and worse: tiny."
    table = found.table().set_index("variant")
    assert table.index[table["named"]].tolist() == ["small"]
    assert table["more_cases"].isna().all()


def test_what_is_cheaper_and_open_is_named_with_the_cases_it_needs() -> None:
    made = frame(("large", 0.9, 0.01), ("small", 0.89, 0.002), cases=60)
    found = frontier(made, "ok", margin=0.05)
    (small,) = (item for item in found.standings if item.variant == "small")
    assert (found.named, small.verdict) == ("large", "undecided")
    assert small.more_cases is not None
    first, second = finding(found)
    assert first.startswith("No cheaper variant is shown to be no worse than the best, large")
    assert f"needs about {small.more_cases:,} more cases" in second
    # As many more, with the same rates, decide it.
    more = frame(("large", 0.9, 0.01), ("small", 0.89, 0.002), cases=60 + 2 * small.more_cases)
    assert frontier(more, "ok", margin=0.05).named == "small"


def test_without_a_margin_nothing_is_shown_to_be_no_worse() -> None:
    found = frontier(frame(("large", 0.9, 0.01), ("small", 0.9, 0.002)), "ok")
    assert found.named == "small", "as good and cheaper: it is the best itself"
    found = frontier(frame(("large", 0.9, 0.01), ("small", 0.88, 0.002)), "ok")
    assert found.named is None
    assert "Without a margin" in finding(found)[0]


def test_holm_over_all_that_are_cheaper_decides_less_than_each_alone() -> None:
    rates = [("best", 0.9, 0.01), ("a", 0.885, 0.002)]
    alone = frontier(frame(*rates, cases=140), "ok", margin=0.05)
    more = [(f"x{n}", 0.4, 0.001) for n in range(8)]
    among = frontier(frame(*rates, *more, cases=140), "ok", margin=0.05)
    p_alone, p_among = (
        next(item.p_adjusted for item in found.standings if item.variant == "a")
        for found in (alone, among)
    )
    assert p_among == pytest.approx(holm([p_alone, *[1.0] * 8])[0])
    assert (alone.named, among.named) == ("a", "best")


def test_the_p_is_the_level_at_which_the_bound_reaches_the_margin() -> None:
    made = frame(("b", 0.9, 1), ("a", 0.88, 1), cases=150)
    metric = metric_of(made, "ok")
    pairing = Table(made, metric).pair("a", "b")
    p = no_worse_p(pairing, metric, 0.06)
    assert effect(pairing, metric, 1 - p).least == pytest.approx(-0.06, abs=1e-3)
    made["score.ok"] = made["score.ok"].astype(float) + np.random.default_rng(2).normal(size=300)
    numbers = metric_of(made, "ok")
    pairing = Table(made, numbers).pair("a", "b")
    p = no_worse_p(pairing, numbers, 0.3)
    bound = paired.paired_t(pairing.differences.tolist(), 1 - 2 * p)
    assert bound is not None
    assert bound.low == pytest.approx(-0.3, abs=1e-3)
    assert no_worse_p(pairing, numbers, 0.0) > 0.05
    # Where less is better, the candidate and the baseline change places.
    for kind, margin in ((metric, 0.06), (numbers, 0.3)):
        less = dataclasses.replace(kind, higher_is_better=False)
        other = dataclasses.replace(pairing, candidate=pairing.baseline, baseline=pairing.candidate)
        assert no_worse_p(other, less, margin) == pytest.approx(no_worse_p(pairing, kind, margin))


def test_errors_count_as_failures_and_an_unanswered_variant_is_not_the_best() -> None:
    made = frame(("large", 0.9, 0.01), ("small", 0.9, 0.002))
    lost = (made["variant"] == "small") & (made["case_id"].str[1:].astype(int) % 4 > 0)
    made["score.ok"] = made["score.ok"].astype(object)
    made.loc[lost, ["error", "score.ok"]] = ["HTTP 500", None]
    found = frontier(made, "ok", margin=0.05)
    assert found.named == "large"
    assert found.best.variant == "large"


def test_free_variants_are_compared_by_time_and_unknown_costs_left_out() -> None:
    made = frame(("a", 0.9, 0.01), ("b", 0.9, 0.002))
    made["cost_usd"] = 0.0
    assert frontier(made, "ok", margin=0.05).against == "latency_s"
    made.loc[made["variant"] == "a", "cost_usd"] = np.nan
    made.loc[made["variant"] == "b", "cost_usd"] = 1.0
    found = frontier(made, "ok", margin=0.05)
    assert (found.left_out, found.named) == (["a"], "b")
    assert "Left out, score or cost unknown: a." in finding(found)


def test_a_wrong_axis_score_or_margin_is_an_error() -> None:
    made = frame(("a", 0.9, 0.01), ("b", 0.9, 0.002))
    with pytest.raises(PexError, match="there is no axis 'cost'"):
        frontier(made, "ok", "cost")  # type: ignore[arg-type]
    with pytest.raises(PexError, match="not a score"):
        frontier(made, "latency_s")
    with pytest.raises(PexError, match="margin=2"):
        frontier(made, "ok", margin=2)


def test_words_table_and_picture_mark_the_named_one_without_colour_and_escape() -> None:
    made = frame(("large", 0.9, 0.01), ("<b>small</b>", 0.89, 0.002), ("poor", 0.6, 0.02))
    found = frontier(made, "ok", margin=0.05)
    html, text = frontier_html(found), frontier_text(found)
    assert "◆ &lt;b&gt;small" in html
    assert "<b>" not in html
    assert "◆ <b>small</b>" in text
    assert "Holm" in text
    svg = frontier_svg(summarise(made), "ok", "cost_usd", {"ok"}, Choice(found.named, "It does."))
    assert svg.count("<polygon") == 1
    assert "◆" in svg
    assert "It does." in svg


def test_the_null_is_rarely_called_no_worse() -> None:
    """Truly worse by the margin: 200 studies of two cheaper variants, seed 5."""
    claims, metric = 0, Metric("ok", "score.ok", True, True)
    own = np.arange(200)
    for number in range(200):
        dice = np.random.default_rng([5, number])
        best = dice.random(200) < 0.9
        # Each loses a ninth of the cases that the best passes: a tenth of all.
        others = [best & (dice.random(200) > 0.1 / 0.9) for _ in range(2)]
        pairs = [
            Pairing([str(case) for case in own], other.astype(float), best.astype(float), own,
                    0, 0, 0, 1, 0, 0)
            for other in others
        ]  # fmt: skip
        p = [no_worse_p(pairing, metric, 0.1) for pairing in pairs]
        claims += bool(holm(p).min() < 0.05)
    assert claims <= 20  # 5 % of 200 and three standard errors


def test_dominators() -> None:
    assert dominators([]) == []
    assert dominators([(1, 1), (1, 1), (2, 1)]) == [None, None, 0]

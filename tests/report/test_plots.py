"""Plots: the data drawn, what the captions say, escaping, and what there is nothing to draw of."""

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from pex.compare.compare import compare, pair_cases
from pex.compare.slices import slices as compare_slices
from pex.compare.verdict import Options
from pex.core.errors import PexError
from pex.report import plots
from pex.report.plots import paper
from tests.helpers.summaries import HOSTILE, YES_NO, comparison, summary

FIGURES = (
    "scores", "differences", "slices", "wins", "frontier", "cases", "numeric cases", "repeats",
    "spreads", "trend",
)  # fmt: skip


def pairs(scores: list[tuple[float, float]], **more: Any) -> pd.DataFrame:
    rows = [
        {"case_id": f"c{i}", "group": None, "baseline": "short", "candidate": "strict",
         "baseline_score": a, "candidate_score": b, "diff": b - a, "text": f"text {i}"} | more
        for i, (a, b) in enumerate(scores)
    ]  # fmt: skip
    columns = ["case_id", "group", "baseline", "candidate", "baseline_score", "candidate_score",
               "diff", "text"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def answers(values: dict[str, list[list[float]]]) -> pd.DataFrame:
    rows = [
        {"variant": name, "case_id": f"c{i}", "repeat": k + 1, "score.label": value}
        for name, cases in values.items()
        for i, repeats in enumerate(cases)
        for k, value in enumerate(repeats)
    ]
    return pd.DataFrame(rows, columns=["variant", "case_id", "repeat", "score.label"])


def history(values: dict[str, list[float]], **more: Any) -> pd.DataFrame:
    start = pd.Timestamp("2026-05-01 23:30", tz="Europe/Berlin")
    rows = [
        {"run_id": f"run{i}", "started_at": start + pd.Timedelta(days=i), "variant": name,
         "value": value, "lo": value - 0.1, "hi": value + 0.1, "n": 50} | more
        for name, line in values.items()
        for i, value in enumerate(line)
    ]  # fmt: skip
    columns = ["run_id", "started_at", "variant", "value", "lo", "hi", "n"]
    return pd.DataFrame(rows, columns=columns)


def caption(figure: Any) -> str:
    """Title and caption as people read them."""
    text = figure.layout.title.text.replace("<br>", " ").replace("<sup>", "")
    return str(text.replace("</sup>", "").replace("&lt;", "<").replace("&gt;", ">"))


def trace(figure: Any, name: str) -> Any:
    return next(item for item in figure.data if item.name == name)


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from strings(item)


def numbers(figure: Any) -> list[Any]:
    """All that traces place."""
    found = []
    for item in figure.data:
        for name in ("x", "y", "q1", "median", "q3", "lowerfence", "upperfence"):
            if name in item and item[name] is not None:
                found += list(item[name])
    return found


def every_figure(name: str) -> dict[str, Any]:
    """Each plot with a variant of this name."""
    table = comparison({"candidate": name, "margin": 0.05})
    parts = table.assign(slice_by=name, slice=name)
    both = summary({"variant": name}, {"variant": "other", "score.label": 0.5, "cost_usd": 0.1})
    yes_no, other = [(0.0, 1.0), (1.0, 1.0)], [(2.0, 3.5), (2.0, 1.0)]
    return {
        "scores": plots.scores(both, YES_NO),
        "differences": plots.differences(table, YES_NO),
        "slices": plots.slices(parts, YES_NO),
        "wins": plots.wins(table),
        "frontier": plots.frontier(both, "label", "cost_usd", YES_NO),
        "cases": plots.cases(pairs(yes_no, candidate=name, text=name, case_id=name), True),
        "numeric cases": plots.cases(pairs(other, candidate=name, text=name), False),
        "repeats": plots.repeats(answers({name: [[1.0, 0.0]]}), "label", YES_NO),
        "spreads": plots.repeats(answers({name: [[1.0, 2.5]]}), "label", set()),
        "trend": plots.trend(history({name: [0.5, 0.6]}, run_id=name), "label", YES_NO),
    }


def test_differences_draws_points_intervals_and_the_margin_in_percentage_points() -> None:
    figure = plots.differences(comparison({"margin": 0.05}), YES_NO)
    assert list(trace(figure, "difference").x) == [pytest.approx(7.0)]
    assert list(trace(figure, "interval").x)[:2] == pytest.approx([2.0, 12.0])
    assert list(trace(figure, "margin").x)[:2] == [-5.0, -5.0]
    assert trace(figure, "one-sided end").x[0] == pytest.approx(3.0)
    assert trace(figure, "difference").marker.symbol == ("triangle-up",)
    assert "▲ better +7.0" in [note.text for note in figure.layout.annotations]
    text = caption(figure)
    assert "strict is above short on 12 cases, below on 5, equal on 83: better, +7.0 points" in text
    assert "Dotted: the margin" in text


def test_the_table_of_differences_is_what_is_drawn() -> None:
    table = plots.differences_table(comparison({"lo": math.nan, "hi": math.nan}), YES_NO)
    row = table.iloc[0]
    assert (row["difference"], row["unit"], row["cases"]) == (7.0, "points", 100)
    assert math.isnan(row["low"])
    assert math.isnan(row["margin_end"])


def test_where_lower_is_better_the_margin_is_above_and_no_margin_draws_none() -> None:
    lower = {"metric": "latency_s", "higher_is_better": False, "verdict": "undecided"}
    figure = plots.differences(comparison(lower | {"margin": 0.2}), set())
    assert list(trace(figure, "margin").x)[:2] == [0.2, 0.2]
    assert "lower is better" in figure.layout.annotations[0].text
    without = plots.differences(comparison(lower), set())
    assert {"margin", "one-sided end"}.isdisjoint(item.name for item in without.data)


def test_a_difference_of_cost_is_per_thousand_answers() -> None:
    figure = plots.differences(comparison({"metric": "cost_usd", "diff": 0.0021}), set())
    assert list(trace(figure, "difference").x) == [pytest.approx(2.1)]
    assert "US dollars per 1,000 answers" in figure.layout.annotations[0].text


def test_each_metric_has_its_own_axis_and_the_caption_counts_verdicts() -> None:
    rows = [{}, {"candidate": "c"}, {"metric": "size", "diff": -3.0, "verdict": "worse"}]
    figure = plots.differences(comparison(*rows), YES_NO)
    assert figure.layout.xaxis.range != figure.layout.xaxis2.range
    assert "3 comparisons: 2 better, 1 worse." in caption(figure)


def test_a_comparison_without_a_difference_is_said_not_drawn() -> None:
    figure = plots.differences(comparison({}, {"diff": math.nan, "candidate": "c"}), YES_NO)
    assert list(trace(figure, "difference").y) == [0]
    assert "1 comparison without a difference left out" in caption(figure)


def test_plots_take_what_compare_makes() -> None:
    rows = [
        {"variant": v, "case_id": f"c{i}", "score.label": float(i % 2 or v == "b"),
         "case.q": f"question {i}", "group": None, "tags": ["odd"] if i % 2 else ["even"]}
        for v in "ab" for i in range(40)
    ]  # fmt: skip
    frame = pd.DataFrame(rows)
    table = compare(frame, "a", options=Options(margin=0.05))
    drawn = plots.differences_table(table, YES_NO).iloc[0]
    assert (drawn["difference"], drawn["wins"], drawn["margin_end"]) == (50.0, 20, -5.0)
    assert plots.wins_table(table)["wins"].tolist() == [20]
    cases = pair_cases(frame, "b", "a", "label")
    assert "b is above a on 20 cases, below on 0, equal on 20" in caption(plots.cases(cases, True))
    parts = compare_slices(frame, "tags", "a")
    assert plots.slices_table(parts, YES_NO)["difference"].tolist() == [100.0, 0.0]
    assert "from 0 (odd) to +100.0 (even)" in caption(plots.slices(parts, YES_NO))


def test_slices_name_their_size_and_share_an_axis() -> None:
    parts = [{"slice_by": "product", "slice": "bike", "n_cases": 12}, {"slice_by": "kind",
             "slice": "hard", "diff": -0.2, "lo": -0.5, "verdict": "undecided"}]  # fmt: skip
    table = comparison(*parts)
    figure = plots.slices(table, YES_NO)
    assert figure.layout.yaxis.ticktext == ("bike (n=12)",)
    assert figure.layout.xaxis.range == figure.layout.xaxis2.range
    assert "2 slices: 1 better, 1 undecided." in caption(figure)


def test_wins_draws_the_counts_and_says_them() -> None:
    figure = plots.wins(comparison({}, {"candidate": "c", "wins": 0, "ties": 100, "losses": 0}))
    assert [list(trace(figure, name).x) for name in ("wins", "ties", "losses")] == [
        [12, 0], [83, 100], [5, 0]
    ]  # fmt: skip
    assert trace(figure, "wins").text == ("12", "")
    assert trace(figure, "losses").marker.pattern.shape == "/"
    assert "strict against short: 12 wins, 83 ties, 5 losses. 92 %" in caption(figure)


def test_the_frontier_holds_what_nothing_dominates() -> None:
    rows = [
        {"variant": "good", "score.label": 0.9, "cost_usd": 1.0},
        {"variant": "cheap", "score.label": 0.7, "cost_usd": 0.1},
        {"variant": "bad", "score.label": 0.6, "cost_usd": 0.5},
        {"variant": "twin", "score.label": 0.9, "cost_usd": 1.0},
        {"variant": "dear", "score.label": 0.9, "cost_usd": 2.0},
        {"variant": "unknown", "cost_usd": math.nan},
    ]
    table = plots.frontier_table(summary(*rows), "label", "cost_usd", YES_NO)
    assert table.loc[table["frontier"], "variant"].tolist() == ["good", "twin", "cheap"]
    assert table.set_index("variant").loc["good", ["label", "usd_per_1000"]].tolist() == [90, 10]
    figure = plots.frontier(summary(*rows), "label", "cost_usd", YES_NO)
    assert list(trace(figure, "frontier").x) == [1.0, 10.0, 10.0]
    assert len(trace(figure, "variant").x) == 5
    text = caption(figure)
    assert "On the frontier (filled): good, twin, cheap. 2 not on it" in text
    assert "Left out, cost or score unknown: unknown." in text


def test_a_frontier_of_free_variants_says_so_and_latency_still_works() -> None:
    free = summary({"cost_usd": 0.0}, {"variant": "b", "cost_usd": 0.0})
    assert "all variants were free" in caption(plots.frontier(free, "label", "cost_usd", YES_NO))
    assert plots.frontier_table(free, "label", "cost_usd", YES_NO).empty
    assert len(plots.frontier_table(free, "label", "latency_s", YES_NO)) == 2


def test_yes_no_cases_stand_in_four_kinds_and_the_pointer_shows_the_case() -> None:
    scores = [(0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (1.0, 1.0), (0.0, 0.0), (math.nan, 1.0)]
    figure = plots.cases(pairs(scores), True)
    assert {item.name: len(item.x) for item in figure.data} == {
        "only yes: strict": 1, "only yes: short": 1, "both yes": 2, "both no": 1
    }  # fmt: skip
    assert figure.data[0].hovertext == ("c0<br>text 0<br>short: 0 %<br>strict: 100 %",)
    text = caption(figure)
    assert "strict is above short on 1 case, below on 1, equal on 3." in text
    assert "1 case without both scores left out." in text


def test_numeric_cases_are_sorted_by_their_difference() -> None:
    made = pairs([(1.0, 3.0), (1.0, 1.0), (2.0, 1.5)])
    figure = plots.cases(made, False)
    assert list(trace(figure, "below: 1").y) == [-0.5]
    assert list(trace(figure, "above: 1").x) == [2]
    table = plots.cases_table(made, False)
    assert table["case_id"].tolist() == ["c2", "c1", "c0"]
    assert plots.cases_table(pairs([(0.0, 1 / 3)]), True)["difference"].tolist() == [33.3]


def test_of_very_many_cases_those_that_differ_are_drawn_first_and_all_are_counted() -> None:
    made = pairs([(1.0, 1.0)] * 2990 + [(1.0, 0.0)] * 10)
    figure = plots.cases(made, True)
    assert sum(len(item.x) for item in figure.data) == paper.MAX_POINTS
    assert len(trace(figure, "only yes: short").x) == 10
    assert "2,000 of 3,000 cases are drawn" in caption(figure)
    assert "both yes (2,990)" in figure.layout.yaxis.ticktext


def test_cases_of_two_pairs_are_refused() -> None:
    two = pd.concat([pairs([(1.0, 0.0)]), pairs([(1.0, 0.0)], candidate="c")])
    with pytest.raises(PexError, match="one pair of variants, got 2"):
        plots.cases(two, True)


def test_repeats_count_passes_per_case_and_flaky_is_neither_none_nor_all() -> None:
    made = answers({
        "a": [[1, 1, 1], [1, 0, 1], [0, 0, 0], [1, 0, math.nan]],
        "b": [[1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1]],
    })  # fmt: skip
    table = plots.repeats_table(made, "label", YES_NO).set_index("variant")
    assert table.loc["a", ["0/3", "1/3", "2/3", "3/3", "fewer repeats"]].tolist() == [1, 0, 1, 1, 1]
    assert table["flaky"].tolist() == [2, 0]
    assert table["flaky_share"].tolist() == [0.5, 0.0]
    figure = plots.repeats(made, "label", YES_NO)
    assert list(trace(figure, "3/3 pass").x) == [1, 4]
    assert "Most flaky: a, 2 of 4 cases (50 %)" in caption(figure)


def test_many_repeats_are_put_together() -> None:
    made = answers({"a": [[1.0] * k + [0.0] * (20 - k) for k in range(21)]})
    figure = plots.repeats(made, "label", YES_NO)
    counts = {item.name: item.x[0] for item in figure.data}
    assert counts == {
        "20/20 pass": 1, "half or more, not all": 10, "some, under half": 9, "0/20": 1
    }  # fmt: skip


def test_repeats_of_numbers_are_a_spread_within_the_case() -> None:
    made = answers({"a": [[1.0, 3.0], [2.0, 2.0], [5.0, math.nan]]})
    table = plots.repeats_table(made, "label", set())
    assert table.iloc[0].tolist() == ["a", 2, 0.0, 0.354, 0.707, 1.06, 1.41]
    assert list(plots.repeats(made, "label", set()).data[0].median) == [0.707]
    once = plots.repeats(answers({"a": [[1.0], [2.0]]}), "label", set())
    assert "every case was scored once" in caption(once)
    assert "nothing can be flaky" in caption(plots.repeats(answers({"a": [[1]]}), "label", YES_NO))


def test_a_trend_is_in_utc_breaks_its_band_and_shows_a_single_run() -> None:
    made = history({"a": [0.5, 0.6, 0.7, 0.8], "b": [0.9]})
    made.loc[1, ["lo", "hi"]] = math.nan
    figure = plots.trend(made, "label", YES_NO)
    assert str(trace(figure, "a").x[0]).startswith("2026-05-01 21:30")
    bands = [item for item in figure.data if item.name == "interval"]
    assert [len(item.x) for item in bands] == [2, 4, 2]
    assert len(trace(figure, "b").x) == 1
    assert "4 runs, 2 variants. Largest change from first to last: a, 50 % to 80 %." in caption(
        figure
    )
    assert trace(figure, "a").line.dash != trace(figure, "b").line.dash
    assert plots.trend_table(made, "label", YES_NO)["label"].tolist() == [50, 90, 60, 70, 80]


def test_a_trend_says_where_the_number_of_cases_changed_and_of_one_run_that_it_is_none() -> None:
    made = history({"a": [0.5, 0.6]})
    made.loc[1, "n"] = 80
    assert "Runs differ in size, from 50 to 80 cases." in caption(
        plots.trend(made, "label", YES_NO)
    )
    one = plots.trend(history({"a": [0.5]}), "label", YES_NO)
    assert "there is no trend yet" in caption(one)
    assert one.layout.xaxis.ticktext == ("2026-05-01 21:30",)


def test_scores_say_what_is_highest_and_leave_out_what_is_missing() -> None:
    made = summary({}, {"variant": "b", "score.label": 0.9}, {"variant": "c", "score.label": None})
    figure = plots.scores(made, YES_NO)
    assert list(figure.data[0].x) == [0.8, 0.9]
    assert "Highest label: b 90 %. 1 value missing." in caption(figure)
    assert plots.scores_table(made, YES_NO)["value"].tolist() == [80.0, 90.0]


@pytest.mark.parametrize("name", FIGURES)
def test_markup_in_names_and_texts_is_text(name: str) -> None:
    figure = every_figure(HOSTILE)[name]
    texts = list(strings(figure.to_plotly_json()))
    assert any("&lt;" in text for text in texts)
    for text in texts:
        assert "<a" not in text
        assert "<b>bold" not in text
        assert "$" not in text  # between two of them MathJax would set a formula


@pytest.mark.parametrize("name", FIGURES)
def test_nan_is_never_drawn_and_the_background_is_the_pages(name: str) -> None:
    figure = every_figure("a")[name]
    placed = [value for value in numbers(figure) if isinstance(value, float)]
    assert not any(math.isnan(value) for value in placed)
    assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert caption(figure).strip()


def test_no_rows_give_a_figure_that_says_why() -> None:
    none = comparison().assign(slice_by="", slice="")
    figures = [
        plots.scores(summary(), YES_NO),
        plots.differences(none, YES_NO),
        plots.slices(none, YES_NO),
        plots.wins(none),
        plots.frontier(summary(), "label", "cost_usd", YES_NO),
        plots.cases(pairs([]), True),
        plots.cases(pairs([(math.nan, 1.0)]), False),
        plots.repeats(answers({}), "label", YES_NO),
        plots.repeats(answers({"a": [[math.nan]]}), "label", set()),
        plots.trend(history({}), "label", YES_NO),
    ]
    for figure in figures:
        assert "nothing to draw: " in caption(figure)
        assert not figure.data
    assert plots.differences_table(none, YES_NO).empty
    assert plots.cases_table(pairs([]), True).empty


def test_forty_variants_with_long_names_keep_their_own_rows() -> None:
    names = [f"prompt-with-a-long-name|provider/model-{i:02}|temperature=0.7" for i in range(40)]
    many = summary(*({"variant": name, "score.label": i / 40} for i, name in enumerate(names)))
    for figure in (
        plots.scores(many, YES_NO),
        plots.differences(comparison(*({"candidate": name} for name in names)), YES_NO),
        plots.wins(comparison(*({"candidate": name} for name in names))),
        plots.repeats(answers({name: [[1.0, 0.0]] for name in names}), "label", YES_NO),
    ):
        shown = figure.layout.yaxis.ticktext
        assert len(set(shown)) == 40
        assert max(map(len, shown)) <= paper.MAX_LABEL + 5
        assert figure.layout.height > 40 * 20
    lines = plots.trend(history({name: [0.5, 0.6] for name in names}), "label", YES_NO)
    assert len(lines.data) == 40  # lines only: forty bands would hide each other
    assert len(plots.frontier(many, "label", "latency_s", YES_NO).layout.annotations) == 40


def test_names_that_look_like_numbers_stay_names() -> None:
    figure = plots.scores(summary({"variant": "2024"}, {"variant": "7"}), YES_NO)
    assert figure.layout.yaxis.ticktext == ("2024", "7")
    assert list(figure.data[0].y) == [0, 1]


def test_wrong_use_names_the_nearest_right_word() -> None:
    with pytest.raises(PexError, match="no column 'wins'") as caught:
        plots.wins(comparison({}).rename(columns={"wins": "winz"}))
    assert caught.value.hint == "did you mean 'winz'?"
    with pytest.raises(PexError, match="did you mean 'undecided'"):
        plots.differences(comparison({"verdict": "undecidd"}), YES_NO)
    with pytest.raises(PexError, match="did you mean 'cost_usd'"):
        plots.frontier(summary({}), "label", "cost", YES_NO)  # type: ignore[arg-type]
    with pytest.raises(PexError, match="did you mean 'label'"):
        plots.frontier(summary({}), "lable", "cost_usd", YES_NO)
    with pytest.raises(PexError, match=r"no column 'score\.other'"):
        plots.repeats(answers({"a": [[1.0]]}), "other", YES_NO)

"""A comparison as people read it."""

from __future__ import annotations

from html import unescape

import pytest

from pex.compare.compare import compare
from pex.compare.verdict import Options
from pex.core.errors import PexError
from pex.report.comparison import sentences, table_text
from pex.results.comparison import compare_frame
from tests.helpers.frames import frame

NASTY = "<img src=x onerror=alert(1)>"


def comparison(**options: object) -> object:
    table = frame({"a": [1] * 20 + [0] * 10, "b": [1] * 16 + ["error"] * 4 + [0] * 8 + [1] * 2})
    return compare_frame(table, baseline="a", **options)


def test_the_table_has_difference_interval_verdict_and_what_would_decide() -> None:
    text = repr(comparison())
    lines = text.splitlines()
    assert lines[0] == "Differences from 'a' on the same cases, with 95 % intervals."
    assert lines[1].startswith("variant  value  baseline  difference")
    assert lines[1].split("  ")[-1].strip() == "errors as failures"
    assert "? undecided" in lines[2]
    assert "4 and 0" in lines[2]
    assert "! 4 cases are left out" in text.replace("b: ", "")


def test_html_is_escaped_and_has_no_nan() -> None:
    table = frame({"a": [1, 0, 1], NASTY: [1, 1, 1]}, **{"case.q": [NASTY] * 3})
    html = compare_frame(table, baseline="a")._repr_html_()
    assert "<img" not in html
    assert "nan" not in html.casefold().replace("nance", "")
    assert "<NA>" not in html


def test_explain_names_method_source_correction_and_findings() -> None:
    text = comparison().explain()
    assert "Newcombe" in text
    assert "McNemar" in text
    assert "'b' against 'a' is undecided on ok: " in text
    assert "undecided" in text
    assert "Holm" not in text  # there is only one comparison
    three = frame({name: [1, 0] * 9 for name in "abc"})
    assert "Holm" in compare_frame(three, baseline="a").explain()


def test_repeats_or_cases_is_answered() -> None:
    noisy = frame({"a": [[0, 1]] * 20, "b": [[1, 0], [0, 0], [1, 1], [0, 1]] * 5})
    assert "With unlimited repeats" in compare_frame(noisy, baseline="a").explain()


def test_cut_off_answers_are_told_once_by_name() -> None:
    table = frame({"a": [1, 0] * 4, "b": [1] * 8, "c": [0] * 8}, **{"case.half": ["x", "y"] * 4})
    table["score.other"] = table["score.ok"]
    ended = (table["variant"] == "b") & (table["case_id"] < "c3")
    table["finish_reason"] = ended.map({True: "length", False: "stop"})
    text = repr(compare_frame(table, baseline="a"))
    assert [line for line in text.splitlines() if "cut off" in line] == [
        "! answers cut off: 3 of 'b'"
    ]
    slices = repr(compare_frame(table, baseline="a", metric="ok").slices(by="half"))
    assert [line for line in slices.splitlines() if "cut off" in line] == [
        "! x: answers cut off: 2 of 'b'",
        "! y: answers cut off: 1 of 'b'",
    ]


def test_cut_off_answers_of_several_variants_are_one_line_that_names_each_once() -> None:
    table = frame({name: [1, 0] * 4 for name in "abcd"}, **{"case.half": ["x", "y"] * 4})
    table["score.other"] = table["score.ok"]
    most = table["variant"].map({"a": "c1", "b": "c3", "c": "c0", "d": "c2"})
    table["finish_reason"] = (table["case_id"] < most).map({True: "length", False: "stop"})
    table["output"] = table["variant"].map({"c": ""}).fillna("text")
    counts = table["finish_reason"].eq("length").groupby(table["variant"]).sum()
    assert counts.tolist() == [1, 3, 0, 2]
    compared = compare_frame(table, baseline="a")
    expected = ["answers cut off: 3 of 'b', 1 of 'a', 2 of 'd'", "answers empty: 8 of 'c'"]
    for text in (repr(compared), unescape(compared._repr_html_()), compared.explain()):
        assert [text.count(note) for note in expected] == [1, 1]
        assert text.count("cut off") == text.count("answers empty") == 1
    assert "0 of" not in repr(compared)
    slices = repr(compare_frame(table, baseline="a", metric="ok").slices(by="half"))
    assert [line for line in slices.splitlines() if "cut off" in line] == [
        "! x: answers cut off: 2 of 'b', 1 of 'a', 1 of 'd'",
        "! y: answers cut off: 1 of 'b', 1 of 'd'",
    ]


def test_cases_of_a_slice_are_at_hand() -> None:
    table = frame({"a": [1] * 30, "b": [1] * 15 + [0] * 15}, tags=[["x"]] * 15 + [["y"]] * 15)
    found = compare_frame(table, baseline="a").slices("tags")
    assert "slice" in repr(found).splitlines()[1]
    lost = found.cases(slice="y")
    assert len(lost) == 15
    assert set(lost["diff"]) == {-1}
    with pytest.raises(PexError, match="no slice 'z'"):
        found.cases(slice="z")
    with pytest.raises(PexError, match="has no slices"):
        compare_frame(table, baseline="a").cases(slice="y")


def test_several_metrics_are_one_table_but_no_gate() -> None:
    table = frame({"a": [1, 0] * 9, "b": [1, 1] * 9})
    table["score.words"] = 3.0
    found = compare_frame(table, baseline="a")
    assert list(found.frame["metric"]) == ["ok", "words"]
    with pytest.raises(PexError, match=r"compare\(metric='ok'\)"):
        found.gate()


def test_costs_are_told_for_a_thousand_answers() -> None:
    table = frame({"a": [1] * 9, "b": [1] * 9})
    table["cost_usd"] = [0.001] * 9 + [0.002] * 9
    text = repr(compare_frame(table, baseline="a", metric="cost_usd"))
    assert "$2.00 per 1,000" in text
    assert "+$1.00 per 1,000" in text


def test_unchanged_variants_share_a_sentence_and_one_more_case_is_one() -> None:
    groups = [f"g{number // 2}" for number in range(10)]
    table = frame({name: [1] * 10 for name in "abcd"}, group=groups)
    table["request_key"], table["output"] = table["case_id"], table["case_id"]
    table.loc[table["variant"] == "d", "request_key"] += "!"
    found = compare(table, "a", options=Options(margin=0.3))
    first, last = sentences(found)
    assert "'d'" in first
    assert first.endswith("About 1 more case without a difference would show that it is no worse.")
    assert last == (
        "'b' and 'c' are unchanged: prompt, model and every answer are the same as those of 'a'."
    )
    assert "= unchanged" in table_text(found)


def several() -> object:
    """Three variants on a primary score that tells them apart, and on many that do not."""
    table = frame({"a": [0, 1] * 15, "b": [1] * 30, "c": [1, 0] * 15})
    for name in ("fields", "fields.x", "fields.y", "tone", "length"):
        table[f"score.{name}"] = [float(n % 2) for n in range(len(table))]
    return table


def test_the_primary_score_is_not_corrected_for_the_others_unless_asked() -> None:
    table = several()
    alone = compare_frame(table, baseline="a", metric="ok").frame
    among = compare_frame(table, baseline="a").frame
    assert among["metric"].iloc[0] == "ok"
    first = among[among["metric"] == "ok"]
    assert first["p_adjusted"].tolist() == alone["p_adjusted"].tolist()
    assert first["family"].tolist() == [2, 2]
    every = compare_frame(table, baseline="a", correct="all").frame
    assert set(every["family"]) == {len(every)}
    assert every["p_adjusted"].iloc[0] > alone["p_adjusted"].iloc[0]
    assert "primary score" in compare_frame(table, baseline="a").explain()
    with pytest.raises(PexError, match="correct='every'"):
        compare_frame(table, baseline="a", correct="every")


def test_several_scores_are_a_matrix_with_parts_and_all_numbers_folded() -> None:
    found = compare_frame(several(), baseline="a")
    html = found._repr_html_()
    matrix, _, rest = html.partition("<details><summary>Parts of scores: fields.x, fields.y<")
    assert matrix.count("<tr>") == 4  # head, baseline, two candidates
    assert "fields.x" not in matrix
    assert 'ok <span class="pex-soft">primary</span>' in matrix
    assert "pex-chip-good" in matrix
    assert "▲ better" in matrix
    assert "All numbers" in rest
    text = repr(found).splitlines()
    assert text[1].split() == ["variant", "ok", "fields", "fields.x", "fields.y", "tone", "length"]
    assert text[2].startswith("a (baseline)")
    assert "▲ better" in text[3]
    assert "primary score" in repr(found)
    hostile = frame({"a": [1, 0, 1], NASTY: [1, 1, 1]})
    hostile["score.other"] = hostile["score.ok"]
    assert "<img" not in compare_frame(hostile, baseline="a")._repr_html_()

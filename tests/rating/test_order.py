"""What a rater is shown: which pairs, in which order, on which sides."""

import pandas as pd
import pytest

from pex.core.errors import PexError
from pex.rating.order import MIN_DISTANCE, choose_variants, find_pairs, presentation_order
from tests.helpers.ratings import many


def frame_of(outputs: dict[str, list[str | None]], groups: list[str] | None = None) -> pd.DataFrame:
    """None is an error."""
    rows = [
        {"variant": name, "case_id": f"c{n}", "repeat": 1, "output": text,
         "error": None if text is not None else "refused", "group": groups[n] if groups else None,
         "score.ok": float(len(name))}
        for name, texts in outputs.items()
        for n, text in enumerate(texts)
    ]  # fmt: skip
    frame = pd.DataFrame([{**row, "output": None} for row in rows])
    frame["output"] = pd.Series([row["output"] for row in rows], dtype=object)
    return frame


def test_equal_answers_and_errors_are_left_out_and_counted() -> None:
    frame = frame_of({"a": ["x", "x", None, "", "u"], "b": ["y", "x", "y", " ", None]})
    found = find_pairs(frame, ("a", "b"))
    assert [(p.case_id, p.first, p.second) for p in found.different] == [
        ("c0", "x", "y"), ("c3", "", " "),
    ]  # fmt: skip
    assert [p.case_id for p in found.identical] == ["c1"]
    assert found.errors == 2


def test_a_case_that_only_one_of_them_was_asked_is_counted_as_missing() -> None:
    frame = frame_of({"a": ["x", "x"], "b": ["y", "y"]})
    assert find_pairs(frame[:-1], ("a", "b")).errors == 1
    assert find_pairs(frame[1:], ("a", "b")).errors == 1


def test_a_pair_is_the_same_in_another_run_with_the_same_answers() -> None:
    one = find_pairs(frame_of({"a": ["x", "half \ud800"], "b": ["y", "z"]}), ("a", "b")).different
    two = find_pairs(frame_of({"b": ["y", "z"], "a": ["x", "new"]}), ("b", "a")).different
    assert one[0].id == two[0].id
    assert one[1].id != two[1].id
    assert len({pair.id for pair in one}) == 2


def test_cases_of_one_group_belong_together() -> None:
    frame = frame_of({"a": ["x"] * 3, "b": ["y"] * 3}, groups=["g", "g", "h"])
    clusters = [pair.cluster for pair in find_pairs(frame, ("a", "b")).different]
    assert clusters == ["group g", "group g", "group h"]
    assert {pair.cluster for pair in many(3)} == {"case c0", "case c1", "case c2"}


def test_a_tenth_comes_again_later_with_sides_swapped() -> None:
    seen = presentation_order(many(100), "ada", 0)
    assert len(seen) == 110
    first = {t.pair.id: (n, t.swapped) for n, t in enumerate(seen) if not t.second_look}
    again = [(n, t) for n, t in enumerate(seen) if t.second_look]
    assert len(first) == 100
    assert len(again) == 10
    for n, turn in again:
        at, swapped = first[turn.pair.id]
        assert n - at > MIN_DISTANCE
        assert turn.swapped != swapped


def test_order_and_sides_are_each_raters_own_and_the_same_again() -> None:
    ada, bo = presentation_order(many(40), "ada", 0), presentation_order(many(40), "bo", 0)
    assert ada == presentation_order(many(40), "ada", 0)
    assert [t.pair.id for t in ada] != [t.pair.id for t in bo]
    assert ada != presentation_order(many(40), "ada", 1)
    # Nobody's left is one variant's: half of the pairs on each side.
    assert sum(t.swapped for t in ada if not t.second_look) == 20


@pytest.mark.parametrize("count", [0, 1, 2, 3, 9])
def test_few_pairs_are_all_shown(count: int) -> None:
    seen = presentation_order(many(count), "ada", 0)
    assert len({t.pair.id for t in seen}) == count


def test_the_two_are_the_only_ones_the_best_or_those_named() -> None:
    outputs = {"aaa": ["x"], "b": ["y"], "cc": ["z"]}
    frame = frame_of(outputs)
    summary = pd.DataFrame({"variant": list(outputs), "score.ok": [3.0, 1.0, 2.0]})
    assert choose_variants(frame, None, None, summary, "ok") == ("aaa", "cc")
    assert choose_variants(frame, None, "cc", summary, "ok") == ("cc", "aaa")
    assert choose_variants(frame, ["b", "cc"], None, summary, "ok") == ("b", "cc")
    two = frame[frame["variant"] != "cc"]
    assert choose_variants(two, None, "b", summary, None) == ("b", "aaa")
    for asked, said in (
        (["b", "c"], r"no variant 'c'\n.*cc"),
        (["b"], "takes two or more variants, got 1"),
        (["b", "b"], "takes two or more variants, got 1"),
        (["b", "cc", "b"], "takes two or more variants, got 2"),
    ):
        with pytest.raises(PexError, match=said):
            choose_variants(frame, asked, None, summary, "ok")
    with pytest.raises(PexError, match=r"which two variants\?"):
        choose_variants(frame, None, None, summary, None)
    with pytest.raises(PexError, match="only one variant, 'b'"):
        choose_variants(frame[frame["variant"] == "b"], None, None, summary, "ok")
    with pytest.raises(PexError, match="no answers"):
        choose_variants(frame[:0], None, None, summary, "ok")

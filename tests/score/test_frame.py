"""The long frame: whole numbers stay whole, and there are columns for what was scored alone."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pex
from pex.core.call import Answer, Request
from pex.core.canonical_json import canonical_json
from pex.core.cases import Case, load_cases
from pex.core.score import Score
from pex.record.files import read, write
from pex.report.tables import summary_html, summary_text
from pex.score.frame import build_frame, restore, score_names, summarise, typed
from tests.helpers.sample_run import about

VARIANT = pex.Variant(pex.Prompt("{{ q }}", name="a"), "lab/m1")
LARGE = 2**53 + 1


def frame_of(
    cases: list[Case],
    scores: list[dict[str, Score]] | None = None,
    names: tuple[str, ...] = (),
    answers: list[Answer] | None = None,
) -> pd.DataFrame:
    rows = [
        (
            Request(VARIANT.name, case.id, 1, VARIANT.model, {}, case.id),
            answers[number] if answers else Answer(output="x"),
            scores[number] if scores else {},
        )
        for number, case in enumerate(cases)
    ]
    return build_frame(rows, [VARIANT], cases, names)


def again(frame: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """The frame as it comes back from a record."""
    write(folder, frame, about("again", frame, []), {}, None)
    return typed(read(folder, "run")[0])


# -- whole numbers


@pytest.mark.parametrize(
    "values",
    [
        [7, None], [None, 7, 8], [LARGE, None], [LARGE, 2**62], [2**70, None], [7, 2.5],
        [7, 2.5, None], [LARGE, 0.5], [1.0, 2.5], [1.0, None], [1.0, 2.0], [True, None],
        ["01", None],
        [0, None, -3], [7, "7", None], [[1, None], None], [{"a": LARGE}, None],
    ],
)  # fmt: skip
def test_values_come_back_from_a_record_as_they_were(values: list[Any], tmp_path: Path) -> None:
    cases = [Case(f"c{i}", {"n": value}, value) for i, value in enumerate(values)]
    frame = frame_of(cases)
    for one in (frame, again(frame, tmp_path)):
        back = [case for _, _, case in restore(one)]
        assert [repr(case.inputs["n"]) for case in back] == [repr(value) for value in values]
        assert [repr(case.expected) for case in back] == [repr(value) for value in values]


@given(st.lists(st.one_of(st.none(), st.integers(-(2**80), 2**80), st.floats(-9, 9)), min_size=1))
def test_any_numbers_come_back_from_a_frame(values: list[Any]) -> None:
    cases = [Case(f"c{i}", {"n": value}, value) for i, value in enumerate(values)]
    back = [case for _, _, case in restore(frame_of(cases))]
    assert [repr(case.inputs["n"]) for case in back] == [repr(value) for value in values]
    assert [repr(case.expected) for case in back] == [repr(value) for value in values]


def test_a_frame_of_an_earlier_version_has_its_whole_numbers_back() -> None:
    frame = frame_of([Case("a", {"n": 7}, 1), Case("b", {"n": None}, None)])
    old = frame.drop(columns=["remarks", "reasoning"])
    old = old.astype({"case.n": "float64", "expected": "float64"})
    case = next(iter(restore(typed(old))))[2]
    assert (repr(case.inputs["n"]), repr(case.expected)) == ("7", "1")


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (pd.Series([7, None]), [7, None]),
        (pd.Series([7, None], dtype="Int64"), [7, None]),
        (pd.Series([LARGE, None], dtype="Int64"), [LARGE, None]),
        (pd.Series([LARGE, None], dtype=object), [LARGE, None]),
        (pd.Series([7.0, None], dtype="Float64"), [7, None]),
        (pd.Series([7, None], dtype="float32"), [7, None]),
        (pd.Series([1.0, 2.5]), [1.0, 2.5]),
        (pd.Series([1.0, 2.5, None]), [1.0, 2.5, None]),
        (pd.Series([1.0, 2.0]), [1.0, 2.0]),
        (pd.Series([1e300, None]), [1e300, None]),
        (pd.Series([True, None], dtype="boolean"), [True, None]),
        (pd.read_csv(io.StringIO("n,m\n7,a\n,b\n"))["n"], [7, None]),
    ],
)  # fmt: skip
def test_whole_numbers_in_a_data_frame(
    column: pd.Series, values: list[Any], tmp_path: Path
) -> None:
    source = pd.DataFrame({"q": [f"q{i}" for i in range(len(column))], "n": column})
    source.to_parquet(tmp_path / "cases.parquet")
    for cases in (load_cases(source), load_cases(tmp_path / "cases.parquet")):
        assert [repr(case.inputs["n"]) for case in cases] == [repr(value) for value in values]


def test_whole_numbers_inside_the_values_of_a_parquet_file(tmp_path: Path) -> None:
    rows = [{"q": "a", "d": {"n": LARGE}, "l": [1, None]}, {"q": "b", "d": None, "l": [2]}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "cases.parquet")
    first, _ = load_cases(tmp_path / "cases.parquet")
    assert first.inputs == {"q": "a", "d": {"n": LARGE}, "l": [1, None]}
    assert repr(first.inputs["l"]) == "[1, None]"


def test_the_index_of_a_data_frame_in_a_parquet_file_is_not_a_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"q": ["a", "b"], "r": ["c", "d"]}, index=pd.Index([4, 9], name="row"))
    frame.to_parquet(tmp_path / "cases.parquet")
    assert load_cases(tmp_path / "cases.parquet")[0].inputs == {"q": "a", "r": "c"}


def test_whole_numbers_of_any_length(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text('{"n": 123456789012345678901234567890, "expected": 9007199254740993}\n')
    (case,) = load_cases(path)
    assert (case.inputs["n"], case.expected) == (123456789012345678901234567890, LARGE)
    assert canonical_json({"b": 2**70, "a": "é"}).decode() == '{"a":"é","b":1180591620717411303424}'


# -- scores that are a dict


POLITE, WORDS = Score(True), Score(3.0)
FAILED = Score(None, error="KeyError: 'x'")
TWO = [Case("a", {"q": "a"}), Case("b", {"q": "b"})]


def test_a_scorer_that_gives_a_dict_has_no_column_of_its_own_name() -> None:
    scores = [{"tone.polite": POLITE, "tone.words": WORDS}, {"tone.polite": POLITE}]
    assert score_names(frame_of(TWO, scores, ("tone",))) == ["tone.polite", "tone.words"]


def test_where_it_fails_all_that_it_gives_is_an_error() -> None:
    scores = [{"tone.polite": POLITE, "tone.words": WORDS}, {"tone": FAILED}]
    frame = frame_of(TWO, scores, ("tone",))
    assert score_names(frame) == ["tone.polite", "tone.words"]
    for name in ("tone.polite", "tone.words"):
        assert frame[f"score_error.{name}"].isna().tolist() == [True, False]
    assert summarise(frame)["score.tone.polite.errors"].tolist() == [1]


def test_where_it_always_fails_its_own_name_says_so() -> None:
    frame = frame_of(TWO, [{"tone": FAILED}, {"tone": FAILED}], ("tone",))
    assert score_names(frame) == ["tone"]
    assert frame["score_error.tone"].notna().all()


def test_a_share_under_its_own_name_stays() -> None:
    scores = [{"fields": Score(0.5), "fields.a": POLITE}, {"fields": FAILED}]
    frame = frame_of(TWO, scores, ("fields",))
    assert score_names(frame) == ["fields", "fields.a"]
    for name in ("fields", "fields.a"):
        assert frame[f"score_error.{name}"].isna().tolist() == [True, False]


def test_another_scorer_with_a_dot_in_its_name_is_not_a_part() -> None:
    scores: list[dict[str, Score]] = [{"tone": FAILED, "tone.b": POLITE}] * 2
    frame = frame_of(TWO, scores, ("tone", "tone.b"))
    assert score_names(frame) == ["tone", "tone.b"]
    assert frame["score_error.tone"].notna().all()
    assert frame["score_error.tone.b"].isna().all()


# -- cut off, empty


ODD = [
    Answer(output="Once", finish_reason="length", cost_usd=0.0),
    Answer(output=" \n", finish_reason="stop", cost_usd=0.0),
    Answer(output="", finish_reason="length", remarks=["cut_off"], cost_usd=0.0),
    Answer(output="Hal", remarks=["filtered"], cost_usd=0.0),
    Answer(output=None, tool_calls=[{"name": "f"}], cost_usd=0.0),
    Answer(error="500", finish_reason="length"),
    Answer(output="fine", finish_reason="stop", cost_usd=0.0),
]


def test_answers_that_were_cut_off_or_are_empty_are_counted_and_shown() -> None:
    cases = [Case(f"c{i}", {"q": str(i)}) for i in range(len(ODD))]
    summary = summarise(frame_of(cases, answers=ODD))
    row = summary.iloc[0]
    assert (row["cut_off"], row["empty"], row["filtered"], row["errors"]) == (2, 2, 1, 1)
    head = summary_text(summary, ()).splitlines()[0].split("  ")
    assert [part.strip() for part in head if part][:5] == [
        "variant", "errors", "cut off", "empty", "filtered",
    ]  # fmt: skip
    assert "cut off" in summary_html(summary, ())
    plain = summarise(frame_of(cases[:1], answers=ODD[-1:]))
    assert "cut off" not in summary_text(plain, ())

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import pex
from pex.cases.file import correct
from pex.core.cases import load_cases, select

ROWS = [{"review": "Nice é", "n": 1}, {"review": "Bad", "n": 2}]


def test_ids_are_a_digest_of_the_inputs() -> None:
    for case, row in zip(load_cases(ROWS), ROWS, strict=True):
        text = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert case.id == hashlib.sha256(text.encode()).hexdigest()[:12]


def test_every_source_gives_the_same_cases(tmp_path: Path) -> None:
    frame = pd.DataFrame(ROWS)
    frame.to_parquet(tmp_path / "c.parquet")
    frame.to_json(tmp_path / "c.jsonl", orient="records", lines=True)
    expected = load_cases(ROWS)
    assert load_cases(frame) == expected
    assert load_cases(tmp_path / "c.parquet") == expected
    assert load_cases(tmp_path / "c.jsonl") == expected
    assert load_cases(expected) == expected


def test_an_iterator_gives_all_of_its_rows() -> None:
    cases = load_cases({"n": n} for n in range(3))
    assert [case.inputs["n"] for case in cases] == [0, 1, 2]
    assert load_cases(iter(cases)) == cases


def test_roles_of_columns() -> None:
    rows = [{"id": 7, "q": "x", "label": "y", "product": "tea", "kind": "a; b,a"}]
    columns = {"id": "id", "expected": "label", "group": "product", "tags": "kind"}
    (case,) = load_cases(rows, columns)
    assert (case.id, case.expected, case.group, case.tags) == ("7", "y", "tea", ("a", "b"))
    # A group under a name of its own is an input too; the expected answer never is.
    assert case.inputs == {"q": "x", "product": "tea"}


def test_plain_values() -> None:
    frame = pd.DataFrame({"a": [np.int64(3)], "b": [np.nan], "c": [pd.Timestamp("2026-01-02")]})
    assert load_cases(frame)[0].inputs == {"a": 3, "b": None, "c": "2026-01-02T00:00:00"}


def test_csv_details(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes('\ufeffreview,expected\n"two\nlines",007\n\nplain,\n'.encode())
    first, second = load_cases(path)
    assert (first.inputs, first.expected) == ({"review": "two\nlines"}, "007")
    assert second.expected is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"\n\nreview,expected\nx,y\n", "its first line is empty"),
        (b"review,expected\n", "it has no cases"),
        (b"review,expected\nx,y\na,b,c\n", "line 3: 3 values for 2 columns"),
        (b'review,expected\n"a\nb",y\nx\n', "line 4: 1 values for 2 columns"),
        (b"review,review\nx,y\n", "two columns are called 'review'"),
        (b"review\nx\ny\nx\n", "line 2 and line 4 have the same inputs"),
        (b"case_id,review\n1,x\n1,y\n", "line 2 and line 3 have the id '1'"),
        (b"case_id,review\n,x\n", "line 2: the id column 'case_id' is empty"),
        (b"review\n\x81\xaa\x8d\xbc\n", "not UTF-8"),
        (b"expected\ny\n", "every column is an id"),
    ],
)
def test_bad_csv(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(content)
    with pytest.raises(pex.PexError, match=message):
        load_cases(path)


@pytest.mark.parametrize(
    ("source", "columns", "message"),
    [
        ([{"review": "x", "lable": "y"}], {"expected": "label"}, "did you mean 'lable'"),
        ([{"review": "x"}], {"expcted": "review"}, "did you mean 'expected'"),
        ("missing.csv", {}, "no such file\n  did you mean 'mising.csv'"),
        ("cases.txt", {}, "use .csv, .tsv, .jsonl, .parquet or .xlsx"),
        ([{"a": float("inf")}], {}, "row 1, column 'a': an infinite number"),
        ([{"a": 1}, "b"], {}, "row 2: expected a dict"),
        ([], {}, "it has no cases"),
        (None, {}, "expected a file or rows, got NoneType"),
        (pd.Series(["a", "b"]), {}, "row 1: expected a dict, got str"),
        (pd.DataFrame([["a", "b"]], columns=["q", "q"]), {}, "two columns are called 'q'"),
        (pd.DataFrame([["a", "b"]], columns=[1, "1"]), {}, "two columns are called '1'"),
    ],
)
def test_bad_sources(source: object, columns: dict, message: str, tmp_path: Path) -> None:
    (tmp_path / "mising.csv").write_text("a\n1\n")
    with pytest.raises(pex.PexError, match=message):
        load_cases(source, columns, tmp_path)


def test_bad_jsonl_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_text('{"a": 1}\n\n{"a": \n')
    with pytest.raises(pex.PexError, match="line 3: not valid JSON"):
        load_cases(tmp_path / "c.jsonl")


def test_the_columns_that_an_experiment_beside_the_file_declares(tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_text("q,label\na,b\n")
    (tmp_path / "experiment.yaml").write_text(
        "name: x\ncases: cases.csv\ncolumns: {expected: label}\nprompts: [p]\n"
    )
    variants = pex.grid(pex.Prompt("{{ q }}", name="p"), "a/b")
    (case,) = pex.Experiment("mine", variants, tmp_path / "cases.csv", ["exact"]).cases
    assert (case.inputs, case.expected) == ({"q": "a"}, "b")
    (other,) = pex.Experiment("mine", variants, tmp_path / "cases.csv", columns={}).cases
    assert other.inputs == {"q": "a", "label": "b"}


def test_select() -> None:
    rows = [
        {"case_id": str(i), "x": i, "tags": ["even"] if i % 2 == 0 else ["odd"]} for i in range(6)
    ]
    cases = load_cases(rows)
    assert [c.id for c in select(cases, limit=2)] == ["0", "1"]
    assert [c.id for c in select(cases, tags="odd", limit=2)] == ["1", "3"]
    assert [c.id for c in select(cases, ids=["4", "2"])] == ["4", "2"]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"limit": 0}, "whole number of at least 1, got 0"),
        ({"limit": True}, "got True"),
        ({"ids": ["casee"]}, "did you mean 'case'"),
        ({"tags": ["hrad"]}, "did you mean 'hard'"),
        ({"ids": ["case"], "tags": ["hard"]}, "no case matches"),
    ],
)
def test_bad_selections(choice: dict, message: str) -> None:
    rows = [{"case_id": "case", "x": 1, "tags": "easy"}, {"case_id": "b", "x": 2, "tags": "hard"}]
    with pytest.raises(pex.PexError, match=message):
        select(load_cases(rows), **choice)


LONG = "x" * 200_000


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r", "\x00"])
@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_marks_that_end_a_line_elsewhere_are_part_of_a_value(
    ending: str, mark: str, tmp_path: Path
) -> None:
    value = f"a{mark}b"
    path = tmp_path / f"c{ending}"
    if ending == ".csv":
        path.write_bytes(f'q,expected\n"{value}",y\nc,z\n'.encode())
    else:
        lines = ({"q": value, "expected": "y"}, {"q": "c", "expected": "z"})
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        path.write_bytes(text.encode())
    assert [case.inputs["q"] for case in load_cases(path)] == [value, "c"]
    assert [case.expected for case in load_cases(path)] == ["y", "z"]


def test_a_cell_may_be_as_long_as_it_likes(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text(f"q,{LONG}\n{LONG},1\n")
    csv.field_size_limit(131_072)
    (case,) = load_cases(path)
    assert case.inputs == {"q": LONG, LONG: "1"}


@pytest.mark.parametrize(
    "content",
    [
        "q,expected,\na,y,\nb,z,\n",
        "q,expected,\na,y\nb,z\n",
        "q,expected\na,y,\nb,z,,,\n",
        ",q,expected\n,a,y\n,b,z\n",
        "q,,expected,,\na,,y,,\nb,,z\n\n,,\n",
        "\ufeffq,expected\na,y\nb,z\n\n\n",
        'q,expected\r\na,"y"\r\nb,z',
        "q,expected\ra,y\rb,z\r",
        '"q","expected"\n"a","y"\n"b","z"\n',
    ],
)
def test_cells_without_a_name_and_a_value_are_left_out(content: str, tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(content.encode())
    found = load_cases(path)
    assert [(case.inputs, case.expected) for case in found] == [
        ({"q": "a"}, "y"),
        ({"q": "b"}, "z"),
    ]
    assert [case.id for case in found] == [case.id for case in load_cases([{"q": "a"}, {"q": "b"}])]
    # An edit finds the same row.
    changed = correct(content.encode(), path, {}, found[1].id, "new")
    path.write_bytes(changed)
    assert [case.expected for case in load_cases(path)] == ["y", "new"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("q,expected,\na,y,\nb,z,lost\n", "line 3: column 3 has a value and no name"),
        (",q\n0,a\n", "line 2: column 1 has a value and no name"),
        ("q,expected\na,y,,lost\n", "line 2: 4 values for 2 columns"),
        ("q,expected,\na\n", "line 2: 1 values for 2 columns"),
        ('q,expected\n"a"b,y\n', "line 2: ',' expected"),
        ('q,expected\n"a,y\nb,z\n', "unexpected end of data"),
        ("q,expected\n\n\n", "it has no cases"),
    ],
)
def test_what_a_row_has_too_much_or_too_little_is_named(
    content: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "c.csv"
    path.write_text(content)
    with pytest.raises(pex.PexError, match=message):
        load_cases(path)


@pytest.mark.parametrize(
    "content",
    ['{"q": "a",}\n', '{"q": "a"},\n', '[{"q": "a"},\n', '{"q": "a"} {"q": "b"}\n', "{q: 1}"],
)
def test_json_as_it_is_typed_by_hand_is_named(content: str, tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text('{"q": "b"}\n' + content)
    with pytest.raises(pex.PexError, match=r"c\.jsonl, line 2: "):
        load_cases(path)

"""A table that is pasted, dropped or named becomes cases; what is no table is named."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import pex
from pex.playground import starting
from pex.playground.session import Session
from pex.playground.table import MOST_BYTES, read_table
from tests.helpers.playing import View

PASTED = "Text body\tlabel\tNote\nIt broke at once.\tnegative\t\nLovely\tpositive\tx\n"


@pytest.fixture
def view(project: Path) -> View:
    return View(Session("", starting.given(["Is it good? {{ text }}"]), record=False))


def _read(view: View, text: str | bytes = b"", **content: Any) -> dict:
    data = text.encode() if isinstance(text, str) else text
    message = {"kind": "table", "view": "v", "header": True, **content}
    view._on_message(None, message, [memoryview(data)] if data else [])
    return view.wait_sent("table")


def _add(view: View, columns: list[dict], limit: int = 200) -> dict:
    view.message({"kind": "add_table", "view": "v", "columns": columns, "limit": limit})
    return view.wait_sent("table")


def test_cells_from_a_spreadsheet_become_cases(view: View) -> None:
    found = _read(view, PASTED)
    assert found["sentences"] == ["Read as tab-separated UTF-8; 2 rows."]
    assert [(c["name"], c["role"], c["variable"], c["empty"]) for c in found["columns"]] == [
        ("Text body", "input", "text", "0 %"),  # for the variable that no column is called like
        ("label", "expected", "", "0 %"),
        ("Note", "input", "Note", "50 %"),
    ]
    found["columns"][2]["role"] = "leave out"
    assert _add(view, found["columns"])["text"] == "2 cases added."
    cases = view.session.draft.cases.values()
    # The empty case that a draft begins with is gone.
    assert [(case.inputs, case.expected) for case in cases] == [
        ({"text": "It broke at once."}, "negative"),
        ({"text": "Lovely"}, "positive"),
    ]
    assert view.session.status()["said"] == "2 cases added."
    again = _add(view, found["columns"], 1)
    assert again["text"] == "0 cases added; 1 was here already."
    view.do("undo")
    assert [entry.text("text") for entry in view.session.draft.entries] == [""]


def test_cells_without_headings_are_named_after_the_prompts_variables(view: View) -> None:
    found = _read(view, "It broke.\tnegative\nLovely\tpositive", header=False)
    assert [(c["name"], c["variable"]) for c in found["columns"]] == [
        ("text", "text"),
        ("column_2", "column_2"),
    ]
    assert found["count"] == 2
    one = _read(view, "It broke, at once.", header=False, reading={"delimiter": "\t"})
    assert one["count"] == 1


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet"])
@pytest.mark.parametrize("how", ["dropped", "named"])
def test_a_file_is_read_like_that_of_an_experiment(
    kind: str, how: str, view: View, project: Path
) -> None:
    frame = pd.DataFrame([{"case_id": f"c{n}", "text": f"Größe {n}"} for n in range(300)])
    path = project / f"rows.{kind}"
    match kind:
        case "csv":
            frame.to_csv(path, index=False, sep=";", encoding="cp1252")
        case "xlsx":
            frame.to_excel(path, index=False)
        case "parquet":
            frame.to_parquet(path)
    given = {"file": path.name} if how == "named" else {"name": path.name}
    found = _read(view, b"" if how == "named" else path.read_bytes(), **given)
    assert (found["count"], found["room"]) == (300, 200)
    if kind == "csv":
        assert found["sentences"] == ["Read as semicolon-separated Windows-1252; 300 rows."]
    assert _add(view, found["columns"])["text"] == "200 cases added."
    assert [case.id for case in view.session.draft.cases.values()][:2] == ["c0", "c1"]
    full = _add(view, found["columns"], 201)
    assert full["text"].startswith("a Playground holds at most 200 cases (save them as an")


def test_where_several_readings_fit_one_is_chosen(view: View) -> None:
    data = "q;expected\nvocê;1.234\nb;5.678\n".encode("cp1252")
    asked = _read(view, data, name="odd.csv")
    assert [(c["key"], c["shown"], c["row"]) for c in asked["choices"]] == [
        ("encoding", "Windows-1252", "você"),
        ("encoding", "Windows-1250", "vocę"),
    ]
    reading = {**asked["reading"], "encoding": asked["choices"][0]["value"]}
    asked = _read(view, data, name="odd.csv", reading=reading)
    assert [(c["key"], c["row"]) for c in asked["choices"]] == [
        ("decimal", "1.234 = 1234"),
        ("decimal", "1.234 = 1.234"),
    ]
    assert asked["reading"] == {"delimiter": ";", "encoding": "cp1252"}
    found = _read(view, data, name="odd.csv", reading={**asked["reading"], "decimal": ","})
    assert found["ok"]


@pytest.mark.parametrize(
    ("text", "content", "message"),
    [
        ("", {}, "nothing was pasted"),
        ("  \n \n", {}, "nothing was pasted"),
        ("Dear all, I am writing to you.", {}, "not a table: it is one line (copy"),
        ("Text body\tlabel", {}, "not a table: it is one line, the headings"),
        ("Dear all,\nI write, as promised, about it.\nYours, A", {}, "not a table: line 2"),
        ("a\ta\n1\t2", {}, "not a table: two columns are called 'a'"),
        ("a\tb\n1\t2\t3", {}, "not a table: line 2: 3 values for 2 columns"),
        ("PK\x03\x04", {"name": "a.xlsx"}, "not a readable .xlsx file"),
        ("a", {"name": "a.docx"}, "cannot read '.docx'"),
        ("", {"file": "folder.csv"}, "this is a folder"),
        ("", {"file": "tickts.csv"}, "no such file (did you mean 'tickets.csv'?)"),
        ("a,b\n", {"name": "a.csv"}, "a.csv: it has no rows"),
    ],
)
def test_what_is_no_table_is_named(
    text: str, content: dict, message: str, view: View, project: Path
) -> None:
    (project / "folder.csv").mkdir()
    (project / "tickets.csv").write_text("a\n1\n")
    found = _read(view, text, **content)
    assert not found["ok"]
    assert message in found["text"]
    assert "no table to add" in _add(view, [])["text"]


def test_40_mb_are_refused_before_they_are_read() -> None:
    with pytest.raises(pex.PexError, match=r"40 MB are too many, at most 8 MB\n.*give its path"):
        read_table({}, b"x" * 40_000_000, [])
    assert MOST_BYTES < 10_000_000  # the most that Jupyter passes on in one message


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([("a", "expected", ""), ("b", "expected", "")], "'a' and 'b' are both expected"),
        ([("a", "input", "x"), ("b", "input", "x")], "'a' and 'b' are both {{ x }}"),
        ([("a", "input", "x y")], "'x y' cannot be the name of a variable (for example x_y)"),
        ([("a", "id", ""), ("b", "input", "b")], "row 1 and row 2 have the id '1'"),
        ([("a", "id", ""), ("b", "tags", "")], "every column is an id"),
    ],
)
def test_what_cannot_be_added_is_named(columns: list, message: str, view: View) -> None:
    _read(view, "a\tb\n1\t2\n1\t3\n")
    chosen = [{"name": name, "role": role, "variable": var} for name, role, var in columns]
    found = _add(view, chosen)
    assert message in found["text"]
    assert len(view.session.draft.entries) == 1


def test_500_columns(view: View) -> None:
    names = [f"Column {n}" for n in range(500)]
    found = _read(view, "\t".join(names) + "\n" + "\t".join("v" for _ in names))
    assert (len(found["columns"]), found["more"]) == (100, 400)
    _add(view, found["columns"])
    (case,) = view.session.draft.cases.values()
    assert len(case.inputs) == 500
    assert case.values["Column_499"] == "v"


def test_groups_are_explained(view: View) -> None:
    found = _read(view, "text\tgroup\na\tde\nb\tde\nc\tfr\n")
    said = _add(view, found["columns"])["text"]
    assert said.endswith(
        "2 groups: the comparison counts groups, not cases; for filtering use tags."
    )

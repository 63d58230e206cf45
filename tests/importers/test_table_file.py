"""Spreadsheets and CSVs of somebody's own: prompts or cases, and which column is which."""

from __future__ import annotations

import json
from pathlib import Path

import openpyxl
import pytest

from pex.core.errors import PexError
from pex.experiment.experiment import Experiment
from pex.importers.projects import import_project
from tests.helpers.command import pexlab


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pex.toml").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_sheet_of_prompts_becomes_prompts_with_models_and_parameters(here: Path) -> None:
    book = openpyxl.Workbook()
    for row in (
        ["Name", "System prompt", "Prompt", "Model", "Max tokens", "Owner"],
        ["short", "Be kind to {{ user }}.", "Say {word}.", "openai/gpt-4.1", 50, "Ann"],
        ["short", None, "Tell ${word}, {not this}", "gpt-4", "many", None],
        ["../../x", None, None, None, None, None],
    ):
        book.active.append(row)
    book.save(here / "prompts.xlsx")
    done = pexlab("import", "prompts.xlsx", folder=here)
    assert done.returncode == 0, done.stderr
    assert "column Prompt: as the prompts' text" in done.stdout
    assert "column Owner: not a part of a prompt that pex has" in done.stdout
    assert "row 2, column Max tokens: 'many' is not a value of max_tokens" in done.stdout
    assert "row 3: it has no prompt" in done.stdout
    exp = Experiment.load(here / "experiments" / "prompts" / "experiment.yaml")
    first, second = exp.variants
    assert (first.model, first.all_params) == ("openai/gpt-4.1", {"max_tokens": 50})
    assert [item["content"] for item in first.prompt.messages] == [
        "Be kind to {{ user }}.",
        "Say {{ word }}.",
    ]
    assert (second.prompt.name, second.model) == ("short-2", "local/smollm2")
    assert second.prompt.text == "Tell {{ word }}, {not this}"


def test_a_csv_of_cases_becomes_cases_with_a_scorer_and_says_which_column_is_which(
    here: Path,
) -> None:
    text = "Ticket ID;Text;Category\n7;Schön;gut\n8;Böse;schlecht\n9;Nett;gut\n10;Fies;schlecht\n"
    (here / "tickets.csv").write_bytes(text.encode("cp1252"))
    done = pexlab("import", "tickets.csv", "--json", folder=here)
    assert done.returncode == 0, done.stderr
    notes = {note["where"]: note["how"] for note in json.loads(done.stdout)["notes"]}
    assert notes["column Category"] == "as expected"
    assert notes["column Ticket ID"] == "as id"
    assert "semicolon-separated" in notes["tickets.csv"]
    assert "label" in notes["expected answers"]
    exp = Experiment.load(here / "experiments" / "tickets" / "experiment.yaml")
    assert [case.id for case in exp.cases] == ["7", "8", "9", "10"]
    assert exp.cases[0].inputs["Text"] == "Schön"
    assert exp.score_names == ["label"]
    assert "gut" not in exp.variants[0].prompt.render(exp.cases[0].values)[0]["content"]


def test_promptfoos_tests_in_a_table_alone_keep_their_checks_out_of_the_prompt(here: Path) -> None:
    (here / "t.csv").write_text(
        'q,__expected,__expected2\nWhy?,contains: because,\nWho?,"icontains-any: you, me",Me\n',
        encoding="utf-8",
    )
    made = import_project(here / "t.csv")
    exp = Experiment.load(made.path)
    assert exp.score_names == ["contains", "icontains-any", "equals"]
    sent = exp.variants[0].prompt.render(exp.cases[0].values)[0]["content"]
    assert sent == "Why?"


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        ("a.csv", b"a,b\n1,2,3,4\n", "line 2"),
        ("a.csv", b"", "empty|no cases|no header"),
        ("a.xlsx", b"PK\x03\x04 not really", "xlsx|Excel|spreadsheet"),
        ("a.jsonl", b"{broken\n", "line 1"),
        ("a.csv", b"a;b,c\n1;2,3\n4;5,6\n", "several readings fit"),
    ],
)
def test_a_broken_table_is_said(here: Path, name: str, data: bytes, error: str) -> None:
    (here / name).write_bytes(data)
    with pytest.raises(PexError, match=error):
        import_project(here / name)
    assert not (here / "experiments").exists()


def test_a_file_of_100_mb_is_refused_before_it_is_read(here: Path) -> None:
    with (here / "big.yaml").open("wb") as file:
        file.truncate(100_000_000)
    done = pexlab("import", "big.yaml", folder=here)
    assert done.returncode == 2
    assert "it has 100 MB, at most 50 MB are read" in done.stderr

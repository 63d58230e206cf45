"""What must hold, from a stakeholder's table to the experiment's file and its cases."""

import csv
import io
import json
from pathlib import Path

import openpyxl
import pytest
from typer.testing import CliRunner

import pex
from pex.cli.form import app
from pex.evidence.card.secrets_of_cards import SecretError
from pex.evidence.form.requirement_form import read_requirements, requirement_form
from pex.evidence.form.table import read_form, write_form

YAML = """name: words   # the words
cases: cases.csv
prompts: [prompts/echo.prompty]
models: [lab/m1]
scorers: [exact]
requirements:
  - {id: R1, text: Says the word., source: Support}  # first of all
  - id: R2   # two
    text: Is short.
"""
CASES = "case_id,word,expected,tags\r\n7,a,a,\r\n8,b,b,x\r\n"


@pytest.fixture
def file(project: Path) -> Path:
    folder = project / "experiments" / "words"
    (folder / "prompts").mkdir(parents=True)
    (folder / "cases.csv").write_bytes(CASES.encode())
    (folder / "prompts" / "echo.prompty").write_text("user:\n{{ word }}")
    (folder / "experiment.yaml").write_text(YAML)
    return folder / "experiment.yaml"


def rows(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    text = path.read_bytes().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


def fill(path: Path, made: list[dict[str, str]], delimiter: str = ",") -> Path:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(made[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(made)
    path.write_bytes(out.getvalue().encode("cp1252"))
    return path


def new(**values: str) -> dict[str, str]:
    titles = {"id": "id", "text": "what must hold", "source": "who asked", "word": "example: word"}
    titles |= {"at_least": "at least", "expected": "expected answer", "priority": "priority"}
    empty = dict.fromkeys(["key", *titles.values()], "")
    return empty | {titles[name]: value for name, value in values.items()}


def states(found: object) -> list[tuple[str, str]]:
    return [(one.state, one.what) for one in found.changes]  # type: ignore[attr-defined]


def test_a_table_becomes_requirements_and_cases_and_every_other_byte_stays(
    file: Path, tmp_path: Path
) -> None:
    sent = write_form(requirement_form(file), tmp_path / "form.csv", delimiter=";")
    made = rows(sent, ";")
    assert [row["what must hold"] for row in made] == ["Says the word.", "Is short."]
    made[1]["at least"] = "95 %"
    order = list(made[0])
    made += [
        {
            **new(
                text="Für alle höflich.",
                source="Büro",
                word="müde",
                expected="müde",
                priority="Should",
            )
        },
        {**new(word="schön")},
        {**new(id="legal", text="Verspricht nichts.", at_least="0,9")},
    ]
    made = [{title: row[title] for title in order} for row in made]
    back = fill(tmp_path / "back.csv", made, ";")  # Excel in German: `;` and cp1252
    dry = read_requirements(read_form(back), file, dry_run=True)
    assert file.read_text() == YAML
    assert (file.parent / "cases.csv").read_bytes() == CASES.encode()
    found = read_requirements(read_form(back), file)
    assert states(found)[:4] == states(dry)[:4] == [
        ("same", "R1"), ("changed", "R2"), ("added", "R3"), ("added", "legal"),
    ]  # fmt: skip
    text = file.read_text()
    assert text.startswith(YAML)  # every line that was there
    exp = pex.Experiment.load(file)
    assert [(item.id, item.text, item.source, item.priority, item.at_least)
            for item in exp.requirements] == [
        ("R1", "Says the word.", "Support", "must", None),
        ("R2", "Is short.", "", "must", 0.95),
        ("R3", "Für alle höflich.", "Büro", "should", None),
        ("legal", "Verspricht nichts.", "", "must", 0.9),
    ]  # fmt: skip
    added = "9,müde,müde,R3\r\n10,schön,,R3\r\n"
    assert (file.parent / "cases.csv").read_bytes() == (CASES + added).encode()
    # Read a second time, it changes nothing.
    again = read_requirements(read_form(back), file)
    assert {state for state, _ in states(again)} == {"same"}
    assert (file.parent / "cases.csv").read_bytes() == (CASES + added).encode()


def test_what_changed_on_both_sides_is_a_conflict_and_is_kept_beside_the_form(
    file: Path, tmp_path: Path
) -> None:
    sent = write_form(requirement_form(file), tmp_path / "form.csv")
    made = rows(sent)
    made[0]["what must hold"] = "Says it twice."
    made[1]["who asked"] = "Sales"
    back = fill(tmp_path / "back.csv", made)
    now = YAML.replace("Says the word.", "Says nothing.")
    file.write_text(now)
    found = read_requirements(read_form(back), file)
    assert states(found) == [("conflict", "R1"), ("changed", "R2")]
    assert "Says nothing." in file.read_text()
    assert "source: Sales" in file.read_text()
    result = CliRunner().invoke(app, ["read", str(back), "--experiment", "words"])
    assert result.exit_code == 1
    rest = rows(tmp_path / "back.rest.csv")
    assert rest[0]["what must hold"] == "Says it twice."
    assert 'it says now: "Says nothing."' in rest[0]["not taken over because"]
    # Removed from the file meanwhile, changed in the form: not brought back silently.
    file.write_text(YAML.replace("  - id: R2   # two\n    text: Is short.\n", ""))
    found = read_requirements(read_form(back), file)
    assert ("conflict", "R2") in states(found)


def test_only_the_file_has_changed_since(file: Path, tmp_path: Path) -> None:
    back = fill(tmp_path / "b.csv", rows(write_form(requirement_form(file), tmp_path / "f.csv")))
    file.write_text(YAML.replace("Is short.", "Is very short."))
    found = read_requirements(read_form(back), file)
    assert states(found) == [("same", "R1"), ("same", "R2")]
    assert "Is very short." in file.read_text()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"text": "x", "priority": "mst"}, "priority 'mst'\n  did you mean 'must'?"),
        ({"text": "x", "at_least": "95"}, "at least '95'\n  do you mean 95 %?"),
        ({"text": "x", "at_least": "most"}, "expected a share, such as 95 %"),
        ({"text": "x", "id": "R 9"}, "only letters, digits"),
        ({"source": "Legal"}, "'who asked' is filled in, 'what must hold' is empty"),
    ],
)
def test_a_mistake_names_its_line_and_nothing_is_written(
    file: Path, tmp_path: Path, row: dict[str, str], said: str
) -> None:
    back = fill(tmp_path / "back.csv", [new(text="Fine."), new(**row)])
    with pytest.raises(pex.PexError) as raised:
        read_requirements(read_form(back), file)
    assert said in str(raised.value)
    assert "line 3" in str(raised.value)
    assert file.read_text() == YAML


def test_columns_and_ids_that_do_not_fit(file: Path, tmp_path: Path) -> None:
    back = fill(tmp_path / "a.csv", [{"key": "", "what must hld": "x"}])
    with pytest.raises(pex.PexError, match="the column 'what must hold' is missing"):
        read_requirements(read_form(back), file)
    back = fill(tmp_path / "b.csv", [{**new(text="x"), "exmple: word": "y"}])
    with pytest.raises(pex.PexError, match="did you mean 'example: word'"):
        read_requirements(read_form(back), file)
    back = fill(tmp_path / "c.csv", [new(id="R9", text="x"), new(id="R9", text="y")])
    with pytest.raises(pex.PexError, match="two requirements have the id 'R9'"):
        read_requirements(read_form(back), file)
    back = fill(tmp_path / "d.csv", [new(id="R1", text="Other.")])
    assert states(read_requirements(read_form(back), file)) == [("conflict", "R1")]


def test_an_example_that_is_there_is_not_added_and_another_answer_is_a_conflict(
    file: Path, tmp_path: Path
) -> None:
    made = [new(id="R9", text="x", word="a", expected="a"), new(word="b", expected="c")]
    found = read_requirements(read_form(fill(tmp_path / "a.csv", made)), file)
    assert states(found) == [("added", "R9"), ("same", "case 7"), ("conflict", "case 8")]
    assert (file.parent / "cases.csv").read_bytes() == CASES.encode()


def test_a_spreadsheet_says_what_it_takes_and_comes_back(file: Path, tmp_path: Path) -> None:
    path = write_form(requirement_form(file), tmp_path / "form.xlsx")
    book = openpyxl.load_workbook(path)
    sheet = book["requirements"]
    assert book.sheetnames == ["requirements", "how to fill it in"]
    assert [rule.formula1 for rule in sheet.data_validations.dataValidation] == [
        '"must,should,could"'
    ]
    titles = [cell.value for cell in sheet[1]]
    sheet.cell(4, titles.index("what must hold") + 1, "=Never")
    sheet.cell(4, titles.index("at least") + 1, 0.95).number_format = "0%"
    del book["how to fill it in"]
    sheet.cell(4, titles.index("what must hold") + 1).data_type = "s"
    book.save(tmp_path / "back.xlsx")
    found = read_requirements(read_form(tmp_path / "back.xlsx"), file)
    assert ("added", "R3") in states(found)
    item = pex.Experiment.load(file).requirements[-1]
    assert (item.text, item.at_least) == ("=Never", 0.95)


def test_texts_that_look_like_formulas_stay_what_they_are(file: Path, tmp_path: Path) -> None:
    file.write_text(YAML.replace("Is short.", "'=1+1 is short.'"))
    for name in ("form.csv", "form.xlsx"):
        path = write_form(requirement_form(file), tmp_path / name)
        assert read_form(path).rows[1].values["what must hold"] == "=1+1 is short."
    assert rows(tmp_path / "form.csv")[1]["what must hold"] == "'=1+1 is short."


def test_the_command_line(file: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke
    target = tmp_path / "form.csv"
    result = run(app, ["requirements", "words", "--to", str(target)])
    assert (result.exit_code, result.stdout) == (
        0, f"wrote  {target}  (2 requirements, and room for new)\n",
    )  # fmt: skip
    assert isinstance(
        run(app, ["requirements", "words", "--to", str(target)]).exception, pex.PexError
    )
    # The prompt's name finds the experiment that uses it.
    assert run(app, ["requirements", "echo", "--to", str(target), "--force"]).exit_code == 0
    wrong = run(app, ["requirements", "wrds", "--to", str(tmp_path / "x.csv")]).exception
    assert "did you mean 'words'" in str(wrong)
    assert "which experiment" in str(run(app, ["read", str(target)]).exception)
    result = run(app, ["read", str(target), "--experiment", "words", "--json"])
    assert json.loads(result.stdout)["changes"][0] == {"state": "same", "what": "R1", "detail": ""}
    bad = write_form(requirement_form(file), tmp_path / "form.html")
    assert "makes a .json file" in str(
        run(app, ["read", str(bad), "--experiment", "words"]).exception
    )
    with pytest.raises(pex.PexError, match=r"a \.csv, \.xlsx or \.html file"):
        write_form(requirement_form(file), tmp_path / "form.pdf")


PROMPT = """---
name: echo
metadata:
  requirements: [{id: R3, text: Is never rude.}, {id: R2, text: Is short.}]
---
user:
{{ word }}
"""


def test_the_ids_of_a_prompts_own_requirements_are_taken(file: Path, tmp_path: Path) -> None:
    (file.parent / "prompts" / "echo.prompty").write_text(PROMPT)
    form = requirement_form(file)
    assert "R3 (must): Is never rude." in form.instructions
    assert "R2 (must)" not in form.instructions  # the form has a row for it
    sent = rows(write_form(form, tmp_path / "form.csv"))
    sent[1]["what must hold"] = "Is very short."
    made = [
        *sent,
        {**new(text="Is calm.")},
        {**new(id="R3", text="Is rude.")},
        {**new(text="Is never rude.")},
    ]
    made = [{title: row[title] for title in sent[0]} for row in made]
    found = read_requirements(read_form(fill(tmp_path / "back.csv", made[:4])), file)
    assert states(found) == [
        ("same", "R1"), ("conflict", "R2"), ("added", "R4"), ("conflict", "R3"),
    ]  # fmt: skip
    assert found.changes[3].detail == (
        'echo.prompty has another requirement of this id: "Is never rude."'
    )
    assert [item.id for item in pex.Experiment.load(file).requirements] == ["R1", "R2", "R4", "R3"]
    found = read_requirements(read_form(fill(tmp_path / "b.csv", [made[4]])), file)
    assert states(found) == [("same", "R3")]


def test_the_examples_of_a_refused_row_are_kept_with_it(file: Path, tmp_path: Path) -> None:
    made = [
        new(id="R1", text="Other.", word="new", expected="new"),
        new(word="newer"),
        new(id="R5", text="Fine.", word="c"),
        new(word="d"),
        new(expected="no input"),
    ]
    back = fill(tmp_path / "back.csv", made)
    result = CliRunner().invoke(app, ["read", str(back), "--experiment", "words"])
    assert result.exit_code == 1
    assert (file.parent / "cases.csv").read_text() == CASES.replace("\r", "") + (
        "9,c,,R5\n10,d,,R5\n"
    )
    rest = rows(tmp_path / "back.rest.csv")
    assert [(row["id"], row["example: word"]) for row in rest] == [
        ("R1", "new"), ("R1", "newer"), ("R5", ""),
    ]  # fmt: skip
    assert rest[1]["not taken over because"] == "its requirement was not taken over"
    assert rest[2]["not taken over because"] == "it has an answer but no input"
    again = read_requirements(read_form(tmp_path / "back.rest.csv"), file)
    assert {state for state, _ in states(again)} == {"conflict"}


@pytest.mark.parametrize("at_least", ["0.99999", "0.07", "0.3333333333333333", "80.0", "4.56789"])
def test_an_untouched_form_changes_nothing(file: Path, tmp_path: Path, at_least: str) -> None:
    file.write_text(YAML.replace("Support}", f"Support, at_least: {at_least}}}"))
    before = file.read_bytes()
    sent = rows(write_form(requirement_form(file), tmp_path / "form.csv"))
    found = read_requirements(read_form(fill(tmp_path / "back.csv", sent)), file)
    assert states(found) == [("same", "R1"), ("same", "R2")]
    assert file.read_bytes() == before


def test_a_form_with_a_secret_is_not_written(file: Path, tmp_path: Path) -> None:
    secret = "sk-proj-" + "a1B2c3D4e5F6g7H8" * 3
    file.write_text(YAML.replace("Is short.", f"Never says {secret}."))
    for suffix in ("csv", "xlsx", "html"):
        with pytest.raises(SecretError, match="row 'R2', 'what must hold', line 1") as raised:
            write_form(requirement_form(file), tmp_path / f"form.{suffix}")
        assert secret not in str(raised.value)
        assert not (tmp_path / f"form.{suffix}").exists()

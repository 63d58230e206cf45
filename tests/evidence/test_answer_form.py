"""An expert's corrections, ratings and comments: sent out, and read back by id."""

import csv
import io
import json
from pathlib import Path

import openpyxl
import pytest
from typer.testing import CliRunner

import pex
from pex.cli.form import app
from pex.core.errors import PexError
from pex.evidence.form.answer_form import answer_form, read_answers
from pex.evidence.form.table import FilledForm, read_form, write_form
from pex.results.results import Results
from tests.helpers.endpoint import FaultyEndpoint

pytestmark = pytest.mark.traces

CASES = "case_id,word,expected\r\n7,a,x\r\n8,b,b\r\n9,c,c\r\n"
RATING, RIGHT = "rating (1 to 5)", "right answer instead"


@pytest.fixture
def results(project: Path, lab: FaultyEndpoint) -> Results:
    (project / "cases.csv").write_bytes(CASES.encode())
    prompts = [pex.Prompt("{{ word }}", name="one"), pex.Prompt("{{ word }} ", name="two"),
               pex.Prompt("{{ word }}!", name="three")]  # fmt: skip
    exp = pex.Experiment(
        "words", pex.grid(prompts, "lab/m1"), project / "cases.csv", ["exact"], purpose="Echo."
    )
    found = exp.run(show=False, traces="all")
    assert found.traces is not None
    found.traces.wait()
    return found


def sent(results: Results, path: Path) -> list[dict[str, str]]:
    text = write_form(answer_form(results), path).read_bytes().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def back(path: Path, rows: list[dict[str, str]]) -> FilledForm:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(out.getvalue())
    return read_form(path)


def states(found: object) -> list[tuple[str, str]]:
    return [(one.state, one.what) for one in found.changes]  # type: ignore[attr-defined]


def row(rows: list[dict[str, str]], case: str, answer: str) -> dict[str, str]:
    return next(item for item in rows if (item["case"], item["answer"]) == (case, answer))


def test_the_form_names_no_variant_and_an_answer_given_twice_is_one_row(
    results: Results, tmp_path: Path
) -> None:
    rows = sent(results, tmp_path / "form.csv")
    assert len(rows) == 6  # two variants gave the same answers
    assert list(rows[0]) == [
        "key", "case", "input: word", "expected answer", "answer", RATING, RIGHT, "comment",
    ]  # fmt: skip
    page = write_form(answer_form(results), tmp_path / "form.html").read_text()
    for name in ("one", "two", "three"):
        assert f'"{name}"' not in page
        assert name not in (tmp_path / "form.csv").read_text()


@pytest.mark.parametrize("said", ["true", "jes"])
def test_the_cases_of_a_private_prompt_are_left_out(
    project: Path, results: Results, said: str
) -> None:
    assert len(answer_form(results).rows) == 6
    (project / "prompts").mkdir()
    text = f"---\nmetadata: {{private: {said}}}\n---\n{{{{ word }}}}!\n"
    (project / "prompts" / "three.prompty").write_text(text)
    with pytest.raises(PexError, match="all cases are private: --private includes them"):
        answer_form(results)
    assert len(answer_form(results, private=True).rows) == 6


def test_corrections_ratings_and_comments_go_where_they_belong(
    project: Path, results: Results, tmp_path: Path
) -> None:
    rows = sent(results, tmp_path / "form.csv")
    row(rows, "7", "a").update({RIGHT: "a", RATING: "5", "comment": "Right, the case is not."})
    row(rows, "8", "b!").update({RATING: "2"})
    row(rows, "9", "c!").update({"comment": "Why so loud?"})
    form = back(tmp_path / "back.csv", rows)
    dry = read_answers(form, rater="Ada", dry_run=True)
    assert ("changed", "case 7") in states(dry)
    assert (project / "cases.csv").read_bytes() == CASES.encode()
    assert not len(results.ratings())
    found = read_answers(form, rater="Ada")
    # The answer to case 7 is that of two variants: both are rated.
    assert states(found) == [
        ("changed", "case 7"), ("added", "3 ratings"), ("added", "1 comment"),
    ]  # fmt: skip
    assert (project / "cases.csv").read_bytes() == CASES.replace("7,a,x", "7,a,a").encode()
    ratings = results.ratings()
    seen = {(r["variant"], r["case_id"], r["name"], r["value"], r["rationale"], r["rater"])
            for r in ratings.to_dict("records")}  # fmt: skip
    assert seen == {
        ("one", "7", "rated", 5.0, "Right, the case is not.", "Ada"),
        ("two", "7", "rated", 5.0, "Right, the case is not.", "Ada"),
        ("three", "8", "rated", 2.0, None, "Ada"),
        ("three", "9", "comment", "Why so loud?", None, "Ada"),
    }
    # A second time, nothing is new.
    assert {state for state, _ in states(read_answers(form, rater="Ada"))} == {"same"}
    assert len(results.ratings()) == 4


def test_nothing_is_lost_when_the_cases_changed_meanwhile(
    project: Path, results: Results, tmp_path: Path
) -> None:
    rows = sent(results, tmp_path / "form.csv")
    for case, answer in (("7", "a"), ("8", "b"), ("9", "c")):
        row(rows, case, answer)[RIGHT] = f"right {case}"
    form = back(tmp_path / "back.csv", rows)
    # Somebody corrected case 7, and removed case 8.
    now = "case_id,word,expected\r\n7,a,other\r\n9,c,c\r\n"
    (project / "cases.csv").write_bytes(now.encode())
    result = CliRunner().invoke(app, ["read", str(tmp_path / "back.csv")])
    assert result.exit_code == 1
    assert "it now expects 'other'" in result.stdout
    assert "cases.csv no longer has this case" in result.stdout
    after = now.replace("9,c,c", "9,c,right 9")
    assert (project / "cases.csv").read_bytes() == after.encode()
    text = (tmp_path / "back.rest.csv").read_bytes().decode("utf-8-sig")
    rest = list(csv.DictReader(io.StringIO(text)))
    assert [item[RIGHT] for item in rest] == ["right 7", "right 8"]
    # The rest can be read again once the file is as it should be.
    (project / "cases.csv").write_bytes(CASES.encode())
    again = read_answers(read_form(tmp_path / "back.rest.csv"))
    assert states(again) == [("changed", "case 7"), ("changed", "case 8")]
    assert form.rows


def test_two_different_corrections_of_a_case_are_a_conflict(
    project: Path, results: Results, tmp_path: Path
) -> None:
    rows = sent(results, tmp_path / "form.csv")
    row(rows, "7", "a")[RIGHT] = "a"
    row(rows, "7", "a!")[RIGHT] = "a!"
    found = read_answers(back(tmp_path / "back.csv", rows))
    assert states(found) == [("conflict", "case 7")] * 2
    assert (project / "cases.csv").read_bytes() == CASES.encode()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({RATING: "7"}, f"{RATING}: '7'"),
        ({RATING: "5"}, "who filled it in?"),
        ({RATING: "5", "key": ""}, "no row has a key"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_written(
    project: Path, results: Results, tmp_path: Path, changes: dict[str, str], said: str
) -> None:
    rows = sent(results, tmp_path / "form.csv")
    row(rows, "8", "b")[RIGHT] = "new"
    row(rows, "7", "a").update(changes)
    if "key" in changes:
        rows = [row(rows, "7", "a")]
    with pytest.raises(pex.PexError) as raised:
        read_answers(back(tmp_path / "back.csv", rows))
    assert said in str(raised.value)
    assert (project / "cases.csv").read_bytes() == CASES.encode()


def test_a_key_of_another_run_is_told(results: Results, tmp_path: Path) -> None:
    rows = sent(results, tmp_path / "form.csv")
    rows[0].update({"key": rows[0]["key"][:13] + "0" * 12, RATING: "3"})
    found = read_answers(back(tmp_path / "back.csv", rows), rater="Ada")
    assert [one.state for one in found.changes] == ["conflict"]
    assert "belongs to no answer" in found.changes[0].detail


def test_a_spreadsheet_and_the_file_of_the_page_come_back(
    project: Path, results: Results, tmp_path: Path
) -> None:
    form = answer_form(results, ["one"], categories=["good", "bad"], limit=2)
    assert len(form.rows) == 2
    path = write_form(form, tmp_path / "form.xlsx")
    book = openpyxl.load_workbook(path)
    sheet = book["answers"]
    titles = [cell.value for cell in sheet[1]]
    sheet.cell(2, titles.index("rating (good, bad)") + 1, "bad")
    book.save(tmp_path / "back.xlsx")
    found = read_answers(read_form(tmp_path / "back.xlsx"), rater="Bo")
    assert states(found) == [("added", "2 ratings")]
    assert set(results.ratings()["value"]) == {"bad"}
    saved = {
        "format": "pex form 1", "kind": "answers", "experiment": "words", "by": "Cy",
        "run_id": results.run_id,
        "rows": [
            {"key": form.rows[1]["key"], "values": {RIGHT: "B", "rating (good, bad)": "good"}}
        ],
    }  # fmt: skip
    (tmp_path / "saved.json").write_text(json.dumps(saved))
    found = read_answers(read_form(tmp_path / "saved.json"))
    assert states(found) == [("changed", "case 8"), ("added", "2 ratings")]
    assert set(results.ratings()["rater"]) == {"Bo", "Cy"}


def test_answers_without_a_trace_keep_their_ratings_beside_the_form(
    project: Path, lab: FaultyEndpoint, tmp_path: Path
) -> None:
    cases = [{"word": "a", "expected": "a"}]
    exp = pex.Experiment("w", pex.grid(pex.Prompt("{{ word }}", name="p"), "lab/m1"), cases)
    results = exp.run(show=False, traces=0)
    rows = sent(results, tmp_path / "form.csv")
    rows[0].update({RATING: "4", RIGHT: "b"})
    found = read_answers(back(tmp_path / "back.csv", rows), rater="Ada")
    assert [one.state for one in found.changes] == ["conflict", "conflict"]
    assert "pexlab record RUN --traces all" in found.changes[0].detail
    assert "made in Python" in found.changes[1].detail
    assert len(found.rest) == 2


def test_the_command_line(results: Results, tmp_path: Path) -> None:
    run = CliRunner().invoke
    target = tmp_path / "form.csv"
    result = run(app, ["answers", "words", "--to", str(target), "--variant", "one"])
    assert (result.exit_code, result.stdout) == (0, f"wrote  {target}  (3 answers)\n")
    result = run(app, ["read", str(target)])
    assert (result.exit_code, result.stdout) == (0, "nothing is filled in\n")
    wrong = run(app, ["answers", "words", "--to", str(tmp_path / "b.csv"), "--variant", "onn"])
    assert "did you mean 'one'" in str(wrong.exception)


def test_private_cases_are_left_out_unless_they_are_asked_for(
    project: Path, lab: FaultyEndpoint
) -> None:
    cases = [{"word": "a", "tags": ["Private"]}, {"word": "b", "tags": []}]
    exp = pex.Experiment("w", pex.grid(pex.Prompt("{{ word }}", name="p"), "lab/m1"), cases)
    results = exp.run(show=False)
    assert [row["answer"] for row in answer_form(results).rows] == ["b"]
    assert len(answer_form(results, private=True).rows) == 2

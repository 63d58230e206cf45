"""`pexlab init --from`: a project around a file of the user's own."""

import json
import os
import pty
import sys
from pathlib import Path

import pandas as pd
import pytest

from pex.core.yamltext import load_yaml
from tests.helpers.command import pexlab

ROWS = [
    {"Ticket ID": f"T{n}", "Text body": f"Die Tür {n} klemmt seit Tagen", "Label": label}
    for n, label in enumerate(["door", "light", "door", "light"])
]


def _csv(delimiter: str) -> str:
    lines = [delimiter.join(row.values()) for row in ROWS]
    return "\r\n".join([delimiter.join(ROWS[0]), *lines, ""])


def _write(path: Path) -> Path:
    match path.suffix:
        case ".csv":
            path.write_bytes(_csv(";").encode("cp1252"))
        case ".tsv":
            path.write_bytes(_csv("\t").encode("utf-16"))
        case ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
        case ".parquet":
            pd.DataFrame(ROWS).to_parquet(path)
        case ".xlsx":
            pd.DataFrame(ROWS).to_excel(path, index=False)
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet", "xlsx"])
def test_each_kind_of_file_becomes_an_experiment(kind: str, tmp_path: Path) -> None:
    file = _write(tmp_path / f"my tickets.{kind}")
    before = file.read_bytes()
    done = pexlab("init", "proj", "--from", file.name, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert file.read_bytes() == before
    # What was read and understood is told.
    assert f"my tickets.{kind}: read as" in done.stdout or kind in ("jsonl", "parquet", "xlsx")
    assert "4 rows" in done.stdout
    assert "{{ Text_body }}" in done.stdout
    assert "column 'Ticket ID': the id of a case, by its name" in done.stdout
    assert "scorer: label, because the expected answers are 2 labels (door, light)" in done.stdout
    assert "(a copy; your file stays as it is)" in done.stdout
    assert "cd proj && pexlab run experiments/my-tickets/experiment.yaml --limit 10" in done.stdout
    # The experiment says how its copy is read, and can be run as it stands.
    folder = tmp_path / "proj/experiments/my-tickets"
    assert (folder / file.name).read_bytes() == before
    spec = load_yaml((folder / "experiment.yaml").read_text(), "").data
    if kind == "csv":
        assert spec["cases"] == {"file": file.name, "delimiter": ";", "encoding": "cp1252"}
    assert spec["columns"] == {"id": "Ticket ID", "expected": "Label"}
    assert spec["scorers"] == ["label"]
    for name in (
        "01_compare_prompts",
        "02_write_prompts",
        "03_prompt_library",
        "04_analyse_in_mlflow",
        "05_improve_prompts",
        "monitor",
    ):
        assert (tmp_path / f"proj/notebooks/{name}.ipynb").is_file()
    workflow = (tmp_path / "proj/.github/workflows/prompts.yml").read_text()
    assert "pexlab run experiments/my-tickets/experiment.yaml" in workflow
    dry = pexlab(
        "run", "experiments/my-tickets/experiment.yaml", "--dry-run", folder=tmp_path / "proj"
    )
    assert dry.returncode == 0, dry.stderr
    assert "Die Tür 0 klemmt" in dry.stdout
    assert "Answer with one of: door, light." in dry.stdout
    # A second time, nothing is overwritten.
    (folder / "experiment.yaml").write_text("# mine\n")
    again = pexlab("init", "proj", "--from", file.name, folder=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "wrote" not in again.stdout
    assert (folder / "experiment.yaml").read_text() == "# mine\n"


@pytest.mark.model
def test_it_runs_at_once_on_the_built_in_model(tmp_path: Path) -> None:
    _write(tmp_path / "tickets.csv")
    assert pexlab("init", "--from", "tickets.csv", folder=tmp_path).returncode == 0
    done = pexlab(
        "run", "experiments/tickets/experiment.yaml", "--limit", "2", "--no-record", folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "2 of 2 answers" in done.stdout


def test_a_file_in_the_project_is_used_where_it_is(tmp_path: Path) -> None:
    file = _write(tmp_path / "tickets.csv")
    done = pexlab("init", "--from", "tickets.csv", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "cases  tickets.csv (your file, where it is)" in done.stdout
    folder = tmp_path / "experiments/tickets"
    assert not (folder / "tickets.csv").exists()
    spec = load_yaml((folder / "experiment.yaml").read_text(), "").data
    assert (folder / spec["cases"]["file"]).resolve() == file
    dry = pexlab("run", "experiments/tickets/experiment.yaml", "--dry-run", folder=tmp_path)
    assert dry.returncode == 0, dry.stderr


@pytest.mark.parametrize(
    ("expected", "scorer", "why"),
    [
        (["1,5", "2,25", "7"], "number", "all expected answers are numbers"),
        (["Call me", "Write to us", "Wait"], {"kind": "contains"}, "the expected answers are text"),
        (["12.05.2024", "13.05.2024", "1.1.2025"], {"kind": "contains"}, "texts"),
        ([None] * 3, None, "there are no expected answers (say where they are: --column expected="),
    ],
)
def test_the_scorer_fits_the_expected_answers(
    expected: list[str | None], scorer: object, why: str, tmp_path: Path
) -> None:
    rows = [f"question {n};{value or ''}" for n, value in enumerate(expected)]
    (tmp_path / "a.csv").write_text("\n".join(["q;expected", *rows]))
    done = pexlab("init", "--from", "a.csv", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert why in done.stdout
    spec = load_yaml((tmp_path / "experiments/a/experiment.yaml").read_text(), "").data
    found = (spec.get("scorers") or [None])[0]
    if isinstance(scorer, dict):
        assert found["kind"] == scorer["kind"]
    else:
        assert found == scorer


def test_two_readings_end_with_what_to_add(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(
        "q;expected\nwyżej, año;x\nplain;y\n".encode("cp1250", "ignore")
    )
    (tmp_path / "b.csv").write_text("a,b;c\n1,2;3\n4,5;6\n")
    done = pexlab("init", "proj", "--from", "b.csv", folder=tmp_path)
    assert done.returncode == 2
    assert "b.csv: two readings fit" in done.stderr
    assert "--delimiter ';' gives a,b='1,2', c='3'" in done.stderr
    assert not (tmp_path / "proj").exists()
    done = pexlab("init", "proj", "--from", "b.csv", "--delimiter", ";", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "semicolon-separated" in done.stdout


def test_two_columns_for_one_role_end_with_what_to_add(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label,category\nHi there,x,y\nHello,z,w\n")
    done = pexlab("init", "proj", "--from", "a.csv", folder=tmp_path)
    assert done.returncode == 2
    assert "a.csv: 2 columns may have the expected answers" in done.stderr
    assert "--column expected=label\n  --column expected=category" in done.stderr
    done = pexlab(
        "init", "proj", "--from", "a.csv", "--column", "expected=category", folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "label     input" in done.stdout


def test_a_person_is_asked(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("a,b;c\n1,2;3\n4,5;6\n")
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(tmp_path)
        os.execv(sys.executable, [sys.executable, "-m", "pex.cli", "init", "--from", "b.csv"])
    seen = b""
    while b"Which number" not in seen:
        seen += os.read(terminal, 1000)
    os.write(terminal, b"2\n")
    while True:
        try:
            seen += os.read(terminal, 1000)
        except OSError:
            break
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, seen.decode()
    assert b"semicolon-separated" in seen


def test_what_is_no_file_of_cases_is_an_error_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "tickets.csv").write_text("text\na\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "old.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    (tmp_path / "locked.xlsx").write_bytes(
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le")
    )
    (tmp_path / "odd.csv").write_text("???,!!!\n1,2\n3,4\n")
    for name, said in [
        ("ticket.csv", "did you mean 'tickets.csv'"),
        ("folder.csv", "folder"),
        ("empty.csv", "it is empty"),
        ("old.xls", "save it as .xlsx or CSV"),
        ("locked.xlsx", "password"),
        ("odd.csv", "give one a name: --column 'text=???'"),
    ]:
        done = pexlab("init", "proj", "--from", name, folder=tmp_path)
        assert (done.returncode, said in done.stderr) == (2, True), (name, done.stderr)
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "proj").exists()
    named = pexlab("init", "odd", "--from", "odd.csv", "--column", "text=???", folder=tmp_path)
    assert named.returncode == 0, named.stderr
    done = pexlab("init", "proj", "--column", "expected=a", folder=tmp_path)
    assert (done.returncode, "add --from FILE" in done.stderr) == (2, True)


def test_another_file_of_the_same_name_is_not_replaced(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "t.csv").write_text(f"text\n{folder}\n")
    assert pexlab("init", "proj", "--from", "a/t.csv", folder=tmp_path).returncode == 0
    done = pexlab("init", "proj", "--from", "b/t.csv", folder=tmp_path)
    assert done.returncode == 2
    assert "a file with different content already exists" in done.stderr
    assert (tmp_path / "proj/experiments/t/t.csv").read_text() == "text\na\n"

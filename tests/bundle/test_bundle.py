"""A project moves to a colleague: whole or in part, without keys, answered from its journal."""

import json
import os
import sqlite3
import zipfile
from pathlib import Path

import pytest

import pex
from pex.bundle import journal_rows
from pex.tracking.store import client_of
from tests.helpers.command import pexlab
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.service import EXPERIMENT, service

KEY = "sk-proj-" + "Ab3dEf6hIj9kLm2nOp5q" * 2


def written(project: Path, lab: FaultyEndpoint) -> str:
    """A project with two experiments that were run, and what else a project has; the run's id."""
    service(project, lab)
    settings = (project / "pex.toml").read_text()
    (project / "pex.toml").write_text(
        settings.replace("[prices", 'api_key_env = "LAB_KEY"\n[prices', 1)
    )
    other = project / "experiments" / "others"
    other.mkdir()
    (other / "cases.jsonl").write_text('{"word": "w1", "expected": "yes"}\n{"word": "w30"}\n')
    (other / "p.prompty").write_text("---\nname: other\n---\nuser:\nother: {{ word }}\n")
    (other / "experiment.yaml").write_text(
        "name: others\ncases: cases.jsonl\nprompts: [p.prompty]\nmodels: [lab/m1]\n"
        "params: [{max_tokens: 8}]\nscorers: [length]\n"
    )
    (other / "outputs").mkdir()
    (other / "outputs" / "old.html").write_text("old")
    (project / ".env").write_text(f"LAB_KEY={KEY}\n")
    (project / "notes.md").symlink_to(project / "pex.toml")
    (project / ".pex" / "ratings").mkdir(parents=True)
    for name in ("words-1a.jsonl", "others-2b.jsonl"):
        (project / ".pex" / "ratings" / name).write_text("{}\n")
    os.environ["LAB_KEY"] = KEY
    pex.library.save(pex.Prompt("good: {{ word }}", name="good"), alias="champion")
    pex.library.save(pex.Prompt("secret recipe", name="unrelated"))
    assert pexlab("run", "experiments/others/experiment.yaml", folder=project).returncode == 0
    done = pexlab("run", EXPERIMENT, folder=project)
    assert done.returncode == 0, done.stderr
    return done.stderr.split("as run ")[1].split()[0]


def everything(bundle: Path) -> bytes:
    """All that a bundle says, unpacked."""
    with zipfile.ZipFile(bundle) as file:
        return b"".join(file.read(name) for name in file.namelist())


@pytest.fixture
def run(project: Path, lab: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LAB_KEY", KEY)
    return written(project, lab)


@pytest.mark.traces
def test_an_opened_project_is_answered_from_its_journal_and_mlflow_shows_its_runs(
    project: Path,
    lab: FaultyEndpoint,
    run: str,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal_rows, "PAGE", 9)  # 162 answers are whole pages, and no row more
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    packed = pexlab("bundle", "--out", str(elsewhere / "b.zip"), folder=project)
    assert packed.returncode == 0, packed.stderr
    assert "162 answers, 7 runs, 162 traces, 2 library prompts, 2 files of ratings" in packed.stdout
    assert ".env: a file of keys" in packed.stdout
    assert "notes.md: a link" in packed.stdout
    assert "experiments/others/outputs/: outputs of runs" in packed.stdout
    content = everything(elsewhere / "b.zip")
    assert KEY.encode() not in content
    before = pex.load_run(run).frame

    opened = pexlab("open", "b.zip", "--to", "theirs", folder=elsewhere)
    assert opened.returncode == 0, opened.stderr
    theirs = elsewhere / "theirs"
    calls = lab.calls
    again = pexlab("run", EXPERIMENT, folder=theirs)
    assert again.returncode == 0, again.stderr
    assert "160 of 160 answers (160 reused)" in again.stdout
    assert lab.calls == calls
    listed = json.loads(pexlab("runs", "--json", folder=theirs).stdout)
    assert run in json.dumps(listed)
    store = f"sqlite:///{theirs}/mlruns/mlflow.db"
    same = pex.load_run(run, tracking_uri=store).frame
    assert same[["variant", "case_id", "output"]].equals(before[["variant", "case_id", "output"]])
    client = client_of(store)
    here = client.get_run(run)
    assert here.info.artifact_uri.startswith(theirs.as_uri())
    traces = client.search_traces(locations=[here.info.experiment_id], max_results=200)
    assert len([one for one in traces if one.data.spans]) >= 160
    champion = pex.library.load("good@champion", tracking_uri=store)
    assert champion.messages[-1]["content"] == "good: {{ word }}"
    assert (theirs / ".pex/ratings/words-1a.jsonl").read_text() == "{}\n"
    refused = pexlab("run", EXPERIMENT, "--journal", "fresh", folder=theirs, PEX_TRUST="")
    assert refused.returncode == 2
    assert "this project is not trusted on this machine" in refused.stderr
    assert lab.calls == calls


def test_of_named_experiments_and_runs_nothing_else_is_packed(
    project: Path, lab: FaultyEndpoint, run: str
) -> None:
    for number, named in enumerate(("words", EXPERIMENT, run)):
        out = project / f"b{number}.zip"
        done = pexlab("bundle", named, "--out", out.name, "--json", folder=project)
        assert done.returncode == 0, done.stderr
        made = json.loads(done.stdout)
        assert made["experiments"] == ["words"]
        counts = {name: made["counts"][name] for name in ("answers", "runs", "prompts", "ratings")}
        assert counts == {"answers": 160, "runs": 5, "prompts": 1, "ratings": 1}
        left = {item["what"]: item["why"] for item in made["left_out"]}
        assert left["experiments/others/"] == "another experiment"
        assert left["ratings/others-2b.jsonl"] == "another experiment"
        content = everything(out)
        assert b"other: {{ word" not in content
        assert b"secret recipe" not in content
        out.unlink()
    wrong = pexlab("bundle", "wrds", "--out", "c.zip", folder=project)
    assert wrong.returncode == 2
    assert "'wrds': neither an experiment nor a run" in wrong.stderr


def in_journal(project: Path) -> None:
    with sqlite3.connect(project / ".pex" / "journal.db") as journal:
        answer = json.dumps({"output": f"{KEY}x"})
        journal.execute("UPDATE answers SET answer = ? WHERE case_id = 'c07'", [answer])


def in_tag(project: Path) -> None:
    with sqlite3.connect(project / "mlruns" / "mlflow.db") as store:
        store.execute(f"UPDATE tags SET value = 'key {KEY}' WHERE key = 'mlflow.note.content'")


def in_run_file(project: Path) -> None:
    path = next((project / "mlruns" / "artifacts" / "words").glob("*/artifacts/about.json"))
    path.write_text(f'{{"note": "{KEY}"}}')


def in_notebook(project: Path) -> None:
    cell = {"cell_type": "code", "source": f"key = '{KEY}'", "outputs": [], "metadata": {}}
    (project / "n.ipynb").write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4}))


def test_a_key_anywhere_ends_it_with_its_place(
    project: Path, lab: FaultyEndpoint, run: str
) -> None:
    places = {
        in_journal: "journal/answers.jsonl, ",
        in_tag: "mlflow/rows/tags.jsonl, ",
        in_run_file: "mlflow/files/artifacts/words/",
        in_notebook: "files/n.ipynb, ",
    }
    for plant in places:
        plant(project)
    done = pexlab("bundle", "--out", "b.zip", folder=project)
    assert done.returncode == 2
    assert "in what would be packed; nothing was written" in done.stderr
    for place in places.values():
        assert place in done.stderr
    assert KEY not in done.stderr + done.stdout
    assert not list(project.glob("*.zip*"))


def test_a_file_with_a_key_can_be_left_out(project: Path) -> None:
    in_notebook(project)
    assert pexlab("bundle", "--out", "b.zip", folder=project).returncode == 2
    done = pexlab("bundle", "--out", "b.zip", "--exclude", "*.ipynb", folder=project)
    assert done.returncode == 0, done.stderr
    assert "n.ipynb: excluded" in done.stdout
    assert zipfile.ZipFile(project / "b.zip").namelist() == ["manifest.json", "files/pex.toml"]


def test_git_decides_what_belongs_to_a_project_and_nothing_is_overwritten(project: Path) -> None:
    import subprocess

    (project / ".gitignore").write_text("private/\n")
    (project / "private").mkdir()
    (project / "private" / "a.txt").write_text("mine")
    (project / "a.txt").write_text("ours")
    subprocess.run(["git", "init", "-q", str(project)], check=True)
    done = pexlab("bundle", "--out", "b.zip", "--json", folder=project)
    assert json.loads(done.stdout)["counts"]["files"] == 3
    names = zipfile.ZipFile(project / "b.zip").namelist()
    assert set(names) == {"manifest.json", "files/.gitignore", "files/a.txt", "files/pex.toml"}
    again = pexlab("bundle", "--out", "b.zip", folder=project)
    assert "b.zip: this file exists" in again.stderr
    (project / "there").mkdir()
    (project / "there" / "x").touch()
    there = pexlab("open", "b.zip", "--to", "there", folder=project)
    assert (there.returncode, "there: this exists" in there.stderr) == (2, True)
    assert pexlab("open", "b.zip", "--json", folder=project).returncode == 0
    assert (project / "b" / "a.txt").read_text() == "ours"

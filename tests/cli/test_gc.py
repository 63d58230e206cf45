"""Keeping house: what may go, and a case whose data has to."""

import json
import os
import re
import sqlite3
import time
from pathlib import Path

import mlflow
import pytest

import pex
from pex.project.settings import load_settings
from pex.tracking.store import tracking_uri
from tests.helpers.command import pexlab
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.files import texts_with
from tests.helpers.registered import registered_by_a_run

pytestmark = pytest.mark.traces

MARKS = "\u2028\x85\x0b."
"""What ends a line in a text, and not in a file of JSON lines."""


@pytest.fixture
def ran(lab: FaultyEndpoint, project: Path) -> pex.Results:
    prompt = pex.Prompt("{{ word }}", name="echo")
    cases = [
        {
            "case_id": f"c{i}",
            "word": f"private{i}{MARKS}",
            "customer": "ann" if i < 2 else "bob",
        }
        for i in range(4)
    ]
    exp = pex.Experiment(
        "echo",
        pex.grid([prompt, pex.Prompt("Say {{ word }}", name="say")], "lab/m1"),
        cases,
        ["length"],
        columns={"group": "customer"},
    )
    results = exp.run(show=False)
    assert results.traces is not None
    assert results.traces.wait()
    return results


def test_prompts_that_only_runs_registered_are_listed_then_deleted(project: Path) -> None:
    uri = f"sqlite:///{project}/mlruns/mlflow.db"
    pex.library.save(pex.Prompt("Kept {{ x }}", "kept"))
    registered_by_a_run(uri, pex.Prompt("Old {{ x }}", "old"))
    listed = pexlab("gc", "--scratch-prompts", folder=project)
    assert "  old: 1 version" in listed.stdout.splitlines()
    assert "kept" not in listed.stdout
    assert "nothing was deleted" in listed.stderr
    assert pexlab("gc", "--scratch-prompts", "--case", "c1", folder=project).returncode == 2
    done = pexlab("gc", "--scratch-prompts", "--delete", folder=project)
    assert "deleted" in done.stderr
    assert list(pex.library.list(scratch=True)["name"]) == ["kept"]


def test_old_answers_may_go(ran: pex.Results, project: Path) -> None:
    with sqlite3.connect(project / ".pex" / "journal.db") as connection:
        connection.execute(
            "UPDATE answers SET answered_at = ? WHERE case_id = 'c0'", [time.time() - 100 * 86400]
        )
    page = project / ".pex" / "documents" / "a-1-1568.png"
    page.parent.mkdir()
    page.write_bytes(bytes(10))
    os.utime(page, (0, 0))
    (page.parent / "new.png").touch()
    done = pexlab("gc", folder=project)
    assert done.returncode == 0, done.stderr
    assert re.search(r"pages and texts of documents +1 ", done.stdout)
    assert done.stdout.splitlines()[0].split()[:6] == [
        "answers",
        "older",
        "than",
        "90",
        "days",
        "2",
    ]
    assert "--delete deletes it" in done.stderr
    assert count(project) == 8
    done = pexlab("gc", "--delete", "--json", folder=project)
    assert json.loads(done.stdout)["items"][0]["count"] == 2
    assert count(project) == 6
    assert [path.name for path in page.parent.iterdir()] == ["new.png"]
    with sqlite3.connect(project / ".pex" / "journal.db") as connection:
        assert connection.execute("SELECT count(*) FROM ledger").fetchone() == (8,)
    assert pexlab("gc", "--older-than", "-1", folder=project).returncode == 2


def count(project: Path) -> int:
    with sqlite3.connect(project / ".pex" / "journal.db") as connection:
        return int(connection.execute("SELECT count(*) FROM answers").fetchone()[0])


@pytest.mark.parametrize(
    ("options", "gone", "stays"),
    [
        (("--case", "c3"), ["private3"], ["private0", "private1", "private2"]),
        (("--group", "ann"), ["private0", "private1"], ["private2", "private3"]),
    ],
)
def test_the_data_of_a_case_or_group_goes_for_good(
    ran: pex.Results, project: Path, options: tuple[str, str], gone: list[str], stays: list[str]
) -> None:
    session = ran.rate()._open_session("ada")
    assert len(session) >= 4
    for number, shown in enumerate(session.order):
        session.rate(number, "left", (), f"private{shown.pair.case_id[1:]} is well put")
    for word in gone:
        assert len(texts_with(project, word)) >= 5  # journal, two tables, cases, ratings
        assert any(name.startswith(".pex/ratings/") for name in texts_with(project, word))
    shown = pexlab("gc", *options, folder=project)
    assert f" {2 * len(gone)} " in shown.stdout.splitlines()[0]
    assert f"rows in run {ran.run_id} (echo)" in shown.stdout
    for word in gone:
        assert texts_with(project, word)
    done = pexlab("gc", *options, "--delete", folder=project)
    assert done.returncode == 0, done.stderr
    for word in gone:
        assert texts_with(project, word) == []
    for word in stays:
        assert len(texts_with(project, word)) >= 4
    left = pex.load_run(ran.run_id)
    assert len(left.frame) == 2 * len(stays)
    assert left.about["forgotten"] == 2 * len(gone)
    again = pexlab("gc", *options, folder=project)
    assert again.returncode == 2
    assert f"there is no data of {options[0][2:]} '{options[1]}'" in again.stderr


def test_the_only_case_of_a_run(lab: FaultyEndpoint, project: Path) -> None:
    prompt = pex.Prompt("{{ word }}", name="echo")
    cases = [{"case_id": "only", "word": "private", "expected": "x"}]
    results = pex.Experiment("one", pex.grid(prompt, "lab/m1"), cases, ["exact"]).run(show=False)
    done = pexlab("gc", "--case", "only", "--delete", folder=project)
    assert done.returncode == 0, done.stderr
    assert texts_with(project, "private") == []
    assert len(pex.load_run(results.run_id).frame) == 0


def test_what_cards_keep_of_a_run_goes_too(lab: FaultyEndpoint, project: Path) -> None:
    prompt = pex.Prompt("{{ word }}", name="echo")
    pex.library.save(prompt)
    cases = [{"case_id": "only", "word": "private", "expected": "x"}]
    pex.Experiment("one", pex.grid(prompt, "lab/m1"), cases, ["exact"]).run(show=False)
    assert "private" in pex.card("echo").markdown
    assert any(name.startswith(".pex/cards/") for name in texts_with(project, "private"))
    done = pexlab("gc", "--case", "only", "--delete", folder=project)
    assert done.returncode == 0, done.stderr
    assert "what cards keep of runs" in done.stdout
    assert texts_with(project, "private") == []
    assert "private" not in pex.card("echo").markdown


def test_runs_deleted_in_mlflow(ran: pex.Results, project: Path) -> None:
    client = mlflow.MlflowClient(tracking_uri(project, load_settings(project)))
    run = client.get_run(ran.run_id)
    folder = Path(run.info.artifact_uri.removeprefix("file://"))
    assert folder.is_dir()
    client.delete_run(ran.run_id)
    lines = pexlab("gc", folder=project).stdout.splitlines()
    assert lines[1].split()[:5] == ["runs", "deleted", "in", "MLflow", "1"]
    done = pexlab("gc", "--delete", folder=project)
    assert done.returncode == 0, done.stderr
    assert not any(files for _, _, files in os.walk(folder))
    assert pexlab("gc", folder=project).stdout.splitlines()[1].split()[4] == "0"


def test_an_empty_project(project: Path) -> None:
    done = pexlab("gc", folder=project)
    assert done.returncode == 0, done.stderr
    assert not (project / ".pex").exists()
    assert "0" in done.stdout


def stored(project: Path, ran: pex.Results, place: str, table: str = "runs") -> None:
    """A deleted run, or a model that was logged, whose files are at a place by its database."""
    client = mlflow.MlflowClient(tracking_uri(project, load_settings(project)))
    if table == "runs":
        client.delete_run(ran.run_id)
        column, key, name = "artifact_uri", "run_uuid", ran.run_id
    else:
        experiment = client.get_run(ran.run_id).info.experiment_id
        name = client.create_logged_model(experiment, "m").model_id
        client.delete_logged_model(name)
        column, key = "artifact_location", "model_id"
    with sqlite3.connect(project / "mlruns" / "mlflow.db") as connection:
        connection.execute(
            f"UPDATE {table} SET {column} = ? WHERE {key} = ?", [place.format(id=name), name]
        )
    connection.close()


@pytest.mark.parametrize(
    "place",
    [
        "file://{home}",
        "{home}",
        "file://localhost{home}",
        "file://{project}/experiments",
        "file://{project}/mlruns/../../home",
        "file://{project}/%2e%2e/home",
        "file://{project}/link/{{id}}/artifacts",
        "file://{home}/{{id}}/artifacts",
        "file://{project}/mlruns/artifacts",
        "file://elsewhere/{home}",
        "s3://bucket/{{id}}/artifacts",
        "http://127.0.0.1:9/{{id}}/artifacts",
        "mlflow-artifacts:/0/{{id}}/artifacts",
    ],
)
@pytest.mark.parametrize("table", ["runs", "logged_models"])
def test_nothing_is_deleted_where_a_database_alone_says_so(
    ran: pex.Results,
    project: Path,
    place: str,
    table: str,
) -> None:
    home = project.parent / "home"
    kept = [
        home / "letter",
        project / "experiments" / "mine",
        project / "mlruns" / "artifacts" / "x",
    ]
    for file in kept:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (project / "link").symlink_to(home)
    stored(project, ran, place.format(home=home, project=project), table)
    (home / ran.run_id / "artifacts").mkdir(parents=True)
    shown = pexlab("gc", folder=project)
    assert shown.returncode == 0, shown.stderr
    done = pexlab("gc", "--delete", folder=project)
    assert done.returncode == 2
    assert "nothing was deleted: sqlite:///" in done.stderr
    assert "not a run's folder in the project or its store" in done.stderr
    assert all(file.exists() for file in kept)
    assert (home / ran.run_id / "artifacts").is_dir()
    assert count(project) == 8


def test_what_is_deleted_is_listed_first(ran: pex.Results, project: Path) -> None:
    client = mlflow.MlflowClient(tracking_uri(project, load_settings(project)))
    folder = Path(client.get_run(ran.run_id).info.artifact_uri.removeprefix("file://"))
    client.delete_run(ran.run_id)
    for options in ((), ("--delete",)):
        lines = pexlab("gc", *options, folder=project).stdout.splitlines()
        assert f"  {folder}" in lines
    assert not folder.exists()


def test_a_store_elsewhere_that_the_user_names_is_his_own(
    ran: pex.Results, project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("store")
    uri = f"sqlite:///{elsewhere}/mlflow.db"
    client = mlflow.MlflowClient(uri)
    name = client.create_experiment("e", (elsewhere / "artifacts" / "e").as_uri())
    run = client.create_run(name)
    client.log_text(run.info.run_id, "x", "x.txt")
    client.delete_run(run.info.run_id)
    done = pexlab("gc", "--delete", folder=project, MLFLOW_TRACKING_URI=uri)
    assert done.returncode == 0, done.stderr
    assert not list(elsewhere.rglob("x.txt"))


@pytest.mark.parametrize("name", [".pex", "mlruns", ".pex/journal.db", "mlruns/mlflow.db"])
@pytest.mark.parametrize("options", [(), ("--case", "c0")])
def test_a_link_out_of_the_project_is_not_followed(
    ran: pex.Results,
    project: Path,
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    options: tuple[str, ...],
) -> None:
    elsewhere = tmp_path_factory.mktemp("other") / "there"
    (project / name).rename(elsewhere)
    (project / name).symlink_to(elsewhere)
    done = pexlab("gc", "--older-than", "0", *options, "--delete", folder=project)
    assert done.returncode == 2
    assert f"leads to {elsewhere}" in done.stderr
    assert "outside the project" in done.stderr
    assert count(project) == 8

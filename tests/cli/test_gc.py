"""Keeping house: what may go, and a case whose data has to."""

import json
import os
import sqlite3
import time
from pathlib import Path

import mlflow
import pytest

import pex
from pex.core.settings import load_settings
from pex.record.store import tracking_uri
from tests.helpers.command import pexlab
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.files import texts_with

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


def test_old_answers_may_go(ran: pex.Results, project: Path) -> None:
    with sqlite3.connect(project / ".pex" / "journal.db") as connection:
        connection.execute(
            "UPDATE answers SET answered_at = ? WHERE case_id = 'c0'", [time.time() - 100 * 86400]
        )
    done = pexlab("gc", folder=project)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].split()[:6] == [
        "answers",
        "older",
        "than",
        "90",
        "days",
        "2",
    ]
    assert "--delete does it" in done.stderr
    assert count(project) == 8
    done = pexlab("gc", "--delete", "--json", folder=project)
    assert json.loads(done.stdout)["items"][0]["count"] == 2
    assert count(project) == 6
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
    sitting = ran.rate()._sit("ada")
    assert len(sitting) >= 4
    for number, turn in enumerate(sitting.turns):
        sitting.rate(number, "left", (), f"private{turn.pair.case_id[1:]} is well put")
    for word in gone:
        assert len(texts_with(project, word)) >= 5  # journal, two tables, cases, ratings
        assert any(name.startswith(".pex/ratings/") for name in texts_with(project, word))
    shown = pexlab("gc", *options, folder=project)
    assert f"{2 * len(gone):>9}" in shown.stdout.splitlines()[0]
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
    assert f"there is nothing of {options[0][2:]} '{options[1]}'" in again.stderr


def test_the_only_case_of_a_run(lab: FaultyEndpoint, project: Path) -> None:
    prompt = pex.Prompt("{{ word }}", name="echo")
    cases = [{"case_id": "only", "word": "private", "expected": "x"}]
    results = pex.Experiment("one", pex.grid(prompt, "lab/m1"), cases, ["exact"]).run(show=False)
    done = pexlab("gc", "--case", "only", "--delete", folder=project)
    assert done.returncode == 0, done.stderr
    assert texts_with(project, "private") == []
    assert len(pex.load_run(results.run_id).frame) == 0


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

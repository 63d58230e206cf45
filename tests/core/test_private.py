"""What pex keeps of prompts, answers and people is read by its owner alone."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

import pex
from pex.batch.job_log import alone
from pex.core import private
from pex.project.settings import Settings
from pex.record import unrecorded
from pex.run.database import database_of
from tests.helpers.endpoint import FaultyEndpoint


def open_ones(folder: Path) -> list[str]:
    """What others could enter or read if they came to it."""
    return [
        str(path)
        for path in (folder, *folder.rglob("*"))
        if not path.is_symlink() and path.stat().st_mode & 0o077
    ]


@pytest.fixture(autouse=True)
def _usual_mask() -> None:
    os.umask(0o022)


def test_a_run_and_a_rating_leave_nothing_to_others(lab: FaultyEndpoint, project: Path) -> None:
    prompts = [pex.Prompt("{{ word }}", name="a"), pex.Prompt("So: {{ word }}", name="b")]
    exp = pex.Experiment("e", pex.grid(prompts, "lab/m1"), [{"word": "hi"}], ["length"])
    results = exp.run(show=False)
    results.rate()._open_session("ada").rate(0, "left", (), "")
    state = project / ".pex"
    assert (state / "journal.db").is_file()
    assert list((state / "ratings").glob("*.jsonl"))
    assert [name for name in open_ones(state) if not name.endswith(".lock")] == []


def test_what_was_open_is_closed_at_the_next_writing(project: Path) -> None:
    state = project / ".pex"
    (state / "drafts").mkdir(parents=True)
    elsewhere = project / "mine"
    elsewhere.write_text("")
    for name in ("journal.db", "drafts/a.json"):
        (state / name).touch()
    (state / "link").symlink_to(elsewhere)
    sqlite3.connect(state / "journal.db").execute("CREATE TABLE x (y)").connection.close()
    for path in (state, state / "drafts"):
        path.chmod(0o755)
    (state / "drafts" / "a.json").chmod(0o664)
    elsewhere.chmod(0o644)
    private.folder(state)
    assert open_ones(state) == []
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o644


def test_sqlites_other_files_have_its_mode(project: Path) -> None:
    connection = database_of(project / ".pex", Settings()).connect()
    assert {path.name for path in (project / ".pex").iterdir()} >= {"journal.db", "journal.db-wal"}
    assert open_ones(project / ".pex") == []
    connection.close()


def test_a_folder_of_another_name_stays_as_the_user_has_it(project: Path) -> None:
    shared = project / "shared"
    shared.mkdir()
    shared.chmod(0o775)
    database_of(shared, Settings()).connect().close()
    assert stat.S_IMODE(shared.stat().st_mode) == 0o775
    private.folder(project / "new" / "journal")
    assert stat.S_IMODE((project / "new").stat().st_mode) == 0o755


def test_a_link_is_left_alone(project: Path) -> None:
    elsewhere = project / "public"
    elsewhere.mkdir()
    elsewhere.chmod(0o755)
    (project / ".pex").symlink_to(elsewhere)
    private.folder(project / ".pex")
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o755


def test_the_outputs_of_a_batch(project: Path) -> None:
    folder = project / "outputs" / "nightly" / "2026-01-01"
    (project / "outputs" / "nightly").mkdir(parents=True)
    (project / "outputs" / "nightly").chmod(0o755)
    with alone(folder):
        (folder / "a.ipynb").write_text("{}")
        (folder / "summary.html").write_text("")
    assert open_ones(project / "outputs" / "nightly") == []


def test_a_run_that_waits_to_be_recorded(lab: FaultyEndpoint, project: Path) -> None:
    exp = pex.Experiment(
        "e", pex.grid(pex.Prompt("{{ word }}", name="a"), "lab/m1"), [{"word": "hi"}], ["length"]
    )
    results = exp.run(show=False, record=False)
    state = project / ".pex"
    unrecorded.keep(state, "r1", results.frame, results.about, {"prompts/a.prompty": "x"})
    assert open_ones(state / unrecorded.FOLDER) == []

"""Two users of one machine, one project folder, one PostgreSQL journal, one MLflow server."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pg8000.dbapi
import psutil
import pytest

from pex.core import private
from pex.run.database import PostgresDatabase
from tests.helpers import other_users
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.mlflow_server import MlflowServer
from tests.helpers.other_users import User, open_ground, python, somebody, team_project
from tests.helpers.postgres import PASSWORD, postgres

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.slow,
    pytest.mark.skipif(not other_users.possible(), reason=other_users.REASON),
]

KEY = "4711-0815-2342"

RATE_AND_DRAFT = """
import os, pex
from pex.core.user_name import user_name  # what the page of ratings offers
who = os.environ["USER"]
exp = pex.Experiment.load("experiment.yaml")
prompts = [pex.Prompt(f"{letter} {{{{ word }}}}", name=letter) for letter in "ab"]
two = pex.Experiment("two", pex.grid(prompts, "lab/m1"), [{"word": "hi"}], ["length"])
two.run(show=False, record=False).rate()._open_session(user_name()).rate(0, "left", (), "")
session = pex.Playground(exp, name="ours")._session
column = session.draft.columns[0].id
act = {"act": "edit", "variant": column, "field": "message", "index": 0}
session.edit({**act, "value": f"written by {who}: {{{{ word }}}}"})
session.flush()
"""


@pytest.fixture
def ground() -> Iterator[Path]:
    with open_ground() as folder:
        yield folder


def test_what_two_people_share_and_what_is_each_ones_own(
    ground: Path, lab: FaultyEndpoint, tmp_path: Path
) -> None:
    lab.reply = lambda body, number: None
    lab.latency_s = 0.2
    project = team_project(ground, somebody(ground, "owner", 48_103))
    (project / private.STATE).mkdir(mode=0o700)  # the owner works in it, too
    os.chown(project / private.STATE, 48_103, 48_103)
    with (project / "pex.toml").open("a") as file:
        file.write('api_key_env = "LAB_KEY"\n[journal]\nurl_env = "PEX_JOURNAL_URL"\n')
    server = MlflowServer(tmp_path)
    server.start()
    try:
        with postgres() as journal:
            logins = team_logins(journal)
            people = [
                dataclasses.replace(
                    somebody(ground, name, uid),
                    variables={
                        "PEX_JOURNAL_URL": logins[name],
                        "MLFLOW_TRACKING_URI": server.uri,
                        "LAB_KEY": f"sk-{name}-{KEY}",
                    },
                )
                for name, uid in (("ana", 48_101), ("ben", 48_102))
            ]
            both_at_once(people, project, lab)
            each_ones_own(people, project)
            nobody_finds_a_key([ground, tmp_path], journal)
        runs_have_names(server.uri)
    finally:
        server.kill()


def team_logins(journal: str) -> dict[str, str]:
    """A login for each person, as docs/shared.md sets them up: what they make is the team's."""
    place = journal.partition("@")[2]
    database = PostgresDatabase(journal, "PEX_JOURNAL_URL", Path())
    with contextlib.closing(pg8000.dbapi.connect(**database._arguments)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("CREATE ROLE team")
        cursor.execute(f"GRANT CREATE ON DATABASE {place.rpartition('/')[2]} TO team")
        for name in ("ana", "ben"):
            cursor.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}' IN ROLE team")
            cursor.execute(f"ALTER ROLE {name} SET role TO team")
    return {name: f"postgresql://{name}:{PASSWORD}@{place}" for name in ("ana", "ben")}


def both_at_once(people: list[User], project: Path, lab: FaultyEndpoint) -> None:
    """The same experiment at once, then once more: the journal has each answer once."""
    command = ("run", "experiment.yaml")
    running = [user.popen(python(), "-m", "pex.cli", *command, folder=project) for user in people]
    while lab.calls == 0 and any(process.poll() is None for process in running):
        time.sleep(0.05)
    theirs = {user.uid for user in people}
    lines = [
        " ".join(process.info["cmdline"] or [])
        for process in psutil.process_iter(["uids", "cmdline"])
        if process.info["uids"] and process.info["uids"].real in theirs
    ]
    for process in running:
        out, _ = process.communicate()
        assert process.returncode == 0, out
        assert "Traceback" not in out
    assert lines
    assert not [line for line in lines if PASSWORD in line or KEY in line]
    paid = lab.calls
    assert 2 <= paid <= 4, "what both needed at the same moment, both have asked for"
    for user in people:
        done = user.pexlab(*command, folder=project)
        assert done.returncode == 0, done.stdout
    assert lab.calls == paid, "answers that a colleague has paid for are reused"
    used = {headers["Authorization"] for headers in lab.headers}
    assert used <= {f"Bearer {user.variables['LAB_KEY']}" for user in people}


def each_ones_own(people: list[User], project: Path) -> None:
    """Ratings carry their person's name; a draft is not in the colleague's Playground."""
    for user in people:
        done = user.run(python(), "-c", RATE_AND_DRAFT, folder=project)
        assert done.returncode == 0, done.stdout
    for user, other in (people, people[::-1]):
        state = next((user.home / ".local/state/pexlab" / private.STATE).iterdir())
        ratings = [
            json.loads(line)
            for file in (state / "ratings").glob("*.jsonl")
            for line in file.read_text().splitlines()
        ]
        assert [rating["rater"] for rating in ratings] == [user.name]
        drafts = "".join(file.read_text() for file in (state / "drafts").glob("*.json"))
        assert f"written by {user.name}" in drafts
        assert f"written by {other.name}" not in drafts
        done = other.run("ls", state, folder=project)
        assert done.returncode != 0, "a colleague cannot enter it"


def nobody_finds_a_key(folders: list[Path], journal: str) -> None:
    """No key is in a file of anybody, nor in the shared journal."""
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                assert KEY.encode() not in data, path
                assert PASSWORD.encode() not in data, path
    database = PostgresDatabase(journal, "PEX_JOURNAL_URL", folders[0])
    with database.opened() as connection:
        stored = repr(connection.rows("SELECT * FROM answers"))
        assert connection.rows("SELECT count(*) FROM answers WHERE case_id <> ''")[0][0] >= 2
    assert "goodbye" in stored, "who can read the journal reads the answers"
    assert KEY not in stored


def runs_have_names(uri: str) -> None:
    """MLflow says whose a run is; those of the variants are inside it."""
    client = mlflow.MlflowClient(uri)
    found = client.search_experiments(filter_string="name = 'greetings'")
    runs = client.search_runs([found[0].experiment_id])
    parents = [run.data.tags for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert {tags["mlflow.user"] for tags in parents} == {"ana", "ben"}

"""A user's data in a store behind a tracking server: gone, or it is said what is out of reach."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

import pex
from pex.monitoring.reading import read_traces
from pex.monitoring.spec import Source
from pex.tracking.store import connect
from tests.cli.test_gc_user import MAIL, OTHER, PROMPT, TOLD, USER, holding, one_by_mlflow
from tests.helpers.command import pexlab
from tests.helpers.deployed import bulk_traces
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.mlflow_server import MlflowServer

pytestmark = pytest.mark.soak  # it starts a server


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[MlflowServer, Path]]:
    folder = tmp_path_factory.mktemp("server")
    running = MlflowServer(folder)
    connect(f"sqlite:///{folder}/store.db")
    running.start()
    yield running, folder
    running.kill()
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


def test_a_user_is_forgotten_over_http_and_what_is_out_of_reach_is_named(
    server: tuple[MlflowServer, Path], lab: FaultyEndpoint, project: Path
) -> None:
    running, folder = server
    store = f"sqlite:///{folder}/store.db"
    with (project / "pex.toml").open("a") as settings:
        settings.write(f'[record]\ntracking_uri = "{running.uri}"\n')
    one_by_mlflow(running.uri)
    shutil.rmtree(project / "mlflow-artifacts:")  # what it writes for a local store
    mine = bulk_traces(store, "app", [
        {"user": USER, "request": f"{TOLD} {MAIL}", "response": "ok"},
        {"tags": {"user_id": USER}, "request": TOLD, "state": "error"},
        {"user": "somebody", "request": OTHER},
    ])  # fmt: skip
    bulk_traces(store, "gone", [{"user": USER, "request": TOLD}])
    client = connect(running.uri)
    gone = client.get_experiment_by_name("gone")
    client.delete_experiment(gone.experiment_id)
    elsewhere = {"mlflow.artifactLocation": "s3://bucket/9/traces/tr-far/artifacts"}
    bulk_traces(store, "app", [{"trace_id": "tr-far", "user": USER, "tags": elsewhere}])
    (project / "short.prompty").write_text(PROMPT)
    head = "case_id,question,expected,origin,origin_trace,origin_user,accepted_by\n"
    rows = [
        f'c1,"{OTHER}",sorry,trace,{mine[2]},,Ada\n', f'c2,"{TOLD}",We do.,trace,{mine[0]},,Ada\n',
    ]  # fmt: skip
    (project / "cases.csv").write_text(head + "".join(rows))
    path = project / "experiment.yaml"
    path.write_text(
        "name: shop\ncases: cases.csv\nprompts: [short.prompty]\nmodels: [lab/m1]\n"
        "scorers: [length]\n"
    )
    results = pex.Experiment.load(path).run(show=False)
    assert results.traces is not None
    assert results.traces.wait()
    read_traces(running.uri, Source(experiment="app"), project / ".pex" / "monitor")

    listed = pexlab("gc", "--user", USER, "--json", folder=project)
    assert listed.returncode == 0, listed.stderr
    counts = {item["what"]: item["count"] for item in json.loads(listed.stdout)["items"]}
    run = next(name for name in counts if name.startswith("rows in run"))
    assert counts == {
        "traces in MLflow": 5, "records of MLflow datasets": 2, "kept figures of monitors": 4,
        "rows of files of cases": 1, "answers in the journal": 1, run: 1,
    }  # fmt: skip
    assert holding(folder, TOLD)
    done = pexlab("gc", "--user", USER, "--delete", folder=project)
    assert done.returncode == 0, done.stderr
    assert "files of 1 trace in s3://bucket/9/traces" in done.stdout
    assert "the tracking server's database and its copies" in done.stdout
    assert "still in" not in done.stdout
    with sqlite3.connect(folder / "store.db") as database:
        database.execute("VACUUM")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for text in (USER, MAIL, TOLD):
        assert holding(project, text) == [], text
        assert holding(folder, text) == [], text
    assert "store.db" in holding(folder, OTHER)
    again = pexlab("gc", "--user", USER, "--json", folder=project)
    assert [item["count"] for item in json.loads(again.stdout)["items"]] == [0]

"""All data of one user of a deployed application: found, listed, and gone from every byte."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pandas as pd
import pytest

import pex
from pex.core.score import Score
from pex.monitoring import meaning
from pex.monitoring.meaning import sample_vectors
from pex.monitoring.reading import read_traces, user_digest
from pex.monitoring.scores_file import ScoresFile
from pex.monitoring.spec import Source
from pex.tracking.store import connect
from pex.training.export import export
from pex.training.validate import check_file
from tests.helpers.command import pexlab
from tests.helpers.deployed import bulk_traces
from tests.helpers.endpoint import FaultyEndpoint

pytestmark = pytest.mark.traces

USER, MAIL, TOLD = "customer-77401", "lena.f@example.org", "my heron lantern broke on Tuesday"
OTHER = "the parcel to Bern never arrived"
DIGEST = user_digest(USER)
PROMPT = "---\nname: short\n---\nuser:\nAnswer: {{ question }}\n"


def holding(project: Path, text: str) -> list[str]:
    """The files with a text in their bytes, as JSON has it or unpacked."""
    found = []
    for path in project.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            if path.suffix == ".parquet":
                data += pd.read_parquet(path).to_csv().encode()
            if data[:2] == b"\x1f\x8b":
                data = gzip.decompress(data)
            if text.encode() in data or text.encode("utf-16-le") in data:
                found.append(path.relative_to(project).as_posix())
    return found


def one_by_mlflow(uri: str) -> str:
    """A trace whose user is only in a span, with a file, an opinion and a record of a dataset."""
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("app")
    with mlflow.start_span("answer") as span:
        span.set_inputs({"question": TOLD, "mail": MAIL})
        span.set_attributes({"enduser.id": USER})
        span.set_outputs("We send a new one.")
    trace_id = str(span.trace_id)
    mlflow.flush_trace_async_logging()
    mlflow.log_feedback(trace_id=trace_id, name="thumbs", value=True, rationale=f"said {MAIL}")
    place = connect(uri).get_trace(trace_id, display=False).info.tags["mlflow.artifactLocation"]
    folder = Path(place.removeprefix("file://"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "voice.txt").write_text(TOLD)
    records = [
        {"inputs": {"q": TOLD}, "source": {"source_type": "TRACE",
         "source_data": {"trace_id": trace_id}}},
        {"inputs": {"q": "kept record"}},
    ]  # fmt: skip
    dataset = connect(uri).create_dataset("asked", ["0"])
    dataset.merge_records(records)
    return trace_id


@pytest.fixture
def deployed(lab: FaultyEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with a user's traces and all that is made from them; the file of cases."""
    uri = f"sqlite:///{project}/mlruns/mlflow.db"
    first = one_by_mlflow(uri)
    mine = bulk_traces(uri, "app", [
        {"user": USER, "request": f"{TOLD} {MAIL}", "response": "ok", "tags": {"shop": "s1"}},
        {"tags": {"user_id": USER}, "request": TOLD, "state": "error"},
        {"user": "somebody", "request": OTHER},
    ])  # fmt: skip
    folder = project / "experiments" / "shop"
    (folder / "prompts").mkdir(parents=True)
    (folder / "prompts" / "short.prompty").write_text(PROMPT)
    head = "case_id,question,expected,origin,origin_trace,origin_user,accepted_by\r\n"
    rows = [
        f'c1,"{OTHER}\r\nand then, again",sorry,trace,{mine[2]},{user_digest("somebody")},Ada\r\n',
        f't-1,"{TOLD}\r\nreally",We send one.,trace,{mine[0]},{DIGEST},Ada\r\n',
        "c2,How long does a delivery take?,two days,,,,\r\n",
        f't-2,"{TOLD}, from {MAIL}",It is sent.,trace,{first},,Ada',
    ]
    (folder / "cases.csv").write_bytes((head + "".join(rows)).encode())
    path = folder / "experiment.yaml"
    path.write_text(
        "name: shop\ncases: cases.csv\nprompts: [prompts/short.prompty]\nmodels: [lab/m1]\n"
        "scorers: [length]\n"
    )
    export(path, "openai-chat", "data/training", validation=0, personal="keep")
    results = pex.Experiment.load(path).run(show=False)
    assert results.traces is not None
    assert results.traces.wait()
    read_traces(uri, Source(experiment="app"), project / ".pex" / "monitor")
    scores = ScoresFile(project / ".pex" / "monitor" / "support-scores")
    scores.add(("s", "1", trace_id, {"s": Score(1.0)}) for trace_id in (mine[0], mine[2]))
    with monkeypatch.context() as given:
        given.setattr(meaning, "embed", lambda texts: [[1.0, 2.0]] * len(texts))
        sample_vectors(
            project / ".pex", "support", [mine[0], mine[2]], lambda ids: dict.fromkeys(ids, TOLD)
        )
    vectors = project / ".pex" / "monitor" / "support.embeddings.jsonl"
    vectors.write_text(vectors.read_text() + f'{{"trace_id": "{mine[0]}", "vec')
    yield folder / "cases.csv"
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


def test_nothing_of_a_user_is_left(deployed: Path, project: Path) -> None:
    before = deployed.read_bytes()
    for text in (USER, MAIL, TOLD, DIGEST):
        assert holding(project, text)
    for place in (
        "mlflow.db",
        "journal.db",
        "train.jsonl",
        "cases.jsonl",
        "voice.txt",
        "cases.csv",
    ):
        assert any(name.endswith(place) for name in holding(project, TOLD)), place

    listed = pexlab("gc", "--user", USER, "--json", folder=project)
    assert listed.returncode == 0, listed.stderr
    counts = {item["what"]: item["count"] for item in json.loads(listed.stdout)["items"]}
    run = next(name for name in counts if name.startswith("rows in run"))
    assert counts == {
        "traces in MLflow": 3, "records of MLflow datasets": 2 + 1, "kept figures of monitors": 6,
        "rows of files of cases": 2, "answers in the journal": 2, "rows of training exports": 2,
        run: 2,
    }  # fmt: skip
    assert deployed.read_bytes() == before
    assert holding(project, USER)

    done = pexlab("gc", "--user", USER, "--delete", folder=project)
    assert done.returncode == 0, done.stderr
    for text in (USER, MAIL, TOLD, DIGEST):
        assert holding(project, text) == [], text
    assert "not reached from here:" in done.stdout
    assert "sent to a provider" in done.stdout
    assert "still in" not in done.stdout
    assert f"{deployed} (2 rows)" in done.stdout

    # What is of others is still there, to the byte.
    lines = before.split(b"\r\n")
    assert deployed.read_bytes() == b"\r\n".join([*lines[:3], lines[5], b""])
    others = holding(project, OTHER)
    for place in ("mlflow.db", "train.jsonl", "cases.csv", "journal.db"):
        assert any(name.endswith(place) for name in others), place
    assert any("kept record" in str(row) for row in _rows(project, "evaluation_dataset_records"))
    training = project / "data" / "training"
    manifest = json.loads((training / "export.json").read_bytes())
    assert (manifest["files"]["train.jsonl"]["rows"], manifest["deleted"]) == (2, 2)
    assert "data of users: 2 rows" in (training / "README.md").read_text()
    abouts = [json.loads(line) for line in (training / "rows.jsonl").read_text().splitlines()]
    assert [(row["case_id"], row["line"]) for row in abouts] == [("c1", 1), ("c2", 2)]
    assert all(finding.line == 0 for finding in check_file(training / "train.jsonl", "openai-chat"))
    for name in ("support-scores/scores.jsonl", "support.embeddings.jsonl"):
        assert len((project / ".pex" / "monitor" / name).read_text().splitlines()) == 1

    again = pexlab("gc", "--user", USER, "--delete", folder=project)
    assert again.returncode == 0, again.stderr
    assert "data of this user" in again.stdout


def _rows(project: Path, table: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(project / "mlruns" / "mlflow.db") as connection:
        return connection.execute(f"SELECT * FROM {table}").fetchall()


def test_a_user_goes_alone(project: Path) -> None:
    assert pexlab("gc", "--user", USER, "--case", "c1", folder=project).returncode == 2
    assert pexlab("gc", "--user", " ", folder=project).returncode == 2

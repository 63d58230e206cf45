"""When each version was last measured, from real runs in a real store."""

import datetime
import sqlite3
from pathlib import Path

import mlflow
import pytest

import pex
from pex.core.case_hash import cases_sha256
from pex.core.cases import load_cases
from pex.evidence import measured as measuring
from pex.evidence.measured import last_measured, measured
from pex.record.measurements import run_cases_sha256
from tests.helpers.endpoint import FaultyEndpoint, completion

SHORT = pex.Prompt("{{ q }} Answer:", name="short")
LONG = pex.Prompt("Please answer. {{ q }}", name="long")
CSV = "case_id,q,expected,group,tags,size\n2,b,yes,g1,x;y,3\n1,a,yes,,,4.5\n3,ü,no,g1,,007\n"


def uri_of(project: Path) -> str:
    return f"sqlite:///{project / 'mlruns' / 'mlflow.db'}"


@pytest.fixture
def yes(lab: FaultyEndpoint) -> FaultyEndpoint:
    lab.reply = lambda body, number: completion("yes")
    return lab


def run(cases: object = "cases.csv", *prompts: pex.Prompt, **options: object) -> pex.Results:
    made = pex.Experiment("sums", pex.grid(list(prompts) or [SHORT], ["lab/m1"]), cases, ["label"])
    return made.run(**{"show": False, "traces": "none", **options})


def test_a_version_says_when_and_on_which_model_it_was_measured(
    project: Path, yes: FaultyEndpoint
) -> None:
    (project / "cases.csv").write_text(CSV)
    uri = uri_of(project)
    assert last_measured(project, uri) == {}
    first = run("cases.csv", SHORT, LONG)
    found = last_measured(project, uri)
    assert found.keys() == {SHORT.digest, LONG.digest}
    last = found[SHORT.digest]
    assert (last.model, last.metric, last.n, last.run_id) == ("lab/m1", "label", 3, first.run_id)
    assert (last.value, last.row.yes_no, last.row.experiment) == (0.6667, True, "sums")
    assert str(last).startswith("label 67 % [")
    assert str(last).endswith("on lab/m1, today")
    second = run("cases.csv", SHORT, journal="fresh")
    found = last_measured(project, uri, {SHORT.digest})
    assert found[SHORT.digest].run_id == second.run_id
    assert [row.run_id for row in measured(project, uri, SHORT.digest)] == [
        second.run_id, first.run_id,
    ]  # fmt: skip


def test_the_hash_of_the_cases_is_the_same_from_memory_the_tag_and_an_older_run(
    project: Path, yes: FaultyEndpoint
) -> None:
    (project / "cases.csv").write_text(CSV)
    uri = uri_of(project)
    run_id = str(run().run_id)
    now = cases_sha256(load_cases(project / "cases.csv"))
    client = mlflow.MlflowClient(uri)
    assert client.get_run(run_id).data.tags["pex.cases_sha256"] == now
    assert last_measured(project, uri)[SHORT.digest].row.cases_sha256 == now
    client.delete_tag(run_id, "pex.cases_sha256")
    assert run_cases_sha256(uri, run_id) == now
    assert run_cases_sha256(uri, str(run(limit=2).run_id)) != now


def test_what_was_tried_or_stopped_is_no_measurement(project: Path, yes: FaultyEndpoint) -> None:
    (project / "cases.csv").write_text(CSV)
    uri = uri_of(project)
    client = mlflow.MlflowClient(uri)
    run("cases.csv", LONG, mlflow_tags={"pex.source": "playground"})
    stopped = run()
    client.set_terminated(stopped.run_id, "KILLED")
    assert last_measured(project, uri) == {}
    # It is continued: it started long before the last look, and is still found.
    with sqlite3.connect(project / ".pex" / "evidence.db") as index:
        index.execute("UPDATE looked SET newest = newest + 100000000")
    client.set_terminated(stopped.run_id, "FINISHED")
    assert last_measured(project, uri).keys() == {SHORT.digest}


def test_new_scores_replace_the_old_ones_and_a_look_reads_only_what_is_new(
    project: Path, yes: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "cases.csv").write_text(CSV)
    uri = uri_of(project)
    found = run()
    assert last_measured(project, uri)[SHORT.digest].metric == "label"
    with sqlite3.connect(project / ".pex" / "evidence.db") as index:
        index.execute("UPDATE looked SET newest = newest + 100000000")
    read = []
    plain = measuring.read_measurements

    def watched(*args: object) -> object:
        read.append(plain(*args))
        return read[-1]

    monkeypatch.setattr(measuring, "read_measurements", watched)
    last_measured(project, uri)
    assert read[-1].runs == []
    found.rescore([{"kind": "length", "name": "length"}])
    rows = measured(project, uri, SHORT.digest)
    assert read[-1].runs == [found.run_id]
    assert {row.metric for row in rows} == {"label", "length"}
    mlflow.MlflowClient(uri).delete_run(found.run_id)
    assert last_measured(project, uri, refresh=True) == {}


def test_an_index_of_another_version_is_made_again(project: Path, yes: FaultyEndpoint) -> None:
    (project / "cases.csv").write_text(CSV)
    (project / ".pex").mkdir(exist_ok=True)
    with sqlite3.connect(project / ".pex" / "evidence.db") as index:
        index.execute("CREATE TABLE measurement (x)")
        index.execute("PRAGMA user_version = 99")
    run()
    assert last_measured(project, uri_of(project)).keys() == {SHORT.digest}
    (project / ".pex" / "evidence.db").write_bytes(b"not a database, and long enough to be read")
    with pytest.raises(pex.PexError, match=r"\.pex/evidence\.db: .*not a database"):
        last_measured(project, uri_of(project))


def test_an_age_is_in_whole_days() -> None:
    now = datetime.datetime.now(datetime.UTC).timestamp()
    row = measuring.Measurement(
        "d", "p", "m", "e", "r", now - 86_500, "label", 0.5, 0.1, 0.9, 3, True, "p", "", True
    )
    assert measuring.LastMeasured(row).age == "1 day ago"

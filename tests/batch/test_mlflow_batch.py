"""A batch in MLflow: one run for the whole, its jobs under it, links both ways."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from mlflow.entities import Run

from pex.batch.job_log import alone
from pex.batch.mlflow_batch import recording
from pex.batch.plan import Plan, load_plan
from pex.batch.result import BatchResult
from pex.batch.run import run_batch
from pex.record.search import history, latest, newest
from pex.tracking.store import connect
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.lab_nights import Model, lay_out, night
from tests.helpers.notebooks import notebook, plan

pytestmark = [pytest.mark.traces, pytest.mark.night]

ASK = (
    "import pex\n"
    "prompt = pex.Prompt('{{ word }}', name='echo')\n"
    "exp = pex.Experiment('echo', pex.grid(prompt, 'lab/m1'), [{'word': f'w{x}'}], ['length'])\n"
    "exp.run(traces='none')"
)

LIVE = (
    sys.executable, "-c",
    "from pex.batch import mlflow_batch; mlflow_batch.LIVE_AFTER_S = 0\n"
    "from pex.cli.main import main; main()",
)  # fmt: skip
"""The command, with a record from the start on."""


def store(project: Path) -> str:
    return f"sqlite:///{project}/mlruns/mlflow.db"


def of_kind(uri: str, kind: str) -> list[Run]:
    client = connect(uri)
    everywhere = [item.experiment_id for item in client.search_experiments()]
    return list(client.search_runs(everywhere, f"tags.`pex.kind` = '{kind}'"))


def run(loaded: Plan, uri: str, batch_id: str = "night", **options: object) -> BatchResult:
    said: list[str] = []
    with recording(uri, said.append) as record:
        result = run_batch(loaded, batch_id, record=record, say=said.append, **options)
        record.end(result)
    return result


def artifact(uri: str, run_id: str, name: str) -> str:
    return Path(connect(uri).download_artifacts(run_id, name)).read_text()


def test_a_night_is_one_run_with_its_jobs_under_it(lab: FaultyEndpoint, project: Path) -> None:
    Model(lab)
    path = lay_out(project, "tags: {team: search}\n")
    notebook(path.parent / "bad.ipynb", None, "raise ValueError('no | way')")
    text = path.read_text().replace("steps:\n", "steps:\n  - {id: bad, notebook: bad.ipynb}\n")
    path.write_text(text.replace("name: nightly", "name: words"))  # as the experiment is called
    code, document = night(path, "2026-03-01")
    assert code == 5, document
    uri = store(project)
    (batch,) = of_kind(uri, "batch")
    assert batch.info.run_name == "words 2026-03-01"
    assert batch.info.status == "FAILED"
    assert batch.data.tags["pex.headline"] == document["headline"]
    assert {batch.data.tags[name] for name in ("pex.plan", "pex.batch_id", "team")} == {
        "words", "2026-03-01", "search",
    }  # fmt: skip
    counts = batch.data.metrics
    assert (counts["jobs"], counts["jobs_done"], counts["jobs_failed"]) == (2, 1, 1)
    assert counts["cost_usd"] == 0
    assert document["headline"] in artifact(uri, batch.info.run_id, "night.html")
    jobs = {run.info.run_name: run for run in of_kind(uri, "job")}
    assert {run.data.tags["mlflow.parentRunId"] for run in jobs.values()} == {batch.info.run_id}
    assert (jobs["compare"].info.status, jobs["bad"].info.status) == ("FINISHED", "FAILED")
    assert jobs["bad"].data.tags["pex.error"] == "ValueError: no | way"
    assert jobs["compare"].data.params["experiment"] == "experiment.yaml"
    assert jobs["compare"].data.metrics["seconds"] > 0
    # From the job to what its notebook recorded, and back.
    (compared,) = [run for run in of_kind(uri, "run") if run.data.tags["pex.job_id"] == "compare"]
    assert compared.data.tags["mlflow.parentRunId"] == jobs["compare"].info.run_id
    (canary,) = [run for run in of_kind(uri, "run") if run.data.tags["pex.job_id"] == "canary"]
    assert canary.data.tags["mlflow.parentRunId"] == batch.info.run_id
    assert f"/runs/{compared.info.run_id}" in jobs["compare"].data.tags["mlflow.note.content"]
    # From the output notebook to its record, and back.
    output = path.parent / "outputs/words/2026-03-01/compare.ipynb"
    content = nbformat.read(output, as_version=4)
    nbformat.validate(content)
    assert content.metadata["pex"] == {
        "batch_id": "2026-03-01",
        "batch_run_id": batch.info.run_id,
        "job_id": "compare",
        "job_run_id": jobs["compare"].info.run_id,
        "run_ids": [compared.info.run_id],
    }
    assert jobs["compare"].info.run_id in content.cells[0].source
    assert artifact(uri, jobs["compare"].info.run_id, "compare.ipynb") == output.read_text()
    # What looks for runs of the experiment, which has the plan's name, finds those alone.
    assert [item["run_id"] for item in latest(uri, 9, "words")] == [compared.info.run_id]
    assert newest(uri, ["words"])["words"]["run_id"] == compared.info.run_id
    assert set(history(uri, "words", "label")["run_id"]) == {compared.info.run_id}


def test_a_key_is_in_no_record(
    lab: FaultyEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_KEY", "sk-very-secret-1")
    notebook(project / "n.ipynb", None, "import os\nraise ValueError(os.environ['LAB_KEY'])")
    run(load_plan(plan(project, "steps: [{id: a, notebook: n.ipynb}]\n")), store(project))
    (job,) = of_kind(store(project), "job")
    assert "very-secret" not in str(job.data)
    assert "very-secret" not in artifact(store(project), job.info.run_id, "a.ipynb")


def test_a_resumed_batch_goes_on_with_its_run(lab: FaultyEndpoint, project: Path) -> None:
    notebook(
        project / "n.ipynb",
        "x: int = 0",
        "import pathlib\nassert x == 1 or pathlib.Path('ready').exists()",
        ASK,
    )
    steps = "steps: [{id: a, notebook: n.ipynb, sweep: {x: [0, 1]}}]\n"
    loaded = load_plan(plan(project, steps))
    uri = store(project)
    run(loaded, uri)
    (first,) = of_kind(uri, "batch")
    assert first.info.status == "FAILED"
    (project / "ready").touch()
    run(loaded, uri, resume=True)
    (batch,) = of_kind(uri, "batch")
    assert (batch.info.run_id, batch.info.status) == (first.info.run_id, "FINISHED")
    assert batch.data.metrics["jobs_done"] == 2
    jobs = of_kind(uri, "job")
    assert sorted((job.info.run_name, job.info.status) for job in jobs) == [
        ("a-x=0", "FAILED"), ("a-x=0", "FINISHED"), ("a-x=1", "FINISHED"),
    ]  # fmt: skip
    done = {job.info.run_id for job in jobs if job.info.status == "FINISHED"}
    for run_id in done:  # also that of the job that was done before
        assert run_id in batch.data.tags["mlflow.note.content"]
    assert {item.data.tags["mlflow.parentRunId"] for item in of_kind(uri, "run")} == done


def test_a_killed_batch_does_not_run_for_ever(lab: FaultyEndpoint, project: Path) -> None:
    notebook(
        project / "n.ipynb",
        None,
        "import pathlib, time\nwhile not pathlib.Path('ready').exists(): time.sleep(0.1)",
    )
    file = plan(project, "steps: [{id: a, notebook: n.ipynb}]\n")
    uri = store(project)
    command = [*LIVE, "batch", str(file), "--batch-id"]
    for name in ("one", "two"):
        process = subprocess.Popen([*command, name], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 300
        while name not in {item.data.tags["pex.batch_id"] for item in of_kind(uri, "batch")}:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    (project / "ready").touch()
    loaded = load_plan(file)
    with alone(loaded.outputs / "two"):  # somebody has resumed it just now
        run(loaded, uri, "three")
    states = {item.data.tags["pex.batch_id"]: item.info.status for item in of_kind(uri, "batch")}
    assert states == {"one": "KILLED", "two": "RUNNING", "three": "FINISHED"}
    run(loaded, uri, "two", resume=True)
    states = {item.data.tags["pex.batch_id"]: item.info.status for item in of_kind(uri, "batch")}
    assert states == {"one": "KILLED", "two": "FINISHED", "three": "FINISHED"}


def test_an_interrupted_batch_is_killed_in_mlflow(lab: FaultyEndpoint, project: Path) -> None:
    notebook(project / "n.ipynb", None, "import time; time.sleep(600)")
    file = plan(project, "steps: [{id: a, notebook: n.ipynb}]\n")
    command = [*LIVE, "batch", str(file)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not of_kind(store(project), "batch"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    (batch,) = of_kind(store(project), "batch")
    assert batch.info.status == "KILLED"


@pytest.mark.soak
def test_a_store_that_does_not_answer_is_said_once_and_the_batch_goes_on(project: Path) -> None:
    (project / "pex.toml").touch()
    notebook(project / "n.ipynb", "x: int = 0", "x")
    loaded = load_plan(plan(project, "steps: [{id: a, notebook: n.ipynb, sweep: {x: [0, 1]}}]\n"))
    said: list[str] = []
    with recording("http://127.0.0.1:9", said.append) as record:
        result = run_batch(loaded, "night", record=record)
        record.end(result)
    assert not result.failed
    (line,) = said
    assert line.startswith("the batch continues without a record in MLflow: ")
    assert "127.0.0.1:9" in line

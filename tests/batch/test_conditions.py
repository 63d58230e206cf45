"""Steps that run only if a model stops soon or a new one has appeared."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest

import pex
from pex.batch.job_log import newest_unfinished
from pex.batch.plan import load_plan
from pex.batch.result import BatchResult
from pex.batch.run import run_batch
from pex.batch.task import Outcome, Running, Task
from pex.project.settings import load_settings
from pex.run import models
from pex.run.kept_lists import FILE as LISTS
from tests.helpers.command import pexlab
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.notebooks import notebook, plan

SOON = datetime.date.today() + datetime.timedelta(days=13)
STEPS = """steps:
- {id: adopt, notebook: adopt.ipynb, when: %s}
- {id: page, notebook: plain.ipynb, needs: [adopt]}
- {id: other, notebook: plain.ipynb}
"""


class Shop:
    """A project whose prompt runs on `lab/m1`, and a plan with a step that has a condition."""

    def __init__(self, folder: Path, lab: FaultyEndpoint) -> None:
        self.folder, self.lab = folder, lab
        self.ran: dict[str, dict[str, Any]] = {}
        self.said: list[str] = []
        notebook(folder / "adopt.ipynb", "model: str | None = None\nbaseline: str | None = None")
        notebook(folder / "plain.ipynb", None, "1")
        (folder / "experiments/a").mkdir(parents=True)
        (folder / "experiments/a/experiment.yaml").write_text(
            "name: a\ncases: cases.csv\nprompts: [refund.prompty]\nmodels: [lab/m1]\n"
        )

    def batch(self, when: str, batch_id: str, *, resume: bool = False) -> BatchResult:
        """Run the plan without kernels, remembering what each job got."""
        self.ran.clear()
        self.said.clear()

        def execute(task: Task, running: Running) -> Outcome:
            self.ran[task.output.stem] = task.parameters
            return Outcome("done")

        file = plan(self.folder, STEPS % when)
        return run_batch(
            load_plan(file), batch_id, say=self.said.append, executor=execute, resume=resume
        )

    def stops(self, text: str) -> None:
        with (self.folder / "pex.toml").open("a") as file:
            file.write(f'[models."lab/m1"]\nstops = {text}\n')


@pytest.fixture
def shop(project: Path, lab: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setattr(models, "_failed", {})
    return Shop(project, lab)


def reasons(batch: BatchResult) -> dict[str, str | None]:
    return {item.job.id: item.error for item in batch.not_due}


def test_a_step_runs_if_a_model_in_use_stops_soon_and_gets_its_name(shop: Shop) -> None:
    shop.stops(str(SOON))
    batch = shop.batch("model-stops", "1")
    assert [item.status for item in batch.results] == ["done"] * 3
    assert shop.ran == {"adopt": {"baseline": "lab/m1"}, "page": {}, "other": {}}
    assert any(line.startswith("due      adopt: lab/m1 stops in 13 days") for line in shop.said)


def test_else_it_and_what_needs_it_are_skipped_without_a_failure(shop: Shop) -> None:
    shop.stops(str(SOON))
    batch = shop.batch("{model-stops: 12}", "1")
    assert reasons(batch) == {
        "adopt": "no model in use is known to stop within 12 days",
        "page": "needs adopt, which was not due",
    }
    assert (batch.failed, list(shop.ran)) == ([], ["other"])
    assert [item.status for item in batch.not_due] == ["skipped", "skipped"]
    with pytest.raises(pex.PexError, match="no unfinished batch"):
        newest_unfinished(batch.plan)


def test_a_resumed_batch_keeps_what_was_decided(shop: Shop) -> None:
    shop.batch("model-stops", "1")
    shop.stops(str(SOON))
    lists = shop.lab.lists
    batch = shop.batch("model-stops", "1", resume=True)
    assert set(reasons(batch)) == {"adopt", "page"}
    assert (shop.ran, shop.lab.lists) == ({}, lists)
    assert reasons(shop.batch("model-stops", "2")) == {}, "a new batch decides anew"


def test_the_endpoint_is_asked_for_the_date_and_may_name_a_successor(shop: Shop) -> None:
    shop.lab.facts["m1"] = {
        "shutdown_date": str(SOON), "deprecation_replacement_model": "m2",
    }  # fmt: skip
    shop.batch("model-stops", "1")
    assert shop.ran["adopt"] == {"model": "lab/m2", "baseline": "lab/m1"}


def test_a_model_that_has_appeared_since_the_last_batch_runs_the_step_once(shop: Shop) -> None:
    lab = shop.lab
    first = reasons(shop.batch("new-model", "1"))
    assert first["adopt"] == "nothing is new in the first batch of a plan"
    assert reasons(shop.batch("new-model", "2"))["adopt"] == (
        "no model has appeared since the last batch"
    )
    lab.models += ["m3", "m4"]
    lab.facts["m4"] = {"created": 1790000000}
    batch = shop.batch("[new-model, model-stops]", "3")
    assert (batch.not_due, shop.ran["adopt"]) == ([], {"model": "lab/m4"})
    assert "due      adopt: new: lab/m4, lab/m3" in shop.said
    assert set(reasons(shop.batch("new-model", "4"))) == {"adopt", "page"}
    lab.models += ["m5"]
    assert set(reasons(shop.batch("{new-model: 'openai/*'}", "5"))) == {"adopt", "page"}


def test_an_endpoint_that_does_not_answer_cannot_tell_and_hides_nothing_new(shop: Shop) -> None:
    shop.batch("new-model", "1")
    shop.lab.models += ["m3"]
    # Somebody looks at the list before the next batch.
    models.Models(load_settings(shop.folder), shop.folder / ".pex").ask("lab")
    assert "m3" in json.loads((shop.folder / ".pex" / LISTS).read_text())["lab"]["models"]
    shop.lab.key = "another"
    why = reasons(shop.batch("new-model", "2"))["adopt"]
    assert why is not None
    assert why.startswith("cannot tell what is new: lab: refuses the key")
    shop.lab.key = None
    shop.batch("new-model", "3")
    assert shop.ran["adopt"] == {"model": "lab/m3"}


def test_without_an_endpoint_that_lists_models_it_cannot_tell(shop: Shop) -> None:
    (shop.folder / "pex.toml").write_text("")
    path = shop.folder / "experiments/a/experiment.yaml"
    path.write_text(path.read_text().replace("lab/m1", "local/smollm2"))
    assert reasons(shop.batch("new-model", "1"))["adopt"] == (
        "cannot tell what is new: no model in use has an endpoint that lists models"
    )
    path.write_text(path.read_text().replace("local/smollm2", "openai/gpt-4o"))
    why = reasons(shop.batch("new-model", "2"))["adopt"]
    assert why == "cannot tell what is new: openai: OPENAI_API_KEY is not set"


def test_what_the_plan_gives_comes_first(shop: Shop) -> None:
    shop.stops(str(SOON))
    shop.batch("model-stops, parameters: {model: lab/m2}", "1")
    assert shop.ran["adopt"] == {"model": "lab/m2", "baseline": "lab/m1"}


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ("model-stop", "'model-stop' is not a condition: did you mean 'model-stops'"),
        ("{model-stops: soon}", "model-stops: expected days from 0 to 3650, got 'soon'"),
        ("{model-stops: -1}", "model-stops: expected days"),
        ("{model-stops: true}", "model-stops: expected days"),
        ("{new-model: 3}", "new-model: expected a pattern such as openai/gpt-*, got 3"),
        ("{new-model: gpt-5*}", "new-model: 'gpt-5*' has no provider: write */gpt-5*"),
        ("[]", "expected model-stops, new-model"),
        ("7", "expected model-stops, new-model"),
    ],
)
def test_a_wrong_condition_is_refused_with_its_line(shop: Shop, when: str, message: str) -> None:
    with pytest.raises(pex.PexError) as said:
        load_plan(plan(shop.folder, STEPS % when))
    assert message in said.value.message
    assert "plan.yaml, line 3: steps.0.when" in said.value.message


def test_a_parameter_without_a_default_is_one_that_the_condition_always_gives(shop: Shop) -> None:
    notebook(shop.folder / "adopt.ipynb", "model: str\nbaseline: str | None = None")
    load_plan(plan(shop.folder, STEPS % "new-model"))
    for when in ("model-stops", "[model-stops, new-model]"):
        with pytest.raises(pex.PexError, match="needs the parameter 'model'"):
            load_plan(plan(shop.folder, STEPS % when))
    notebook(shop.folder / "adopt.ipynb", "model: int = 3")
    with pytest.raises(pex.PexError, match=r"the parameter 'model' of adopt\.ipynb is int"):
        load_plan(plan(shop.folder, STEPS % "new-model"))


def test_the_night_says_what_was_not_due_and_passes(shop: Shop) -> None:
    from mlflow import MlflowClient

    shop.stops(str(SOON))
    path = plan(shop.folder, STEPS % "{model-stops: 12}")
    done = pexlab("batch", str(path), "--batch-id", "one", "--json", folder=shop.folder)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [(job["id"], job["status"], job["not_due"]) for job in told["jobs"]] == [
        ("adopt", "skipped", True), ("other", "done", False), ("page", "skipped", True),
    ]  # fmt: skip
    assert told["headline"].startswith("All notebooks that were due ran.")
    assert told["retiring_models"][0]["prompts"] == ["refund"]
    page = (shop.folder / "outputs/nightly/one/night.html").read_text()
    assert "1 of 3 done, 2 not due" in page
    assert "no model in use is known to stop within 12 days" in page
    assert "1 prompt runs on lab/m1, which stops in 13 days" in page
    assert "<code>pexlab adopt NEW_MODEL --baseline lab/m1</code>" in page
    assert "Notebooks that did not finish" not in page
    client = MlflowClient(f"sqlite:///{shop.folder}/mlruns/mlflow.db")
    runs = client.search_runs(
        [item.experiment_id for item in client.search_experiments()], "tags.`pex.kind` = 'job'"
    )
    seen = {r.data.tags["pex.job_id"]: (r.data.tags["pex.status"], r.info.status) for r in runs}
    assert seen["adopt"] == ("skipped", "FINISHED")
    assert seen["other"] == ("done", "FINISHED")
    read = pex.read_night(path, "one")
    assert "1 of 3 done, 2 not due" in read._repr_html_()

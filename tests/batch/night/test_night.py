"""Real nights in a row: the shipped notebook, MLflow, a provider that changes under our feet."""

import collections
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

import pex
from pex.batch.night.read_back import read_night
from pex.tracking.store import connect
from tests.helpers.command import pexlab
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.lab_nights import NOTEBOOKS, UNHAPPY, WORDS, Model, lay_out, night
from tests.helpers.notebooks import notebook

pytestmark = pytest.mark.night


def kinds(document: dict) -> set[str]:
    return {
        item["kind"] for found in document["changed_since_last_night"].values() for item in found
    }


def test_a_regression_and_a_changed_model_are_each_named(
    project: Path, lab: FaultyEndpoint
) -> None:
    model = Model(lab)
    plan = lay_out(project)
    short = plan.parent / "prompts/short.prompty"
    before = short.read_text()

    code, first = night(plan, "night-1")
    assert (code, first["outcome"]) == (0, "undecided")
    assert first["headline"] == "Nothing can be judged yet: no baseline has been accepted."
    done = pexlab("batch", "accept", "night-1", "--why", "looks right", folder=plan.parent)
    assert done.returncode == 0, done.stderr
    (entry,) = json.loads((plan.parent / "baseline.json").read_text())["nightly"]
    assert (entry["why"], entry["batch"], entry["job"]) == ("looks right", "night-1", "compare")
    run = connect(f"sqlite:///{project}/mlruns/mlflow.db").get_run(entry["run_id"])
    assert run.data.tags["pex.accepted_why"] == "looks right"
    assert run.data.tags["pex.plan_folder"] == "experiments/words"

    # The prompt is changed: the model now guesses.
    short.write_text("Is this positive or negative? Answer briefly. {{ word }}")
    code, second = night(plan, "night-2", "--junit", "night.xml", "--report", "night.html")
    assert code == 1, second
    assert {item["candidate"]: item["outcome"] for item in second["gate"]}["short"] == "fail"
    assert kinds(second) == {"prompt"}
    assert (
        "Something got worse: 'short' (label 50 % instead of 100 %) in words. "
        "Only the prompt changed, so that is the likely cause." in second["headline"]
    )
    page = (plan.parent / "night.html").read_text()
    assert "10 cases are worse than the baseline" in page
    assert "<ins>Answer briefly. </ins>" in page
    assert all(word in page for word in UNHAPPY)
    suites = Xml.parse(plan.parent / "night.xml").getroot()
    assert [suite.attrib["failures"] for suite in suites] == ["0", "1"]

    # The prompt is as it was; the provider has put another model behind the name.
    short.write_text(before)
    model.name, model.polite, model.wrong = "m1-2026-03", "Hi!", set(UNHAPPY[:8])
    code, third = night(plan, "night-3")
    assert code == 1
    assert {item["outcome"] for item in third["gate"]} == {"fail"}
    assert {"model", "answers"} <= kinds(third)
    assert "Only the model changed" in third["headline"]
    said = str(third["changed_since_last_night"])
    assert "lab/m1: answered by m1-2026-03, before by m1-2026-01." in said
    assert "3 of 3 identical canary questions" in said

    # Nothing is changed: the series goes on, its evidence is with the run.
    code, fourth = night(plan, "night-4")
    assert [item["nights"] for item in fourth["gate"]] == [2, 2]
    assert kinds(fourth) == set()
    client = connect(f"sqlite:///{project}/mlruns/mlflow.db")
    (everything,) = [e for e in client.search_experiments() if e.name == "words"]
    children = client.search_runs([everything.experiment_id], "tags.`pex.batch_id` = 'night-4'")
    found = [run.data.metrics["e_value"] for run in children if "e_value" in run.data.metrics]
    assert found == [item["e_value"] for item in fourth["gate"]]
    asked = lab.calls
    again = read_night(plan, "night-3")
    assert [(item.outcome, float(f"{item.e:.4g}")) for item in again.judged] == [
        (item["outcome"], item["e_value"]) for item in third["gate"]
    ]
    assert lab.calls == asked
    done = pexlab("batch", "--check-last", "26h", str(plan), folder=project)
    assert (done.returncode, done.stderr) == (0, "")
    assert "night-4" in done.stdout


def test_a_night_with_a_failed_notebook_shows_where(project: Path, lab: FaultyEndpoint) -> None:
    Model(lab)
    plan = lay_out(project)
    notebook(plan.parent / "bad.ipynb", None, "def f():\n    return 1 / 0\nf()")
    steps = (
        "  - {id: bad, notebook: bad.ipynb}\n"
        f"  - {{id: page, notebook: {NOTEBOOKS / 'morning.ipynb'}, needs: [compare],"
        " parameters: {plan: plan.yaml}}\n"
    )
    text = plan.read_text().replace("gate:", f"{steps}gate:")
    plan.write_text(text + "notify: [{webhook_env: NO_SUCH_HOOK}]\ntags: {team: support}\n")
    code, found = night(plan, "night-1")
    assert code == 5
    assert "The night is incomplete: 1 of 3 notebooks did not finish." in found["headline"]
    assert "the webhook could not be sent: NO_SUCH_HOOK is not set" in found["stderr"]
    page = Path(found["page"]).read_text()
    assert "ZeroDivisionError: division by zero" in page
    assert "return 1 / 0" in page
    entries = json.loads((Path(found["folder"]) / "batch.json").read_text())["jobs"]
    states = {entry["id"]: entry["status"] for entry in entries}
    assert states == {"compare": "done", "bad": "failed", "page": "done"}
    # The page as the plan's last step: it has asked the canary, nobody asks it again.
    shown = (Path(found["folder"]) / "page.ipynb").read_text()
    assert "no baseline has been accepted" in shown
    assert "pex-night" in shown
    assert sum("Who are you?" in body["messages"][-1]["content"] for body in lab.bodies) == 3
    (run,) = {item["run_id"] for item in found["gate"]}
    tags = connect(f"sqlite:///{project}/mlruns/mlflow.db").get_run(run).data.tags
    assert tags["team"] == "support"
    done = pexlab("batch", "--check-last", "26h", str(plan), folder=project)
    assert done.returncode == 1


def test_an_undecided_gate_ends_with_3_where_the_plan_says_so(
    project: Path, lab: FaultyEndpoint
) -> None:
    model = Model(lab)
    model.wrong = {"happy"}
    gate = "gate: {baseline: short, metric: label, margin: 0.01, on_undecided: fail}\n"
    plan = lay_out(project, gate)
    code, found = night(plan, "night-1")
    assert code == 3
    (item,) = found["gate"]
    assert (item["candidate"], item["outcome"], item["baseline"]) == ("long", "undecided", "short")


@pytest.mark.soak
def test_on_the_built_in_model_nothing_changes_from_night_to_night(
    project: Path, lab: FaultyEndpoint
) -> None:
    plan = lay_out(project, "gate: {baseline: pinned, metric: label, margin: 0.5}\n")
    for path in (plan.parent / "experiment.yaml", plan):
        text = path.read_text().replace("lab/m1", "local/smollm2")
        path.write_text(text.replace("experiment.yaml}", "experiment.yaml, limit: 6}"))
    assert night(plan, "night-1")[0] == 0
    assert pexlab("batch", "accept", "night-1", folder=plan.parent).returncode == 0
    code, found = night(plan, "night-2")
    assert code == 0, found
    assert kinds(found) == set()
    assert all(item["difference"] == 0 for item in found["gate"])
    assert lab.calls == 0


def test_only_a_run_of_a_batch_can_be_accepted(project: Path, lab: FaultyEndpoint) -> None:
    done = pexlab("batch", "accept", "nope", folder=project)
    assert done.returncode == 2
    assert "there is no run 'nope'" in done.stderr
    lay_out(project)
    Model(lab)
    ran = pexlab(
        "run", "experiments/words/experiment.yaml", "--json", "--limit", "2", folder=project
    )
    run_id = json.loads(ran.stdout)["run_id"]
    done = pexlab("batch", "accept", run_id, folder=project)
    assert done.returncode == 2
    assert "is not a run of a batch" in done.stderr
    assert not (project / "experiments/words/baseline.json").exists()


def test_an_undecided_night_asks_for_more_and_only_for_what_is_new(
    lab: FaultyEndpoint, project: Path
) -> None:
    """A prompt that errs now and then: a few repeats do not tell by how much, more do."""
    model = Model(lab)
    asked: collections.Counter[str] = collections.Counter()

    def reply(body: dict[str, Any], number: int) -> dict[str, Any]:
        text = body["messages"][-1]["content"]
        asked[text] += 1
        unsure = "with care" in text and any(word in text for word in WORDS[:3])
        model.wrong = set(WORDS) if unsure and asked[text] == 1 else set()
        return model.reply(body, number)

    lab.reply = reply
    gate = "gate: {baseline: short, metric: label, margin: 0.15, on_undecided: extend}\n"
    code, found = night(lay_out(project, gate), "2026-03-01")
    assert "undecided: rerunning compare with twice the repeats" in found["stderr"]
    words = {text: count for text, count in asked.items() if any(w in text for w in WORDS)}
    assert len(words) == 40
    (times,) = set(words.values())
    assert times in (2, 4, 8, 16)
    (run,) = {item["run_id"] for item in found["gate"]}
    assert pex.load_run(run).about["repeats"] == times
    assert (code, {item["outcome"] for item in found["gate"]}) == (0, {"pass"}), found["gate"]
    (job,) = found["jobs"]
    assert job["status"] == "done"

"""`pexlab status` on a real store: files, library, runs, traces and feedback in one picture."""

import json
from pathlib import Path

import pex
from pex.monitoring.status.page import project_status
from tests.helpers.command import pexlab
from tests.helpers.deployed import bulk_traces
from tests.helpers.endpoint import FaultyEndpoint, completion

EXPERIMENT = """\
name: reviews
cases: cases.csv
prompts: [prompts/reviews.prompty]
models: [lab/m1]
params: [{max_tokens: 4}]
scorers: [label]
"""
CASES = """\
case_id,q,expected,origin,origin_trace,origin_prompt,origin_reason,accepted_by,accepted_on
c1,good,yes,,,,,,
c2,bad,no,,,,,,
t1,fine,yes,trace,tr-1,reviews/1,it said no,Ada,2030-01-02
"""


def test_every_stage_comes_from_where_it_is_kept(project: Path, lab: FaultyEndpoint) -> None:
    lab.reply = lambda body, number: completion("yes")
    folder = project / "experiments" / "reviews"
    (folder / "prompts").mkdir(parents=True)
    (folder / "cases.csv").write_text(CASES)
    (folder / "experiment.yaml").write_text(EXPERIMENT)
    (folder / "prompts" / "reviews.prompty").write_text("---\nname: reviews\n---\nuser:\n{{ q }}\n")
    (folder / "monitor.yaml").write_text("name: reviews\nsource: {experiment: production}\n")
    assert "there is no MLflow experiment" in str(project_status(project).problems)

    pex.library.save(pex.Prompt.load(folder / "prompts" / "reviews.prompty"), alias="champion")
    pex.Experiment.load(folder / "experiment.yaml").run(show=False, traces="none")
    uri = f"sqlite:///{project}/mlruns/mlflow.db"
    no, yes = [{"name": "user", "value": False}], [{"name": "user", "value": True}]
    rows = [{"prompt": "reviews/1", "feedback": no}, {"prompt": "reviews/1", "feedback": yes},
            {"prompt": "other/4"}, {}]  # fmt: skip
    bulk_traces(uri, "production", rows)

    document = json.loads(pexlab("status", "--json", folder=project).stdout)
    (found,) = document["prompts"]
    stages = {stage["name"]: stage for stage in found["stages"]}
    assert stages["cases"]["figure"] == "3"
    assert stages["gate"]["figure"] == "label 67 %"
    assert stages["deployed"]["figure"] == "champion v1"
    assert "2 traces in 30 days" in stages["deployed"]["detail"]
    assert stages["feedback"]["figure"] == "2 opinions, 1 negative"
    assert stages["feedback"]["state"] == "stuck"
    assert "experiments/reviews/monitor.yaml" in stages["feedback"]["next_step"]
    assert stages["new cases"]["figure"] == "1 case from traces"

    page = project / "status.html"
    done = pexlab("status", "reviews", "--report", str(page), folder=project)
    assert "1 of 1 prompt is stuck: reviews." in done.stdout
    assert "1 negative opinion not triaged" in page.read_text()
    assert "did you mean 'reviews'?" in pexlab("status", "review", folder=project).stderr

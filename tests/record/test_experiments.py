"""The MLflow experiments that runs go to: measurements apart from what is only tried."""

from pathlib import Path

import mlflow

import pex
from pex.record.search import history, newest_experiment
from tests.helpers.endpoint import FaultyEndpoint

TRIED = {"pex.source": "playground"}


def experiment(purpose: str = "See.") -> pex.Experiment:
    prompt = pex.Prompt("{{ word }}", name="echo")
    cases = [{"word": f"w{i}", "expected": f"w{i}"} for i in range(3)]
    return pex.Experiment("trial", pex.grid([prompt], "lab/m1"), cases, ["exact"], purpose=purpose)


def test_what_is_tried_is_in_no_trend_and_not_where_mlflow_opens(
    project: Path, lab: FaultyEndpoint
) -> None:
    uri = f"sqlite:///{project}/mlruns/mlflow.db"
    tried = experiment().run(show=False, mlflow_tags=TRIED)
    assert newest_experiment(uri) == tried.about.experiment_id  # there is nothing else yet
    run = experiment().run(show=False)
    again = experiment().run(show=False, mlflow_tags=TRIED)
    client = mlflow.MlflowClient(uri)
    names = [client.get_experiment(item.about.experiment_id).name for item in (tried, run, again)]
    assert names == ["trial (scratch)", "trial", "trial (scratch)"]
    assert newest_experiment(uri) == run.about.experiment_id
    assert set(history(uri, "trial", "exact")["run_id"]) == {run.run_id}
    (variant,) = client.search_runs(
        [tried.about.experiment_id], f"tags.`mlflow.parentRunId` = '{tried.run_id}'"
    )
    assert variant.data.tags["pex.source"] == "playground"
    assert pex.load_run(tried.run_id).frame.equals(tried.frame)


def test_the_purpose_is_the_description_unless_a_person_wrote_one(
    project: Path, lab: FaultyEndpoint
) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{project}/mlruns/mlflow.db")

    def description() -> str:
        return client.get_experiment_by_name("trial").tags["mlflow.note.content"]

    experiment("First.").run(show=False)
    assert description() == "First."
    found = experiment("Second.").run(show=False)
    assert description() == "Second."
    client.set_experiment_tag(found.about.experiment_id, "mlflow.note.content", "Mine.")
    experiment("Third.").run(show=False)
    assert description() == "Mine."
    client.set_tag(found.run_id, "mlflow.runName", "the good one")
    found.rescore({"kind": "contains", "name": "has"})
    assert client.get_run(found.run_id).info.run_name == "the good one"

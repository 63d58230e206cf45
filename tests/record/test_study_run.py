"""A study is one run with children, and an unfinished one continues."""

import json

import mlflow
import pandas as pd

from pex.record.study_run import StudyRun, studies


def opened(uri: str, identity: str = "one") -> StudyRun:
    return StudyRun(uri, "improvement", "reviews", "improve short", {"of": identity})


def test_children_and_tables(uri: str) -> None:
    study = opened(uri)
    child = study.child("1 rewrite", params={"way": "rewrite"}, metrics={"select": 0.8})
    assert study.child("1 rewrite", metrics={"train": float("nan")}) == child
    table = pd.DataFrame({"proposal": [1, 2], "score": [0.5, 0.75]})
    for _ in range(2):  # a study that continues writes its table again
        study.write(tables={"proposals.json": table}, params={"seed": 1}, note="**undecided**")
    study.end("finished")
    client = mlflow.MlflowClient(uri)
    run = client.get_run(study.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["pex.kind"] == "improvement"
    assert json.loads(run.data.tags["mlflow.loggedArtifacts"]) == [
        {"path": "proposals.json", "type": "table"}
    ]
    mlflow.set_tracking_uri(uri)
    loaded = client.load_table(study.experiment_id, "proposals.json", run_ids=[study.run_id])
    pd.testing.assert_frame_equal(loaded, table, check_dtype=False)
    found = client.get_run(child)
    assert found.data.tags["mlflow.parentRunId"] == study.run_id
    assert found.data.metrics == {"select": 0.8}


def test_an_unfinished_study_continues(uri: str) -> None:
    first = opened(uri)
    child = first.child("1 rewrite")
    first.end("interrupted")
    again = opened(uri)
    assert again.continued
    assert again.run_id == first.run_id
    assert again.started_at == first.started_at
    assert again.child("1 rewrite") == child
    again.end("finished")
    assert opened(uri).run_id != first.run_id
    assert opened(uri, "other").continued is False
    assert len(studies(uri, "improvement")) == 3
    assert studies(uri, "adoption") == []

"""How the versions of a prompt did, read back from a real MLflow store."""

import math
from pathlib import Path

import mlflow
import pandas as pd

import pex
from pex.record.description import verdicts_of
from pex.record.prompts import scores
from tests.helpers.endpoint import FaultyEndpoint


def run(text: str, cases: int, models: tuple[str, ...] = ("lab/m1",)) -> pex.Results:
    prompts = [pex.Prompt("{{ word }}", name="echo"), pex.Prompt(text, name="a_b")]
    rows = [{"word": f"w{i}", "expected": f"w{i}"} for i in range(cases)]
    scorers = ["exact", {"kind": "similarity", "name": "near"}]
    return pex.Experiment("trial", pex.grid(prompts, list(models)), rows, scorers).run(show=False)


def save(*texts: str) -> None:
    pex.library.save(pex.Prompt("{{ word }}", name="echo"))
    for text in texts:
        pex.library.save(pex.Prompt(text, name="a_b"))


def found(project: Path, name: str) -> pd.DataFrame:
    uri = f"sqlite:///{project}/mlruns/mlflow.db"
    client = mlflow.MlflowClient(uri)
    numbers = [item.experiment_id for item in client.search_experiments()]
    digests = pex.library.versions(name).set_index("version")["digest"].to_dict()
    return scores(uri, name, digests, numbers)


def test_each_version_has_the_scores_of_its_runs(project: Path, lab: FaultyEndpoint) -> None:
    run("{{ word }} ?", 8)
    last = run("{{ word }} !", 9)
    save("{{ word }} ?", "{{ word }} !")
    # In a search `_` stands for any character, and this is another prompt.
    pex.library.save(pex.Prompt("x", name="aXb"))
    rows = found(project, "a_b")
    exact = rows[rows["score"] == "exact"]
    assert exact["version"].tolist() == [2, 1]
    assert exact["n"].tolist() == [9, 8]
    assert exact["value"].tolist() == [0, 0]
    assert exact[["verdict", "baseline"]].to_numpy().tolist() == [["worse", "echo"]] * 2
    assert exact["yes_no"].all()
    near = rows[rows["score"] == "near"].iloc[0]
    assert not near["yes_no"]
    assert near["lo"] <= near["value"] <= near["hi"]
    assert (near["experiment"], near["run_id"], near["url"]) == ("trial", last.run_id, "")
    echo = found(project, "echo")
    assert set(echo["verdict"]) == {"baseline"}
    assert set(echo["version"]) == {1}
    assert found(project, "aXb").empty


def test_a_variant_with_a_stroke_in_its_name_keeps_its_verdict(
    project: Path, lab: FaultyEndpoint
) -> None:
    save("{{ word }} ?")
    run("{{ word }} ?", 8, ("lab/m1", "lab/m2"))
    rows = found(project, "a_b")
    exact = rows[rows["score"] == "exact"]
    assert set(exact["variant"]) == {"a_b|m1", "a_b|m2"}
    assert exact["verdict"].tolist() == ["worse", "worse"]


def test_a_run_of_one_case_has_no_interval(project: Path, lab: FaultyEndpoint) -> None:
    save("{{ word }} ?")
    run("{{ word }} ?", 1)
    rows = found(project, "a_b")
    assert math.isnan(rows[rows["score"] == "near"].iloc[0]["lo"])


def test_a_note_of_somebody_elses_has_no_verdicts() -> None:
    assert verdicts_of("a | b\n| 1 | 2 | 3 | 4 | 5 | 6 |\n**x**") == {}

"""What changed in an experiment's cases from one recorded run to the next, on a real store."""

import csv
import json

import mlflow
import pytest

import pex
from pex.core.case import Case
from pex.record.case_versions import CHANGED, CasesChange, change_between
from tests.helpers.command import pexlab
from tests.helpers.endpoint import completion

PROMPT = pex.Prompt("Review: {{ review }}\npositive or negative?", name="short")
NAMES = ["id", "review", "expected", "origin", "origin_model", "accepted_by"]


def row(number, expected, origin="", accepted_by="", review=None):
    return [number, review or f"Text number {number}.", expected, origin, "lab/m1", accepted_by]


def run(path, rows, **options):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([NAMES, *rows])
    variants = pex.grid([PROMPT], "lab/m1", params=[{"max_tokens": 4}])
    exp = pex.Experiment("reviews", variants, path, ["label"], columns={"id": "id"})
    results = exp.run(show=False, **options)
    assert results.traces.wait(60)
    return results.about.run_id


def test_versions_say_what_changed(project, lab):
    uri = f"sqlite:///{project}/mlruns/mlflow.db"
    lab.reply = lambda body, number: completion("negative")
    path = project / "cases.csv"
    first = [row(1, "negative"), row(2, "positive"), row(3, "negative")]
    run(path, first)
    run(path, first)
    run(path, [*first, row(9, "negative")], limit=2)  # a part is no version
    second = [*first[1:], row(4, "positive", "generated"), row(5, "positive", "generated", "Ada")]
    second[0] = row(2, "negative", review="Another text.")
    two = run(path, second)
    second[2] = row(4, "positive", "generated", "Ada")  # only accepted: the same hash of cases
    three = run(path, second)

    newest, middle, oldest = pex.case_versions("reviews")
    assert (oldest.number, oldest.runs, oldest.cases, oldest.change) == (1, 2, 3, None)
    assert (middle.run_id, middle.cases, middle.waiting) == (two, 4, 1)
    assert middle.generated == pytest.approx(1 / 3)
    change = {"2": ("inputs", "expected")}
    assert middle.change == CasesChange(("4", "5"), ("1",), change, ("5",))
    assert (newest.run_id, newest.waiting, newest.generated) == (three, 0, 0.5)
    assert newest.change == CasesChange(accepted=("4",))
    assert [version.number for version in pex.case_versions("reviews", 1)] == [3]
    assert pex.case_versions("reviews", 1) == [newest]

    # MLflow's pages: tags of the runs, the dataset and its records.
    client = mlflow.MlflowClient(uri)
    tags = client.get_run(two).data.tags
    assert tags[CHANGED] == (
        "2 added (4, 5); 1 removed (1); 1 changed (2: inputs, expected); "
        "1 generated case newly accepted (5)"
    )
    assert tags["pex.generated_share"] == "0.3333"
    assert client.get_run(three).data.tags["pex.generated_share"] == "0.5000"
    (dataset,) = client.search_datasets(filter_string="name = 'reviews-cases.csv'")
    said = [text for name, text in dataset.tags.items() if name.startswith(CHANGED)]
    assert sorted(said) == sorted([tags[CHANGED], client.get_run(three).data.tags[CHANGED]])
    mlflow.set_tracking_uri(uri)
    try:
        by_id = {record.tags["case_id"]: record.tags for record in dataset.records}
    finally:
        mlflow.set_tracking_uri(None)
    assert by_id["4"]["accepted_by"] == "Ada"

    done = pexlab("cases", "versions", "reviews", folder=project)
    assert "4 cases, 50 % generated: 1 generated case newly accepted (4)" in done.stdout
    done = pexlab("cases", "versions", "reviews", "--json", folder=project)
    assert json.loads(done.stdout)[1]["change"]["removed"] == ["1"]
    done = pexlab("cases", "versions", "review", folder=project)
    assert done.returncode == 2
    assert "did you mean 'reviews'" in done.stderr + done.stdout


def test_a_long_list_of_ids_is_cut():
    cases = [Case(str(number), {"q": number}) for number in range(13)]
    said = change_between([], cases).sentence
    assert said == "13 added (0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 3 more)"
    assert not change_between(cases, cases)

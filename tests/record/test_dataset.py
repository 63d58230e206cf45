"""The cases of a run as an MLflow evaluation dataset."""

import dataclasses
import json

import mlflow
import pytest

from pex.core.cases import Case
from pex.record import dataset
from pex.record.dataset import log_dataset, own_name
from pex.record.traces import complete
from tests.helpers.sample_run import make_cases, make_frame, record


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


def inputs(uri: str, run_id: str) -> list[tuple[str, str]]:
    found = mlflow.MlflowClient(uri).get_run(run_id).inputs.dataset_inputs
    return [(item.dataset.name, item.dataset.digest) for item in found]


def test_every_run_on_the_same_cases_names_the_same_dataset(uri: str) -> None:
    cases = make_cases(3)
    frame = make_frame(cases)
    first, second = record(uri, "same", frame, cases), record(uri, "same", frame, cases)
    name = own_name("same", cases)
    runs = [first.run_id, *first.children.values(), second.run_id, *second.children.values()]
    found = log_dataset(uri, first.experiment_id, name, cases, runs[:3])
    assert log_dataset(uri, first.experiment_id, name, cases, runs[3:]) == found
    assert log_dataset(uri, first.experiment_id, name, cases, runs) == found
    shown = [inputs(uri, run) for run in runs]
    assert shown == [shown[0]] * 6
    assert [name for name, _ in shown[0]] == [name]
    mlflow.set_tracking_uri(uri)
    try:
        records = mlflow.genai.datasets.get_dataset(dataset_id=found).to_df()
    finally:
        mlflow.set_tracking_uri(None)
    by_id = {row["tags"]["case_id"]: row for row in records.to_dict("records")}
    assert set(by_id) == {"c0", "c1", "c2"}
    assert by_id["c2"]["inputs"] == {"q": "What is 2 + 2?\nOne number."}
    assert by_id["c2"]["expectations"] == {"expected": "4"}
    assert (by_id["c2"]["tags"]["group"], by_id["c2"]["tags"]["tags"]) == ("g", "sum")


def test_parts_of_a_file_are_one_dataset_that_is_written_once(uri: str) -> None:
    cases = make_cases(5)
    run = record(uri, "parts", make_frame(cases), cases)
    client = mlflow.MlflowClient(uri)

    def log(part: list[Case]) -> tuple[str, int]:
        found = log_dataset(uri, run.experiment_id, "parts-cases.csv", part, [run.run_id])
        dataset = client.get_dataset(found)
        return dataset.digest, json.loads(dataset.profile)["num_records"]

    assert log(cases[:3])[1] == 3
    whole = log(cases)
    assert whole[1] == 5
    assert log(cases[1:2]) == log(cases) == whole  # nothing new, so no other digest
    other = log([dataclasses.replace(cases[0], expected="17")])
    assert other[1] == 5
    assert other[0] != whole[0]
    assert len(client.search_datasets(filter_string="name LIKE 'parts-%'")) == 1


def test_other_cases_are_another_dataset() -> None:
    (case,) = make_cases(1)
    names = {
        own_name("x", [changed])
        for changed in (
            case,
            dataclasses.replace(case, expected="1"),
            dataclasses.replace(case, inputs={"q": "?"}),
            dataclasses.replace(case, group=None),
            Case("other", case.inputs, case.expected, case.group, case.tags),
        )
    }
    assert len(names) == 5


def test_one_that_was_interrupted_is_completed(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "_CHUNK", 2)
    cases = make_cases(5)
    target = record(uri, "halves", make_frame(cases), cases)
    answers = iter([False, True])
    name = own_name("halves", cases)
    run = [target.run_id]
    assert log_dataset(uri, target.experiment_id, name, cases, run, lambda: next(answers)) is None
    assert inputs(uri, target.run_id) == []
    assert complete(uri, target.run_id, "none") == (0, 0)
    client = mlflow.MlflowClient(uri)
    (found,) = client.search_datasets(filter_string=f"name = '{name}'")
    assert found.profile == '{"num_records": 5}'
    assert inputs(uri, target.run_id) == [(found.name, found.digest)]

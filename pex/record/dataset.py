"""The cases of a run as an MLflow evaluation dataset.

MLflow gives a dataset a new digest whenever its records change, so a complete dataset is never
written again: all runs on the same cases, and all their variants, show the same name and digest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pex.core.canonical_json import canonical_json, digest
from pex.core.cases import Case
from pex.core.values import to_json_value
from pex.tracking.store import connect

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import EvaluationDataset

_SOURCE_TYPE = "mlflow_evaluation_dataset"
_COMPLETE = "pex.complete"
_CHUNK = 1000
"""Records at a time: a thousand lock the database for about a second."""


def dataset_name(name: str, cases: Sequence[Case]) -> str:
    """The name of these cases in MLflow: the experiment's name and a digest of the cases.

    Example:
        >>> dataset_name("review-sentiment", [Case("c1", {"review": "Nice."}, "positive")])
        'review-sentiment-d009bf5c'
    """
    rows = [[c.id, c.inputs, c.expected, c.group, list(c.tags)] for c in cases]
    return f"{name}-{digest(rows, 8)}"


def log_dataset(
    uri: str,
    experiment_id: str,
    name: str,
    cases: Sequence[Case],
    run_ids: Sequence[str],
    stopped: Callable[[], bool] | None = None,
) -> str | None:
    """Write the cases as a dataset unless it exists, and log it as an input of the runs.

    MLflow stores about a thousand records a second; `TraceWriter` does it in the background.
    Cases with the same inputs are one record there: MLflow identifies a record by its inputs.

    Args:
        uri: the store.
        experiment_id: the MLflow experiment that lists the dataset.
        name: the experiment's name.
        cases: the cases of the runs.
        run_ids: the parent run and the runs of its variants.
        stopped: called before every thousand records; True stops the writing.

    Returns:
        The id of the dataset; None if it was stopped: then the runs do not name it yet.
    """
    client = connect(uri)
    dataset = _find(client, experiment_id, dataset_name(name, cases))
    if not (dataset.tags or {}).get(_COMPLETE):
        from mlflow.tracing.client import TracingClient

        store = TracingClient(uri).store  # merge_records would write to the user's own store
        for start in range(0, len(cases), _CHUNK):
            if stopped and stopped():
                return None
            records = [_record(case) for case in cases[start : start + _CHUNK]]
            store.upsert_dataset_records(dataset.dataset_id, records)
        client.set_dataset_tags(dataset.dataset_id, {_COMPLETE: "true"})
        dataset = client.get_dataset(dataset.dataset_id)
    _name_in_runs(client, dataset, run_ids)
    return str(dataset.dataset_id)


def forget_dataset(uri: str, run_id: str) -> None:
    """Delete the datasets that pex made from a run's cases; the runs still show their names."""
    from mlflow.exceptions import MlflowException

    client = connect(uri)
    inputs = client.get_run(run_id).inputs
    for item in inputs.dataset_inputs if inputs else []:
        if item.dataset.source_type != _SOURCE_TYPE:
            continue
        dataset_id = json.loads(item.dataset.source)["dataset_id"]
        try:
            tags = client.get_dataset(dataset_id).tags or {}
        except MlflowException:  # already deleted for another run
            continue
        if tags.get("pex.kind") == "cases":
            client.delete_dataset(dataset_id)


def _find(client: MlflowClient, experiment_id: str, name: str) -> EvaluationDataset:
    """Return the dataset of that name; create it if there is none."""
    found = client.search_datasets(filter_string=f"name = '{name}'", order_by=["created_time ASC"])
    if not found:
        return client.create_dataset(name, [experiment_id], tags={"pex.kind": "cases"})
    client.add_dataset_to_experiments(found[0].dataset_id, [experiment_id])
    return found[0]


def _record(case: Case) -> dict[str, Any]:
    tags = {"case_id": case.id, "group": case.group, "tags": ", ".join(case.tags)}
    record: dict[str, Any] = {
        "inputs": to_json_value(case.inputs),
        "tags": {key: value for key, value in tags.items() if value},
        "source": {"source_type": "CODE", "source_data": {}},
    }
    if case.expected is not None:
        record["expectations"] = {"expected": to_json_value(case.expected)}
    return record


def _name_in_runs(client: MlflowClient, dataset: EvaluationDataset, run_ids: Sequence[str]) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = canonical_json({"dataset_id": dataset.dataset_id}).decode()
    entity = Dataset(
        dataset.name, dataset.digest, _SOURCE_TYPE, source,
        dataset.schema, dataset.profile,
    )  # fmt: skip
    for run_id in run_ids:
        inputs = client.get_run(run_id).inputs
        there = inputs.dataset_inputs if inputs else []
        if not any(item.dataset.digest == dataset.digest for item in there):
            tags = [InputTag("mlflow.data.context", "evaluation")]
            client.log_inputs(run_id, [DatasetInput(entity, tags)])

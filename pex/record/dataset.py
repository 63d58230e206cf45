"""The cases of a run as an MLflow evaluation dataset.

A file of cases is one dataset, whatever part of it a run used: the records of its runs are merged.
MLflow gives a dataset a new digest whenever records are written, so what is there already is not
written again: all runs on the same cases, and all their variants, show the same name and digest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.core.about import About
from pex.core.canonical_json import canonical_json, digest
from pex.core.cases import Case
from pex.core.provenance import COLUMNS
from pex.core.values import to_json_value
from pex.tracking.store import connect

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import EvaluationDataset

_SOURCE_TYPE = "mlflow_evaluation_dataset"
_COMPLETE = "pex.complete"
"""The tag of a dataset, with the digest of some cases, once it has these."""
_TAGS = ("case_id", "group", "tags", *COLUMNS)
_CHUNK = 1000
"""Records at a time: a thousand lock the database for about a second."""


def dataset_name(about: About, scratch: bool = False) -> str | None:
    """The name in MLflow of the dataset for a run's cases.

    Args:
        about: the run's description.
        scratch: whether it was tried in a Playground or a cell: those cases are a dataset too.

    Returns:
        None if the cases are not from a file: then they are a dataset of their own.
    """
    if scratch:
        return f"{about.name}-scratch"
    file = about.cases_file
    return f"{about.name}-{Path(file.path).name}" if file is not None else None


def own_name(experiment: str, cases: Sequence[Case]) -> str:
    """The name for cases that are not from a file: the experiment's and a digest of the cases.

    Example:
        >>> own_name("review-sentiment", [Case("c1", {"review": "Nice."}, "positive")])
        'review-sentiment-d009bf5c'
    """
    return f"{experiment}-{_digest(cases)}"


def log_dataset(
    uri: str,
    experiment_id: str,
    name: str,
    cases: Sequence[Case],
    run_ids: Sequence[str],
    stopped: Callable[[], bool] | None = None,
) -> str | None:
    """Merge the cases into a dataset, and log it as an input of the runs.

    MLflow stores about a thousand records a second; `TraceWriter` does it in the background.
    Cases with the same inputs are one record there: MLflow identifies a record by its inputs.

    Args:
        uri: the store.
        experiment_id: the MLflow experiment that lists the dataset.
        name: the dataset's name, made if there is none of this name.
        cases: the cases of the runs.
        run_ids: the parent run and the runs of its variants.
        stopped: called before every thousand records; True stops the writing.

    Returns:
        The id of the dataset; None if it was stopped: then the runs do not name it yet.
    """
    client = connect(uri)
    dataset = _find(client, experiment_id, name)
    complete = f"{_COMPLETE}.{_digest(cases)}"
    # Earlier versions tagged a dataset of these very cases without their digest.
    if complete not in (tags := dataset.tags or {}) and _COMPLETE not in tags:
        from mlflow.tracing.client import TracingClient

        store = TracingClient(uri).store  # merge_records would write to the user's own store
        missing = _missing(store, dataset.dataset_id, [_record(case) for case in cases])
        for start in range(0, len(missing), _CHUNK):
            if stopped and stopped():
                return None
            store.upsert_dataset_records(dataset.dataset_id, missing[start : start + _CHUNK])
        client.set_dataset_tags(dataset.dataset_id, {complete: "true"})
        dataset = client.get_dataset(dataset.dataset_id)
    _name_in_runs(client, dataset, run_ids)
    return str(dataset.dataset_id)


def _missing(store: Any, dataset_id: str, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records that a dataset does not have, or has otherwise."""
    there = set()
    token = None
    while True:
        page, token = store._load_dataset_records(dataset_id, max_results=_CHUNK, page_token=token)
        there |= {_key(item.inputs, item.expectations, item.tags) for item in page}
        if not token:
            break
    return [
        record
        for record in records
        if _key(record["inputs"], record.get("expectations"), record["tags"]) not in there
    ]


def _key(inputs: Any, expectations: Any, tags: Any) -> bytes:
    own = {name: value for name, value in (tags or {}).items() if name in _TAGS}
    return canonical_json([inputs, expectations or {}, own])


def _digest(cases: Sequence[Case]) -> str:
    rows = [[c.id, c.inputs, c.expected, c.group, list(c.tags), *_origin(c)] for c in cases]
    return digest(rows, 8)


def _origin(case: Case) -> list[dict[str, str]]:
    return [] if case.provenance is None else [case.provenance.row()]


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
    if case.provenance is not None:
        tags |= case.provenance.row()
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

"""The user's own choices in MLflow: an experiment, an open run."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient


def experiment_name(client: MlflowClient) -> str | None:
    """The experiment that the user has set with `mlflow.set_experiment` or the environment.

    None if nothing was chosen. Its name counts, not its id: the same id is a different experiment
    in another store.

    Args:
        client: a client of the store for recording; an id in the environment refers to this store.
    """
    from mlflow import get_experiment
    from mlflow.exceptions import MlflowException

    # MLflow has no public way to find out without creating the experiment "Default".
    fluent = sys.modules.get("mlflow.tracking.fluent")
    chosen = getattr(fluent, "_active_experiment_id", None)
    number = os.environ.get("MLFLOW_EXPERIMENT_ID")
    try:
        if chosen:
            return str(get_experiment(chosen).name)
        if number:
            return str(client.get_experiment(number).name)
    except MlflowException:
        return None
    return os.environ.get("MLFLOW_EXPERIMENT_NAME") or None


def run_id() -> str | None:
    """The run that the user has open in this thread, None if there is none."""
    mlflow = sys.modules.get("mlflow")
    if mlflow is None or not hasattr(mlflow, "active_run"):
        return None
    run = mlflow.active_run()
    return None if run is None else str(run.info.run_id)

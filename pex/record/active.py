"""What the user has chosen in MLflow itself: an experiment, a run that is open."""

from __future__ import annotations

import os
import sys


def experiment_name() -> str | None:
    """The experiment that the user has set, by `mlflow.set_experiment` or the environment.

    None where nothing was chosen. Its name counts, not its number: the number means another
    experiment in another store.
    """
    mlflow = sys.modules.get("mlflow")
    chosen = None
    if mlflow is not None and hasattr(mlflow, "set_experiment"):
        # MLflow has no public way to ask without making the experiment "Default".
        chosen = getattr(sys.modules.get("mlflow.tracking.fluent"), "_active_experiment_id", None)
    chosen = chosen or os.environ.get("MLFLOW_EXPERIMENT_ID")
    if not chosen:
        return os.environ.get("MLFLOW_EXPERIMENT_NAME") or None
    from mlflow import get_experiment
    from mlflow.exceptions import MlflowException

    try:
        return str(get_experiment(chosen).name)
    except MlflowException:
        return None


def run_id() -> str | None:
    """The run that the user has open in this thread, None where there is none."""
    mlflow = sys.modules.get("mlflow")
    if mlflow is None or not hasattr(mlflow, "active_run"):
        return None
    run = mlflow.active_run()
    return None if run is None else str(run.info.run_id)

"""A fine-tuning job in MLflow: its settings, its loss curves by step, how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pex.record.study_run import Status, StudyRun
from pex.tracking.store import connect, errors_of

KIND = "finetune"
_STATUS: dict[str, Status] = {"succeeded": "finished", "cancelled": "interrupted"}


class FineTuneRun:
    """The run of a job; following a job again continues its run.

    Args:
        uri: the store.
        place: the name of the MLflow experiment.
        name: the name of the run.
        identity: what makes it the same job.
        params: the settings of the job.
        tags: further tags, such as the digest of the data.

    Raises:
        PexError: the store does not answer.
    """

    def __init__(
        self,
        uri: str,
        place: str,
        name: str,
        identity: Any,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
    ) -> None:
        self._study = StudyRun(uri, KIND, place, name, identity, tags)
        self._study.write(params={key: value for key, value in params.items() if value != ""})
        self._about = f"{params.get('model')} trained on {params.get('training_file')}"
        self._uri = uri
        self._client = connect(uri)
        self._there: dict[str, set[int]] = {}

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self._study.run_id

    def step(self, step: int, at: float, metrics: dict[str, float]) -> None:
        """Write the numbers of a step; those that are there already are left.

        Args:
            step: the step of the training.
            at: when, in seconds since 1970.
            metrics: the numbers by name.

        Raises:
            PexError: the store does not answer.
        """
        from mlflow.entities import Metric

        with errors_of(self._uri):
            new = [
                Metric(key, value, round(at * 1000), step)
                for key, value in metrics.items()
                if step not in self._steps(key)
            ]
            if new:
                self._client.log_batch(self.run_id, metrics=new)
        for metric in new:
            self._steps(metric.key).add(step)

    def end(self, status: str, facts: dict[str, Any]) -> None:
        """Write how the job ended, and close the run.

        Args:
            status: of the job.
            facts: numbers become metrics, texts tags.

        Raises:
            PexError: the store does not answer.
        """
        numbers = {key: float(value) for key, value in facts.items() if not isinstance(value, str)}
        texts = {f"pex.{key}": value for key, value in facts.items() if isinstance(value, str)}
        tags = {"pex.job_status": status, **{key: text for key, text in texts.items() if text}}
        tuned = f"; the tuned model is {facts['tuned']}" if facts.get("tuned") else ""
        note = f"{self._about}: {status}{tuned}"
        self._study.write(metrics=numbers, tags=tags, note=note)
        self._study.end(_STATUS.get(status, "failed"))

    def _steps(self, key: str) -> set[int]:
        if key not in self._there:
            history = self._client.get_metric_history(self.run_id, key)
            self._there[key] = {int(metric.step) for metric in history}
        return self._there[key]

"""A study in MLflow: one run for a piece of work that makes several others, such as an adoption."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pex.core.canonical_json import digest
from pex.guard.redact import redact
from pex.record.experiments import experiment_of
from pex.tracking.store import check_files, connect, errors_of

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities import Run

PARENT = "mlflow.parentRunId"
KEY = "pex.study"
_NOTE = "mlflow.note.content"
_TAG_LENGTH, _PARAM_LENGTH, _NOTE_LENGTH = 5000, 500, 7000

Status = Literal["finished", "interrupted", "failed"]
_STATUS = {"finished": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}


class StudyRun:
    """The run of a study: opened, or continued if an earlier start of it did not finish.

    Its children are runs of their own: what `child` writes, and runs of experiments that got
    `child_tags` as their `mlflow_tags`.

    Args:
        uri: the store.
        kind: `adoption` or `improvement`; the tag `pex.kind`.
        place: the name of the MLflow experiment that it goes to.
        name: the name of the run.
        identity: what makes it the same study when it is started again, as plain data.
        tags: further tags.

    Raises:
        PexError: the store does not answer.
    """

    def __init__(
        self,
        uri: str,
        kind: str,
        place: str,
        name: str,
        identity: Any,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        self.uri = uri
        self._client = connect(uri)
        self._kind = kind
        key = digest([kind, identity], 32)
        with errors_of(uri):
            self._experiment_id = experiment_of(self._client, uri, place)
            check_files(uri, self._experiment_id)
            query = f"tags.`pex.kind` = '{kind}' and tags.`{KEY}` = '{key}'"
            found = self._client.search_runs([self._experiment_id], query, max_results=1)
            self.continued = bool(found) and found[0].info.status != "FINISHED"
            if self.continued:
                run = found[0]
                self._client.update_run(run.info.run_id, status="RUNNING")
            else:
                run = self._create(kind, name, {KEY: key, **(tags or {})})
            self.run_id = str(run.info.run_id)
            self.started_at = float(run.info.start_time) / 1000
            """When its first start began, in seconds since 1970."""
            self._children = {
                item.info.run_name: str(item.info.run_id)
                for item in self._client.search_runs(
                    [self._experiment_id], f"tags.`{PARENT}` = '{self.run_id}'"
                )
            }

    @property
    def experiment_id(self) -> str:
        """The id of the MLflow experiment that it is in."""
        return str(self._experiment_id)

    @property
    def child_tags(self) -> dict[str, str]:
        """The tags that make the run of an experiment a child of this one."""
        return {PARENT: self.run_id, "pex.study_run": self.run_id}

    def child(
        self,
        name: str,
        *,
        params: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
        texts: Mapping[str, str] | None = None,
    ) -> str:
        """Write a child run, or add to the one of that name; returns its id.

        Args:
            name: the run's name, unique within the study.
            params: written once; values that are there stay.
            metrics: those that are not finite are left out.
            tags: further tags.
            texts: text files, by their path in the run.

        Raises:
            PexError: the store does not answer.
        """
        with errors_of(self.uri):
            run_id = self._children.get(name)
            if run_id is None:
                kind = {"pex.kind": f"{self._kind}-step", PARENT: self.run_id}
                run_id = str(self._create(f"{self._kind}-step", name, kind).info.run_id)
                self._children[name] = run_id
            self._write(run_id, params, metrics, tags)
            for path, text in (texts or {}).items():
                self._client.log_text(run_id, redact(text), path)
            self._client.set_terminated(run_id, "FINISHED")
        return run_id

    def write(
        self,
        *,
        params: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
        texts: Mapping[str, str] | None = None,
        tables: Mapping[str, pd.DataFrame] | None = None,
        note: str = "",
    ) -> None:
        """Add to the study's own run.

        Args:
            params: as in `child`.
            metrics: as in `child`.
            tags: further tags.
            texts: text files (`.html` ones are shown by MLflow), by their path in the run.
            tables: tables that MLflow's UI shows, by their path (`adoption.json`).
            note: Markdown for the run's page.

        Raises:
            PexError: the store does not answer.
        """
        with errors_of(self.uri):
            self._write(self.run_id, params, metrics, tags)
            for path, text in (texts or {}).items():
                self._client.log_text(self.run_id, redact(text), path)
            for path, table in (tables or {}).items():
                # MLflow appends to a table that is there; a study that continues replaces it.
                text = table.to_json(orient="split", index=False)
                self._client.log_text(self.run_id, redact(text), path)
                self._tabulated(path)
            if note:
                self._client.set_tag(self.run_id, _NOTE, redact(note)[:_NOTE_LENGTH])

    def end(self, status: Status) -> None:
        """Close the run; one that did not finish is continued by the next start like it."""
        with errors_of(self.uri):
            self._client.set_terminated(self.run_id, _STATUS[status])

    def _create(self, kind: str, name: str, tags: Mapping[str, str]) -> Run:
        from mlflow.tracking.context.registry import resolve_tags

        return self._client.create_run(
            self._experiment_id,
            run_name=name,
            start_time=round(time.time() * 1000),
            tags={
                **resolve_tags(),
                **{key: redact(value)[:_TAG_LENGTH] for key, value in tags.items()},
                "pex.kind": kind,
            },
        )

    def _write(
        self,
        run_id: str,
        params: Mapping[str, Any] | None,
        metrics: Mapping[str, float] | None,
        tags: Mapping[str, str] | None,
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        there = self._client.get_run(run_id).data.params if params else {}
        now = round(time.time() * 1000)
        self._client.log_batch(
            run_id,
            metrics=[
                Metric(key, float(f"{value:.6g}"), now, 0)
                for key, value in (metrics or {}).items()
                if math.isfinite(value)
            ],
            params=[
                Param(key, redact(str(value))[:_PARAM_LENGTH])
                for key, value in (params or {}).items()
                if key not in there
            ],
            tags=[RunTag(key, redact(text)[:_TAG_LENGTH]) for key, text in (tags or {}).items()],
        )

    def _tabulated(self, path: str) -> None:
        """List a table among those of the run, as MLflow's own `log_table` does."""
        import json

        known = "mlflow.loggedArtifacts"
        listed: list[dict[str, str]] = []
        with contextlib.suppress(ValueError):
            listed = json.loads(self._client.get_run(self.run_id).data.tags.get(known, "[]"))
        if all(item.get("path") != path for item in listed):
            listed.append({"path": path, "type": "table"})
            self._client.set_tag(self.run_id, known, json.dumps(listed))


def studies(uri: str, kind: str, place: str | None = None, most: int = 100) -> Sequence[Run]:
    """The recorded studies of a kind, newest first.

    Args:
        uri: the store.
        kind: `adoption` or `improvement`.
        place: only those in the MLflow experiment of this name.
        most: how many at most.

    Raises:
        PexError: the store does not answer.
    """
    client = connect(uri)
    with errors_of(uri):
        found = [
            item.experiment_id
            for item in client.search_experiments()
            if place is None or item.name == place
        ]
        query = f"tags.`pex.kind` = '{kind}'"
        return list(client.search_runs(found, query, max_results=most)) if found else []


def study_text(uri: str, run_id: str, path: str) -> str | None:
    """A text file of a study's run; None if it does not have it.

    Args:
        uri: the store.
        run_id: the run.
        path: of the file in the run, such as `splits.json`.

    Raises:
        PexError: the store does not answer.
    """
    import tempfile
    from pathlib import Path

    client = connect(uri)
    with errors_of(uri), tempfile.TemporaryDirectory() as folder:
        if all(item.path != path for item in client.list_artifacts(run_id)):
            return None
        return Path(client.download_artifacts(run_id, path, folder)).read_text(encoding="utf-8")

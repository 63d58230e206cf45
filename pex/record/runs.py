"""Writing a run to MLflow, and reading it back.

What is written: a parent run with the counts, the files (`results.parquet`, the same as a table
that MLflow's UI shows, `experiment.yaml`, `cases.jsonl`, the prompts, `about.json`), and a child
run per variant with its parameters and rounded metrics, so that MLflow's own comparison works.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from pex.core.errors import PexError, nearest
from pex.core.names import plain
from pex.guard.redact import redact
from pex.record.store import artifact_location, connect
from pex.score.frame import typed

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient

TABLE = "results.json"
PARQUET = "results.parquet"
ABOUT = "about.json"
CASES = "cases.jsonl"
_JSON_COLUMNS = "pex.json_columns"
_STATUS = {"finished": "FINISHED", "interrupted": "KILLED", "budget": "FINISHED"}
_PARAM_LENGTH = 500


class Recorder:
    """One parent run in MLflow, begun before the first call and ended after the last."""

    def __init__(
        self,
        uri: str,
        experiment: str,
        tags: Mapping[str, str],
        continued: str | None = None,
    ) -> None:
        """Open the run.

        Args:
            uri: the store.
            experiment: its name.
            tags: for the run.
            continued: the run that an earlier start began and did not finish; it goes on.

        Raises:
            PexError: the store does not answer; nothing has been asked of a model yet.
        """
        self.uri = uri
        self._client = connect(uri)
        self._children: dict[str, str] = {}
        if continued is not None and self._reopen(continued):
            return
        from mlflow.tracking.context.registry import resolve_tags

        self.experiment_id = _experiment(self._client, uri, experiment)
        own = {"pex.kind": "run", "pex.experiment": experiment}
        for variable, tag in (("PEX_BATCH_ID", "pex.batch_id"), ("PEX_JOB_ID", "pex.job_id")):
            if os.environ.get(variable):
                own[tag] = os.environ[variable]
        run = self._client.create_run(
            self.experiment_id,
            run_name=own.get("pex.job_id", experiment),
            tags={
                **resolve_tags(),  # who, from which file, at which commit
                **own,
                **{key: redact(value) for key, value in tags.items()},
            },
        )
        self.run_id = str(run.info.run_id)

    def finish(
        self,
        frame: pd.DataFrame,
        summary: pd.DataFrame,
        about: Mapping[str, Any],
        files: Mapping[str, str],
    ) -> None:
        """Write what came of it, and close the run.

        Args:
            frame: the long frame.
            summary: one row per variant.
            about: what was run; its `status` becomes the run's.
            files: further text files, by their path in the run.
        """
        for variant in summary.to_dict("records"):
            self._child({str(key): value for key, value in variant.items()}, about)
        counts = {key: float(value) for key, value in about["counts"].items()}
        total = summary["cost_usd"].sum(min_count=len(summary)) if len(summary) else math.nan
        self._log(
            self.run_id,
            params={
                "purpose": about["purpose"],
                "prompts": ", ".join(prompt["name"] for prompt in about["prompts"]),
                "models": ", ".join(about["models"]),
                "scorers": ", ".join(about["scorers"]),
                "cases": about["cases"],
                "repeats": about["repeats"],
            },
            metrics={**counts, "cost_usd": total, "elapsed_s": about["elapsed_s"]},
        )
        _write_files(self._client, self.run_id, frame, about, files)
        self._client.set_tag(self.run_id, "mlflow.note.content", _note(summary, about))
        self._client.set_terminated(self.run_id, _STATUS.get(about["status"], "FAILED"))

    def _reopen(self, run_id: str) -> bool:
        """Go on with a run; False where somebody has deleted it."""
        from mlflow.exceptions import MlflowException

        try:
            run = self._client.get_run(run_id)
        except MlflowException:
            return False
        if run.info.lifecycle_stage == "deleted":
            return False
        self._client.update_run(run_id, status="RUNNING")
        self.run_id, self.experiment_id = run_id, str(run.info.experiment_id)
        self._children = {
            child.data.tags["mlflow.runName"]: str(child.info.run_id)
            for child in self._client.search_runs(
                [self.experiment_id], f"tags.`mlflow.parentRunId` = '{run_id}'"
            )
        }
        return True

    def fail(self) -> None:
        """Close the run after an error of our own."""
        self._client.set_terminated(self.run_id, "FAILED")

    def _child(self, variant: dict[str, Any], about: Mapping[str, Any]) -> None:
        name = variant["variant"]
        run_id = self._children.get(name)
        if run_id is None:
            run = self._client.create_run(
                self.experiment_id,
                run_name=name,
                tags={"mlflow.parentRunId": self.run_id, "pex.kind": "variant"},
            )
            run_id = str(run.info.run_id)
        metrics = {
            key.removeprefix("score.").removesuffix(".errors")
            + ("_errors" if key.startswith("score.") and key.endswith(".errors") else ""): value
            for key, value in variant.items()
            if key not in ("variant", "prompt", "model")
        }
        details = next(item for item in about["variants"] if item["name"] == name)
        params = {
            "variant": name,
            "prompt": details["prompt"],
            "prompt_version": details["prompt_version"],
            "model": details["model"],
            **details["params"],
        }
        self._log(run_id, params, metrics)
        self._client.set_terminated(run_id, _STATUS.get(about["status"], "FAILED"))

    def _log(
        self, run_id: str, params: Mapping[str, Any], metrics: Mapping[str, float | int]
    ) -> None:
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        # MLflow's pages print a metric as it is stored, so it is rounded to what it means; and a
        # NaN would be drawn as a value.
        shown = [
            Metric(key, _rounded(float(value)), now, 0)
            for key, value in metrics.items()
            if math.isfinite(value)
        ]
        texts = [Param(key, redact(str(value))[:_PARAM_LENGTH]) for key, value in params.items()]
        self._client.log_batch(run_id, metrics=shown, params=texts)


def replace(
    uri: str,
    run_id: str,
    frame: pd.DataFrame,
    about: Mapping[str, Any],
    files: Mapping[str, str],
) -> None:
    """Write a run's table, description and further text files anew; metrics stay as they are."""
    _write_files(connect(uri), run_id, frame, about, files)


def _write_files(
    client: MlflowClient,
    run_id: str,
    frame: pd.DataFrame,
    about: Mapping[str, Any],
    files: Mapping[str, str],
) -> None:
    table, json_columns = storable(frame)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        stored = {**about, _JSON_COLUMNS: json_columns}
        Path(folder, ABOUT).write_bytes(orjson.dumps(plain(stored), option=orjson.OPT_INDENT_2))
        table.to_parquet(Path(folder, PARQUET), index=False)
        _readable(table).to_json(Path(folder, TABLE), orient="split", index=False)
        client.log_artifacts(run_id, folder)
    # What log_table does, but it would append to the table of an earlier start of this run.
    tables = json.dumps([{"path": TABLE, "type": "table"}])
    client.set_tag(run_id, "mlflow.loggedArtifacts", tables)


def load(uri: str, run_id: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The long frame and the description of a recorded run.

    Raises:
        PexError: there is no such run, or pex did not record it.
    """
    client = connect(uri)
    import pandas as pd
    from mlflow.exceptions import MlflowException

    try:
        client.get_run(run_id)
    except MlflowException:
        known = [item["run_id"] for item in latest(uri, 50)]
        raise PexError(
            f"there is no run '{run_id}' in {redact(uri)}",
            hint=nearest(run_id, known) if known else "nothing has been recorded there yet",
        ) from None
    with tempfile.TemporaryDirectory() as folder:
        try:
            about = json.loads(Path(client.download_artifacts(run_id, ABOUT, folder)).read_text())
            frame = pd.read_parquet(client.download_artifacts(run_id, PARQUET, folder))
        except (MlflowException, OSError):
            raise PexError(
                f"run '{run_id}' has no results of pex in it",
                hint="name the parent run, not the run of one variant",
            ) from None
    for column in about.pop(_JSON_COLUMNS):
        frame[column] = [None if value is None else json.loads(value) for value in frame[column]]
    return typed(frame), about


def latest(uri: str, limit: int = 1, experiment: str | None = None) -> list[dict[str, Any]]:
    """The newest runs of pex in a store: run_id, experiment, status."""
    client = connect(uri)
    chosen = [
        item.experiment_id
        for item in client.search_experiments()
        if experiment is None or item.name == experiment
    ]
    found = client.search_runs(chosen, "tags.`pex.kind` = 'run'", max_results=limit)
    return [
        {
            "run_id": run.info.run_id,
            "experiment": run.data.tags["pex.experiment"],
            "status": run.info.status,
        }
        for run in found
    ]


def find(uri: str, batch_id: str) -> list[dict[str, Any]]:
    """The variants that the jobs of a batch recorded: job_id, variant, run_id, metrics."""
    client = connect(uri)
    everywhere = [item.experiment_id for item in client.search_experiments()]
    parents = client.search_runs(everywhere, f"tags.`pex.batch_id` = '{batch_id}'")
    found = []
    for parent in reversed(parents):
        children = client.search_runs(
            [parent.info.experiment_id],
            f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'",
            order_by=["attributes.start_time ASC"],
        )
        found += [
            {
                "job_id": parent.data.tags.get("pex.job_id", ""),
                "variant": child.data.params["variant"],
                "run_id": parent.info.run_id,
                "metrics": dict(child.data.metrics),
            }
            for child in children
        ]
    return found


def page(uri: str, experiment_id: str, run_id: str) -> str | None:
    """The address of a run in MLflow's UI, where the store is a server."""
    if not uri.startswith("http"):
        return None
    return redact(f"{uri.rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}")


def _experiment(client: MlflowClient, uri: str, name: str) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            location = artifact_location(uri, name)
            kind = {"mlflow.experimentKind": "genai_development"}
            return str(client.create_experiment(name, artifact_location=location, tags=kind))
        except MlflowException:  # another process was quicker
            found = client.get_experiment_by_name(name)
    if found is None or found.lifecycle_stage == "deleted":
        raise PexError(
            f"the MLflow experiment '{name}' is deleted",
            hint="restore it in MLflow, or give the experiment another name",
        )
    return str(found.experiment_id)


def storable(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """A copy that Parquet can hold: columns of lists, dicts or mixed values become JSON texts."""
    changed: dict[str, Any] = {}
    for column in frame.columns:
        values = frame[column]
        if values.dtype != object:
            continue
        kinds = {type(value) for value in values if value is not None}
        if kinds - {str}:
            changed[column] = [
                None if plain(value) is None else orjson.dumps(plain(value)).decode()
                for value in values
            ]
    return frame.assign(**changed), list(changed)


def _readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table as MLflow's page shows it best: what is read first on the left, case by case."""
    inputs = [name for name in table.columns if name.startswith("case.")]
    scores = [name for name in table.columns if name.startswith("score.")]
    first = ["case_id", *inputs[:1], "expected", "variant", "output", *scores]
    rest = [name for name in table.columns if name not in first]
    table = table.assign(started_at=table["started_at"].astype(str))
    table = table[[*first, *rest]].sort_values("case_id", kind="stable")
    # A column with a dot in its name stays empty on that page.
    return table.rename(columns=lambda name: name.replace(".", "_"))


def _note(summary: pd.DataFrame, about: Mapping[str, Any]) -> str:
    """A few lines of Markdown for MLflow's run page."""
    names = [column[6:-2] for column in summary.columns if column.endswith(".n")]
    lines = [about["purpose"] or "", "", f"| variant | {' | '.join(names)} | errors |"]
    lines.append("|---" * (len(names) + 2) + "|")
    for row in summary.to_dict("records"):
        cells = [
            "–"
            if math.isnan(row[f"score.{name}"])
            else f"{row[f'score.{name}']:.3g} [{row[f'score.{name}.lo']:.3g}, "
            f"{row[f'score.{name}.hi']:.3g}]"
            for name in names
        ]
        variant = row["variant"].replace("|", "\\|")
        lines.append(f"| {variant} | {' | '.join(cells)} | {row['errors']} |")
    return "\n".join(lines).strip()


def _rounded(value: float) -> float:
    """Four significant digits, and whole numbers as they are."""
    return value if value == int(value) else float(f"{value:.4g}")

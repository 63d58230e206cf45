"""Writing a run to MLflow, and reading it back.

A run becomes a parent run with the counts, the comparison and the files (`results.parquet`, the
same as a table that MLflow's UI shows, `experiment.yaml`, `cases.jsonl`, the prompts,
`about.json`), and a child run per variant with its parameters and rounded metrics, so MLflow's
own comparison works.
"""

from __future__ import annotations

import dataclasses
import datetime
import math
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.core.about import About
from pex.core.attack_columns import BANNER
from pex.core.batch_context import BatchContext
from pex.core.case import Case
from pex.core.case_hash import cases_sha256
from pex.core.errors import PexError
from pex.core.provenance import generated_share
from pex.core.remarks import of_run
from pex.guard.redact import redact
from pex.record import files, requirements
from pex.record.criteria import iso_time
from pex.record.description import note
from pex.record.experiments import experiment_of, place_of
from pex.record.metrics import (
    differences_of,
    is_of_scorer,
    metric_name,
    primary,
    rounded,
    rows_of,
    verdict_words,
)
from pex.record.run_title import best_of, local_time, run_name
from pex.record.search import (
    CASES_SHA256,
    GENERATED_SHARE,
    RESCORED,
    SOURCE,
    YES_NO,
    children,
    run_of,
)
from pex.score.frame import percentages, typed
from pex.score.unusual_answers import UNUSUAL, columns
from pex.tracking import active
from pex.tracking.store import check_files, check_writable, connect, errors_of

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient

    from pex.compare.frontier import Frontier

_STATUS = {"finished": "FINISHED", "interrupted": "KILLED", "budget": "FINISHED"}
_PARAM_LENGTH = 500
_TAG_LENGTH = 5000
_NAMED = "pex.run_name"
"""The tag of a run with the name that pex gave it."""
_PARTS = ("cached_tokens", "cache_write_tokens", "reasoning_tokens")
"""Of a variant's tokens: a metric if there are any."""
CHEAPEST = "cheapest_no_worse"
"""The tag, with pex. in front, and the metrics of the variant that a frontier names."""
_BATCH = 1000
"""Metrics that MLflow accepts at once."""


def _batch_tags(context: BatchContext) -> dict[str, str]:
    """The tags of the runs of a batch's jobs."""
    tags = {
        "pex.batch_id": context.batch_id,
        "pex.job_id": context.job_id,
        "pex.plan": context.plan,
        "pex.plan_folder": context.plan_folder,
    }
    return {name: value for name, value in tags.items() if value} | dict(context.tags)


class Recorder:
    """One parent run in MLflow, opened before the first call and closed after the last."""

    name: str | None = None
    """The run's name in MLflow, known once its scores are written."""

    def __init__(
        self,
        uri: str,
        experiment: str,
        tags: Mapping[str, str],
        continued: str | None = None,
        purpose: str = "",
    ) -> None:
        """Open the run.

        Args:
            uri: the store.
            experiment: its name. What is tried in a Playground or a cell (tag `pex.source`) goes
                to an MLflow experiment of its own, apart from the measurements.
            tags: tags of the run.
            continued: the unfinished run of an earlier start, to be continued.
            purpose: the experiment's, its description in MLflow.

        Raises:
            PexError: the store does not answer; no model has been called yet.
            TrustError: its database names another machine for the run's files.
        """
        check_writable(uri)
        self.uri = uri
        self._client = connect(uri)
        self._source = tags.get(SOURCE)
        self.children: dict[str, str] = {}
        self._written: dict[str, set[str]] = {}  # metrics by run
        if continued is not None and self._reopen(continued):
            return
        from mlflow.tracking.context.registry import resolve_tags

        outer = self._outer_run()
        self.experiment_id = (
            str(outer.info.experiment_id)
            if outer
            else experiment_of(
                self._client,
                uri,
                active.experiment_name(self._client) or place_of(experiment, tags),
                purpose,
            )
        )
        check_files(uri, self.experiment_id)
        own = {"pex.kind": "run", "pex.experiment": experiment}
        if outer:
            own["mlflow.parentRunId"] = str(outer.info.run_id)
        own |= _batch_tags(BatchContext.from_environ())
        run = self._client.create_run(
            self.experiment_id,
            run_name=own.get("pex.job_id", f"{local_time(_now())} · {experiment}"),
            tags={
                **resolve_tags(),  # the user, the source file, the commit
                **own,
                **{key: redact(value) for key, value in tags.items()},
            },
        )
        self.run_id = str(run.info.run_id)
        self.started_at = iso_time(run.info.start_time)

    def _outer_run(self) -> Any:
        """The run that the user has open, if it is in the same store."""
        from mlflow.exceptions import MlflowException

        run_id = active.run_id()
        if run_id is None:
            return None
        try:
            return self._client.get_run(run_id)
        except MlflowException:  # open in another store: nothing to nest into
            return None

    def finish(
        self,
        frame: pd.DataFrame,
        summary: pd.DataFrame,
        about: About,
        texts: Mapping[str, str],
        comparison: pd.DataFrame | None = None,
        frontier: Frontier | None = None,
    ) -> None:
        """Write the run's results, and close the run.

        Args:
            frame: the long frame.
            summary: one row per variant.
            about: the run's description; its `status` becomes the run's.
            texts: further text files, by their path in the run.
            comparison: the verdicts, if there is more than one variant.
            frontier: quality against cost or time, if there is more than one variant.
        """
        binary = percentages(frame)
        self.write_scores(summary, about, comparison, of_run(frame, about), binary)
        self._client.set_tag(self.run_id, YES_NO, ", ".join(sorted(binary)))
        self.write_requirements(frame, about)
        self.write_attacks(frame, about)
        self.write_frontier(frontier)
        counts = {key: float(value) for key, value in about["counts"].items()}
        total = summary["cost_usd"].sum(min_count=len(summary)) if len(summary) else math.nan
        self._log(
            self.run_id,
            params={
                "purpose": about.purpose,
                "prompts": ", ".join(prompt.name for prompt in about.prompts),
                "models": ", ".join(about.models),
                "scorers": ", ".join(about.scorers),
                "cases": about.cases,
                "repeats": about.repeats,
                **_user_params(about),
            },
            metrics={
                **counts,
                **{name: float(summary[name].sum()) for name in columns(summary)},
                "cost_usd": total,
                "elapsed_s": about.elapsed_s,
            },
        )
        packages = {files.PACKAGES: files.packages()}
        files.replace(self._client, self.run_id, frame, about, {**texts, **packages}, comparison)
        self.close(about.status)

    def write_scores(
        self,
        summary: pd.DataFrame,
        about: About,
        comparison: pd.DataFrame | None,
        remarks: Sequence[str],
        binary: Collection[str],
    ) -> None:
        """Write scores as metrics, the differences with their variants, and both in words.

        The run itself has only the best mean of each score, as `label.best`: its differences are
        in `comparison.json`.
        """
        differences = {} if comparison is None else differences_of(comparison)
        for variant in summary.to_dict("records"):
            row = {str(key): value for key, value in variant.items()}
            self._child(row, about, differences.get(row["variant"], {}))
        best = {
            f"{metric_name(name)}.best": found[1]
            for name in about.scorers
            if (found := best_of(summary, name)) is not None
        }
        self._log(self.run_id, {}, best)
        self._rename(about, summary, binary)
        if comparison is not None:
            words = [verdict_words(row, comparison) for row in rows_of(comparison)]
            self._client.set_tag(self.run_id, "pex.verdicts", "; ".join(words)[:_PARAM_LENGTH])
            if comparison["baseline"].nunique() == 1:
                self._client.set_tag(
                    self.run_id, "pex.baseline", str(comparison["baseline"].iloc[0])
                )
        if remarks:
            said = redact("; ".join(remarks))[:_TAG_LENGTH]
            self._client.set_tag(self.run_id, "pex.remarks", said)
        text = redact(note(summary, about, comparison, remarks, binary))
        self._client.set_tag(self.run_id, "mlflow.note.content", text)

    def write_frontier(self, found: Frontier | None) -> None:
        """Name the cheapest (fastest) variant that is no worse than the best.

        What it takes is a metric if there was a margin to choose by. Without a name, the tag of an
        earlier start is emptied.
        """
        tag = f"pex.{CHEAPEST}"
        chosen = found.chosen if found is not None else None
        if chosen is None:
            if self._client.get_run(self.run_id).data.tags.get(tag):
                self._client.set_tag(self.run_id, tag, "")
            return
        self._client.set_tag(self.run_id, tag, chosen.variant[:_TAG_LENGTH])
        if found is None or found.margin is None:
            return
        metrics = {
            f"{CHEAPEST}.score": chosen.score,
            f"{CHEAPEST}.usd_per_1000": chosen.usd_per_1000,
            f"{CHEAPEST}.latency_s": chosen.latency_s,
        }
        self._log(self.run_id, {}, metrics)

    def write_requirements(self, frame: pd.DataFrame, about: About) -> None:
        """Say in a tag of the run and of each variant which requirements are met."""
        table = requirements.table_of(frame, about)
        if table is None:
            return
        said, each = requirements.tags_of(table)
        self._client.set_tag(self.run_id, requirements.TAG, redact(said))
        for name, text in each.items():
            self._client.set_tag(self.children[name], requirements.TAG, text)
        for name, text in requirements.states_tags(table).items():
            self._client.set_tag(self.children[name], requirements.STATES, text)

    def write_attacks(self, frame: pd.DataFrame, about: About) -> None:
        """Write both rates of a red-team run as metrics of each variant, by category."""
        from pex.compare.attacks import attack_rates, is_redteam, metrics_of

        if not is_redteam(frame):
            return
        for variant, metrics in metrics_of(attack_rates(frame, about)).items():
            self._log(self.children[variant], {}, metrics)
        self._client.set_tag(self.run_id, "pex.redteam", BANNER)

    def _rename(self, about: About, summary: pd.DataFrame, binary: Collection[str]) -> None:
        """Name the run after what it was and found; a name given by a person is kept."""
        tags = self._client.get_run(self.run_id).data.tags
        name = tags.get("mlflow.runName", "")
        if name != tags.get(_NAMED, name):
            self.name = name
            return
        begin = tags.get("pex.job_id") or local_time(
            datetime.datetime.fromisoformat(about.started_at)
        )
        score = primary(about, summary)
        name = redact(run_name(begin, about, summary, score, score in binary))
        self.name = name
        self._client.set_tag(self.run_id, "mlflow.runName", name)
        self._client.set_tag(self.run_id, _NAMED, name)

    def clear_stale(self, scorers: Sequence[str]) -> None:
        """Clear the metrics of scores that no longer exist.

        MLflow cannot delete a metric, so it becomes NaN. A count of
        errors becomes 0.

        Args:
            scorers: the names of all scorers.
        """
        for run_id in (self.run_id, *self.children.values()):
            there = self._client.get_run(run_id).data.metrics
            written = self._written.get(run_id, set())
            stale = {
                name: 0.0 if name.endswith("_errors") else math.nan
                for name, value in there.items()
                if name not in written and not math.isnan(value) and is_of_scorer(name, scorers)
            }
            self._log(run_id, {}, stale, keep_nan=True)

    def close(self, status: str) -> None:
        """End the run and its children with MLflow's name for the run's status."""
        for run_id in (*self.children.values(), self.run_id):
            self._client.set_terminated(run_id, _STATUS.get(status, "FAILED"))

    @classmethod
    def of(cls, uri: str, run_id: str) -> Recorder:
        """A recorder for a run that has ended; the run's status does not change.

        Raises:
            PexError: the run is deleted.
        """
        check_writable(uri)
        self = cls.__new__(cls)
        self.uri, self._client, self._written = uri, connect(uri), {}
        if not self._attach(run_id):
            raise PexError(f"the run '{run_id}' is deleted in MLflow", hint="restore it there")
        return self

    def _reopen(self, run_id: str) -> bool:
        """Continue a run; False if it has been deleted."""
        if not self._attach(run_id):
            return False
        # The earlier start's end time stays until this one has ended: MLflow cannot remove it.
        self._client.update_run(run_id, status="RUNNING")
        return True

    def _attach(self, run_id: str) -> bool:
        from mlflow.exceptions import MlflowException

        try:
            run = self._client.get_run(run_id)
        except MlflowException:
            return False
        if run.info.lifecycle_stage == "deleted":
            return False
        check_files(self.uri, run_id)
        self.run_id, self.experiment_id = run_id, str(run.info.experiment_id)
        self.started_at = iso_time(run.info.start_time)
        self._source = run.data.tags.get(SOURCE)
        self.children = children(self._client, self.experiment_id, run_id)
        return True

    def fail(self) -> None:
        """Close the run after an error in pex itself."""
        self._client.set_terminated(self.run_id, "FAILED")

    def begin_children(self, variants: Sequence[str], about: About) -> None:
        """Open a run for each variant that has none yet."""
        for name in variants:
            if name in self.children:
                continue
            tags = {
                "mlflow.parentRunId": self.run_id,
                "pex.kind": "variant",
                "pex.experiment": about.name,
                **({SOURCE: self._source} if self._source else {}),
            }
            run = self._client.create_run(self.experiment_id, run_name=name, tags=tags)
            self.children[name] = str(run.info.run_id)

    def tag_cases(self, cases: Sequence[Case]) -> None:
        """Write the hash of the run's cases, by which runs on the same data are known.

        If a model wrote some of them, also their share.
        """
        self._client.set_tag(self.run_id, CASES_SHA256, cases_sha256(cases))
        if (share := generated_share(case.provenance for case in cases)) is not None:
            self._client.set_tag(self.run_id, GENERATED_SHARE, share)

    def link_prompts(self, versions: Mapping[str, tuple[str, int]], about: About) -> None:
        """Link each variant to the prompt version that it used, so MLflow's pages show it."""
        from pex.library import registry

        used = {item.name: versions.get(item.prompt) for item in about.variants}
        for name, run_id in self.children.items():
            version = used.get(name)
            if version is not None:
                registry.link(self._client, run_id, [version])
        registry.link(self._client, self.run_id, list(dict.fromkeys(versions.values())))

    def _child(self, row: dict[str, Any], about: About, differences: Mapping[str, float]) -> None:
        name = row["variant"]
        self.begin_children([name], about)
        # MLflow shows metrics in this order: scores, cost and time, differences, ends of intervals.
        scores = {key[6:]: value for key, value in row.items() if key.startswith("score.")}
        failed = {f"{k[:-7]}_errors": v for k, v in scores.items() if k.endswith(".errors") and v}
        scores = {key: value for key, value in scores.items() if not key.endswith(".errors")}
        named = ("variant", "prompt", "model")
        taken = {k: v for k, v in row.items() if k not in named and not k.startswith("score.")}
        taken = {k: v for k, v in taken.items() if v or k not in (*UNUSUAL, *_PARTS)}
        metrics = {**scores, **failed, **taken, **differences}
        ends = [key for key in metrics if key.endswith((".lo", ".hi", ".n", ".p"))]
        metrics = {**{k: v for k, v in metrics.items() if k not in ends},
                   **{k: metrics[k] for k in ends}}  # fmt: skip
        details = next(item for item in about.variants if item.name == name)
        params = {
            "variant": name,
            "prompt": details.prompt,
            "prompt_version": details.prompt_version,
            "model": details.model,
            **details.params,
        }
        self._log(self.children[name], params, metrics)

    def _log(
        self,
        run_id: str,
        params: Mapping[str, Any],
        metrics: Mapping[str, float | int],
        keep_nan: bool = False,
    ) -> None:
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        # MLflow's pages print a metric as it is stored, so it is rounded to its meaningful digits;
        # and a NaN would be plotted as a value.
        shown = [
            Metric(key, rounded(float(value)), now, 0)
            for key, value in metrics.items()
            if keep_nan or math.isfinite(value)
        ]
        self._written.setdefault(run_id, set()).update(metric.key for metric in shown)
        # A parameter cannot change; a continued run keeps the ones that it started with.
        there = self._client.get_run(run_id).data.params if params else {}
        texts = [
            Param(key, redact(str(value))[:_PARAM_LENGTH])
            for key, value in params.items()
            if key not in there
        ]
        self._client.log_batch(run_id, params=texts)
        for start in range(0, len(shown), _BATCH):
            self._client.log_batch(run_id, metrics=shown[start : start + _BATCH])


def _user_params(about: About) -> dict[str, Any]:
    """The simulated user of a run, by the names of MLflow's parameters."""
    user = about.user
    if user is None:
        return {}
    return {
        "user_model": user.model,
        "user_prompt": f"{user.prompt} ({user.digest})",
        "user_max_turns": user.max_turns,
    }


def rescore(
    uri: str,
    run_id: str,
    frame: pd.DataFrame,
    summary: pd.DataFrame,
    about: About,
    texts: Mapping[str, str],
    comparison: pd.DataFrame | None,
    frontier: Frontier | None = None,
) -> None:
    """Update a recorded run with new scores: its metrics, tables, note and report."""
    recorder = Recorder.of(uri, run_id)
    recorder.write_scores(summary, about, comparison, of_run(frame, about), percentages(frame))
    recorder.write_requirements(frame, about)
    recorder.write_attacks(frame, about)
    recorder.write_frontier(frontier)
    recorder.clear_stale(about.scorers)
    files.replace(recorder._client, run_id, frame, about, texts, comparison)
    recorder._client.set_tag(run_id, "pex.scorers", ", ".join(about.scorers))
    recorder._client.set_tag(run_id, YES_NO, ", ".join(sorted(percentages(frame))))
    recorder._client.set_tag(run_id, RESCORED, _now().isoformat(timespec="seconds"))


class NoResultsError(PexError):
    """A run in MLflow without a table of pex: it was killed early, or is another program's."""


def load(uri: str, run_id: str) -> tuple[pd.DataFrame, About]:
    """Return the long frame and the description of a recorded run.

    Raises:
        NoResultsError: pex did not record it, or it ended before it had a table.
        PexError: the run does not exist, or its files cannot be read.
    """
    from mlflow.exceptions import MlflowException

    client = connect(uri)
    run = run_of(uri, run_id)
    with (
        tempfile.TemporaryDirectory() as name,
        errors_of(uri, f"does not return the files of run '{run_id}'"),
    ):
        try:
            for part in (files.ABOUT, files.PARQUET):
                client.download_artifacts(run_id, part, name)
            frame, about = files.read(Path(name), f"run '{run_id}'")
        except (MlflowException, OSError):
            if not _lacks_results(client, run_id):
                raise
            raise NoResultsError(
                f"run '{run_id}' has no results of pex in it",
                hint="name the parent run, not the run of one variant",
            ) from None
    # The address may differ from the one that it was written to, and may contain a login.
    experiment_id = str(run.info.experiment_id)
    about = dataclasses.replace(
        about, tracking_uri=uri, experiment_id=experiment_id, run_name=str(run.info.run_name)
    )
    return typed(frame), about


def _lacks_results(client: MlflowClient, run_id: str) -> bool:
    """Whether the store answers and has no table of the run; a store that fails may have one."""
    from mlflow.exceptions import MlflowException

    try:
        there = {item.path for item in client.list_artifacts(run_id)}
    except (MlflowException, OSError, ValueError):  # MLflow's own for an address it cannot read
        return False
    return not {files.ABOUT, files.PARQUET} <= there


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)

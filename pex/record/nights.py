"""What a plan's nights have recorded, and the evidence kept with their runs."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any

from pex.core.errors import PexError
from pex.guard.redact import redact
from pex.record.search import MOST, children, run_of
from pex.tracking.store import connect, exists

SEQUENCE, EVIDENCE = "pex.sequence", "pex.evidence"


def of_plan(uri: str, plan: str) -> list[dict[str, Any]]:
    """Return the runs of a plan's nights, newest first.

    Args:
        uri: the store.
        plan: the plan's name.

    Returns:
        `run_id, experiment_id, experiment, batch_id, job_id, started_at` (UTC) and MLflow's
        `status`, at most the newest 1,000.
    """
    if not exists(uri):
        return []
    client = connect(uri)
    everywhere = [item.experiment_id for item in client.search_experiments()]
    query = f"tags.`pex.plan` = '{plan}' and tags.`pex.kind` = 'run'"
    found = client.search_runs(everywhere, query, max_results=MOST) if everywhere else []
    return [
        {
            "run_id": str(run.info.run_id),
            "experiment_id": str(run.info.experiment_id),
            "experiment": run.data.tags["pex.experiment"],
            "batch_id": run.data.tags.get("pex.batch_id", ""),
            "job_id": run.data.tags.get("pex.job_id", ""),
            "started_at": datetime.datetime.fromtimestamp(run.info.start_time / 1000, datetime.UTC),
            "status": run.info.status,
        }
        for run in found
    ]


def of_batch(uri: str, batch_id: str) -> dict[str, str]:
    """The runs of a batch's jobs, without its canary, and the plan of each."""
    client = connect(uri)
    everywhere = [item.experiment_id for item in client.search_experiments()]
    name = batch_id.replace("'", "")
    query = f"tags.`pex.batch_id` = '{name}' and tags.`pex.kind` = 'run'"
    found: dict[tuple[str, ...], tuple[str, str]] = {}
    for run in client.search_runs(everywhere, query, max_results=MOST) if everywhere else []:
        tags = run.data.tags
        plan, job = tags.get("pex.plan", ""), tags.get("pex.job_id", "")
        if job != "canary":
            key = (plan, job, tags["pex.experiment"])
            found.setdefault(key, (str(run.info.run_id), plan))
    return dict(found.values())


def evidence(uri: str, sequence: str, beside: str = "") -> list[dict[str, Any]]:
    """The findings of one sequence's nights, oldest first: `batch_id` and the evidence kept.

    `beside` is the score, if it is judged beside the gate's own.
    """
    end = f".{beside}" if beside else ""
    client = connect(uri)
    everywhere = [item.experiment_id for item in client.search_experiments()]
    query = f"tags.`{SEQUENCE}{end}` = '{sequence}'"
    order = ["attributes.start_time ASC"]
    found = client.search_runs(everywhere, query, order_by=order, max_results=MOST)
    return [
        {"batch_id": run.data.tags["pex.batch_id"], **json.loads(run.data.tags[EVIDENCE + end])}
        for run in found
    ]


def keep_evidence(
    uri: str, run: Mapping[str, Any], variant: str, sequence: str, found: Mapping[str, Any],
    beside: str = "",
) -> None:  # fmt: skip
    """Keep a night's finding about a variant: tags and the metric `e_value` on its run.

    `beside` is the score, if it is judged beside the gate's own: both are kept.
    """
    end = f".{beside}" if beside else ""
    client = connect(uri)
    child = children(client, run["experiment_id"], run["run_id"]).get(variant)
    if child is None:
        return
    client.set_tag(child, SEQUENCE + end, sequence)
    client.set_tag(child, "pex.batch_id", run["batch_id"])
    client.set_tag(child, EVIDENCE + end, json.dumps(dict(found)))
    client.set_tag(child, f"pex.gate{end}", found["outcome"])
    client.set_tag(child, f"pex.gate_verdict{end}", found["verdict"])
    client.log_metric(child, f"e_value{end}", float(f"{found['e']:.4g}"))


def tag(uri: str, run_id: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Tag a run, and return the tags that it had before.

    Raises:
        PexError: pex has recorded no run with this id.
    """
    client = connect(uri)
    before = dict(run_of(uri, run_id).data.tags)
    if before.get("pex.kind") != "run":
        raise PexError(
            f"run '{run_id}' is not a parent run of pex",
            hint="name the parent, not one variant's run",
        )
    for key, value in tags.items():
        client.set_tag(run_id, key, redact(value))
    return before


def attach(uri: str, run_id: str, name: str, text: str) -> None:
    """Attach a text to a run as a file."""
    connect(uri).log_text(run_id, text, name)

"""The MLflow run of an adoption: one run, whatever the number of prompts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.adoption.decide import VERDICTS
from pex.adoption.plan import Plan, Side, Task
from pex.core.case_hash import cases_sha256
from pex.core.text import value_text
from pex.record.study_run import Status, StudyRun

if TYPE_CHECKING:
    from pex.adoption.adoption import Adoption

KIND = "adoption"
RECORDING = "adoption-record"
PLACE = "adoption"
PAGE = "adoption.html"
TABLE = "adoption.json"
_ENDS: Mapping[str, Status] = {"": "finished", "failed": "failed"}
"""By why it stopped; one that stopped otherwise is continued by the next start."""


def identity_of(plan: Plan) -> Any:
    """What makes an adoption the same when it is started again: models, prompts, cases."""
    return [
        [str(plan.new), plan.old_name],
        [
            [task.key, task.new.prompt.digest, task.new.model, task.new.all_params,
             task.old.model, task.old.all_params, cases_sha256(task.cases)]
            for task in plan.tasks
        ],
    ]  # fmt: skip


def open_study(plan: Plan, uri: str) -> StudyRun:
    """The run of an adoption: a new one, or the one that an unfinished start left.

    Raises:
        PexError: the store does not answer.
    """
    name = f"{str(plan.new).partition('/')[2]} for {plan.old_name.partition('/')[2] or 'all'}"
    tags = {"pex.adoption.new": str(plan.new), "pex.adoption.old": plan.old_name}
    return StudyRun(uri, KIND, PLACE, name, identity_of(plan), tags)


def open_recording(side: Side, tasks: Sequence[Task], uri: str) -> StudyRun:
    """The run of a recording of a model; as `open_study`."""
    identity = [
        str(side),
        [[task.key, task.old.prompt.digest, task.old.all_params, cases_sha256(task.cases)]
         for task in tasks],
    ]  # fmt: skip
    name = f"record {side.model.partition('/')[2]}"
    return StudyRun(uri, RECORDING, PLACE, name, identity, {"pex.adoption.old": str(side)})


def write_study(study: StudyRun, adoption: Adoption) -> None:
    """Write table, page, counts and note, and close the run.

    Raises:
        PexError: the store does not answer.
    """
    counts = Counter(item.decision.verdict for item in adoption.outcomes)
    metrics = {_metric(name): float(counts[name]) for name in VERDICTS}
    metrics["comparisons"] = float(len(adoption.outcomes))
    metrics["cost_usd"] = adoption.spent_usd if math.isfinite(adoption.spent_usd) else 0.0
    metrics["calls"] = float(adoption.calls)
    metrics["errors_new"] = float(
        sum(item.described.errors[0] for item in adoption.outcomes if item.described)
    )
    study.write(
        params={
            "new_model": adoption.new.model,
            "new_params": value_text(dict(adoption.new.params)),
            "old_model": adoption.old,
            "confidence": adoption.confidence,
        },
        metrics=metrics,
        tags={"pex.adoption.status": adoption.stopped or "finished"},
        texts={PAGE: adoption.page()},
        tables={TABLE: _stored(adoption)},
        note=note_of(adoption),
    )
    study.end(_ENDS.get(adoption.stopped, "interrupted"))


def _metric(verdict: str) -> str:
    return verdict.replace(" ", "_")


def _stored(adoption: Adoption) -> Any:
    """The table with lists and dicts as text, as MLflow's pages show them."""
    frame = adoption.frame.copy()
    for name in ("new_params", "old_params", "remarks", "parameters"):
        frame[name] = [value_text(value) for value in frame[name]]
    return frame


def note_of(adoption: Adoption) -> str:
    """The result in Markdown."""
    lines = [f"**{_markdown(adoption.headline)}**", "", _markdown(adoption.facts)]
    lines += ["", *(f"{_markdown(text)}." for text in adoption.ends)] if adoption.ends else []
    if adoption.stopped:
        lines += ["", f"Not finished: {_markdown(adoption.stopped_text)}"]
    if adoption.outcomes:
        lines += ["", "| prompt | experiment | verdict | why |", "|---|---|---|---|"]
        lines += [
            "| " + " | ".join(map(_markdown, (item.task.prompt, item.task.experiment.name,
                                              item.decision.verdict, item.decision.why))) + " |"
            for item in adoption.outcomes[:60]
        ]  # fmt: skip
    if adoption.left_out_lines:
        lines += ["", "Not compared:", ""]
        lines += [f"- {_markdown(text)}" for text in adoption.left_out_lines[:40]]
    return "\n".join([*lines, "", f"The page is the artifact `{PAGE}`, the table `{TABLE}`."])


def _markdown(text: str) -> str:
    """Text of others in Markdown: nothing in it is markup."""
    for mark in ("\\", "`", "*", "_", "[", "]", "<", ">", "|", "#"):
        text = text.replace(
            mark, f"\\{mark}" if mark not in "<>" else {"<": "&lt;", ">": "&gt;"}[mark]
        )
    return " ".join(text.split())

"""Judging a night: its runs are read back, compared with earlier runs, and its canary is run."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from pex.batch.night import canary, nights
from pex.batch.night.incident_cases import incident_cases
from pex.batch.night.night import JudgedNight, JudgedRun
from pex.batch.night.night_gate import CandidateVerdict, judge, keep, rule_of
from pex.batch.night.run_changes import (
    ANSWERS,
    UNSTEADY,
    Change,
    Recorded,
    cause,
    changes,
    other_answers,
    touching,
)
from pex.batch.plan import Plan
from pex.batch.result import BatchResult
from pex.compare.gate import UNDECIDED
from pex.compare.verdict import WORSE
from pex.core.errors import PexError
from pex.core.project import find_project
from pex.experiment.extend import is_open, more_repeats
from pex.guard.redact import redact
from pex.score.frame import score_names

EARLIER = 4
"""Nights before the last that are read to find cases that pass one night and fail another."""


def _is_open(subject: JudgedRun) -> bool:
    """Whether a gate of the run wants more repeats, and these could decide it."""
    about = subject.now.about
    return more_repeats(about) is not None and any(
        item.on_undecided == "extend"
        and item.row is not None
        and is_open(item.outcome, item.metric, about)
        for item in subject.judged
    )


def open_jobs(night: JudgedNight) -> list[str]:
    """The jobs with an undecided gate that wants more repeats, if these could decide it."""
    if night.stopped_by_budget:
        return []
    return list(dict.fromkeys(s.now.run["job_id"] for s in night.subjects if _is_open(s)))


def judge_night(batch: BatchResult, started_at: datetime.datetime, uri: str) -> JudgedNight:
    """Run a night's canary, judge the night, and store its evidence with its runs.

    Only the batch itself does this, once; later readers call `read_judged`.

    Args:
        batch: the result of its notebooks.
        started_at: when it started.
        uri: the store.

    Raises:
        PexError: the store does not answer.
    """
    night = _judged(batch, started_at, uri, asks=True)
    keep(night.judged, uri)
    return night


def read_judged(batch: BatchResult, started_at: datetime.datetime, uri: str) -> JudgedNight:
    """Read a night back from the store, with its gate's result; nothing is run or written.

    Args:
        batch: the result of its notebooks.
        started_at: when it started.
        uri: the store.

    Raises:
        PexError: the store does not answer.
    """
    return _judged(batch, started_at, uri, asks=False)


def _judged(
    batch: BatchResult, started_at: datetime.datetime, uri: str, *, asks: bool
) -> JudgedNight:
    """The judged night; `asks`: run the canary if it has not been run."""
    from pex.record.nights import of_plan
    from pex.record.runs import load

    plan, problems = batch.plan, []
    rows = of_plan(uri, plan.name)

    @functools.cache
    def read(run_id: str) -> Recorded:
        known = {row["run_id"]: row for row in rows}
        frame, about = load(uri, run_id)
        return Recorded(known.get(run_id, {"run_id": run_id}), frame, about)

    tonight: list[Recorded] = []
    for row in _tonight(rows, batch.batch_id):
        try:
            tonight.append(read(row["run_id"]))
        except PexError as error:
            problems.append(f"The run of {row['job_id']} cannot be read: {error.message}.")
    models = list(dict.fromkeys(m for item in tonight for m in item.about.models))
    history = _canary(plan, batch.batch_id, models, rows, read, problems, asks)
    subjects = []
    for item in tonight:
        subject = _judge_run(item, rows, read, plan, uri, problems)
        _add_canary_changes(subject, history)
        _add_causes(subject)
        subjects.append(subject)
    said = history.since(next((item.last for item in subjects if item.last), None))
    cut = history.now is not None and history.now.about.status == "budget"
    if cut:
        problems.append("The budget ended the canary before all of its questions were run.")
    shown = nights.nights(plan)
    return JudgedNight(batch, started_at, uri, subjects, said, problems, shown, rows, cut)


def _add_canary_changes(subject: JudgedRun, history: canary.CanaryHistory) -> None:
    """Add the canary's findings about the run's models, since each night it is compared with."""
    sides = [(subject.since_last, subject.last)]
    if subject.accepted is not subject.last:
        sides.append((subject.since_accepted, subject.accepted))
    for found, then in sides:
        known = {change.text for change in found}
        said = [item for item in history.since(then) if item.of in subject.now.about.models]
        if any(item.kind == ANSWERS for item in said):  # that settles the open question
            found[:] = [item for item in found if item.kind != UNSTEADY]
        found += [item for item in said if item.text not in known]


def _tonight(rows: Sequence[Mapping[str, Any]], batch_id: str) -> list[Mapping[str, Any]]:
    """The newest run of each job and experiment: a retried job has older ones."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for row in rows:
        if row["batch_id"] == batch_id and row["job_id"] != canary.JOB:
            found.setdefault((row["job_id"], row["experiment"]), row)
    return sorted(found.values(), key=lambda row: (row["experiment"], row["job_id"]))


def _judge_run(
    now: Recorded, rows: Sequence[Mapping[str, Any]], read: Any, plan: Plan, uri: str,
    problems: list[str],
) -> JudgedRun:  # fmt: skip
    before: list[Recorded] = []
    for row in _before(rows, now.run):
        if len(before) > EARLIER:
            break
        try:
            before.append(read(row["run_id"]))
        except PexError:  # killed before it had results: the list of nights reports it
            continue
    last = before[0] if before else None
    judged, accepted = [], None
    metric = next(iter(score_names(now.frame)), None)
    try:
        rule = rule_of(plan.gate, now.about.gate)
        if rule is not None:
            metric = rule.metric
            judged = judge(now, rule, plan.name, plan.folder, read, uri)
            pinned = next((item.accepted for item in judged if item.accepted), None)
            accepted = read(pinned["run_id"]) if pinned else None
    except PexError as error:
        problems.append(f"{now.run['experiment']} cannot be judged: {error.message}.")
        judged = [CandidateVerdict(now.run, "", "", metric or "", UNDECIDED, error.message)]
    since_last = _since(now, last)
    since_accepted = _since(now, accepted) if accepted is not last else []
    sweep = plan.sweep_of(now.run["job_id"])
    return JudgedRun(
        now,
        last,
        before[1:],
        accepted,
        judged,
        since_last,
        since_accepted,
        metric,
        sweep,
        incident_cases(now, find_project(plan.folder)),
    )


def _before(rows: Sequence[Mapping[str, Any]], run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The runs of the same job and experiment in earlier nights, one per night, newest first."""
    found: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        same = (row["job_id"], row["experiment"]) == (run["job_id"], run["experiment"])
        if same and row["batch_id"] != run["batch_id"] and row["started_at"] < run["started_at"]:
            found.setdefault(row["batch_id"], row)
    return list(found.values())


def _since(now: Recorded, then: Recorded | None) -> list[Change]:
    """Changes since a run; different answers to identical questions point to the model."""
    if then is None:
        return []
    return [*changes(now, then), *other_answers(now, then)]


def _canary(
    plan: Plan, batch_id: str, models: list[str], rows: Sequence[Mapping[str, Any]], read: Any,
    problems: list[str], asks: bool,
) -> canary.CanaryHistory:  # fmt: skip
    """The canary's results that night; if it has not been run, it is run if `asks`."""
    history = [row for row in rows if row["job_id"] == canary.JOB]
    tonight = [row for row in history if row["batch_id"] == batch_id]
    try:
        if tonight:
            # The rows are sorted newest first.
            earlier = history[history.index(tonight[-1]) + 1 :]
            return canary.CanaryHistory(read(tonight[0]["run_id"]), earlier, read)
        asked = canary.ask(plan, batch_id, models) if asks else None
        now = None if asked is None else Recorded({}, asked.frame, asked.about)
        return canary.CanaryHistory(now, history, read)
    except PexError as error:
        what = "read" if tonight else "run"
        problems.append(f"The canary could not be {what}: {redact(error.message)}.")
        return canary.CanaryHistory(None, [], read)


def _add_causes(subject: JudgedRun) -> None:
    """Add a likely cause to each candidate that lost."""
    for item in subject.judged:
        if item.verdict == WORSE and subject.then is not None:
            variant = subject.now.variants[item.candidate]
            item.cause = cause(touching(subject.since_then, variant))

"""The contents of a night's page, gathered from a judged night as plain data and frames."""

from __future__ import annotations

import datetime
import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.batch.night import nights
from pex.batch.night.case_changes import casework
from pex.batch.night.headline import headline
from pex.batch.night.incident_cases import counted
from pex.batch.night.night import PAGE
from pex.batch.night.prompt_history import PromptHistory, prompt_history
from pex.batch.night.run_changes import PROMPT
from pex.core import jsontext
from pex.core.attempt import attempt
from pex.core.errors import PexError
from pex.core.project import find_project
from pex.core.safe_text import clean
from pex.evidence.models_in_use import models_in_use
from pex.evidence.retiring_models import RetiringModel, retiring_models
from pex.guard.redact import redact
from pex.library.file_index import indexed_files
from pex.project.settings import load_settings
from pex.report.tables import cut
from pex.score.frame import percentages, score_names, summarise

if TYPE_CHECKING:
    from pex.batch.night.night import JudgedNight, JudgedRun
    from pex.batch.night.run_changes import Recorded
    from pex.batch.result import JobResult

MAX_ERROR, MAX_TRACEBACK = 600, 6000
"""Characters kept of an error's message and of its traceback."""
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_ENDS = {
    "failed": "ended with an error",
    "timeout": "took too long and was ended",
    "skipped": "was not run",
    "interrupted": "was interrupted",
}


def document(night: JudgedNight) -> dict[str, Any]:
    """Everything that the page shows.

    Args:
        night: the judged night.
    """
    batch = night.batch
    before = night.earlier
    good = [item for item in before if item.good]
    last = [subject.last for subject in night.subjects if subject.last]
    return {
        "plan": batch.plan.name,
        "batch_id": batch.batch_id,
        "started_at": night.started_at,
        "headline": clean(headline(night)),
        "outcome": night.outcome,
        "code": night.exit_code,
        "problems": [clean(redact(text)) for text in night.problems],
        "retiring": retiring(night),
        "jobs": [_job(item) for item in batch.results],
        "cost_usd": cost(night),
        "last_cost_usd": sum(map(_cost, last)) if last else None,
        "calls": sum(len(subject.now.frame) for subject in night.subjects),
        "errors": sum(subject.now.about.counts.errors for subject in night.subjects),
        "seconds": _seconds(night),
        "usual_seconds": nights.usual_seconds(before),
        "next_due": _next_due(night),
        "log": _log(night),
        "links": _links(night),
        "steps": steps(night),
        "gaps": _gaps(before, night.started_at),
        "last_good": good[-1] if good else None,
        "subjects": [_run_part(subject, night) for subject in night.subjects],
    }


def retiring(night: JudgedNight) -> list[RetiringModel]:
    """The project's models that stop soon, seen from the night's day; nothing is called."""
    project = find_project(night.batch.plan.folder)
    today = night.started_at.astimezone().date()

    def look() -> list[RetiringModel]:
        settings = load_settings(project)
        # Reading a night writes nothing, also no index of the prompt files.
        uses = models_in_use(project, settings, files=indexed_files(project, keep=False))
        return retiring_models(project, settings, today=today, uses=uses)

    found = attempt(look)
    return [] if isinstance(found, PexError) else found


def histories(subject: JudgedRun, night: JudgedNight) -> list[PromptHistory]:
    """The files of the prompts that changed since the run that it is compared with."""
    if subject.then is None:
        return []
    project = find_project(night.batch.plan.folder)
    changed = dict.fromkeys(item.of for item in subject.since_then if item.kind == PROMPT)
    found = (
        prompt_history(name, subject.now, subject.then, project, night.batch.plan.folder)
        for name in changed
    )
    return [item for item in found if item is not None]


def steps(night: JudgedNight) -> list[tuple[str, str]]:
    """What can be done about a night, each with its command; run in the project's folder."""
    plan, batch_id = night.batch.plan, night.batch.batch_id
    found = {}
    for subject in night.subjects:
        for item in histories(subject, night):
            if item.restore:
                found[f"Get the former text of '{item.prompt}' back:"] = item.restore
    if plan.file is not None:
        project = find_project(plan.folder)
        inside = plan.file.is_relative_to(project)
        name = plan.file.relative_to(project).as_posix() if inside else str(plan.file)
        again = shlex.join(["pexlab", "batch", name])
        if night.batch.failed:
            found["Continue this night:"] = f"{again} --batch-id {shlex.quote(batch_id)} --resume"
        found["Run it again, as a new night:"] = again
    if night.subjects:
        accept = f'pexlab batch accept {shlex.quote(batch_id)} --why "…"'
        found["If these results are right, accept them as the baseline for later nights:"] = accept
    return list(found.items())


def _seconds(night: JudgedNight) -> float | None:
    own = (item.seconds for item in night.nights if item.batch_id == night.batch.batch_id)
    return next(own, None)


def _next_due(night: JudgedNight) -> datetime.datetime | None:
    """When the next night is due, if a scheduler started this one."""
    text = os.environ.get(nights.NEXT) if _is_newest(night) else None
    return datetime.datetime.fromisoformat(text) if text else None


def _log(night: JudgedNight) -> str | None:
    """The log of a scheduled night, as a path from the project's folder."""
    text = os.environ.get(nights.LOG) if _is_newest(night) else None
    if not text:
        return None
    path, project = Path(text), find_project(night.batch.plan.folder)
    return path.relative_to(project).as_posix() if path.is_relative_to(project) else str(path)


def _is_newest(night: JudgedNight) -> bool:
    """Whether no later night has begun: the scheduler's variables are of the newest one."""
    return not night.nights or night.nights[-1].batch_id == night.batch.batch_id


def _links(night: JudgedNight) -> dict[str, str]:
    """Where last night's page and the log are, as paths from the night's folder."""
    folder = night.batch.folder
    found = {}
    last = next(reversed(night.earlier), None)
    if last is not None and (folder.parent / last.batch_id / PAGE).is_file():
        found["last_night"] = f"../{last.batch_id}/{PAGE}"
    text = os.environ.get(nights.LOG) if _is_newest(night) else None
    if text and Path(text).is_file():
        found["log"] = Path(os.path.relpath(text, folder)).as_posix()
    return found


def cost(night: JudgedNight) -> float:
    """The cost of a night's answers, in USD; those from the journal were paid for earlier."""
    return sum(_cost(subject.now) for subject in night.subjects)


def what_happened(item: JobResult) -> str:
    """How an unfinished notebook ended, in words."""
    error = cut(clean(_ANSI.sub("", redact(item.error or ""))), MAX_ERROR)
    where = f" in cell {item.cell}" if item.cell else ""
    text = f"{_ENDS.get(item.status, item.status)}{where}"
    return f"{text}: {error}" if error else text


def _gaps(
    before: list[nights.Night], started_at: datetime.datetime
) -> list[tuple[datetime.datetime, str]]:
    """The nights up to this one that did not run or did not finish, newest first."""
    missed = nights.missed([*(item.started_at for item in before), started_at])
    found = [(when, "nothing ran, going by the usual time between nights") for when in missed]
    for item in before[-30:]:
        if item.status != nights.DONE:
            how = "a notebook failed" if item.status == "failed" else "did not finish"
            found.append((item.started_at, f"{item.batch_id}, {how}"))
    return sorted(found, reverse=True)[:60]


def _run_part(subject: JudgedRun, night: JudgedNight) -> dict[str, Any]:
    from pex.record.search import page as run_page

    now, accepted = subject.now, subject.accepted
    named = {item.prompt: item for item in histories(subject, night)}
    level = next((item.row["confidence"] for item in subject.judged if item.row), None)
    return {
        "title": subject.title,
        "purpose": clean(now.about.purpose),
        "run_id": now.run["run_id"],
        "url": run_page(night.uri, now.run["experiment_id"], now.run["run_id"]),
        "status": now.about.status,
        "metric": subject.metric,
        "accepted": next((item.accepted for item in subject.judged if item.accepted), None),
        "is_accepted": accepted is not None and accepted.run["run_id"] == now.run["run_id"],
        "last_is_accepted": accepted is not None and accepted is subject.last,
        "judged": [item for item in subject.judged if not item.unchanged],
        "incidents": [item for item in subject.incidents if item.outcome != "pass"],
        "incidents_counted": counted(subject.incidents) if subject.incidents else "",
        "unchanged": list(
            dict.fromkeys(item.candidate for item in subject.judged if item.unchanged)
        ),
        "files": named,
        "level": None if level is None else f"{level * 100:.4g} %",
        "since_last": subject.since_last,
        "since_accepted": subject.since_accepted,
        "last_night": subject.last.run["batch_id"] if subject.last else None,
        "summary": summarise(now.frame),
        "last_summary": summarise(subject.last.frame) if subject.last else None,
        "yes_no": percentages(now.frame),
        "trend": _trend(subject, night),
        "cases": casework(subject),
    }


def _trend(subject: JudgedRun, night: JudgedNight) -> Any:
    from pex.record.search import history

    if subject.metric is None or subject.metric not in score_names(subject.now.frame):
        return None
    run = subject.now.run
    same = {
        row["run_id"]
        for row in night.runs
        if (row["job_id"], row["experiment"]) == (run["job_id"], run["experiment"])
        and row["started_at"] <= run["started_at"]
    }
    table = history(night.uri, run["experiment"], subject.metric)
    return table[table["run_id"].isin(same)].reset_index(drop=True)


def _cost(recorded: Recorded) -> float:
    new = recorded.frame[~recorded.frame["from_journal"].astype(bool)]
    return float(new["cost_usd"].sum())


def _job(item: JobResult) -> Mapping[str, Any]:
    return {
        "id": item.job.id,
        "status": item.status,
        "what": clean(redact(item.error or "")) if item.not_due else what_happened(item),
        "not_due": item.not_due,
        "traceback": _traceback(item.output) if item.status == "failed" else "",
        "output": item.output.name,
        "written": item.output.is_file(),
    }


def _traceback(path: Path) -> str:
    """The traceback that a notebook ended with, without colours."""
    try:
        cells = jsontext.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError):
        return ""
    found = [
        "\n".join(output.get("traceback", []))
        for cell in cells
        for output in cell.get("outputs", [])
        if output.get("output_type") == "error"
    ]
    text = _ANSI.sub("", found[-1]) if found else ""
    return clean(redact(text))[-MAX_TRACEBACK:]

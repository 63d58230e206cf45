"""The contents of a night's page, gathered from a judged night as plain data and frames."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.batch.night import nights
from pex.batch.night.case_changes import casework
from pex.batch.night.headline import headline
from pex.core import jsontext
from pex.core.safe_text import clean
from pex.guard.redact import redact
from pex.report.tables import cut
from pex.score.frame import score_names, summarise, yes_no

if TYPE_CHECKING:
    import datetime

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
    # A night can be read long after it: later events do not belong on its page.
    before = [item for item in night.nights if item.started_at < night.started_at]
    before = [item for item in before if item.batch_id != batch.batch_id]
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
        "jobs": [_job(item) for item in batch.results],
        "cost_usd": cost(night),
        "last_cost_usd": sum(map(_cost, last)) if last else None,
        "calls": sum(len(subject.now.frame) for subject in night.subjects),
        "errors": sum(subject.now.about.counts.errors for subject in night.subjects),
        "gaps": _gaps(before, night.started_at),
        "last_good": good[-1] if good else None,
        "subjects": [_run_part(subject, night) for subject in night.subjects],
    }


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
        "judged": subject.judged,
        "level": None if level is None else f"{level * 100:.4g} %",
        "since_last": subject.since_last,
        "since_accepted": subject.since_accepted,
        "last_night": subject.last.run["batch_id"] if subject.last else None,
        "summary": summarise(now.frame),
        "last_summary": summarise(subject.last.frame) if subject.last else None,
        "yes_no": yes_no(now.frame),
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
        "what": what_happened(item),
        "traceback": _traceback(item.output) if item.status == "failed" else "",
        "output": item.output.name,
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

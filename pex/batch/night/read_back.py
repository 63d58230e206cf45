"""A night read back: for a notebook, within the batch itself or long after it."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pex.batch import snapshot
from pex.batch.job_log import JobLog
from pex.batch.night import write_page
from pex.batch.night.headline import headline, reasons
from pex.batch.night.judge_night import read_judged
from pex.batch.night.night import JudgedNight
from pex.batch.night.nights import FILE, nights
from pex.batch.plan import Job, Plan, load_plan
from pex.batch.result import BatchResult, JobResult
from pex.core import jsontext
from pex.core.batch_context import BatchContext
from pex.core.errors import PexError, nearest
from pex.core.safe_text import clean


class ReadNight(JudgedNight):
    """A judged night that displays its page in a notebook."""

    @classmethod
    def of(cls, night: JudgedNight) -> ReadNight:
        """The same night, with its page."""
        return cls(**{item.name: getattr(night, item.name) for item in dataclasses.fields(night)})

    def __repr__(self) -> str:
        return clean("\n".join([headline(self), *(reason for *_, reason in reasons(self))]))

    def _repr_html_(self) -> str:
        return write_page.part(self)


def read_night(plan: str | Path, batch_id: str | None = None) -> ReadNight:
    """The judged night of a plan; in a notebook it displays its page.

    Args:
        plan: the plan's file.
        batch_id: the night; by default the batch that this notebook is a job of, else the newest.

    Raises:
        PexError: there is no such plan or night, or the store does not answer.
    """
    from pex.core.project import find_project
    from pex.project.settings import load_settings
    from pex.tracking.store import tracking_uri

    loaded = load_plan(Path(plan))
    context = BatchContext.from_environ()
    own = context.batch_id if context.plan == loaded.name else None
    known = {night.batch_id: night for night in nights(loaded)}
    name = batch_id or own or next(reversed(known), None)
    if name is None:
        raise PexError(f"'{loaded.name}' has no night yet", hint=f"pexlab batch {plan}")
    if name not in known:
        raise PexError(f"'{loaded.name}' has no night '{name}'", hint=nearest(name, known))
    project = find_project(loaded.folder)
    uri = tracking_uri(project, load_settings(project))
    return ReadNight.of(read_judged(_result(loaded, name), known[name].started_at, uri))


def _result(plan: Plan, batch_id: str) -> BatchResult:
    """The results of its jobs: from its final record, before that from their notebooks."""
    folder = plan.outputs / batch_id
    known = {job.id: job for job in plan.jobs}
    try:
        entries = jsontext.loads((folder / FILE).read_text(encoding="utf-8"))["jobs"]
        results = [_of_entry(entry, known, folder) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError):  # it was killed, or is still running
        own = BatchContext.from_environ().job_id  # this notebook: its result is not known yet
        began = snapshot.jobs_of(folder) or known
        jobs = [job for job in plan.jobs if job.id in began and job.id != own]
        why = JobLog(folder).not_due()
        results = [_of_notebook(job, folder / f"{job.id}.ipynb", why.get(job.id)) for job in jobs]
    return BatchResult(batch_id, plan, folder, results)


def _of_entry(entry: Mapping[str, Any], known: Mapping[str, Job], folder: Path) -> JobResult:
    """A job as the night recorded it; the plan may no longer contain it."""
    name, output = entry["id"], folder / f"{entry['id']}.ipynb"
    job = known.get(name) or Job(name, name, output, {}, ())
    result = JobResult(job, output, entry["status"], entry["seconds"], entry["error"])
    result.cell, result.not_due = entry["cell"], bool(entry.get("not_due"))
    return result


def _of_notebook(job: Job, output: Path, not_due: str | None) -> JobResult:
    if not_due is not None:
        return JobResult(job, output, "skipped", error=not_due, not_due=True)
    try:
        about = jsontext.loads(output.read_text(encoding="utf-8"))["metadata"]["papermill"]
        begun = datetime.datetime.fromisoformat(about["start_time"])
        ended = datetime.datetime.fromisoformat(about["end_time"])
    except (OSError, ValueError, KeyError, TypeError):
        return JobResult(job, output, "interrupted")
    failed = about.get("exception")
    seconds = (ended - begun).total_seconds()
    return JobResult(job, output, "failed" if failed else "done", seconds)

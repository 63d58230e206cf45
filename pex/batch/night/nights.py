"""The nights of a plan: their results, those that did not run, whether the last one ran."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import json
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pex.batch.job_log import SUMMARY, batches_of
from pex.batch.plan import Plan
from pex.batch.result import BatchResult
from pex.core import jsontext
from pex.core.errors import PexError

FILE = SUMMARY
DONE = "done"
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(m|min|h|d)")
_SECONDS = {"m": 60, "min": 60, "h": 3600, "d": 86400}


@dataclasses.dataclass(frozen=True, slots=True)
class Night:
    """One batch of a plan.

    `status` is `done`, `failed` (a notebook failed), or `not finished`: killed, or still running.
    `outcome` is its gate's outcome, None if nothing was judged; `jobs` has the status of each.
    """

    batch_id: str
    started_at: datetime.datetime
    status: str
    outcome: str | None = None
    jobs: tuple[dict[str, Any], ...] = ()

    @property
    def good(self) -> bool:
        """Whether it finished and its gate did not fail."""
        return self.status == DONE and self.outcome != "fail"


def keep(batch: BatchResult, started_at: datetime.datetime, outcome: str | None = None) -> Path:
    """Write the result of a batch beside its notebooks, for later nights.

    Args:
        batch: the result.
        started_at: when it started.
        outcome: the gate's outcome; None if nothing is judged.
    """
    path = batch.folder / FILE
    entry = {
        "plan": batch.plan.name,
        "batch_id": batch.batch_id,
        "started_at": started_at.astimezone(datetime.UTC).isoformat(timespec="seconds"),
        "ended_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "outcome": outcome,
        "jobs": [
            {
                "id": item.job.id,
                "status": item.status,
                "seconds": round(item.seconds, 1),
                "attempts": item.attempts,
                "error": item.error,
                "cell": item.cell,
            }
            for item in batch.results
        ],
    }
    part = path.with_suffix(".part")
    part.write_text(json.dumps(entry, indent=1, ensure_ascii=False), encoding="utf-8")
    part.replace(path)
    return path


def nights(plan: Plan) -> list[Night]:
    """Every night whose folder still exists, oldest first."""
    return sorted(map(_night, batches_of(plan)), key=lambda night: night.started_at)


def _night(folder: Path) -> Night:
    try:
        entry = jsontext.loads((folder / FILE).read_text(encoding="utf-8"))
        bad = any(job["status"] != DONE for job in entry["jobs"])
        return Night(
            entry["batch_id"],
            datetime.datetime.fromisoformat(entry["started_at"]),
            "failed" if bad else DONE,
            entry["outcome"],
            tuple(entry["jobs"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        # Killed before it wrote a result: its first file shows when it started.
        times = [item.stat().st_mtime for item in (folder, *folder.iterdir())]
        began = datetime.datetime.fromtimestamp(min(times), datetime.UTC)
        return Night(folder.name, began, "not finished")


def missed(starts: Sequence[datetime.datetime]) -> list[datetime.datetime]:
    """When a night should have run and did not, judged by the usual time between two.

    Args:
        starts: when the nights started, oldest first; fewer than four show no habit.

    Example:
        >>> days = [datetime.datetime(2026, 3, day, 2) for day in (1, 2, 3, 6)]
        >>> [f"{day:%d}" for day in missed(days)]
        ['04', '05']
    """
    gaps = [(b - a).total_seconds() for a, b in itertools.pairwise(starts)]
    if len(gaps) < 3:
        return []
    usual = statistics.median_low(gaps)
    if usual < 3600:  # run by hand, one after another
        return []
    found = []
    for start, gap in zip(starts, gaps, strict=False):
        times = round(gap / usual)
        if gap > 1.6 * usual:
            found += [start + datetime.timedelta(seconds=k * gap / times) for k in range(1, times)]
    return found


def seconds_of(text: str) -> float:
    """A span of time in seconds.

    Raises:
        PexError: the string has another form.

    Example:
        >>> seconds_of("26h"), seconds_of("90 min")
        (93600.0, 5400.0)
    """
    found = _SPAN.fullmatch(text.strip())
    if not found:
        raise PexError(
            f"'{text}': expected a span of time",
            hint="such as 26h, 90min or 2d (hours, minutes, days)",
        )
    return float(found[1]) * _SECONDS[found[2]]


def check_last(
    plan: Plan, within_s: float, now: datetime.datetime | None = None
) -> tuple[bool, str]:
    """Whether a night started within the span and ended well, and a sentence for a monitor.

    Args:
        plan: the plan whose nights are checked.
        within_s: the span before now, in seconds.
        now: for tests.
    """
    at = now or datetime.datetime.now(datetime.UTC)
    found = nights(plan)
    good = [night for night in found if night.status == DONE]
    last_good = f"last good run: {_when(good[-1], at)}" if good else "no run has ended well"
    if not found:
        return False, f"{plan.name}: no run yet"
    last = found[-1]
    if (at - last.started_at).total_seconds() > within_s:
        return False, f"{plan.name}: last run: {_when(last, at)}; {last_good}"
    if last.status == DONE:
        return True, f"{plan.name}: last run: {_when(last, at)}, ended well"
    # A night that is still running counts as good if the one before it was.
    if last.status == "not finished" and any(
        (at - night.started_at).total_seconds() <= within_s for night in good
    ):
        return True, f"{plan.name}: running, or stopped: {_when(last, at)}; {last_good}"
    return False, f"{plan.name}: last run: {_when(last, at)}, {_WORDS[last.status]}; {last_good}"


_WORDS = {"failed": "had failed notebooks", "not finished": "did not finish"}


def _when(night: Night, now: datetime.datetime) -> str:
    hours = (now - night.started_at).total_seconds() / 3600
    ago = f"{hours * 60:.0f} minutes" if hours < 2 else f"{hours:.0f} hours"
    if hours >= 72:
        ago = f"{hours / 24:.0f} days"
    return f'"{night.batch_id}", started {ago} ago'

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
from pex.core.errors import PexError, nearest

FILE = SUMMARY
LOG, NEXT = "PEX_NIGHT_LOG", "PEX_NIGHT_NEXT"
"""The variables in which `pexlab nightly` tells a night its log, and when the next one is due."""
DONE = "done"
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(m|min|h|d)")
_SECONDS = {"m": 60, "min": 60, "h": 3600, "d": 86400}


@dataclasses.dataclass(frozen=True, slots=True)
class Night:
    """One batch of a plan.

    `status` is `done`, `failed` (a notebook failed), or `not finished`: killed, or still running.
    `outcome` is its gate's outcome, None if nothing was judged; `jobs` has the status of each;
    `seconds` is how long it took, None if that is not known.
    """

    batch_id: str
    started_at: datetime.datetime
    status: str
    outcome: str | None = None
    jobs: tuple[dict[str, Any], ...] = ()
    seconds: float | None = None

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
                **({"not_due": True} if item.not_due else {}),
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
        bad = any(job["status"] != DONE and not job.get("not_due") for job in entry["jobs"])
        began = datetime.datetime.fromisoformat(entry["started_at"])
        seconds = None
        if "ended_at" in entry:
            ended = datetime.datetime.fromisoformat(entry["ended_at"])
            seconds = (ended - began).total_seconds()
        return Night(
            entry["batch_id"],
            began,
            "failed" if bad else DONE,
            entry["outcome"],
            tuple(entry["jobs"]),
            seconds,
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


def worse_since(earlier: Sequence[Night], accepted_at: datetime.datetime | None) -> list[Night]:
    """The nights just before this one that did not pass, from the first that got worse.

    Args:
        earlier: the nights before this one, oldest first.
        accepted_at: when the baseline was accepted; what was before that is settled.

    Example:
        >>> at = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)
        >>> words = ["fail", "pass", "undecided", "fail", "undecided"]
        >>> found = [Night(str(n), at, DONE, word) for n, word in enumerate(words)]
        >>> [night.batch_id for night in worse_since(found, None)]
        ['3', '4']
    """
    judged = [night for night in earlier if night.outcome is not None]
    if accepted_at is not None:
        judged = [night for night in judged if night.started_at > accepted_at]
    row = list(itertools.takewhile(lambda night: night.outcome != "pass", reversed(judged)))[::-1]
    return list(itertools.dropwhile(lambda night: night.outcome != "fail", row))


def usual_seconds(earlier: Sequence[Night]) -> float | None:
    """How long a night usually takes: the median of the last 30; None with fewer than two."""
    known = [n.seconds for n in earlier if n.status == DONE and n.seconds is not None][-30:]
    return statistics.median(known) if len(known) > 1 else None


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


VERDICTS = {"pass": "passed", "fail": "worse", "undecided": "not decided", None: "nothing judged"}
"""A gate's outcome in words."""

_FAILING = {"worse": ("fail",), "undecided": ("fail", "undecided")}


def check_last(
    plan: Plan, within_s: float, now: datetime.datetime | None = None, fail_on: str | None = None
) -> tuple[int, str]:
    """Whether a night started within the span and ran to its end, with its verdict.

    Args:
        plan: the plan whose nights are checked.
        within_s: the span before now, in seconds.
        now: for tests.
        fail_on: `worse` or `undecided`: such a verdict is a failure too.

    Returns:
        An exit code and a sentence for a monitor: 0, 1 for no such night or a worse one, 3 for an
        undecided one.

    Raises:
        PexError: `fail_on` is another word.
    """
    if fail_on is not None and fail_on not in _FAILING:
        raise PexError(f"--fail-on {fail_on}", hint=nearest(fail_on, _FAILING))
    at = now or datetime.datetime.now(datetime.UTC)
    found = nights(plan)
    ended = [night for night in found if night.status == DONE]
    last_end = (
        f"the last that ran to its end: {_when(ended[-1], at)}{_verdict(ended[-1])}"
        if ended
        else "no run has come to its end"
    )
    if not found:
        return 1, f"{plan.name}: no run yet"
    last = found[-1]
    late = (at - last.started_at).total_seconds() > within_s
    if not late and last.status == DONE:
        return _code(last, fail_on), f"{_said(plan, last, at)}, ran to its end{_verdict(last)}"
    # A night that is still running counts as good if the one before it was.
    current = [night for night in ended if (at - night.started_at).total_seconds() <= within_s]
    if not late and last.status == "not finished" and current:
        return (
            _code(current[-1], fail_on),
            f"{plan.name}: running, or stopped: {_when(last, at)}; {last_end}",
        )
    how = "" if late else f", {_WORDS[last.status]}"
    return 1, f"{_said(plan, last, at)}{how}; {last_end}"


def _said(plan: Plan, night: Night, now: datetime.datetime) -> str:
    return f"{plan.name}: last run: {_when(night, now)}"


def _verdict(night: Night) -> str:
    return f"; verdict: {VERDICTS[night.outcome]}"


def _code(night: Night, fail_on: str | None) -> int:
    if fail_on is None or night.outcome not in _FAILING[fail_on]:
        return 0
    return 1 if night.outcome == "fail" else 3


_WORDS = {"failed": "had failed notebooks", "not finished": "did not finish"}


def _when(night: Night, now: datetime.datetime) -> str:
    return f'"{night.batch_id}", started {ago((now - night.started_at).total_seconds())}'


def ago(seconds: float) -> str:
    """How long ago something was, in words.

    Example:
        >>> ago(20), ago(70), ago(90 * 60), ago(30 * 3600), ago(80 * 3600)
        ('just now', '1 minute ago', '90 minutes ago', '30 hours ago', '3 days ago')
    """
    minutes = round(seconds / 60)
    if minutes < 1:
        return "just now"
    if minutes < 120:
        return f"{minutes} {'minute' if minutes == 1 else 'minutes'} ago"
    hours = round(seconds / 3600)
    return f"{hours} hours ago" if hours < 72 else f"{round(hours / 24)} days ago"

"""A judged night as data: its runs, the findings for each, and the exit code."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

from pex.batch.night import nights
from pex.batch.night.night_gate import CandidateVerdict, outcome_of
from pex.batch.night.run_changes import Change, Recorded
from pex.batch.result import BatchResult
from pex.compare.gate import FAIL, UNDECIDED

PAGE = "night.html"
"""The page's file in a night's folder, and among the artifacts of its runs."""


@dataclasses.dataclass(slots=True)
class JudgedRun:
    """One run of tonight: what it is compared with, and the findings."""

    now: Recorded
    last: Recorded | None
    earlier: list[Recorded]
    accepted: Recorded | None
    judged: list[CandidateVerdict]
    since_last: list[Change]
    since_accepted: list[Change]
    metric: str | None

    @property
    def title(self) -> str:
        """The experiment, with the job if its name says more."""
        job, name = self.now.run["job_id"], self.now.run["experiment"]
        return name if job == name or not job else f"{name} · {job}"


@dataclasses.dataclass(slots=True)
class JudgedNight:
    """A judged night.

    `problems` are sentences about parts that could not be read or run; `canary_cut` means that the
    budget ended the canary.
    """

    batch: BatchResult
    started_at: datetime.datetime
    uri: str
    subjects: list[JudgedRun]
    canary_changes: list[Change]
    problems: list[str]
    nights: list[nights.Night]
    runs: list[dict[str, Any]]
    canary_cut: bool = False

    @property
    def judged(self) -> list[CandidateVerdict]:
        """Every candidate of every run."""
        return [item for subject in self.subjects for item in subject.judged]

    @property
    def outcome(self) -> str | None:
        """The combined outcome of the gate; None if nothing is judged."""
        return outcome_of(self.judged)

    @property
    def stopped_by_budget(self) -> bool:
        """Whether a run was ended by its own budget or the batch's."""
        cut = any(subject.now.about.status == "budget" for subject in self.subjects)
        return cut or self.canary_cut

    @property
    def erring(self) -> list[JudgedRun]:
        """The runs in which too many calls ended in an error."""
        found = []
        for subject in self.subjects:
            counts, most = subject.now.about.counts, subject.now.about.max_error_share
            if counts.requests and counts.errors / counts.requests > most:
                found.append(subject)
        return found

    @property
    def exit_code(self) -> int:
        """The exit code in its documented order: budget, then failures, then the gate."""
        if self.stopped_by_budget:
            return 4
        if self.batch.failed or self.erring:
            return 5
        if self.outcome == FAIL:
            return 1
        strict = any(
            item.outcome == UNDECIDED and item.on_undecided == "fail" for item in self.judged
        )
        return 3 if self.outcome == UNDECIDED and strict else 0

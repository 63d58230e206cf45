"""A judged night as data: its runs, the findings for each, and the exit code."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

from pex.batch.night.incident_cases import IncidentCase
from pex.batch.night.night_gate import CandidateVerdict, outcome_of
from pex.batch.night.nights import Night, worse_since
from pex.batch.night.run_changes import Change, Recorded
from pex.batch.result import BatchResult
from pex.compare.gate import FAIL, UNDECIDED
from pex.core.provenance import counted_errors

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
    sweep: str = ""
    """What tells its job from the others of its step, such as `temperature=0`."""
    incidents: list[IncidentCase] = dataclasses.field(default_factory=list)
    """The cases of closed incidents, on each variant of the incident's prompt."""

    @property
    def title(self) -> str:
        """The experiment, with the job's parameters or name if they say more."""
        job, name = self.now.run["job_id"], self.now.run["experiment"]
        if self.sweep:
            return f"{name} · {self.sweep}"
        return name if job == name or not job else f"{name} · {job}"

    @property
    def place(self) -> str:
        """The experiment in a sentence, with the job's parameters in brackets."""
        name = str(self.now.run["experiment"])
        return f"{name} ({self.sweep})" if self.sweep else name

    @property
    def then(self) -> Recorded | None:
        """The run that it is compared with: the accepted one, else last night's."""
        return self.accepted or self.last

    @property
    def since_then(self) -> list[Change]:
        """What changed since that run."""
        same = self.accepted is None or self.accepted is self.last
        return self.since_last if same else self.since_accepted


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
    nights: list[Night]
    runs: list[dict[str, Any]]
    canary_cut: bool = False

    @property
    def judged(self) -> list[CandidateVerdict]:
        """Every candidate of every run."""
        return [item for subject in self.subjects for item in subject.judged]

    @property
    def outcome(self) -> str | None:
        """The combined outcome: fail, too, if a closed incident's case fails; None: not judged."""
        if any(item.outcome == FAIL for item in self.incidents):
            return FAIL
        return outcome_of(self.judged)

    @property
    def incidents(self) -> list[IncidentCase]:
        """The cases of closed incidents, of every run."""
        return [item for subject in self.subjects for item in subject.incidents]

    @property
    def earlier(self) -> list[Night]:
        """The nights before this one, oldest first: it can be read long after it ran."""
        return [
            night
            for night in self.nights
            if night.started_at < self.started_at and night.batch_id != self.batch.batch_id
        ]

    @property
    def worse_since(self) -> list[Night]:
        """The nights just before this one that did not pass, from the first that got worse."""
        if self.outcome not in (FAIL, UNDECIDED):
            return []
        accepted = [item.accepted["when"] for item in self.judged if item.accepted]
        times = [datetime.datetime.fromisoformat(when) for when in accepted]
        return worse_since(self.earlier, max(times, default=None))

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
            about = subject.now.about
            counts = about.counts
            frame = subject.now.frame
            errors, requests = counted_errors(frame, counts.errors, counts.requests)
            if requests and errors / requests > about.max_error_share:
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

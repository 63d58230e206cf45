"""The outcome of an adoption: a decision for each prompt, with everything that led to it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.adoption.decide import KEEP, UNDECIDED, VERDICTS, Decision, Sides, decide
from pex.adoption.described import Described, describe
from pex.adoption.family import Finding, Subject, judge_family
from pex.adoption.measure import Measured
from pex.adoption.plan import Task
from pex.core.about import VariantInfo

if TYPE_CHECKING:
    from pex.results.results import Results


@dataclasses.dataclass(frozen=True)
class Outcome:
    """One prompt in one experiment: what to do, why, what the comparison says, what changed."""

    measured: Measured
    decision: Decision
    finding: Finding | None
    described: Described | None
    margin: float | None

    @property
    def task(self) -> Task:
        """The prompt, its experiment and both variants."""
        return self.measured.task

    @property
    def results(self) -> Results | None:
        """The answers of both models; None if nothing was run."""
        return self.measured.results

    @property
    def sides(self) -> Sides:
        """The names of both variants and models."""
        return sides_of(self.task)

    @property
    def yes_no(self) -> bool:
        """Whether the score is read in percent."""
        return bool(self.finding and self.finding.row.get("yes_no"))

    def record(self) -> dict[str, Any]:
        """A row of the table; missing values are None."""
        task, row = self.task, (self.finding.row if self.finding else {})
        found: dict[str, Any] = {
            "prompt": task.prompt,
            "experiment": task.experiment.name,
            "verdict": self.decision.verdict,
            "why": self.decision.why,
            "more_cases": self.finding.more_cases if self.finding else None,
            "comparison": row.get("verdict"),
            "metric": task.metric,
            "new_score": row.get("candidate_score"),
            "old_score": row.get("baseline_score"),
            "diff": row.get("diff"),
            "lo": row.get("lo"),
            "hi": row.get("hi"),
            "bound": row.get("bound"),
            "margin": self.margin,
            "p": row.get("p"),
            "p_adjusted": row.get("p_adjusted"),
            "p_no_worse": self.finding.p_no_worse if self.finding else None,
            "n_cases": row.get("n_cases", 0),
            "wins": row.get("wins"),
            "losses": row.get("losses"),
            "missing_old": self.measured.missing_old,
            "diff_errors_as_worst": row.get("diff_errors_as_worst"),
            **self._described(),
            "new_model": task.new.model,
            "new_params": task.new.all_params,
            "old_model": task.old.model,
            "old_params": task.old.all_params,
            "version": task.version,
            "champion": task.champion,
            "remarks": self.remarks,
        }
        return {key: _plain(value) for key, value in found.items()}

    def _described(self) -> dict[str, Any]:
        about = self.described
        pairs: Mapping[str, tuple[float, float]] = {} if about is None else {
            "usd_per_1000": about.cost_usd, "latency_s": about.latency_s, **about.tokens
        }  # fmt: skip
        names = ("usd_per_1000", "latency_s", "prompt_tokens", "completion_tokens",
                 "reasoning_tokens")  # fmt: skip
        found: dict[str, Any] = {}
        for name in names:
            new, old = pairs.get(name, (math.nan, math.nan))
            found |= {f"new_{name}": new, f"old_{name}": old}
        found |= {
            "errors_new": about.errors[0] if about else None,
            "errors_old": about.errors[1] if about else None,
            "answers": about.paired if about else 0,
            "changed": about.changed if about else None,
            "old_noise": about.noise if about else None,
            "parameters": list(about.parameters) if about else [],
        }
        return found

    @property
    def remarks(self) -> list[str]:
        """Caveats: of the comparison, on missing answers, on refused parameters."""
        said = list(self.finding.row.get("warnings", [])) if self.finding else []
        count = self.measured.missing_old
        if count:
            cases = "1 case is" if count == 1 else f"{count:,} cases are"
            said.append(f"{cases} missing: {self.task.old.model} has no answer there")
        known = set(said)
        parameters = self.described.parameters if self.described else ()
        return said + [text for text in parameters if text not in known]


def sides_of(task: Task) -> Sides:
    """The names of both variants of a task, and their models."""
    return Sides(task.new.name, task.old.name, task.new.model, task.old.model)


def outcomes_of(
    measured: Sequence[Measured],
    margin: float | None,
    confidence: float,
    noise: Mapping[str, float] | None = None,
) -> list[Outcome]:
    """Judge everything that was measured, as one family.

    Args:
        measured: what became of each task; those that did not finish get no verdict.
        margin: by how much worse is still no worse, for experiments without a gate.
        confidence: of all claims of a kind together.
        noise: the share of changed answers of the old model itself, by the key of the task.
    """
    margins = [_margin(item.task, margin) for item in measured]
    done = [number for number, item in enumerate(measured) if item.finished]
    subjects = [_subject(measured[number], margins[number]) for number in done]
    findings = dict(zip(done, judge_family(subjects, confidence), strict=True))
    found = []
    for number, item in enumerate(measured):
        sides = sides_of(item.task)
        described = None
        if item.results is not None and len(item.frame):
            own = (noise or {}).get(item.task.key, math.nan)
            described = describe(item.frame, sides, own)
        finding = findings.get(number)
        if finding is None:
            decision = Decision(UNDECIDED, item.why)
        else:
            share = item.task.experiment.max_error_share
            decision = decide(item.frame, sides, finding, share, margins[number])
        found.append(Outcome(item, decision, finding, described, margins[number]))
    return found


def _margin(task: Task, given: float | None) -> float | None:
    gate = task.experiment.gate
    return float(gate["margin"]) if gate else given


def _subject(item: Measured, margin: float | None) -> Subject:
    task = item.task
    assert item.results is not None  # it is finished
    return Subject(
        item.frame,
        VariantInfo.of(task.new),
        VariantInfo.of(task.old),
        _metric(item),
        margin,
        item.results.about.uncalibrated,
    )


def _metric(item: Measured) -> str:
    """The primary score; a scorer that gives several is measured by its first."""
    name = item.task.metric or ""
    names = [column[6:] for column in item.frame.columns if column.startswith("score.")]
    if name in names or name not in item.task.experiment.score_names:
        return name
    return next((other for other in names if other.startswith(f"{name}.")), name)


def of_prompt(outcomes: Sequence[Outcome]) -> dict[str, str]:
    """The verdict of each prompt over its experiments: the weakest one.

    Example:
        >>> of_prompt([])
        {}
    """
    order = {verdict: number for number, verdict in enumerate((VERDICTS[2], VERDICTS[1],
                                                                UNDECIDED, KEEP))}  # fmt: skip
    found: dict[str, str] = {}
    for outcome in outcomes:
        name, verdict = outcome.task.prompt, outcome.decision.verdict
        if name not in found or order[verdict] < order[found[name]]:
            found[name] = verdict
    return found


def _plain(value: Any) -> Any:
    """A number of pandas as Python's own; what is missing as None."""
    import pandas as pd

    if isinstance(value, list | tuple | dict | str) or value is None:
        return value
    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value

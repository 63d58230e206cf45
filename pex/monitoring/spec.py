"""`monitor.yaml`: which deployed traces are watched, what is measured, and what is an alarm."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from pex.batch.plan import Notice
from pex.core.errors import PexError
from pex.core.names import check_file_name
from pex.guard.project_secrets import note
from pex.project.files import read_yaml
from pex.project.spec import Strict

_LIMITS = ("drop", "rise", "above", "below", "above_usual")


class Source(Strict):
    """Which traces: those of MLflow experiments, or the part that a filter leaves."""

    experiment: str | list[str]
    """One MLflow experiment by its name, or several. Example: `support-production`."""
    filter: str | None = None
    """Only traces that match it, in MLflow's syntax. Example: `"tag.service = 'reviews'"`."""
    prompt: str | None = None
    """Only traces that are linked to this prompt of the library. Example: `review-sentiment`."""

    @property
    def experiments(self) -> list[str]:
        """The names of the experiments."""
        return [self.experiment] if isinstance(self.experiment, str) else self.experiment


class Sample(Strict):
    """How many traces are scored; which ones follows from their ids, so it is always the same."""

    rate: float = Field(default=1.0, gt=0, le=1)
    """The share of the traces that is scored, above 0 and at most 1. Example: `0.02`."""
    per_day: int | None = Field(default=500, ge=1)
    """At most so many traces a day. Example: `500`."""
    filter: str | None = None
    """Only traces that match it, in MLflow's syntax. Example: `"tag.plan = 'paid'"`."""
    budget_usd: float | None = Field(default=None, ge=0)
    """The most that judges may cost in one look, in USD. Example: `2`."""


class Period(Strict):
    """A fixed baseline: from the first day to the last, both included, in UTC."""

    first: datetime.date
    """The first day, in UTC. Example: `2026-03-02`."""
    last: datetime.date
    """The last day, which belongs to it. Example: `2026-03-15`."""

    @model_validator(mode="after")
    def _in_order(self) -> Period:
        if self.last < self.first:
            raise ValueError(f"last is {self.last}, before first, {self.first}")
        return self


class AlarmRule(Strict):
    """One rule: a metric with one limit, or the drift of something about the inputs."""

    metric: str | None = None
    """A score, `feedback.<name>`, or a figure of every trace: `traces`, `error_share`,
    `refusal_share`, `cut_off_share`, `latency_s`, `cost_usd`, `prompt_tokens`, `completion_tokens`.
    Example: `polite`."""
    drop: float | None = Field(default=None, ge=0)
    """The drop below the baseline's mean that is to be found, in the metric's units; one of less
    than about half of it is no alarm. 0 means any: 0.02 of yes/no values, a tenth of the standard
    deviation of numbers. Example: `0.05`."""
    rise: float | None = Field(default=None, ge=0)
    """The same for a rise above the baseline's mean. Example: `0.05`."""
    above: float | None = None
    """A fixed value that it may not be above. Example: `0.02`."""
    below: float | None = None
    """A fixed value that it may not be below. Example: `0.99`."""
    above_usual: float | None = Field(default=None, ge=0)
    """The rise that is to be found, as a share of the baseline's mean: 0.5 is 50 % more. Example:
    `0.5`."""
    drift: str | None = None
    """`language`, `length`, `meaning` (embeddings of the built-in model), or a tag, `tag.<name>`.
    Example: `language`."""

    @model_validator(mode="after")
    def _one_limit(self) -> AlarmRule:
        if (self.metric is None) == (self.drift is None):
            raise ValueError("give either metric with a limit, or drift")
        limits = [name for name in _LIMITS if getattr(self, name) is not None]
        if self.metric is not None and len(limits) != 1:
            raise ValueError(f"give exactly one of {', '.join(_LIMITS)}")
        if self.drift is not None and limits:
            raise ValueError(f"drift has no limit of its own: '{limits[0]}' cannot stand here")
        return self


class MonitorSpec(Strict):
    """The contents of `monitor.yaml`; paths are relative to the file's folder.

    `baseline` is an alias of the library (the period of `baseline_days` that began when it was last
    moved) or `pinned` (what `pexlab monitor --accept` wrote beside the file); `baseline_dates` are
    fixed days instead. `step` is the width of a point over time.
    """

    name: str
    """The name of the monitor. Example: `support`."""
    source: Source
    """Which traces are watched. Example: `{experiment: support-production}`."""
    sample: Sample = Field(default_factory=Sample)
    """How many traces are scored; which ones follows from their ids, so it is always the same.
    Example: `{rate: 0.02, per_day: 500, budget_usd: 2}`."""
    scorers: list[str | dict[str, Any]] = Field(default_factory=list)
    """What scores the sample, as in an experiment. Example: `[{kind: length, max_words: 80}]`."""
    baseline: str | None = None
    """An alias of the library (the period that began when it was last moved), or `pinned`. Example:
    `champion`."""
    baseline_dates: Period | None = None
    """Fixed days as the baseline. Example: `{first: 2026-03-02, last: 2026-03-15}`."""
    baseline_days: int = Field(default=14, ge=1)
    """How long the period of an alias is, in days. Example: `14`."""
    alarms: list[AlarmRule] = Field(default_factory=list)
    """What is an alarm. Example: `[{metric: error_share, above: 0.02}]`."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """1 minus the share of stretches of thirty quiet days with a false alarm of any rule. Example:
    `0.95`."""
    notify: list[Notice] = Field(default_factory=list)
    """Who is told of an alarm. Example: `[{webhook_env: SLACK_URL}]`."""
    step: Literal["hour", "day"] = "day"
    """The width of a point over time."""

    @model_validator(mode="after")
    def _one_baseline(self) -> MonitorSpec:
        if self.baseline is not None and self.baseline_dates is not None:
            raise ValueError("give either baseline or baseline_dates")
        return self

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        try:
            return check_file_name(value, "monitor name")
        except PexError as error:
            raise ValueError(error.message) from None


def load_monitor(path: Path) -> MonitorSpec:
    """Read `monitor.yaml`.

    Raises:
        PexError: the file is missing or not valid YAML, an unknown key, or a value that does not
            fit, with the file, the line and the nearest right name.
    """
    spec = read_yaml(Path(path).resolve(), MonitorSpec, "monitor")
    note(name for notice in spec.notify for name in notice.variables)
    return spec

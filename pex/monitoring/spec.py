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
    """Which traces: those of MLflow experiments, or the part that a filter leaves.

    Attributes:
        experiment: one MLflow experiment by its name, or several.
        filter: in MLflow's syntax for traces, such as "tag.service = 'reviews'".
        prompt: the name of a prompt in the library; only traces that are linked to it.
    """

    experiment: str | list[str]
    filter: str | None = None
    prompt: str | None = None

    @property
    def experiments(self) -> list[str]:
        """The names of the experiments."""
        return [self.experiment] if isinstance(self.experiment, str) else self.experiment


class Sample(Strict):
    """How many traces are scored; which ones follows from their ids, so it is always the same.

    Attributes:
        rate: the share of the traces that is scored, above 0 and at most 1.
        per_day: at most so many traces a day.
        filter: only traces that match it, in MLflow's syntax.
        budget_usd: the most that judges may cost in one look.
    """

    rate: float = Field(default=1.0, gt=0, le=1)
    per_day: int | None = Field(default=500, ge=1)
    filter: str | None = None
    budget_usd: float | None = Field(default=None, ge=0)


class Period(Strict):
    """A fixed baseline: from the first day to the last, both included, in UTC."""

    first: datetime.date
    last: datetime.date

    @model_validator(mode="after")
    def _in_order(self) -> Period:
        if self.last < self.first:
            raise ValueError(f"last is {self.last}, before first, {self.first}")
        return self


class AlarmRule(Strict):
    """One rule: a metric with one limit, or the drift of something about the inputs.

    Attributes:
        metric: a score, `feedback.<name>`, or a figure of every trace: `traces`, `error_share`,
            `refusal_share`, `cut_off_share`, `latency_s`, `cost_usd`, `prompt_tokens`,
            `completion_tokens`.
        drop: the drop below the baseline's mean that is to be found, in its own units; one of less
            than about half of it is no alarm. 0 means any: 0.02 of yes/no values, a tenth of the
            standard deviation of numbers.
        rise: the same for a rise above the baseline's mean.
        above: a fixed value that it may not be above.
        below: a fixed value that it may not be below.
        above_usual: the rise that is to be found, as a share of the baseline's mean: 0.5 is 50 %
            more.
        drift: `language`, `length`, `meaning` (embeddings of the built-in model), or a tag:
            `tag.<name>`.
    """

    metric: str | None = None
    drop: float | None = Field(default=None, ge=0)
    rise: float | None = Field(default=None, ge=0)
    above: float | None = None
    below: float | None = None
    above_usual: float | None = Field(default=None, ge=0)
    drift: str | None = None

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
    source: Source
    sample: Sample = Field(default_factory=Sample)
    scorers: list[str | dict[str, Any]] = Field(default_factory=list)
    baseline: str | None = None
    baseline_dates: Period | None = None
    baseline_days: int = Field(default=14, ge=1)
    alarms: list[AlarmRule] = Field(default_factory=list)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    notify: list[Notice] = Field(default_factory=list)
    step: Literal["hour", "day"] = "day"

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

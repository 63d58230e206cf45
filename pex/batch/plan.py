"""A plan: which notebooks run with which parameters, and in which order."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from pex.batch.parameters import check_parameters, declared
from pex.batch.when import When, filled
from pex.core.batch_context import BatchContext
from pex.core.canonical_json import canonical_text, digest
from pex.core.errors import PexError, nearest
from pex.core.names import check_file_name
from pex.core.project import check_inside, find_project
from pex.core.text import value_text
from pex.core.values import as_numbers
from pex.guard.project_secrets import note
from pex.project.files import kind_of, read_yaml
from pex.project.settings import load_settings
from pex.project.spec import Strict

CANARY = "canary"
"""The step id of the canary's own runs."""
MOST_JOBS = 100_000
"""A larger sweep is a mistake: its notebooks would run for days."""
MOST_WORKERS = 1000
_YEAR_S = 365 * 86400.0


class Step(Strict):
    """One notebook with parameters, optionally swept over several sets of them."""

    id: str
    """The name of the step, for `needs` and in tables. Example: `compare`."""
    notebook: str
    """The notebook, relative to the plan. Example: `../../notebooks/compare.ipynb`."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Values for the notebook's `parameters` cell. Example: `{experiment: experiment.yaml}`."""
    sweep: dict[str, list[Any]] | list[dict[str, Any]] | None = None
    """A job for each combination of these values, or for each set in a list. Example: `{model:
    [local/smollm2, openai/gpt-4.1-mini], seed: [1, 2]}`."""
    needs: list[str] = Field(default_factory=list)
    """Steps that must have ended well before this one starts. Example: `[compare]`."""
    when: When = None
    """Run the step only under a condition: `model-stops` (with the days before) or `new-model`
    (with a pattern). Example: `model-stops`."""

    @field_validator("parameters", "sweep", mode="before")
    @classmethod
    def _as_data(cls, value: Any) -> Any:
        return as_numbers(value)

    @field_validator("sweep", mode="before")
    @classmethod
    def _something(cls, value: Any) -> Any:
        empty = [key for key, values in value.items() if values == []] if _is_dict(value) else []
        if empty:
            raise ValueError(f"there is nothing to sweep: '{empty[0]}' has no values")
        if value is None or value in ({}, []):
            raise ValueError("there is nothing to sweep; without the key the step is one job")
        return value


class PlanGate(Strict):
    """A rule on the comparison; missing keys are taken from the experiment's own gate."""

    baseline: str | None = None
    """What the others are compared with: a variant, prompt or model of the same night, or `pinned`.
    Example: `pinned`."""
    metric: str | None = None
    """The score that decides. Example: `label`."""
    margin: float | None = Field(default=None, ge=0)
    """How much worse is still accepted, in the score's own units. Example: `0.02`."""
    confidence: float | None = Field(default=None, gt=0.5, lt=1)
    """The one-sided level at which "no worse" must hold. Example: `0.95`."""
    on_undecided: Literal["warn", "fail", "extend"] | None = None
    """What an undecided night does: warn, fail, or run the undecided notebooks again with more
    repeats."""
    evidence_days: int | None = Field(default=None, ge=1)
    """For how many days after the run it allows a promotion in the library. Example: `30`."""


class Canary(Strict):
    """Fixed cases, run the same way every night, that tell a changed model from a changed prompt.

    Without a prompt, each case's only input is sent as it is.
    """

    cases: str
    """The file with the fixed questions. Example: `canary.csv`."""
    prompt: str | None = None
    """A prompt for them; without it, each case's only input is sent as it is. Example:
    `canary.prompty`."""
    max_tokens: int = Field(default=64, ge=1)
    """The longest answer, in tokens. Example: `64`."""


class Notice(Strict):
    """Whom to notify in the morning; addresses and keys are named by their variables."""

    webhook_env: str | None = None
    """The variable with an address that accepts Slack-style JSON. Example: `SLACK_URL`."""
    mail_to_env: str | None = None
    """The variable with the mail addresses, separated by commas. Example: `MAIL_TO`."""
    smtp_env: str | None = None
    """The variable with the mail server's address, such as `smtp://user:password@host:587`.
    Example: `SMTP_URL`."""
    mail_from_env: str | None = None
    """The variable with the sender; by default the first recipient. Example: `MAIL_FROM`."""
    when: Literal["always", "problems"] = "always"
    """After every night, or only if something needs attention."""

    @property
    def variables(self) -> list[str]:
        """The names of all variables that it needs."""
        names = (self.webhook_env, self.mail_to_env, self.smtp_env, self.mail_from_env)
        return [name for name in names if name is not None]

    @model_validator(mode="after")
    def _whole(self) -> Notice:
        if (self.webhook_env is None) == (self.mail_to_env is None):
            raise ValueError("give either webhook_env, or mail_to_env and smtp_env")
        if self.mail_to_env is not None and self.smtp_env is None:
            raise ValueError("mail needs smtp_env, the variable with the server's address")
        for value in self.variables:
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
                raise ValueError("expected the name of an environment variable, not its value")
        return self


class PlanSpec(Strict):
    """The contents of `plan.yaml`; paths are relative to the file's folder."""

    name: str
    """The name of the plan: the folder of its outputs and its experiment in MLflow. Example:
    `nightly`."""
    steps: list[Step] = Field(min_length=1)
    """The notebooks that run. Example: `[{id: compare, notebook: compare.ipynb}]`."""
    workers: int = Field(default=2, ge=1, le=MOST_WORKERS)
    """How many notebooks run at the same time. Example: `2`."""
    scheduler: str | None = None
    """The address of a Dask scheduler, to run the jobs on other machines. Example:
    `tcp://host:8786`."""
    retries: int = Field(default=0, ge=0)
    """How often a failed notebook is tried again. Example: `1`."""
    timeout_s: float | None = Field(default=None, gt=0, le=_YEAR_S)
    """How many seconds a job may take. Example: `3600`."""
    budget_usd: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """The most that all jobs together may cost, in USD. Example: `20`."""
    journal: Literal["reuse", "fresh", "off"] = "fresh"
    """Whether answers that were already paid for are reused."""
    gate: PlanGate | None = None
    """The rule that decides whether the night is good enough; missing keys are taken from the
    experiment's. Example: `{baseline: pinned, metric: label, margin: 0.02}`."""
    canary: Canary | None = None
    """Fixed questions that tell a changed model from a changed prompt. Example: `{cases:
    canary.csv}`."""
    notify: list[Notice] = Field(default_factory=list)
    """Who is told how the night ended. Example: `[{webhook_env: SLACK_URL}]`."""
    keep: int | None = Field(default=None, ge=1)
    """Of how many scheduled nights the output notebooks are kept. Example: `30`."""
    tags: dict[str, str] = Field(default_factory=dict)
    """Tags on every run in MLflow. Example: `{team: support}`."""

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        try:
            return check_file_name(value, "plan name")
        except PexError as error:
            raise ValueError(error.message) from None


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """One notebook with one set of parameters.

    `when` are the conditions under which it runs, `not_due` is why it does not run in this batch.
    """

    id: str
    step: str
    notebook: Path
    parameters: dict[str, Any]
    needs: tuple[str, ...]
    when: Mapping[str, Any] | None = None
    not_due: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """A checked plan; its jobs are in an order in which they can run.

    `budget_usd` is for all its jobs together; `keep` is the number of nights to keep outputs for;
    `tags` are set on every run in MLflow; `scheduler` is the address of a Dask cluster's scheduler.
    """

    name: str
    folder: Path
    jobs: tuple[Job, ...]
    workers: int
    retries: int
    timeout_s: float | None
    budget_usd: float | None = None
    journal: str = "fresh"
    gate: PlanGate | None = None
    canary: Canary | None = None
    notify: tuple[Notice, ...] = ()
    keep: int | None = None
    tags: Mapping[str, str] = dataclasses.field(default_factory=dict)
    scheduler: str | None = None
    file: Path | None = None

    @property
    def outputs(self) -> Path:
        """The folder of its nights, with one folder for each."""
        return self.folder / "outputs" / self.name

    @property
    def place(self) -> str:
        """Its folder relative to the project, since a store outlives the machine."""
        project = find_project(self.folder)
        inside = self.folder.is_relative_to(project)
        return (self.folder.relative_to(project) if inside else self.folder).as_posix()

    def sweep_of(self, job_id: str) -> str:
        """What tells a job from the others of its step: `temperature=0`; empty without a sweep."""
        job = next((job for job in self.jobs if job.id == job_id), None)
        if job is None:
            return ""
        others = [other.parameters for other in self.jobs if other.step == job.step]
        return ", ".join(
            f"{key}={value_text(value)}"
            for key, value in job.parameters.items()
            if any(other.get(key) != value for other in others)
        )

    def context(self, batch_id: str, times: int = 1) -> BatchContext:
        """The context that the jobs of a batch get.

        Args:
            batch_id: the batch.
            times: multiplies how often each case is run.
        """
        return BatchContext(
            batch_id=batch_id,
            plan=self.name,
            plan_folder=self.place,
            journal=self.journal,
            tags=self.tags,
            budget_usd=self.budget_usd,
            repeats_times=times,
        )


def load_plan(path: Path) -> Plan:
    """Read `plan.yaml` and check every notebook and parameter before anything runs.

    Raises:
        PexError: a missing file or notebook, an unknown key or step, steps that need each other, or
            a parameter that a notebook does not declare or that does not fit.
    """
    path = Path(path).resolve()
    if path.is_file() and kind_of(path) == "experiment":
        raise PexError(f"{path}: this is an experiment, expected a plan", hint=_plan_beside(path))
    spec = read_yaml(path, PlanSpec, "plan")
    # Secrets must be known before a parameter is checked or anything is printed.
    load_settings(find_project(path.parent))
    note(name for notice in spec.notify for name in notice.variables)
    steps = _ordered(spec.steps, path)
    if (count := sum(_count(step) for step in steps)) > MOST_JOBS:
        raise PexError(
            f"{path}: {count:,} jobs, at most {MOST_JOBS:,}",
            hint="the values of a sweep multiply; a list of sets holds only those that are meant",
        )
    jobs = [job for step in steps for job in _jobs_of(step, path)]
    for file in [spec.canary.cases, spec.canary.prompt] if spec.canary else []:
        if file is not None:
            check_inside(file, path.parent, f"{path}: canary")
        if file is not None and not (path.parent / file).is_file():
            raise PexError(f"{path}: canary: there is no file {path.parent / file}")
    return Plan(
        spec.name,
        path.parent,
        tuple(jobs),
        spec.workers,
        spec.retries,
        spec.timeout_s,
        spec.budget_usd,
        spec.journal,
        spec.gate,
        spec.canary,
        tuple(spec.notify),
        spec.keep,
        spec.tags,
        spec.scheduler,
        path,
    )


def _plan_beside(experiment: Path) -> str:
    """How to get a plan for an experiment: the one beside it, or a new one."""
    beside = sorted(experiment.parent.glob("*.yaml"))
    plans = [path for path in beside if kind_of(path) == "plan"]
    if plans:
        return f"its plan is {plans[0]}"
    return f"a plan runs it every night: pexlab plan {experiment} writes one"


def _is_dict(value: Any) -> bool:
    return isinstance(value, dict)


def _count(step: Step) -> int:
    """The number of jobs of a step."""
    sweep = step.sweep or [{}]
    return len(sweep) if isinstance(sweep, list) else math.prod(map(len, sweep.values()))


def _jobs_of(step: Step, path: Path) -> list[Job]:
    """A step's jobs, with checked parameters."""
    where = f"{path}: step '{step.id}'"
    notebook = (path.parent / step.notebook).resolve()
    known = declared(notebook, where)
    sets = _sets(step.sweep or [{}])
    # A condition gives these, if the step does not; any model stands for them here.
    later = dict.fromkeys(filled(step.when), "provider/model")
    later = {name: value for name, value in later.items() if name in known}
    for swept in sets:
        check_parameters({**later, **step.parameters, **swept}, known, notebook, where)
    names = [_job_id(step.id, swept) for swept in sets]
    # On some systems `A.ipynb` and `a.ipynb` are one file.
    often = collections.Counter(name.lower() for name in names)
    jobs: dict[str, Job] = {}
    for name, swept in zip(names, sets, strict=True):
        job_id = name if often[name.lower()] == 1 else f"{name}-{digest(swept, 6)}"
        if job_id in jobs:
            raise PexError(f"{where}: the same set of parameters twice: {name}")
        parameters = {**step.parameters, **swept}
        jobs[job_id] = Job(job_id, step.id, notebook, parameters, tuple(step.needs), step.when)
    return list(jobs.values())


def _sets(sweep: dict[str, list[Any]] | list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The parameter sets of a sweep: every combination of a dict of lists, or the list itself."""
    if isinstance(sweep, list):
        return sweep
    return [dict(zip(sweep, values, strict=True)) for values in itertools.product(*sweep.values())]


def _job_id(step: str, swept: dict[str, Any]) -> str:
    """A name that is valid for a file: `compare-model=smollm2-seed=1`.

    Example:
        >>> _job_id("compare", {"model": "local/smollm2", "seed": 1})
        'compare-model=smollm2-seed=1'
    """
    parts = [step]
    for key, value in swept.items():
        text = canonical_text(value)
        parts.append(f"{key}={text.rpartition('/')[2]}")
    name = re.sub(r"[^A-Za-z0-9_.=+-]+", "_", "-".join(parts))
    # A digest of the values distinguishes long names, and names that lost characters.
    exact = len(name) <= 100 and name == "-".join(parts)
    return name if exact else f"{name[:100]}-{digest(swept, 6)}"


def _ordered(steps: list[Step], path: Path) -> list[Step]:
    by_id: dict[str, Step] = {}
    for step in steps:
        try:
            check_file_name(step.id, "step id")
        except PexError as error:
            raise PexError(f"{path}: {error.message}", hint=error.hint) from None
        if step.id == CANARY:
            raise PexError(
                f"{path}: no step can be called '{CANARY}': that is the name of the canary's runs"
            )
        if step.id.lower() in map(str.lower, by_id):  # on some systems the same file
            raise PexError(f"{path}: two steps are called '{step.id}'")
        by_id[step.id] = step
    for step in steps:
        for need in step.needs:
            if need not in by_id:
                raise PexError(
                    f"{path}: step '{step.id}' needs '{need}', which is not a step",
                    hint=nearest(need, by_id),
                )
    done: list[Step] = []
    while len(done) < len(steps):
        names = {step.id for step in done}
        ready = [s for s in steps if s.id not in names and set(s.needs) <= names]
        if not ready:
            circle = _circle([step for step in steps if step.id not in names])
            raise PexError(f"{path}: these steps need each other: {circle}")
        done += ready
    return done


def _circle(stuck: list[Step]) -> str:
    """The steps of a cycle, each needing the next, and the last one the first."""
    needs = {step.id: step.needs for step in stuck}
    way = [stuck[0].id]
    while way.count(way[-1]) == 1:
        way.append(next(need for need in needs[way[-1]] if need in needs))
    return " → ".join(f"'{name}'" for name in way[way.index(way[-1]) :])

"""A run's description of itself: one typed record, `about.json` in the run's MLflow artifacts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pex.core.errors import PexError

if TYPE_CHECKING:
    from pex.core.prompt import Prompt
    from pex.core.variant import Variant

FORMAT = 1
"""The version of `about.json`; files of pexlab 0.1 have none and are read as this one."""

_WHEN_SET = frozenset({
    "record_error", "run_name", "judging", "forgotten", "tools", "remarks", "positions", "renamed",
    "reading", "decimal", "requirements", "checks", "criteria_sha256", "criteria",
    "field_scorers", "user",
})  # fmt: skip
"""Written only if there is something to say."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Part:
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False, kw_only=True)
    """Keys from a newer pexlab: kept, and written back."""


@dataclasses.dataclass(frozen=True, slots=True)
class VariantInfo(_Part):
    """One variant: its prompt's name and digest, its model and its parameters.

    `params` are all parameters sent, `own_params` only the variant's own; None if unknown.
    """

    name: str
    prompt: str = ""
    prompt_version: str = ""
    model: str = ""
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    own_params: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, variant: Variant) -> VariantInfo:
        """The record of a variant."""
        prompt = variant.prompt
        return cls(
            variant.name,
            prompt.name,
            prompt.digest,
            variant.model,
            variant.all_params,
            dict(variant.params),
        )


@dataclasses.dataclass(frozen=True, slots=True)
class PromptInfo(_Part):
    """One prompt: its text and its library version."""

    name: str
    text: str
    description: str = ""
    origin: str | None = None

    @classmethod
    def of(cls, prompt: Prompt) -> PromptInfo:
        """The record of a prompt."""
        return cls(prompt.name, prompt.text, prompt.description, prompt.origin)


@dataclasses.dataclass(frozen=True, slots=True)
class JudgeInfo(_Part):
    """One judge: its identity, whether its scores can be trusted, its counts and cost.

    `identity` is the key of its calibration, `why` says why it is calibrated or not, `error` is the
    first error, and `cost_usd` includes reused verdicts.
    """

    name: str
    kind: str = ""
    model: str = ""
    prompt: str = ""
    text: str = ""
    baseline: str | None = None
    digest: str = ""
    identity: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    calibrated: bool = False
    why: str = ""
    calibration: Mapping[str, Any] | None = None
    note: str | None = None
    calls: int = 0
    replayed: int = 0
    errors: int = 0
    error: str | None = None
    cost_usd: float | None = None
    remarks: Sequence[str] = ()
    positions: Mapping[str, Any] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class UserInfo(_Part):
    """The simulated user of a run: who plays it, with which prompt, and what it wrote and cost.

    `prompt` is the prompt's name, `digest` changes with it; `messages` are all that it wrote, also
    end words, `reused` those that were not paid for in this run, and `cost_usd` is what the others
    cost: it is in the run's spending and in no variant's cost.
    """

    model: str
    prompt: str = ""
    digest: str = ""
    text: str = ""
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    max_turns: int = 0
    stop: str = ""
    messages: int = 0
    reused: int = 0
    cost_usd: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class RequirementInfo(_Part):
    """A requirement as it was when the run began.

    `at_least` is the share of cases that must pass, or the mean that a score must reach; None if
    none was given. `place` is the file that it is written in.
    """

    id: str
    text: str
    source: str = ""
    priority: str = "must"
    at_least: float | None = None
    place: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class CheckInfo(_Part):
    """A score and the requirements that it checks.

    `compares` is whether it compares an answer with the expected one; `failed_before` is whether it
    failed an answer in an earlier run of the experiment; `definition` changes with the scorer;
    `numbers` is whether its scores are known to be numbers, such as marks from 1 to 5, and no yes
    or no even where every value is 1.
    """

    score: str
    requirements: Sequence[str] = ()
    compares: bool = False
    failed_before: bool = False
    definition: str = ""
    numbers: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class CriteriaChange(_Part):
    """A change of the criteria: `what` was "added", "changed" or "removed" (`how`), and when.

    `at` is the start of the first run with the change, `after_runs` how many were recorded before.
    """

    what: str
    how: str
    at: str
    after_runs: int


@dataclasses.dataclass(frozen=True, slots=True)
class CriteriaInfo(_Part):
    """When the criteria of a run were decided.

    `decided_at` is the start of the first run with exactly these, `after_runs` how many runs of the
    experiment were recorded before that one.
    """

    decided_at: str
    after_runs: int
    changes: Sequence[CriteriaChange] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Counts(_Part):
    """A run's requests: total, answered (`replayed` of them reused), failed, not sent."""

    requests: int
    answered: int
    replayed: int = 0
    errors: int
    not_asked: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class CasesFile(_Part):
    """The case file, its column mapping, and how it is read."""

    path: str
    columns: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    reading: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class About(Mapping[str, Any]):
    """A run's configuration and outcome.

    It is also a read-only mapping of plain data, as in `about.json`.

    `renamed` has the names that prompts have for columns, if the user gave them. `decimal` is the
    decimal sign of the cases' numbers, empty if it is not known.
    `status` is finished, interrupted, budget or failed; `started_at` is ISO 8601 with a time zone;
    `scorer_items` are the scorers as written in an experiment file, None if they cannot be
    written, `field_scorers` those of structured answers; `run_name` is the run's name in MLflow,
    once it is recorded; `record_error` says why it could not be recorded; `forgotten` is the number
    of rows deleted by `pexlab gc`; `checks` are the scores, with the `requirements` that they
    check; `tools` are lines on what ran when a model called a tool; `criteria_sha256` is the hash
    of requirements, scorers and gate, `criteria` says when they were decided; `user` is the
    simulated user, None if there was none.

    Example:
        >>> counts = {"requests": 2, "answered": 2, "errors": 0}
        >>> data = {"name": "x", "status": "finished", "started_at": "2026-01-01T00:00:00+00:00"}
        >>> data |= {"elapsed_s": 1.0, "cases": 2, "repeats": 1, "variants": [{"name": "a"}]}
        >>> data |= {"prompts": [], "models": ["lab/m"], "scorers": [], "counts": counts}
        >>> about = About.from_json(data)
        >>> about.counts.answered, about.variants[0].name, about["counts"]["answered"]
        (2, 'a', 2)
    """

    name: str
    purpose: str = ""
    note: str = ""
    status: str
    run_id: str | None = None
    tracking_uri: str | None = None
    experiment_id: str | None = None
    run_name: str | None = None
    started_at: str
    elapsed_s: float
    cases: int
    repeats: int
    variants: Sequence[VariantInfo]
    prompts: Sequence[PromptInfo]
    models: Sequence[str]
    scorers: Sequence[str]
    scorer_items: Sequence[Any] | None = None
    field_scorers: Sequence[Any] = ()
    judges: Sequence[JudgeInfo] = ()
    gate: Mapping[str, Any] | None = None
    max_error_share: float = 0.05
    budget_usd: float | None = None
    spent_usd: float = 0.0
    journal: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    counts: Counts
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    how_to: Sequence[str] = ()
    cases_file: CasesFile | None = None
    renamed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    decimal: str = ""
    judging: str | None = None
    record_error: str | None = None
    forgotten: int = 0
    requirements: Sequence[RequirementInfo] = ()
    checks: Sequence[CheckInfo] = ()
    criteria_sha256: str = ""
    criteria: CriteriaInfo | None = None
    tools: Sequence[str] = ()
    user: UserInfo | None = None
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)

    @property
    def all_field_scorers(self) -> Sequence[Any]:
        """The scorers of structured answers; of a run by an older version, all its scorers."""
        return self.field_scorers or self.scorer_items or ()

    @property
    def uncalibrated(self) -> list[str]:
        """The judges that have not been compared with people, or did not agree with them."""
        return [judge.name for judge in self.judges if not judge.calibrated]

    @classmethod
    def from_json(cls, data: Any, where: str = "about.json") -> About:
        """The record from plain data.

        Args:
            data: the result of `to_json`; unknown keys are kept in `extra`.
            where: the file, for messages.

        Raises:
            PexError: a key is missing, or a newer pexlab wrote it.
        """
        values = _values(cls, data, where)
        found = values["extra"].pop("format", FORMAT)
        if not isinstance(found, int) or found > FORMAT:
            raise PexError(
                f"{where}: written by a newer version of pexlab (format {found!r}, this one reads "
                f"{FORMAT})",
                hint="pip install --upgrade pexlab",
            )
        parts = {
            "variants": VariantInfo,
            "prompts": PromptInfo,
            "judges": JudgeInfo,
            "requirements": RequirementInfo,
            "checks": CheckInfo,
        }
        for key, kind in parts.items():
            given = values.get(key) or ()
            if not isinstance(given, list | tuple):
                raise PexError(f"{where}: {key}: expected a list, got {given!r}")
            values[key] = [
                _part(kind, item, f"{where}: {key}[{at}]") for at, item in enumerate(given)
            ]
        values["counts"] = _part(Counts, values["counts"], f"{where}: counts")
        if given := values.get("criteria"):
            found = _part(CriteriaInfo, given, f"{where}: criteria")
            changes = [
                _part(CriteriaChange, item, f"{where}: criteria.changes[{at}]")
                for at, item in enumerate(found.changes)
            ]
            values["criteria"] = dataclasses.replace(found, changes=changes)
        if values.get("user"):
            values["user"] = _part(UserInfo, values["user"], f"{where}: user")
        if values.get("cases_file"):
            values["cases_file"] = _part(CasesFile, values["cases_file"], f"{where}: cases_file")
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """Plain data, as in `about.json`."""
        return {"format": FORMAT, **_plain(self)}

    def __getitem__(self, key: str) -> Any:
        return self.to_json()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.to_json())

    def __len__(self) -> int:
        return len(self.to_json())


_T = TypeVar("_T")


def _part(kind: type[_T], data: Any, where: str) -> _T:
    return kind(**_values(kind, data, where))


def _values(kind: Any, data: Any, where: str) -> dict[str, Any]:
    """The fields of a class found in `data`; all other keys together as `extra`."""
    if not isinstance(data, Mapping):
        raise PexError(f"{where}: expected an object, got {data!r}")
    fields = {field.name: field for field in dataclasses.fields(kind) if field.name != "extra"}
    nothing = dataclasses.MISSING
    for name, field in fields.items():
        if name not in data and field.default is nothing and field.default_factory is nothing:
            raise PexError(f"{where}: '{name}' is missing", hint="the file is damaged")
    values = {name: data[name] for name in fields if name in data}
    values["extra"] = {name: value for name, value in data.items() if name not in fields}
    return values


def _plain(value: Any) -> Any:
    if isinstance(value, _Part | About):
        found = {
            field.name: _plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.name != "extra"
        }
        return {k: v for k, v in found.items() if v or k not in _WHEN_SET} | dict(value.extra)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value

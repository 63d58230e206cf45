"""An experiment as data: the contents of `experiment.yaml`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_serializer, field_validator

from pex.core.cases import check_key
from pex.core.errors import PexError
from pex.core.names import LIBRARY as LIBRARY  # noqa: PLC0414 - where the files' reader looks
from pex.core.names import check_name
from pex.core.params import params_grid
from pex.core.project import check_inside
from pex.core.reading import Reading
from pex.core.splits import check_shares
from pex.core.values import as_text
from pex.core.yamltext import dump_yaml
from pex.project.files import kind_of, read_yaml
from pex.project.redteam_spec import RedteamSpec


class Strict(BaseModel):
    """A model that rejects unknown keys, so typing errors are caught."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class VariantSpec(Strict):
    """One variant, for experiments that are not a grid of prompts x models x params."""

    name: str | None = None
    """The name in tables; by default made of prompt, model and parameters. Example:
    `short-warm`."""
    prompt: str
    """A prompt file, or a prompt of the library. Example: `library:strict@champion`."""
    model: str | None = None
    """The model as `provider/model`; by default that of the prompt's file. Example:
    `openai/gpt-4.1-mini`."""
    params: dict[str, Any] = Field(default_factory=dict)
    """The parameters of its calls. Example: `{temperature: 0, max_tokens: 16}`."""


class GateSpec(Strict):
    """A rule for a comparison; `confidence` is the one-sided level.

    `evidence_days` is for how many days a comparison allows a promotion in the library.
    """

    baseline: str
    """What the others are compared with: a variant, prompt or model, or `pinned` (the accepted
    run). Example: `short`."""
    metric: str
    """The score that decides. Example: `label`."""
    margin: float = Field(ge=0)
    """How much worse is still accepted, in the score's own units: 0.02 of a share is two points.
    Example: `0.02`."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """The one-sided level at which "no worse" must hold. Example: `0.95`."""
    on_undecided: Literal["warn", "fail", "extend"] = "warn"
    """What an undecided comparison does: only warn, fail, or extend it with more repeats first."""
    evidence_days: int = Field(default=30, ge=1)
    """For how many days after the run it allows a promotion in the library. Example: `30`."""


class CasesSpec(Strict):
    """The file of cases, and how it is read; what is left out is found out from the file."""

    file: str
    """The file of cases: CSV, TSV, JSONL, Parquet or Excel. Example: `cases.csv`."""
    delimiter: str | None = None
    """What separates the values of a line. Example: `";"`."""
    encoding: str | None = None
    """The encoding of the text. Example: `cp1252`."""
    decimal: str | None = None
    """The decimal sign of numbers. Example: `","`."""
    sheet: str | None = None
    """The sheet of an Excel file. Example: `Tickets`."""

    @property
    def reading(self) -> Reading:
        """How the file is read."""
        return Reading(**self.model_dump(exclude={"file"}))

    @classmethod
    def of(cls, file: str, reading: Reading) -> CasesSpec:
        """The entry for a file that was read in some way."""
        return cls(file=file, **reading.differs())


class Requirement(Strict):
    """A sentence that somebody asked for, which scorers check by its id (`checks: [R3]`).

    `at_least` is the share of cases that must pass, or the mean that a score must reach; without
    it every case must pass.
    """

    id: str
    """The name by which scorers refer to it. Example: `R1`."""
    text: str
    """What must hold, as a sentence. Example: `Says what the review says.`."""
    source: str = ""
    """Who asked for it. Example: `Support`."""
    priority: Literal["must", "should", "could"] = "must"
    """How much it matters; a "must" that is not met fails `pexlab library check`."""
    at_least: float | None = None
    """The share of cases that must pass, or the mean that a score must reach; without it every case
    must pass. Example: `0.9`."""

    @field_validator("id")
    @classmethod
    def _id(cls, value: str) -> str:
        try:
            return check_name(value, "requirement id")
        except PexError as error:
            raise ValueError(error.message) from None

    @field_validator("text")
    @classmethod
    def _text(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("is empty: write what must hold, as a sentence")
        return value.strip()


class UserSpec(Strict):
    """A simulated user: the model that plays it, its prompt, and when it ends."""

    model: str | None = None
    """The model that plays the user; by default the one that its prompt names. Example:
    `openai/gpt-4.1-mini`."""
    prompt: str | None = None
    """A prompt file instead of the built-in one. Example: `users/customer.prompty`."""
    max_turns: int = Field(default=6, ge=1)
    """The most messages that the user writes. Example: `6`."""
    stop: str = "STOP"
    """The word with which the user ends the conversation. Example: `DONE`."""
    opening: str | None = None
    """The column with the user's bare first message, if the prompt's last message has instructions
    too. Example: `question`."""
    params: dict[str, Any] = Field(default_factory=dict)
    """The parameters of its calls. Example: `{temperature: 0}`."""

    @field_validator("stop")
    @classmethod
    def _stop(cls, value: str) -> str:
        if not value.strip() or "\n" in value.strip():
            raise ValueError("expected a word that ends the conversation, such as STOP")
        return value.strip()


class ExperimentSpec(Strict):
    """The contents of `experiment.yaml`; paths are relative to the file's folder."""

    name: str
    """The name of the experiment, here and in MLflow. Example: `review-sentiment`."""
    purpose: str = ""
    """What it is for, in a sentence; reports and raters show it. Example: `Sort reviews into
    positive and negative.`."""
    cases: CasesSpec
    """The file of cases, or the file and how it is read. Example: `cases.csv`."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Which column is the id, expected, group or tags; or a name of your own for a column. Example:
    `{id: review_id, expected: label}`."""
    prompts: list[str] = Field(default_factory=list)
    """Prompt files, or prompts of the library. Example: `[prompts/short.prompty,
    library:strict@champion]`."""
    models: list[str] = Field(default_factory=list)
    """The models, as `provider/model`. Example: `[local/smollm2, openai/gpt-4.1-mini]`."""
    params: list[dict[str, Any]] = Field(default_factory=list)
    """Sets of parameters: a list of them, or lists of values, of which every combination is taken.
    Example: `{temperature: [0, 1]}`."""
    variants: list[VariantSpec] = Field(default_factory=list)
    """The variants one by one, instead of `prompts`, `models` and `params`. Example: `[{prompt:
    prompts/short.prompty, model: local/smollm2}]`."""
    scorers: list[str | dict[str, Any]] = Field(default_factory=list)
    """What scores an answer: the name of a scorer, `module:function`, or a scorer with options.
    Example: `[label, {kind: length, max_words: 1}]`."""
    repeats: int = Field(default=1, ge=1)
    """How often each case is run with each variant. Example: `3`."""
    budget_usd: float | None = Field(default=None, ge=0)
    """The most that a run may cost, in USD; by default `usd_per_run` of `pex.toml`. Example:
    `2`."""
    max_error_share: float = Field(default=0.05, ge=0, le=1)
    """The share of calls in error above which `pexlab run` exits with code 5. Example: `0.05`."""
    max_in_flight: int | None = Field(default=None, ge=1)
    """The most calls at the same time, fewer if the endpoint refuses some. Example: `16`."""
    timeout_s: float | None = Field(default=None, gt=0)
    """How many seconds a call may take. Example: `60`."""
    gate: GateSpec | None = None
    """The rule that decides whether a variant is good enough. Example: `{baseline: short, metric:
    label, margin: 0.02}`."""
    requirements: list[Requirement] = Field(default_factory=list)
    """What somebody asked for, as sentences that scorers check. Example: `[{id: R1, text: Says what
    the review says.}]`."""
    splits: dict[str, float] | None = None
    """The shares of the cases for training, selecting and confirming. Example: `{train: 0.5,
    select: 0.25, confirm: 0.25}`."""
    tools: dict[str, str | dict[str, Any]] = Field(default_factory=dict)
    """What runs when a model calls a tool: `module:function`, or an implementation with options.
    Example: `{lookup: "orders:lookup"}`."""
    max_steps: int = Field(default=10, ge=1)
    """The most requests of one path of tool calls. Example: `10`."""
    user: UserSpec | None = None
    """A simulated user, who writes the turns of a conversation. Example: `{model:
    openai/gpt-4.1-mini, max_turns: 6}`."""
    redteam: RedteamSpec | None = None
    """How `pexlab redteam` attacks the prompts. Example: `{per_category: 8}`."""

    @field_validator("splits")
    @classmethod
    def _splits(cls, value: dict[str, float] | None) -> dict[str, float] | None:
        try:
            return None if value is None else {str(k): v for k, v in check_shares(value).items()}
        except PexError as error:
            message = error.message.removeprefix("splits: ")
            raise ValueError(f"{message} ({error.hint})" if error.hint else message) from None

    @field_validator("requirements")
    @classmethod
    def _requirements(cls, value: list[Requirement]) -> list[Requirement]:
        ids = [item.id for item in value]
        double = next((item for item in ids if ids.count(item) > 1), None)
        if double is not None:
            raise ValueError(f"two requirements have the id '{double}'")
        return value

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        try:
            return check_name(value, "experiment name")
        except PexError as error:
            raise ValueError(error.message) from None

    @field_validator("cases", mode="before")
    @classmethod
    def _cases(cls, value: Any) -> Any:
        return value if isinstance(value, dict | CasesSpec | None) else {"file": as_text(value)}

    @field_serializer("cases")
    def _written_cases(self, value: CasesSpec) -> Any:
        found = value.model_dump(exclude_none=True)
        return found if len(found) > 1 else value.file

    @field_validator("params", mode="before")
    @classmethod
    def _params(cls, value: Any) -> Any:
        try:
            return params_grid(value) if isinstance(value, dict) else value
        except PexError as error:
            raise ValueError(error.message.removeprefix("params: ")) from None

    @field_validator("columns")
    @classmethod
    def _columns(cls, value: dict[str, str]) -> dict[str, str]:
        for role in value:
            try:
                check_key(role)
            except PexError as error:
                message = error.message.removeprefix("columns: ")
                raise ValueError(f"{message} ({error.hint})") from None
        return value


def load_spec(path: Path) -> ExperimentSpec:
    """Read `experiment.yaml`.

    Raises:
        PexError: the file is missing, a key is unknown, or a value does not fit, with the line; or
            a path leads out of the project.
    """
    if path.is_file() and kind_of(path) == "plan":
        raise PexError(
            f"{path}: this is a plan of notebooks, expected an experiment",
            hint=f"a plan is run by: pexlab batch {path}",
        )
    spec = read_yaml(path, ExperimentSpec, "experiment file")
    if spec.variants and (spec.prompts or spec.models or spec.params):
        raise PexError(
            f"{path}: give either 'variants', or 'prompts', 'models' and 'params', not both"
        )
    if not spec.variants and not spec.prompts:
        raise PexError(f"{path}: the key 'prompts' is missing")
    for key, given in _files(spec):
        check_inside(given, path.parent, f"{path}: {key}")
    return spec


def _files(spec: ExperimentSpec) -> Iterator[tuple[str, str]]:
    """The paths in a spec, with their keys."""
    yield "cases", spec.cases.file
    refs = [("prompts", ref) for ref in spec.prompts]
    refs += [(f"variants.{n}.prompt", item.prompt) for n, item in enumerate(spec.variants)]
    yield from ((key, ref) for key, ref in refs if not ref.startswith(LIBRARY))
    own = None if spec.user is None else spec.user.prompt
    if own is not None and not own.startswith(LIBRARY):
        yield "user.prompt", own
    for number, scorer in enumerate(spec.scorers):
        options = scorer if isinstance(scorer, dict) else {}
        for name in ("prompt", "schema"):
            if isinstance(given := options.get(name), str):
                yield f"scorers.{number}.{name}", given


def dump_spec(spec: ExperimentSpec) -> str:
    """The YAML text of a spec; default values are omitted."""
    data = spec.model_dump(exclude_defaults=True)
    return dump_yaml({key: data[key] for key in ExperimentSpec.model_fields if key in data})

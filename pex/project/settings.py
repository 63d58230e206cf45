"""The project settings in `pex.toml`."""

from __future__ import annotations

import contextlib
import datetime
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from pex.core.network import clean_url
from pex.core.project import FILE
from pex.guard.input_check import Policy
from pex.guard.project_secrets import note
from pex.project.files import read_toml
from pex.project.keys import note_file
from pex.project.spec import Strict


def _variable_name(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        # The value is not shown: it may be the key itself.
        raise ValueError("must be the name of an environment variable, never a key or an address")
    return value


Api = Literal["chat", "responses"]
"""The API of an endpoint: chat completions, or OpenAI's Responses API."""


class FromEnvironment(Strict):
    """A value from an environment variable: `{ env = "NAME" }`."""

    env: str

    _is_a_name = field_validator("env")(_variable_name)


def _header(value: Any) -> Any:
    if not isinstance(value, dict | list | bool):
        return value
    # The value is never shown: it may be the key itself.
    if not isinstance(value, dict) or value.keys() != {"env"}:
        raise ValueError('expected a string, or { env = "NAME" } with the name of a variable')
    try:
        return FromEnvironment.model_validate(value)
    except ValidationError:
        raise ValueError("env must be the name of an environment variable, never a key") from None


Header = Annotated[str | FromEnvironment, BeforeValidator(_header)]
"""The value of a header: the literal value, or the variable that holds it."""


class ProviderSettings(Strict):
    """An OpenAI-compatible endpoint. Keys are never here, see `pex.project.keys`."""

    base_url: str | None = None
    api_key_env: str | None = None
    headers: dict[str, Header] = Field(default_factory=dict)
    proxy: str | None = None
    ca_bundle: str | None = None
    api_version: str | None = None
    token_command: str | None = None
    max_in_flight: int | None = Field(default=None, ge=1)
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    timeout_s: float | None = Field(default=None, gt=0)
    free: bool | None = None
    api: Api | None = None

    _is_a_name = field_validator("api_key_env")(_variable_name)

    @property
    def variables(self) -> list[str]:
        """The names of the variables for its key and its headers."""
        given = [item.env for item in self.headers.values() if isinstance(item, FromEnvironment)]
        return [*([] if self.api_key_env is None else [self.api_key_env]), *given]

    @field_validator("base_url")
    @classmethod
    def _is_a_url(cls, value: str | None) -> str | None:
        return value if value is None else clean_url(value)

    @field_validator("proxy")
    @classmethod
    def _is_a_proxy(cls, value: str | None) -> str | None:
        if value is None or not value.strip():
            return value and ""  # "" means no proxy, whatever the environment says
        return clean_url(value if "://" in value else f"http://{value.strip()}")


def _day(value: Any) -> Any:
    """A date of TOML, or one in quotes; a number would become a day of 1970."""
    if type(value) is datetime.date or value is None:
        return value
    with contextlib.suppress(ValueError):
        if isinstance(value, str):
            return datetime.date.fromisoformat(value)
    raise ValueError("expected a date, such as 2027-01-14")


class ModelSettings(Strict):
    """How one model is called and its answers are read: `[models."provider/model"]`.

    `reasoning_tags` are the names of the tags around its reasoning; with an empty list, answers
    are not changed. `api` overrides the provider's API. `stops` is the day from which the model
    no longer answers, where its endpoint does not say so. `training_usd_per_million` is the price
    of the tokens of a fine-tuning job.
    """

    reasoning_tags: list[str] | None = None
    api: Api | None = None
    stops: Annotated[datetime.date | None, BeforeValidator(_day)] = None
    training_usd_per_million: float | None = Field(default=None, ge=0, allow_inf_nan=False)


class PriceSettings(Strict):
    """A model's prices in USD per million tokens; the input price is the default for the others."""

    input_usd_per_million: float = Field(ge=0, allow_inf_nan=False)
    output_usd_per_million: float = Field(ge=0, allow_inf_nan=False)
    cached_input_usd_per_million: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    cache_write_usd_per_million: float | None = Field(default=None, ge=0, allow_inf_nan=False)


class JournalSettings(Strict):
    """Where the project's state is stored; `url_env` names a variable with PostgreSQL's address."""

    path: str = ".pex"
    url_env: str | None = None

    _is_a_name = field_validator("url_env")(_variable_name)


class RecordSettings(Strict):
    """Where runs are recorded, and how many of their rows are traced: a number, "all" or "none"."""

    tracking_uri: str | None = None
    traces: int | str = 500


class LibrarySettings(Strict):
    """The library of prompts: its registry if not the record's store, and which side is right.

    With `sync = "files"` the files are the truth and the registry follows, with "registry" the
    other way round, with "strict" both must be the same.
    """

    registry_uri: str | None = None
    sync: Literal["files", "registry", "strict"] = "files"


class BudgetSettings(Strict):
    """The budget of a run unless the experiment sets its own."""

    usd_per_run: float = Field(default=5.0, ge=0, allow_inf_nan=False)
    max_tokens: int = Field(default=1024, ge=1)


class PersonalSettings(Strict):
    """Personal data that is replaced by placeholders where texts of people go into files.

    `keep` are values that stay, as for `pex.guard.placeholders.hide_personal`, `names_file` is a
    file of names to find, one a line, and `regions` are codes of countries for telephone numbers.
    """

    keep: list[str] = Field(default_factory=list)
    names_file: str | None = None
    regions: list[str] = Field(default_factory=list)


class GuardSettings(Strict):
    """The policy of `pexlab guard`: its arguments are those of `pex.guard.Policy`."""

    off: list[str] = Field(default_factory=list)
    severities: dict[str, Literal["signal", "flag", "block"]] = Field(default_factory=dict)
    allow: list[str] = Field(default_factory=list)
    delimiters: list[str] = Field(default_factory=list)
    most_characters: int = Field(default=50_000, ge=1)

    @field_validator("off", "severities")
    @classmethod
    def _are_rules(cls, value: Any, info: ValidationInfo) -> Any:
        Policy(**{str(info.field_name): value})
        return value

    def policy(self) -> Policy:
        """The policy that these settings describe."""
        return Policy(**self.model_dump())


class Settings(Strict):
    """The contents of `pex.toml`; every part has defaults."""

    providers: dict[str, ProviderSettings] = Field(default_factory=dict)
    models: dict[str, ModelSettings] = Field(default_factory=dict)
    prices: dict[str, PriceSettings] = Field(default_factory=dict)
    journal: JournalSettings = Field(default_factory=JournalSettings)
    record: RecordSettings = Field(default_factory=RecordSettings)
    library: LibrarySettings = Field(default_factory=LibrarySettings)
    budget: BudgetSettings = Field(default_factory=BudgetSettings)
    personal: PersonalSettings = Field(default_factory=PersonalSettings)
    guard: GuardSettings = Field(default_factory=GuardSettings)

    _project: Path | None = PrivateAttr(default=None)

    @property
    def project(self) -> Path | None:
        """The folder of the `pex.toml` they were read from; None if they were created in Python."""
        return self._project

    @field_validator("prices", "models")
    @classmethod
    def _are_of_models(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        for ref in value:
            if not all(ref.partition("/")):
                expected = f'[{info.field_name}."provider/model"]'
                raise ValueError(f"'{ref}' is not a model: expected {expected}")
        return value

    def api_of(self, ref: str) -> Api:
        """The API that serves `provider/model`."""
        model, provider = self.models.get(ref), self.providers.get(ref.partition("/")[0])
        return (model and model.api) or (provider and provider.api) or "chat"


def load_settings(project: Path) -> Settings:
    """The settings of a project, or the defaults without a `pex.toml`.

    From then on, values they declare secret are removed from everything shown and stored.

    Raises:
        PexError: `pex.toml` is not valid TOML, or has an unknown key or a bad value.
    """
    note_file(project)
    path = project / FILE
    if not path.is_file():
        return Settings()
    settings = read_toml(path, Settings)
    # Settings from a file may be somebody else's, and need trust if they direct keys.
    settings._project = project
    _note(settings)
    return settings


def _note(settings: Settings) -> None:
    """Note what is secret: keys, headers, and addresses that may contain a login."""
    note([settings.journal.url_env], [settings.record.tracking_uri, settings.library.registry_uri])
    for own in settings.providers.values():
        plain = [(name, item) for name, item in own.headers.items() if isinstance(item, str)]
        note(own.variables, [own.base_url, own.proxy], plain)

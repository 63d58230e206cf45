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

from pex.core import private
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
    """The name of the environment variable. Example: `"GATEWAY_KEY"`."""

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
    """An OpenAI-compatible endpoint. It names the variable of its key and never has the key."""

    base_url: str | None = None
    """The address of the endpoint, in any form: the base, the host, or a whole address. Example:
    `"http://127.0.0.1:9301/v1"`."""
    api_key_env: str | None = None
    """The name of the variable with the key, never the key. Example: `"LAB_KEY"`."""
    headers: dict[str, Header] = Field(default_factory=dict)
    """Further headers: strings, or variables that hold them. Example: `{X-Team = "research"}`."""
    proxy: str | None = None
    """The proxy for its calls; an empty string means none. Example:
    `"http://proxy.firm.example:3128"`."""
    ca_bundle: str | None = None
    """A file with the certificates that its own one is checked with. Example:
    `"certificates/firm.pem"`."""
    api_version: str | None = None
    """The `api-version` of an Azure endpoint. Example: `"2024-10-21"`."""
    token_command: str | None = None
    """A command that prints a short-lived token on one line. Example: `"gcloud auth
    print-access-token"`."""
    max_in_flight: int | None = Field(default=None, ge=1)
    """The most calls at the same time. Example: `64`."""
    requests_per_minute: float | None = Field(default=None, gt=0)
    """The most calls a minute. Example: `500`."""
    tokens_per_minute: float | None = Field(default=None, gt=0)
    """The most tokens a minute. Example: `200000`."""
    timeout_s: float | None = Field(default=None, gt=0)
    """How many seconds a call may take. Example: `60`."""
    free: bool | None = None
    """Whether its calls cost nothing: then no price is needed. Example: `true`."""
    api: Api | None = None
    """Which API it serves: chat completions, or OpenAI's Responses API."""

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
    """The tags around its reasoning; with an empty list, answers are not changed. Example:
    `["think"]`."""
    api: Api | None = None
    """The API for this model, instead of its provider's."""
    stops: Annotated[datetime.date | None, BeforeValidator(_day)] = None
    """The day from which it no longer answers, where its endpoint does not say so. Example:
    `2027-01-14`."""
    training_usd_per_million: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """The price of a million tokens of a fine-tuning job, in USD. Example: `3.0`."""


class PriceSettings(Strict):
    """A model's prices in USD per million tokens; the input price is the default for the others."""

    input_usd_per_million: float = Field(ge=0, allow_inf_nan=False)
    """USD for a million tokens of the request. Example: `1.0`."""
    output_usd_per_million: float = Field(ge=0, allow_inf_nan=False)
    """USD for a million tokens of the answer. Example: `2.0`."""
    cached_input_usd_per_million: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """USD for a million tokens that the provider read from its cache; by default the input price.
    Example: `0.25`."""
    cache_write_usd_per_million: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """USD for a million tokens that the provider wrote to its cache; by default the input price.
    Example: `1.25`."""


class JournalSettings(Strict):
    """Where the project's state is stored; `url_env` names a variable with PostgreSQL's address."""

    path: str = ".pex"
    """The folder of the project's state. Example: `".pex"`."""
    url_env: str | None = None
    """The variable with the address of a PostgreSQL database, for several machines. Example:
    `"PEX_JOURNAL_URL"`."""

    _is_a_name = field_validator("url_env")(_variable_name)


class RecordSettings(Strict):
    """Where runs are recorded, and how many of their rows are traced: a number, "all" or "none"."""

    tracking_uri: str | None = None
    """Where MLflow keeps the runs; by default in the project's `mlruns/`. Example:
    `"sqlite:///mlruns/mlflow.db"`."""
    traces: int | str = 500
    """How many rows of a run get a trace: a number, "all" or "none". Example: `500`."""


class LibrarySettings(Strict):
    """The library of prompts: its registry if not the record's store, and which side is right.

    With `sync = "files"` the files are the truth and the registry follows, with "registry" the
    other way round, with "strict" both must be the same.
    """

    registry_uri: str | None = None
    """The registry of prompts, if it is not the record's store. Example:
    `"https://mlflow.firm.example"`."""
    sync: Literal["files", "registry", "strict"] = "files"
    """Which side is right: the files, the registry, or strictly both."""


class BudgetSettings(Strict):
    """The budget of a run unless the experiment sets its own."""

    usd_per_run: float = Field(default=5.0, ge=0, allow_inf_nan=False)
    """The most that a run may cost, in USD, unless the experiment says otherwise. Example:
    `5.0`."""
    max_tokens: int = Field(default=1024, ge=1)
    """The limit that is sent if nothing else limits the length of an answer. Example: `1024`."""


class PersonalSettings(Strict):
    """Personal data that is replaced by placeholders where texts of people go into files.

    `keep` are values that stay, as for `pex.guard.placeholders.hide_personal`, `names_file` is a
    file of names to find, one a line, and `regions` are codes of countries for telephone numbers.
    """

    keep: list[str] = Field(default_factory=list)
    """Values that stay as they are: addresses, or the end of addresses. Example:
    `["@firm.org"]`."""
    names_file: str | None = None
    """A file of names to find, one a line. Example: `"names.txt"`."""
    regions: list[str] = Field(default_factory=list)
    """The countries whose telephone numbers are found. Example: `["DE", "FR"]`."""


class GuardSettings(Strict):
    """The policy of `pexlab guard`: its arguments are those of `pex.guard.Policy`."""

    off: list[str] = Field(default_factory=list)
    """Rules that are switched off. Example: `["role-lines"]`."""
    severities: dict[str, Literal["signal", "flag", "block"]] = Field(default_factory=dict)
    """What a rule's finding is: a signal, a flag, or a reason to block. Example: `{known-phrases =
    "flag"}`."""
    allow: list[str] = Field(default_factory=list)
    """Digests of spans that are known and harmless. Example: `["b10a8db164e0"]`."""
    delimiters: list[str] = Field(default_factory=list)
    """What the application's own prompt puts around a value. Example: `["</review>"]`."""
    most_characters: int = Field(default=50_000, ge=1)
    """The longest text, in characters. Example: `50000`."""

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
    """Endpoints by name, as in `[providers.lab]`; their models are `lab/<model>`. Example: `{lab =
    {base_url = "http://127.0.0.1:9301/v1"}}`."""
    models: dict[str, ModelSettings] = Field(default_factory=dict)
    """Models by name, as in `[models."openai/gpt-5.1"]`. Example: `{"openai/gpt-5.1" = {api =
    "responses"}}`."""
    prices: dict[str, PriceSettings] = Field(default_factory=dict)
    """Prices by model, as in `[prices."lab/m1"]`. Example: `{"lab/m1" = {input_usd_per_million =
    1.0, output_usd_per_million = 2.0}}`."""
    journal: JournalSettings = Field(default_factory=JournalSettings)
    """Where answers are kept. Example: `{path = ".pex"}`."""
    record: RecordSettings = Field(default_factory=RecordSettings)
    """Where runs are recorded. Example: `{traces = 500}`."""
    library: LibrarySettings = Field(default_factory=LibrarySettings)
    """The library of prompts. Example: `{sync = "files"}`."""
    budget: BudgetSettings = Field(default_factory=BudgetSettings)
    """The budget of a run. Example: `{usd_per_run = 5.0}`."""
    personal: PersonalSettings = Field(default_factory=PersonalSettings)
    """Personal data that is replaced by placeholders where texts of people go into files. Example:
    `{keep = ["@firm.org"]}`."""
    guard: GuardSettings = Field(default_factory=GuardSettings)
    """The policy of `pexlab guard`. Example: `{most_characters = 50000}`."""

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
    settings = read_toml(path, Settings) if path.is_file() else Settings()
    if settings.journal.path == private.STATE and (own := private.state(project)) != (
        project / private.STATE
    ):
        settings.journal.path = str(own)
    if not path.is_file():
        return settings
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

"""A model that is called through the user's own client of the openai package."""

from __future__ import annotations

import inspect
import os
import re
import urllib.parse
from collections.abc import Iterable
from typing import Any

from pex.core.errors import PexError
from pex.core.names import check_name
from pex.core.project import find_project
from pex.core.safe_text import clean
from pex.core.variant import ClientModel
from pex.guard.redact import redact, register
from pex.project.settings import ProviderSettings, Settings, load_settings
from pex.run.providers import BUILT_IN, LOCAL

_AZURE = {"AzureOpenAI", "AsyncAzureOpenAI"}
_OFFICIAL = {
    "openai": re.compile(r"(?:[a-z0-9-]+\.)?api\.openai\.com"),
    "azure": re.compile(r".+\.(?:openai\.azure|services\.ai\.azure|cognitiveservices\.azure)\.com"),
}
_PAGES = re.compile(r"/(?:chat/completions|responses|models)$")


class Model:
    """A model of your own client: `pex.Model(client, "gpt-4.1-mini")`.

    The client is used as it is, with its authentication, headers and transport, except for its
    retries: pex makes its own, so each is under the cap and in the ledger. In tables,
    records, prices and the journal the model is `provider/name`, as any other.

    Args:
        client: `openai.OpenAI`, `AsyncOpenAI`, `AzureOpenAI`, `AsyncAzureOpenAI`, or a client that
            has the same methods.
        name: the model's name at the endpoint; for Azure, of the deployment.
        provider: the name of the endpoint; by default `openai` or `azure` by the client, else
            the provider with that base URL, built in or in `pex.toml`.

    Raises:
        PexError: this is not a client, or its provider is unknown.

    Example:
        >>> import openai
        >>> Model(openai.OpenAI(api_key="none"), "gpt-4.1-mini")
        Model openai/gpt-4.1-mini through OpenAI at https://api.openai.com/v1
    """

    def __init__(self, client: Any, name: str, provider: str | None = None) -> None:
        where = "pex.Model"
        if inspect.isclass(client) or inspect.ismodule(client) or not _asks(client):
            kind = client.__name__ if hasattr(client, "__name__") else type(client).__name__
            raise PexError(
                f"{where}: expected a client of the openai package, got {kind}",
                hint='for example pex.Model(openai.OpenAI(), "gpt-4.1-mini")',
            )
        if not isinstance(name, str) or not name.strip():
            raise PexError(f"{where}: expected the model's name, got {name!r}")
        self.client = client
        self.name = name.strip()
        self.provider = _provider(client, provider, where)
        if self.name.startswith(f"{self.provider}/"):
            raise PexError(
                f"{where}: '{self.name}' includes the provider's name",
                hint=f"give the model's name alone: '{self.name.partition('/')[2]}'",
            )
        for key in ("api_key", "_azure_ad_token"):
            value = getattr(client, key, None)
            register(value if isinstance(value, str) else None)

    @property
    def ref(self) -> str:
        """`provider/model`, as tables, prices and the journal have it."""
        return f"{self.provider}/{self.name}"

    @property
    def base_url(self) -> str | None:
        """The client's base URL, None if it has none."""
        return base_url(self.client)

    def __repr__(self) -> str:
        at = f" at {redact(self.base_url)}" if self.base_url else ""
        return clean(f"Model {self.ref} through {type(self.client).__name__}{at}")

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, Model) and self.ref == other.ref
        return same and self.client is other.client  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((self.ref, id(self.client)))

    def __copy__(self) -> Model:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Model:
        return self  # a client holds connections and locks, and is shared

    def __reduce__(self) -> Any:
        raise PexError(
            f"model '{self.ref}': a client cannot be sent to another process",
            hint=f"name the model there: '{self.ref}', with its provider in pex.toml",
        )


def by_ref(models: Iterable[tuple[str, ClientModel | None]]) -> dict[str, ClientModel]:
    """The models that have a client of their own, by `provider/model`.

    Args:
        models: each model that a run can call, and its `pex.Model` if it has one.

    Raises:
        PexError: one name stands for two clients, or once for a client and once for the endpoint
            of that name: answers could not be told apart.
    """
    found: dict[str, ClientModel | None] = {}
    for ref, given in models:
        before = found.setdefault(ref, given)
        if (before and before.client) is not (given and given.client):
            raise PexError(
                f"model '{ref}' means two different endpoints",
                hint="use the same pex.Model everywhere, also in judges, or tell them "
                "apart with provider=",
            )
    return {ref: given for ref, given in found.items() if given is not None}


def base_url(client: Any) -> str | None:
    """A client's base URL, without a slash at the end."""
    value = getattr(client, "base_url", None)
    return str(value).rstrip("/") or None if value is not None else None


def settings_lines(model: ClientModel, settings: Settings) -> list[str]:
    """The lines that `pex.toml` needs to call the model by its name; none if it has them.

    Args:
        model: the user's.
        settings: of the project.
    """
    name = model.ref.partition("/")[0]
    client, url = model.client, base_url(model.client) or "https://…"
    version = getattr(client, "_api_version", None)
    if name == "azure" and version:
        url = _azure_resource(url)
    if _same(url, _configured(name, settings)):
        return []
    lines = [f"[providers.{name}]", f'base_url = "{redact(url)}"']
    if version:
        lines.append(f'api_version = "{version}"')
    if name not in BUILT_IN:
        lines.append(f'api_key_env = "{re.sub(r"[^A-Za-z0-9]", "_", name).upper()}_API_KEY"')
    return lines


def _azure_resource(url: str) -> str:
    return re.sub(r"/openai(?:/deployments/[^/]+)?$", "", url)


def _asks(client: Any) -> bool:
    completions = getattr(getattr(client, "chat", None), "completions", None)
    return callable(getattr(completions, "create", None))


def _provider(client: Any, given: str | None, where: str) -> str:
    if given is not None:
        if given == LOCAL:
            raise PexError(f"{where}: '{LOCAL}' is the built-in model", hint="use another name")
        return check_name(given, f"{where}: provider")
    if _AZURE & {kind.__name__ for kind in type(client).__mro__}:
        return "azure"
    url = base_url(client)
    host = urllib.parse.urlsplit(url or "").hostname or ""
    for name, official in _OFFICIAL.items():
        if official.fullmatch(host):
            return name
    settings = load_settings(find_project())
    for name in [*settings.providers, *BUILT_IN]:
        if _same(url, _configured(name, settings)):
            return name
    raise PexError(
        f"{where}: no provider is known at {redact(url) if url else 'the address of this client'}",
        hint="say what to call it, for example provider='lab'; its price and limits come from "
        "pex.toml, [providers.lab]",
    )


def _configured(name: str, settings: Settings) -> str | None:
    """The base URL of a provider as `pex.toml`, the environment or pex itself has it."""
    own = settings.providers.get(name, ProviderSettings())
    provider = BUILT_IN.get(name)
    if provider is None:
        return own.base_url
    return own.base_url or os.environ.get(provider.base_url_env or "") or provider.base_url


def _same(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and _plain(one) == _plain(other)


def _plain(url: str) -> tuple[str, str, int | None, str]:
    parts = urllib.parse.urlsplit(url)
    host = (parts.hostname or "").replace("localhost", "127.0.0.1")
    path = _PAGES.sub("", parts.path.rstrip("/"))
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, host, port, path

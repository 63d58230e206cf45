"""From `provider/model` to an endpoint that can be called."""

from __future__ import annotations

import base64
import dataclasses
import os
import re
import shlex
import subprocess
import urllib.parse
from pathlib import Path
from typing import Any

from pex import local
from pex.core.errors import PexError, nearest
from pex.core.variant import ClientModel
from pex.guard.redact import redact, register, register_headers
from pex.project import keys
from pex.project.settings import Api, FromEnvironment, ProviderSettings, Settings
from pex.run.base_url import BaseUrl, base_url, deployment, is_azure
from pex.run.provider_trust import check_models
from pex.run.providers import BUILT_IN, LOCAL, Provider
from pex.run.proxy import proxy_for

DEFAULT_IN_FLIGHT = 16
LOCAL_IN_FLIGHT = 4  # as many as the built-in server has slots
DEFAULT_TIMEOUT_S = 120.0
TOKEN_COMMAND_TIMEOUT_S = 30
AZURE_VERSION = "2024-10-21"
"""Azure's api-version where neither the address nor anything else names one."""


_SET = (
    f"write {{}}=… into .pex/{keys.FILE} (chmod 600), or export it in the shell that starts "
    "Jupyter or pexlab"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Endpoint:
    """Everything that a call needs besides its body. Headers hold the key and are never shown."""

    provider: str
    model: str
    url: str
    models_url: str | None
    headers: dict[str, str] = dataclasses.field(repr=False)
    max_in_flight: int = DEFAULT_IN_FLIGHT
    timeout_s: float = DEFAULT_TIMEOUT_S
    proxy: str | None = dataclasses.field(default=None, repr=False)
    ca_bundle: str | None = None
    renewable: bool = False
    """Connecting again may help: the built-in server has a new port, a token has run out."""
    api: Api = "chat"
    client: Any = dataclasses.field(default=None, repr=False)
    """The user's own client, if it is called through one; `url` begins with what it knows."""
    key: keys.Key | None = None
    """The key that is sent, if it stands for a variable, and where it was found."""

    def renewed_after(self, kind: str) -> bool:
        """Whether a call that failed in this way may succeed after connecting again."""
        kinds = ("auth", "connection") if self.provider == LOCAL else ("auth",)
        return self.renewable and kind in kinds

    @property
    def place(self) -> str:
        """The URL without login parts, for messages."""
        return redact(self.url)

    @property
    def base(self) -> str:
        """The part of the URL that all pages of the endpoint share, for messages."""
        return self.place.partition("/chat/completions")[0]

    @property
    def through(self) -> str:
        """The proxy in the words of a message, nothing if there is none."""
        return f" through the proxy {redact(self.proxy)}" if self.proxy else ""


def connect(ref: str, settings: Settings, state: Path) -> Endpoint:
    """The endpoint for `provider/model`; starts the built-in model's server if that is the model.

    Args:
        ref: `provider/model`.
        settings: the project's.
        state: the project's `.pex/` folder, where the built-in server is registered.

    Raises:
        PexError: an unknown provider or local model, a key or base URL that is not set, a
            built-in model that is not installed.
        TrustError: the project directs a key or runs a command, and is not trusted.
    """
    name, _, model = ref.partition("/")
    own = settings.providers.get(name, ProviderSettings())
    provider = _provider(ref, settings)
    check_models([ref], settings)
    if name == LOCAL:
        return _for_api(_local(model, ref, own, state), settings.api_of(ref))
    return _for_api(_remote(ref, provider or Provider(None), settings), settings.api_of(ref))


def _for_api(endpoint: Endpoint, api: Api) -> Endpoint:
    """The endpoint with the address of the page that answers."""
    if api == "chat":
        return endpoint
    return dataclasses.replace(endpoint, url=page_of(api, endpoint.url), api=api)


def page_of(api: Api, chat: str) -> str:
    """The page of an API, given that of chat completions.

    Example:
        >>> page_of("responses", "https://x.openai.azure.com/openai/deployments/m/chat/completions")
        'https://x.openai.azure.com/openai/responses'
    """
    if api == "chat":
        return chat
    # At Azure the Responses API is not below a deployment: the body names it.
    return re.sub(r"(/deployments/[^/?]+)?/chat/completions", "/responses", chat, count=1)


def connect_client(given: ClientModel, settings: Settings) -> Endpoint:
    """The endpoint for a model of the user's own client.

    Its provider's limits come from `pex.toml`; address, key, headers and transport are the
    client's own business.

    Args:
        given: the `pex.Model`.
        settings: the project's.
    """
    name, _, model = given.ref.partition("/")
    own = settings.providers.get(name, ProviderSettings())
    base = str(getattr(given.client, "base_url", None) or "").rstrip("/")
    azure = getattr(given.client, "_api_version", None) is not None
    timeout_s = getattr(given.client, "timeout", None)
    lists = base and not azure and callable(getattr(given.client, "get", None))
    endpoint = Endpoint(
        provider=name,
        model=model,
        url=f"{base}/chat/completions",
        models_url=f"{base}/models" if lists else None,
        headers={},
        max_in_flight=own.max_in_flight or DEFAULT_IN_FLIGHT,
        timeout_s=own.timeout_s
        or (float(timeout_s) if isinstance(timeout_s, int | float) else DEFAULT_TIMEOUT_S),
        client=given.client,
    )
    return _for_api(endpoint, settings.api_of(given.ref))


def check(ref: str, settings: Settings) -> None:
    """Check that a model can be connected to, without calling or starting anything.

    Args:
        ref: `provider/model`.
        settings: the project's.

    Raises:
        PexError: what `connect` would raise, as far as that can be known.
    """
    name, _, model = ref.partition("/")
    own = settings.providers.get(name, ProviderSettings())
    provider = _provider(ref, settings)
    check_models([ref], settings)
    if name == LOCAL:
        _check_local(model, ref)
        absent = local.missing()
        if absent is not None:
            raise PexError(absent)
    elif own.token_command is None:
        _remote(ref, provider or Provider(None), settings)


def _provider(ref: str, settings: Settings) -> Provider | None:
    """The built-in provider of a model, None for one of `pex.toml` alone."""
    name = ref.partition("/")[0]
    if name not in BUILT_IN and name not in settings.providers:
        known = [*settings.providers, *BUILT_IN]
        raise PexError(
            f"model '{ref}': there is no provider '{name}'",
            hint=f"{nearest(name, known)}; add others to pex.toml as [providers.{name}]",
        )
    return BUILT_IN.get(name)


def _check_local(model: str, ref: str) -> None:
    if model != local.MODEL:
        raise PexError(
            f"model '{ref}': the built-in model is 'local/{local.MODEL}'",
            hint="other local servers: ollama/…, lmstudio/…, vllm/…, llamacpp/…",
        )


def _local(model: str, ref: str, own: ProviderSettings, state: Path) -> Endpoint:
    _check_local(model, ref)
    server = local.ensure(state)
    register(server.api_key)
    return Endpoint(
        provider=LOCAL,
        model=server.model,
        url=f"{server.base_url}/chat/completions",
        models_url=f"{server.base_url}/models",
        headers={"Authorization": f"Bearer {server.api_key}"},
        max_in_flight=own.max_in_flight or LOCAL_IN_FLIGHT,
        timeout_s=own.timeout_s or DEFAULT_TIMEOUT_S,
        renewable=True,
    )


def base_of(ref: str, settings: Settings) -> tuple[BaseUrl, bool]:
    """The base of a model's endpoint, and whether it is Azure's.

    Args:
        ref: `provider/model`, not the built-in one.
        settings: the project's.

    Raises:
        PexError: an unknown provider, or one without an address.
    """
    name, _, model = ref.partition("/")
    own = settings.providers.get(name, ProviderSettings())
    provider = _provider(ref, settings) or Provider(None)
    variable = provider.base_url_env or ""
    given = _given(provider, own)
    if not given:
        where = f" (or the environment variable {variable})" if variable else ""
        raise PexError(
            f"model '{ref}': the provider '{name}' has no base URL",
            hint=f'set base_url = "https://…" under [providers.{name}] in pex.toml{where}',
        )
    version = own.api_version or (os.environ.get("OPENAI_API_VERSION") if name == "azure" else None)
    try:
        azure = name == "azure" or is_azure(given)
        return base_url(given, model, azure=azure, version=version, default=AZURE_VERSION), azure
    except ValueError as error:  # pex.toml's is checked when it is read
        raise PexError(f"the environment variable {variable}: {error}") from None


def _remote(ref: str, provider: Provider, settings: Settings) -> Endpoint:
    name, _, model = ref.partition("/")
    own = settings.providers.get(name, ProviderSettings())
    base, azure = base_of(ref, settings)
    headers, key = _headers(name, provider, settings, base, azure)
    url = base.page()
    return Endpoint(
        provider=name,
        model=model,
        url=url,
        # Azure lists models, not the deployments that are called.
        models_url=None if azure else base.page("models"),
        headers=headers,
        max_in_flight=own.max_in_flight or DEFAULT_IN_FLIGHT,
        timeout_s=own.timeout_s or DEFAULT_TIMEOUT_S,
        proxy=proxy_for(url, own.proxy, f"[providers.{name}]"),
        ca_bundle=own.ca_bundle,
        renewable=own.token_command is not None,
        key=key,
    )


def _given(provider: Provider, own: ProviderSettings) -> str | None:
    """The base URL as it was pasted: of the settings, of the environment, or built in."""
    from_env = os.environ.get(provider.base_url_env or "", "").strip()
    return own.base_url or from_env or provider.base_url


def address(name: str, settings: Settings) -> str | None:
    """A provider's base URL as it was given, None without one; it can have a login in it."""
    own = settings.providers.get(name, ProviderSettings())
    return _given(BUILT_IN.get(name) or Provider(None), own)


def some_model(name: str, settings: Settings) -> str:
    """Any model of a provider, to see whether the provider is there."""
    given = address(name, settings)
    try:
        found = deployment(given) if given else None
    except ValueError:  # connect() says what is wrong with it
        found = None
    return f"{name}/{found or 'any'}"


def _headers(
    name: str, provider: Provider, settings: Settings, base: BaseUrl, azure: bool
) -> tuple[dict[str, str], keys.Key | None]:
    """The provider's own headers with the one for the key, and the key if it has a variable."""
    own = settings.providers.get(name, ProviderSettings())
    headers = {
        header: _header_value(name, header, value, settings)
        for header, value in own.headers.items()
    }
    register_headers(headers)
    key = None if own.token_command else _key(name, provider, settings)
    header, value = provider.key_header, key.value if key is not None else None
    if own.token_command:
        header, value = "Authorization", _token(name, own.token_command)
    if azure and own.token_command is None:
        header = "api-key"
    if base.login:
        said = _login(base.login)
        if (value and header == "Authorization") or "authorization" in map(str.lower, headers):
            raise PexError(
                f"[providers.{name}]: the base URL has a login, and there is also a key; both "
                "would be sent in the Authorization header",
                hint="take the login out of the base URL, or the key out of the environment",
            )
        headers["Authorization"] = said
    if value:
        headers = {k: v for k, v in headers.items() if k.lower() != header.lower()}
        headers[header] = f"Bearer {value}" if header == "Authorization" else value
    return headers, key


def _header_value(name: str, header: str, given: str | FromEnvironment, settings: Settings) -> str:
    """What is sent; the value of a variable is a key, whatever it looks like."""
    if isinstance(given, str):
        return given
    found = keys.find(given.env, settings.project)
    where = f"pex.toml: [providers.{name}.headers] {header}: the environment variable {given.env}"
    if found is None:
        raise PexError(f"{where} is not set", hint=_SET.format(given.env))
    if not found.value.isprintable():
        raise PexError(f"{where} has a line break or another character that headers cannot have")
    return found.value


def _login(login: str) -> str:
    """The header for `user:password`, as it stands in an address."""
    plain = urllib.parse.unquote(login)
    plain = plain if ":" in plain else f"{plain}:"
    coded = base64.b64encode(plain.encode()).decode()
    for secret in (login, plain.partition(":")[2] or plain.rstrip(":"), coded):
        register(secret)
    return f"Basic {coded}"


def key_variable(name: str, settings: Settings) -> tuple[str | None, bool]:
    """The variable that a provider's key stands for, and whether the provider needs one.

    Args:
        name: the provider's.
        settings: the project's.

    Example:
        >>> key_variable("openai", Settings()), key_variable("vllm", Settings())
        (('OPENAI_API_KEY', True), ('VLLM_API_KEY', False))
    """
    own = settings.providers.get(name, ProviderSettings())
    provider = BUILT_IN.get(name) or Provider(None)
    if own.token_command:
        return None, False
    variable = own.api_key_env or provider.key_env
    return variable, bool(variable) and bool(own.api_key_env or not provider.free)


def how_to_set(variable: str) -> str:
    """What to do where a key is missing, with no restart of Jupyter.

    Example:
        >>> how_to_set("LAB_KEY")
        "type it into the Playground's menu of models, or write LAB_KEY=… into .pex/keys.env \
(chmod 600), or export it in the shell that starts Jupyter or pexlab"
    """
    return f"type it into the Playground's menu of models, or {_SET.format(variable)}"


def _key(name: str, provider: Provider, settings: Settings) -> keys.Key | None:
    variable, required = key_variable(name, settings)
    found = keys.find(variable, settings.project)
    if variable and required and found is None:
        raise PexError(
            f"the provider '{name}' needs a key: {variable} is not set", hint=how_to_set(variable)
        )
    return found


def _token(name: str, command: str) -> str:
    """The token that a command prints: one line and nothing else."""
    where = f"[providers.{name}] token_command"
    try:
        done = subprocess.run(
            shlex.split(command) or [command],
            stdin=subprocess.DEVNULL,  # one that asks for a password would wait for ever
            capture_output=True,
            text=True,
            timeout=TOKEN_COMMAND_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PexError(
            f"{where}: printed no token within {TOKEN_COMMAND_TIMEOUT_S} s",
            hint="is it waiting for input? It must print a token without help",
        ) from None
    except (OSError, ValueError) as error:
        raise PexError(f"{where}: could not be run: {redact(str(error))}") from None
    if done.returncode != 0:
        said = redact(done.stderr.strip().rpartition("\n")[2])
        raise PexError(
            f"{where}: exited with code {done.returncode}{said and ': '}{said}",
            hint="try it in a terminal: it must print a token",
        )
    lines = done.stdout.split()
    if len(lines) != 1 or not lines[0].isascii() or not lines[0].isprintable():
        count = len(done.stdout.strip().splitlines())
        printed = {0: "nothing", 1: "a line that is not a token"}.get(count, f"{count} lines")
        raise PexError(
            f"{where}: expected one line with the token, got {printed}",
            hint="many tools print JSON by default; use for example "
            "az account get-access-token --query accessToken --output tsv",
        )
    register(lines[0])
    return lines[0]

"""From `provider/model` to an endpoint that can be asked."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

from pex import local
from pex.core.errors import PexError, nearest
from pex.core.settings import Api, ProviderSettings, Settings
from pex.core.variant import ClientModel
from pex.guard.redact import redact, register
from pex.run.providers import BUILT_IN, LOCAL, Provider

DEFAULT_IN_FLIGHT = 16
LOCAL_IN_FLIGHT = 4  # as many as the built-in server has slots
DEFAULT_TIMEOUT_S = 120.0
TOKEN_COMMAND_TIMEOUT_S = 30


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
    """The user's own client, where it is asked through one; `url` begins with what it knows."""

    @property
    def place(self) -> str:
        """The URL without login parts, for messages."""
        return redact(self.url)


def connect(ref: str, settings: Settings, state: Path) -> Endpoint:
    """The endpoint for `provider/model`; starts the built-in model's server where it is meant.

    Args:
        ref: `provider/model`.
        settings: the project's.
        state: the project's `.pex/` folder, where the built-in server is registered.

    Raises:
        PexError: an unknown provider or local model, a key or base URL that is not set, a
            built-in model that is not installed.
    """
    name, _, model = ref.partition("/")
    own = settings.providers.get(name, ProviderSettings())
    provider = _provider(ref, settings)
    if name == LOCAL:
        return _for_api(_local(model, ref, own, state), settings.api_of(ref))
    return _for_api(_remote(ref, model, provider or Provider(None), own), settings.api_of(ref))


def _for_api(endpoint: Endpoint, api: Api) -> Endpoint:
    """The endpoint with the address of the page that answers."""
    if api == "chat":
        return endpoint
    # At Azure the Responses API is not below a deployment: the body names it.
    url = re.sub(r"(/deployments/[^/?]+)?/chat/completions", "/responses", endpoint.url, count=1)
    return dataclasses.replace(endpoint, url=url, api=api)


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
    """See whether a model could be connected to, without asking or starting anything.

    Args:
        ref: `provider/model`.
        settings: the project's.

    Raises:
        PexError: what `connect` would raise, as far as that can be known.
    """
    name, _, model = ref.partition("/")
    own = settings.providers.get(name, ProviderSettings())
    provider = _provider(ref, settings)
    if name == LOCAL:
        _check_local(model, ref)
        absent = local.missing()
        if absent is not None:
            raise PexError(absent)
    elif own.token_command is None:
        _remote(ref, model, provider or Provider(None), own)


def _provider(ref: str, settings: Settings) -> Provider | None:
    """The built-in provider of a model, None for one of `pex.toml` alone."""
    name = ref.partition("/")[0]
    if name not in BUILT_IN and name not in settings.providers:
        known = [*settings.providers, *BUILT_IN]
        raise PexError(
            f"model '{ref}': there is no provider '{name}'",
            hint=f"{nearest(name, known)}; further ones go into pex.toml as [providers.{name}]",
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


def _remote(ref: str, model: str, provider: Provider, own: ProviderSettings) -> Endpoint:
    name = ref.partition("/")[0]
    from_env = os.environ.get(provider.base_url_env or "")
    base = (own.base_url or from_env or provider.base_url or "").rstrip("/")
    if not base:
        where = f" (or the environment variable {provider.base_url_env})"
        raise PexError(
            f"model '{ref}': the provider '{name}' has no base URL",
            hint=f'set base_url = "https://…" under [providers.{name}] in pex.toml'
            + (where if provider.base_url_env else ""),
        )
    headers = dict(own.headers)
    header, value = _credential(name, provider, own)
    if value:
        headers[header] = f"Bearer {value}" if header == "Authorization" else value
    url, models_url = f"{base}/chat/completions", f"{base}/models"
    if name == "azure":
        version = own.api_version or os.environ.get("OPENAI_API_VERSION", "2024-10-21")
        url = f"{base}/openai/deployments/{model}/chat/completions?api-version={version}"
        models_url = ""  # Azure lists models, not the deployments that are asked
    elif own.api_version:
        url += f"?api-version={own.api_version}"
    return Endpoint(
        provider=name,
        model=model,
        url=url,
        models_url=models_url or None,
        headers=headers,
        max_in_flight=own.max_in_flight or DEFAULT_IN_FLIGHT,
        timeout_s=own.timeout_s or DEFAULT_TIMEOUT_S,
        proxy=own.proxy,
        ca_bundle=own.ca_bundle,
        renewable=own.token_command is not None,
    )


def _credential(name: str, provider: Provider, own: ProviderSettings) -> tuple[str, str | None]:
    if own.token_command:
        token = _run_token_command(name, own.token_command)
        register(token)
        return "Authorization", token
    variable = own.api_key_env or provider.key_env
    value = os.environ.get(variable, "").strip() if variable else ""
    register(value)
    required = own.api_key_env or not provider.free
    if variable and required and not value:
        raise PexError(
            f"the provider '{name}' needs a key: the environment variable {variable} is not set",
            hint=f"export {variable}=… in the shell that starts Jupyter or pexlab",
        )
    return provider.key_header, value or None


def _run_token_command(name: str, command: str) -> str:
    where = f"[providers.{name}] token_command"
    try:
        done = subprocess.run(
            shlex.split(command),
            capture_output=True,
            text=True,
            timeout=TOKEN_COMMAND_TIMEOUT_S,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise PexError(f"{where}: could not be run: {redact(str(error))}") from None
    token = done.stdout.strip()
    if done.returncode != 0 or not token:
        raise PexError(f"{where}: ended with {done.returncode} and printed no token")
    return token

"""What a project's `pex.toml` directs: which key would go where, and which command would run.

Settings that were made in Python are the user's own and need no trust, nor do limits, prices, a
provider without a key, or the keys of built-in providers at their own addresses.
"""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pex.core.project import FILE
from pex.guard.redact import redact
from pex.project import keys
from pex.project.settings import ProviderSettings, Settings
from pex.project.trust import Part, TrustError, is_trusted, shown
from pex.run.providers import BUILT_IN, LOCAL, Provider

RECORD, LIBRARY = "record", "library"


def directed(settings: Settings) -> list[Part]:
    """All that the settings direct and that needs trust, in the order of the file.

    Example:
        >>> own = ProviderSettings(base_url="https://llm.example/v1", api_key_env="LAB_KEY")
        >>> [part] = directed(Settings(providers={"lab": own}))
        >>> part.text
        '[providers.lab] base_url: LAB_KEY would be sent to https://llm.example/v1'
    """
    found = [_of_provider(name, own) for name, own in settings.providers.items()]
    uri = settings.record.tracking_uri
    if uri is not None and is_remote(uri):
        what = f"MLflow's login, and what is recorded, would be sent to {shown(redact(uri))}"
        found.append(Part(RECORD, "tracking_uri", what, {"tracking_uri": uri}))
    registry = settings.library.registry_uri
    if registry is not None and is_remote(registry):
        what = f"MLflow's login, and prompts, would be sent to {shown(redact(registry))}"
        found.append(Part(LIBRARY, "registry_uri", what, {"registry_uri": registry}))
    return [part for part in found if part is not None]


def asks_for_trust(settings: Settings) -> list[Part]:
    """What would be sent or run where the project directs it; nothing if that is allowed."""
    parts = directed(settings)
    sent = [part for part in parts if _is_at_hand(part, settings)]
    trusted = settings.project is None or is_trusted(settings.project, parts)
    return [] if trusted else sent


def waits_for_trust(name: str, settings: Settings) -> bool:
    """Whether a look at a provider has to wait until the user trusts the project.

    In a project that directs a key or a command without trust, none of its own addresses is
    called, with or without a key.
    """
    sent = {part.section for part in asks_for_trust(settings)}
    own = settings.providers.get(name, ProviderSettings())
    led = bool(own.base_url or own.proxy) or f"providers.{name}" in sent
    return settings.project is not None and bool(sent) and led


def check_trusted(settings: Settings) -> None:
    """Refuse the settings of a project that is not trusted, if they direct anything at all.

    Raises:
        TrustError: they do, and the user has not allowed it.
    """
    sent = asks_for_trust(settings)
    if sent and settings.project is not None:
        raise _refused(settings.project, sent)


def check_models(refs: Iterable[str], settings: Settings) -> None:
    """Refuse to send a key where a project directs it, or to run its command, without trust.

    Args:
        refs: the models that will be called, `provider/model`.
        settings: the project's.

    Raises:
        TrustError: the user has not allowed it.
    """
    project = settings.project
    names = {ref.partition("/")[0] for ref in refs} & settings.providers.keys()
    if project is None or not names:
        return
    parts, sections = directed(settings), {f"providers.{name}" for name in names}
    sent = [part for part in parts if part.section in sections and _is_at_hand(part, settings)]
    if sent and not is_trusted(project, parts):
        raise _refused(project, sent)


def check_record(settings: Settings, section: str = RECORD) -> None:
    """Refuse to use a server that a project names for its record or its library, without trust.

    Args:
        settings: the project's.
        section: `RECORD` or `LIBRARY`.

    Raises:
        TrustError: the user has not allowed it.
    """
    if settings.project is None:
        return
    parts = directed(settings)
    named = [part for part in parts if part.section == section]
    if named and not is_trusted(settings.project, parts):
        variable = "MLFLOW_TRACKING_URI" if section == RECORD else "MLFLOW_REGISTRY_URI"
        raise _refused(settings.project, named, f", or set {variable} to your own store")


def _refused(project: Path, parts: Sequence[Part], also: str = "") -> TrustError:
    return TrustError(project, [f"{project / FILE}, {part.text}" for part in parts], also)


def is_remote(address: str) -> bool:
    """Whether a store, or the files of a run, are elsewhere than in a file of this machine.

    Everything that is not surely such a file counts as elsewhere, a server of this machine too:
    what listens there is not known.

    Example:
        >>> [is_remote(uri) for uri in ("sqlite:////data/mlflow.db", "mlruns", "file:///data")]
        [False, False, False]
        >>> [is_remote(uri) for uri in ("http://127.0.0.1:5000", "databricks", "s3://bucket/x")]
        [True, True, True]
    """
    address = address.strip()
    scheme, colon, rest = address.partition(":")
    if not colon or re.fullmatch(r"[A-Za-z]", scheme):  # a path; on Windows with its drive
        return address.lower() in ("databricks", "databricks-uc", "uc") or address[:2] == "\\\\"
    if "/" in scheme or "\\" in scheme:  # a path with a colon in it
        return False
    host = urllib.parse.urlsplit(f"x:{rest}").netloc
    dialect = scheme.lower().partition("+")[0]
    return dialect not in ("sqlite", "file") or host.lower() not in ("", "localhost")


def secrets_of(own: ProviderSettings, provider: Provider) -> list[str]:
    """What a provider would be sent that is the user's: variables, and the token of a command."""
    from_environment = {
        header: getattr(value, "env", None)
        for header, value in own.headers.items()
        if not isinstance(value, str)
    }
    found = [f"{name or 'a secret'} (in the header {shown(header)})"
             for header, name in from_environment.items()]  # fmt: skip
    if own.token_command is not None:
        return ["the token that it prints", *found]
    variable = own.api_key_env or provider.key_env
    if variable is None and own.base_url is None and provider.base_url_env:
        variable = f"the login in {provider.base_url_env}"
    return [variable, *found] if variable else found


def _of_provider(name: str, own: ProviderSettings) -> Part | None:
    if name == LOCAL:  # its server is started here and has a key of its own
        return None
    provider = BUILT_IN.get(name) or Provider(None)
    secrets = secrets_of(own, provider)
    key = _key(own, provider)
    if not secrets or key is None:
        return None
    address = own.base_url or provider.base_url
    if own.base_url is None and provider.base_url_env:
        address = f"{address or 'the address'} (or {provider.base_url_env})"
    where = shown(redact(address or "the address that it is given"))
    where += f" through the proxy {shown(redact(own.proxy))}" if own.proxy else ""
    if own.ca_bundle:
        where += f", verified by the certificates in {shown(own.ca_bundle)}"
    what = f"{' and '.join(secrets)} would be sent to {where}"
    if own.token_command is not None:
        what = f"the command {shown(repr(own.token_command))} would be run, and {what}"
    return Part(f"providers.{name}", key, what, _data(own))


def _key(own: ProviderSettings, provider: Provider) -> str | None:
    """The key of the settings that directs a secret; None if pex and the user alone do."""
    if own.token_command is not None:
        return "token_command"
    if own.base_url is not None and _origin(own.base_url) != _origin(provider.base_url):
        return "base_url"
    if own.api_key_env is not None and own.api_key_env != provider.key_env:
        return "api_key_env"
    if any(not isinstance(value, str) or header.strip().lower() == "host"
           for header, value in own.headers.items()):  # fmt: skip
        return "headers"
    if own.proxy:
        return "proxy"
    return "ca_bundle" if own.ca_bundle else None


def _data(own: ProviderSettings) -> dict[str, Any]:
    """What the trust in a provider is about; limits and open headers are not."""
    names = ("base_url", "api_key_env", "token_command", "proxy", "ca_bundle")
    data: dict[str, Any] = {key: getattr(own, key) for key in names if getattr(own, key)}
    for header, value in own.headers.items():
        if not isinstance(value, str):
            data[f"header {header}"] = str(getattr(value, "env", value))
        elif header.strip().lower() == "host":
            data[f"header {header}"] = value
    return data


def _origin(url: str | None) -> tuple[str, str, int | None] | None:
    if url is None:
        return None
    parts = urllib.parse.urlsplit(url)
    host = (parts.hostname or "").replace("localhost", "127.0.0.1")
    return parts.scheme, host, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _is_at_hand(part: Part, settings: Settings) -> bool:
    """Whether anything secret would be sent: a server of one's own may need no key.

    A provider that has to have a key needs trust with and without it.
    """
    section, _, name = part.section.partition(".")
    if section != "providers":
        return True
    own, provider = settings.providers[name], BUILT_IN.get(name) or Provider(None)
    optional = provider.free and own.api_key_env is None and own.token_command is None
    if not optional or any(not isinstance(value, str) for value in own.headers.values()):
        return True
    has_key = keys.has(provider.key_env, settings.project)
    return has_key or (own.base_url is None and _has_login(provider))


def _has_login(provider: Provider) -> bool:
    """Whether the address that the environment gives for a provider has a login in it."""
    url = os.environ.get(provider.base_url_env or "", "")
    return "@" in urllib.parse.urlsplit(url if "://" in url else f"//{url}").netloc

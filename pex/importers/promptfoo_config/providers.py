"""promptfoo's providers as models of pex, with their parameters and addresses."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pex.core.errors import PexError
from pex.core.params import KNOWN, RESERVED, check_params, json_params
from pex.importers.imported import new_name
from pex.importers.promptfoo_config.sources import CODE, SCHEME, LeftOutError, Sources

_SAME = {
    "openai": "openai", "azure": "azure", "azureopenai": "azure", "anthropic": "anthropic",
    "google": "gemini", "palm": "gemini", "mistral": "mistral", "groq": "groq",
    "togetherai": "together", "openrouter": "openrouter", "deepseek": "deepseek",
    "ollama": "ollama", "vllm": "vllm", "llama": "llamacpp",
}  # fmt: skip
"""pex's own providers by promptfoo's names for them."""
_KINDS = ("chat", "messages", "responses")
_OTHER_KINDS = (
    "embedding", "embeddings", "completion", "assistant", "image", "moderation", "realtime",
    "transcription", "video", "agents", "chatkit", "codex-sdk", "live", "rerank", "speech",
)  # fmt: skip
_ADDRESS = ("apiBaseUrl", "apiHost", "baseUrl", "base_url")
_KEYS = re.compile(r"(?i)^api_?key$|token$|secret|password|authorization")
_RENAMED = {"max_output_tokens": "max_tokens", "maxOutputTokens": "max_tokens", "topP": "top_p",
            "topK": "top_k", "num_predict": "max_tokens"}  # fmt: skip
EXAMPLE = (
    "for example models: [openai/gpt-4.1-mini], or your endpoint as [providers.lab] in pex.toml"
)
GRADER = "openai/gpt-5-2025-08-07"
"""What promptfoo 0.120 asks when a configuration names no grader."""


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """A model with its parameters.

    `names` are what tests call it, `prompts` are the prompts it is for (empty: all), `provider` and
    `settings` are what `pex.toml` needs for it.
    """

    where: str
    model: str
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    names: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    provider: tuple[str, Mapping[str, Any]] | None = None

    def is_called(self, names: list[str]) -> bool:
        """Whether one of these references of a test means it."""
        return any(
            name in self.names
            or (name.endswith("*") and any(own.startswith(name[:-1]) for own in self.names))
            or any(own.startswith(f"{name}:") for own in self.names)
            for name in names
        )


def targets(value: Any, sources: Sources) -> list[Target]:
    """The models that `providers` names; those that pex cannot call are noted."""
    found: list[Target] = []
    for where, item in _items(value, "providers", sources, 0):
        try:
            target = target_of(item, where, sources)
        except LeftOutError as error:
            sources.note(where, "left out", str(error))
            continue
        found.append(target)
    return found


def _items(value: Any, where: str, sources: Sources, depth: int) -> list[tuple[str, Any]]:
    """The single providers; a reference to a file of providers is followed, once."""
    if isinstance(value, str | Mapping):
        value = [value]
    items: list[tuple[str, Any]] = []
    for number, item in enumerate(value if isinstance(value, list) else []):
        place = f"{where}[{number}]"
        if isinstance(item, str) and item.startswith(SCHEME) and not item.endswith(CODE):
            try:
                if depth > 1:
                    raise LeftOutError("a file of providers that names another one")
                inner = sources.data(sources.path(item))
                items += _items(inner, f"{place} {item.removeprefix(SCHEME)}", sources, depth + 1)
            except LeftOutError as error:
                sources.note(place, "left out", str(error))
        else:
            items.append((place, item))
    return items


def target_of(item: Any, where: str, sources: Sources) -> Target:
    """One provider.

    Raises:
        LeftOutError: pex cannot call it, and why.
    """
    options: Mapping[str, Any] = {}
    if isinstance(item, Mapping):
        if "id" not in item and len(item) == 1:
            ((identity, inner),) = item.items()
            options = inner if isinstance(inner, Mapping) else {}
            identity = str(options.get("id") or identity)
        else:
            identity, options = str(item.get("id") or ""), item
    else:
        identity = str(item or "")
    config = options.get("config")
    config = config if isinstance(config, Mapping) else {}
    model, provider = _model(identity, config, where, sources)
    for key in ("delay", "transform", "inputs", "env"):
        if options.get(key):
            why = "code is never run" if key == "transform" else "pex has nothing like it"
            sources.note(f"{where}.{key}", "left out", f"{why}: {key}")
    prompts = options.get("prompts")
    label = str(options.get("label") or "")
    return Target(
        where,
        model,
        _params(identity, config, where, sources),
        tuple(name for name in (label, identity) if name),
        tuple(map(str, prompts)) if isinstance(prompts, list) else (),
        provider,
    )


def _model(
    identity: str, config: Mapping[str, Any], where: str, sources: Sources
) -> tuple[str, tuple[str, Mapping[str, Any]] | None]:
    head, _, rest = identity.partition(":")
    if head in ("http", "https"):
        return _http(identity, config, where, sources)
    if identity.startswith(SCHEME) or head in ("exec", "python", "javascript", "package", "golang"):
        raise LeftOutError(f"{identity.partition('?')[0]} is code, which is never run; {EXAMPLE}")
    if head == "echo":
        raise LeftOutError("echo is no model: it sends the prompt back")
    if head == "localai" or (head == "litellm" and rest):
        kind, _, name = rest.partition(":")
        name = name if kind in _KINDS else rest
        local = _address(config) or "http://127.0.0.1:8080/v1"
        return f"{head}/{name}", (head, _entry(local, config))
    if head not in _SAME or not rest:
        raise LeftOutError(f"pex has no provider '{identity}'; {EXAMPLE}")
    kind, _, name = rest.partition(":")
    if kind in _OTHER_KINDS:
        raise LeftOutError(f"'{head}:{kind}' is no chat model; {EXAMPLE}")
    if not (kind in _KINDS and name):
        name = rest
    own = _SAME[head]
    address = _address(config)
    if kind == "responses":
        sources.note(where, "changed", "is called by the chat API; for the Responses API write "
                     f'api = "responses" under [models."{own}/{name}"] in pex.toml')  # fmt: skip
    if address is None and not config.get("apiKeyEnvar"):
        sources.note(where, "taken over", f"as {own}/{name}")
        return f"{own}/{name}", None
    named = new_name(f"{own}-{urlsplit(address or '').hostname or config.get('apiKeyEnvar')}")
    entry = _entry(address, config)
    sources.note(where, "changed", f"has an address or key of its own: it is {named}/{name}")
    return f"{named}/{name}", (named, entry)


def _http(
    identity: str, config: Mapping[str, Any], where: str, sources: Sources
) -> tuple[str, tuple[str, Mapping[str, Any]]]:
    """An endpoint of any form: pex speaks OpenAI's API, so its entry is to be filled in."""
    url = identity if "://" in identity else str(config.get("url") or "")
    parts = urlsplit(url)
    if not parts.hostname or "{{" in url:
        raise LeftOutError(f"an endpoint without a plain address; {EXAMPLE}")
    path = re.sub(r"/(chat/)?completions/?$", "", parts.path)
    port = f":{parts.port}" if parts.port else ""
    named = new_name(f"http-{parts.hostname}")
    body = config.get("body")
    named_model = body.get("model") if isinstance(body, Mapping) else None
    plain = isinstance(named_model, str) and "{{" not in named_model
    model = str(named_model) if plain else "model"
    sources.note(where, "changed", f"pex speaks OpenAI's chat API: it is {named}/{model}; fill in "
                 f"[providers.{named}] in pex.toml")  # fmt: skip
    return f"{named}/{model}", (
        named,
        {"base_url": f"{parts.scheme}://{parts.hostname}{port}{path}"},
    )


def _address(config: Mapping[str, Any]) -> str | None:
    given = next((config[key] for key in _ADDRESS if config.get(key)), None)
    if not isinstance(given, str) or "{{" in given:
        return None
    url = given if "://" in given else f"https://{given}/v1"
    parts = urlsplit(url)
    # Without a user's name and password: those are keys.
    host = f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
    return f"{parts.scheme}://{host}{parts.path}" if host else None


def _entry(address: str | None, config: Mapping[str, Any]) -> dict[str, Any]:
    """What `pex.toml` says of a provider: a server on this machine costs nothing."""
    name = config.get("apiKeyEnvar")
    entry: dict[str, Any] = {"base_url": address} if address else {}
    if isinstance(name, str) and re.fullmatch(r"[A-Z_][A-Z0-9_]*", name):
        entry["api_key_env"] = name
    if urlsplit(address or "").hostname in ("127.0.0.1", "localhost", "::1"):
        entry["free"] = True
    return entry


def _params(
    identity: str, config: Mapping[str, Any], where: str, sources: Sources
) -> dict[str, Any]:
    given = {**config, **(config.get("passthrough") or {})}
    found: dict[str, Any] = {}
    for key, value in given.items():
        place, name = f"{where}.config.{key}", _RENAMED.get(key, key)
        if key in (*_ADDRESS, "apiKeyEnvar", "passthrough", "url", "method", "body"):
            continue
        if _KEYS.search(key) or key == "headers":
            sources.note(place, "left out", "keys are not copied: set the provider's variable, "
                         "or put it into .pex/keys.env")  # fmt: skip
        elif isinstance(value, str) and (value.startswith(SCHEME) or "{{" in value):
            sources.note(place, "left out", "a parameter in a file or a template: write it out")
        elif name not in KNOWN or name in RESERVED or value is None:
            sources.note(place, "left out", "not a parameter that endpoints know")
        else:
            try:
                check_params(json_params({name: value}), place)
            except PexError as error:
                sources.note(place, "left out", error.message.partition("\n")[0])
                continue
            found[name] = value
            sources.note(place, "taken over", f"as the parameter {name}")
    kind = identity.partition(":")[0]
    fixed = re.search(r"gpt-5|:o\d|/o\d", identity) is not None
    if kind in ("openai", "azure", "azureopenai") and not fixed and "temperature" not in found:
        found["temperature"] = 0
        sources.note(where, "changed", "temperature 0 is written out: it is promptfoo's default")
    return found

"""A model's endpoint as other programs call it: every key is the name of a variable."""

from __future__ import annotations

import dataclasses
import re
import urllib.parse

from pex import local
from pex.core.variant import ClientModel
from pex.guard.redact import redact, register_headers
from pex.project import keys
from pex.project.settings import Api, FromEnvironment, ProviderSettings, Settings
from pex.run.endpoint import base_of, key_variable, page_of
from pex.run.providers import LOCAL

LOCAL_PORT = 8765
"""The port of `pexlab model serve`."""
LOCAL_KEY = "PEX_LOCAL_KEY"


@dataclasses.dataclass(frozen=True, slots=True)
class Header:
    """A header: `text`, and after it the value of a variable if it has one."""

    name: str
    text: str
    variable: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Keyless:
    """Where requests for a model go, without any key.

    `base` is the page's address without its end and `query`; `key` is the variable that the key
    is in, "" if none is needed; `notes` say what has to be done before.
    """

    page: str
    base: str
    query: dict[str, str]
    api: Api
    key: str = ""
    azure: bool = False
    headers: tuple[Header, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def all_headers(self) -> tuple[Header, ...]:
        """Also the one for the key."""
        if not self.key:
            return self.headers
        shape = ("api-key", "") if self.azure else ("Authorization", "Bearer ")
        return (Header(*shape, self.key), *self.headers)


def keyless(ref: str, settings: Settings, via: ClientModel | None = None) -> Keyless:
    """The endpoint of a model for other programs; nothing is called or started.

    Args:
        ref: `provider/model`.
        settings: the project's.
        via: the user's own client for it, which knows its address.

    Raises:
        PexError: an unknown provider, or one without an address.

    Example:
        >>> found = keyless("mistral/mistral-small", Settings())
        >>> found.page, found.key
        ('https://api.mistral.ai/v1/chat/completions', 'MISTRAL_API_KEY')
    """
    name = ref.partition("/")[0]
    api = settings.api_of(ref)
    if via is not None:
        base = str(getattr(via.client, "base_url", None) or "https://api.openai.com/v1")
        notes = ("pex calls this model through your own client, which may send more headers",)
        return _at(f"{base.rstrip('/')}/chat/completions", api, f"{_upper(name)}_API_KEY", notes)
    if name == LOCAL:
        page = f"http://127.0.0.1:{LOCAL_PORT}/v1/chat/completions"
        note = (
            f"first: export {LOCAL_KEY}=any-word; pexlab model serve --api-key-env {LOCAL_KEY} "
            f"(it serves {local.MODEL})"
        )
        return _at(page, api, LOCAL_KEY, (note,))
    return _remote(name, ref, settings, api)


def _remote(name: str, ref: str, settings: Settings, api: Api) -> Keyless:
    own = settings.providers.get(name, ProviderSettings())
    base, azure = base_of(ref, settings)
    variable, required = key_variable(name, settings)
    key = variable if variable and (required or keys.has(variable, settings.project)) else ""
    notes = []
    if own.token_command:
        key = f"{_upper(name)}_TOKEN"
        notes.append(f"first: export {key}=$({own.token_command})")
        azure = False  # a token goes into the header Authorization
    headers = [_header(header, value) for header, value in own.headers.items()]
    if base.login:
        login = f"{_upper(name)}_LOGIN"
        headers.append(Header("Authorization", "Basic ", login))
        notes.append(f"the address has a login: ${login} is its user:password in base64")
    found = _at(base.page(), api, key or "", tuple(map(redact, notes)))
    return dataclasses.replace(found, azure=azure, headers=tuple(headers))


def _at(chat: str, api: Api, key: str, notes: tuple[str, ...]) -> Keyless:
    page = page_of(api, chat)
    address, _, query = page.partition("?")
    base = re.sub(r"/(chat/completions|responses)$", "", address)
    return Keyless(page, base, dict(urllib.parse.parse_qsl(query)), api, key, notes=notes)


def _header(name: str, value: str | FromEnvironment) -> Header:
    """A header of `pex.toml`; a value that looks like a key is not written."""
    if isinstance(value, FromEnvironment):
        return Header(name, "", value.env)
    register_headers({name: value})
    if redact(value) != value:
        return Header(name, "", _upper(name))
    return Header(name, value)


def _upper(name: str) -> str:
    return re.sub(r"\W+", "_", name, flags=re.ASCII).upper()

"""Where an endpoint's pages are, from an address in whatever form it was pasted.

People paste what they see: the base (`…/v1`), the host alone, or a whole URL from a `curl` command
or Azure's portal (`…/deployments/NAME/chat/completions?api-version=…`). The URL of a chat
completions page is used as given; from any other form the base is found.
"""

from __future__ import annotations

import dataclasses
import re
import urllib.parse

from pex.core.errors import PexError
from pex.core.network import clean_url
from pex.run.providers import BUILT_IN

CHAT = "chat/completions"

_PAGES = re.compile(
    r"(?:/(?:chat/completions|chat|completions?|responses|models|embeddings|messages|batches|files"
    r"|moderations|rerank|tokenize|images/\w+|audio/\w+|assistants|threads|docs|redoc"
    r"|openapi\.json|health|metrics|version)|(?<=/v1)/models/[^/]+)$",
    re.IGNORECASE,
)
_AZURE = re.compile(r"\.(?:openai|cognitiveservices|services\.ai)\.azure\.(?:com|us|cn)$")
_BEDROCK = re.compile(r"bedrock-runtime\.[\w-]+\.amazonaws\.com$")
_DEPLOYMENT = re.compile(r"^(?P<head>.*?)/openai/deployments/(?P<name>[^/]+)(?:/.*)?$")

_KNOWN = {
    "api.perplexity.ai": "",
    "api.cohere.com": "/compatibility/v1",
    "api.cohere.ai": "/compatibility/v1",
    "api.deepinfra.com": "/v1/openai",
    "api.fireworks.ai": "/inference/v1",
    "models.github.ai": "/inference",
    "models.inference.ai.azure.com": "",
    "dashscope.aliyuncs.com": "/compatible-mode/v1",
    "dashscope-intl.aliyuncs.com": "/compatible-mode/v1",
    "open.bigmodel.cn": "/api/paas/v4",
    "ark.cn-beijing.volces.com": "/api/v3",
} | {
    parts.hostname: parts.path
    for provider in BUILT_IN.values()
    for parts in [urllib.parse.urlsplit(provider.base_url or "")]
    if parts.hostname and parts.hostname != "127.0.0.1"
}
"""The base paths of hosts that do not keep to `/v1`, and those of the built-in providers."""


@dataclasses.dataclass(frozen=True, slots=True)
class BaseUrl:
    """An endpoint's base, its query, and the login that stood in the address.

    `deployed` is set where the address, and not the request, says which model answers (Azure).
    """

    root: str
    query: str = ""
    login: str = dataclasses.field(default="", repr=False)
    deployed: bool = False

    def page(self, name: str = CHAT) -> str:
        """The address of a page, for example `chat/completions`."""
        return f"{self.root}/{name}" + (f"?{self.query}" if self.query else "")


def base_url(
    text: str, model: str, *, azure: bool = False, version: str | None = None, default: str = ""
) -> BaseUrl:
    """Read an address.

    Args:
        text: as it was pasted.
        model: the model's name at the provider, on Azure its deployment.
        azure: the provider is Azure, whatever its host is called.
        version: Azure's api-version, which replaces one in the address.
        default: Azure's api-version if none is given and the address needs one.

    Raises:
        PexError: an Azure address that names a deployment other than the model.
        ValueError: it is not a web address.

    Example:
        >>> base_url("api.openai.com", "m").page()
        'https://api.openai.com/v1/chat/completions'
        >>> base_url("http://localhost:8000/v1/models/?x=1#top", "m").page()
        'http://localhost:8000/v1/chat/completions?x=1'
        >>> base_url("https://x.openai.azure.com", "gpt", default="2024-10-21").page()
        'https://x.openai.azure.com/openai/deployments/gpt/chat/completions?api-version=2024-10-21'
    """
    parts = urllib.parse.urlsplit(clean_url(text))
    login, _, netloc = parts.netloc.rpartition("@")
    host = parts.hostname or ""
    path = re.sub(r"/{2,}", "/", parts.path).rstrip("/")
    exact = path.lower().endswith(f"/{CHAT}")
    deployed = False
    if azure or _AZURE.search(host):
        path, deployed = _azure_path(path, model, azure or host.endswith(".openai.azure.com"))
    else:
        path = path[: -len(CHAT) - 1] if exact else _path(host, parts.port, path)
    query = _query(parts.query, version, default if deployed else "")
    return BaseUrl(f"{parts.scheme}://{netloc}{path}", query, login, deployed)


def is_azure(text: str) -> bool:
    """Whether an address is one of Azure's."""
    return bool(_AZURE.search(urllib.parse.urlsplit(clean_url(text)).hostname or ""))


def deployment(text: str) -> str | None:
    """The deployment that an Azure address names, None if it names none.

    Example:
        >>> deployment("https://x.openai.azure.com/openai/deployments/gpt/chat/completions")
        'gpt'
    """
    found = _DEPLOYMENT.match(urllib.parse.urlsplit(clean_url(text)).path)
    return found["name"] if found else None


def _path(host: str, port: int | None, path: str) -> str:
    known = "/openai/v1" if _BEDROCK.match(host) else _KNOWN.get(host)
    while (shorter := _PAGES.sub("", path)) != path and path != known:
        path = shorter
    if known is not None and (
        known.startswith(path) or known.split("/")[1:2] == path.split("/")[1:2]
    ):
        # A part of the provider's base, or a page of its own API beside the compatible one.
        return path if path.startswith(known) else known
    if re.match(r"/api(?:/|$)", path) and port == 11434:  # Ollama's own API
        return "/v1"
    return path or "/v1"


def _azure_path(path: str, model: str, deployments: bool) -> tuple[str, bool]:
    """The base path on Azure, and whether a deployment is named in it."""
    found = _DEPLOYMENT.match(path)
    if found is not None:
        if found["name"].lower() != model.lower():
            raise PexError(
                f"model '{model}': the base URL names the deployment '{found['name']}'",
                hint=f"name the model …/{found['name']}, or end the base URL before /openai, so "
                "each model is its own deployment",
            )
        return f"{found['head']}/openai/deployments/{found['name']}", True
    if path.lower().endswith(f"/{CHAT}"):
        return path[: -len(CHAT) - 1], False
    if re.search(r"/openai/v1(?:/|$)", path):
        return path[: path.index("/openai/v1")] + "/openai/v1", False
    if path.endswith("/models") and not deployments:  # Azure AI's page for all models
        return path, False
    path = re.sub(r"/openai(?:/deployments)?$", "", _PAGES.sub("", path))
    if path.endswith("/v1"):
        return path, False
    return f"{path}/openai/deployments/{model}", True


def _query(given: str, version: str | None, default: str) -> str:
    pairs = urllib.parse.parse_qsl(given, keep_blank_values=True)
    there = any(name == "api-version" for name, _ in pairs)
    if version or (default and not there):
        pairs = [pair for pair in pairs if pair[0] != "api-version"]
        pairs.append(("api-version", version or default))
    return urllib.parse.urlencode(pairs)

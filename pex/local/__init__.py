"""The built-in model: a real language model on any machine, behind an OpenAI-compatible server."""

from pex.local.info import ServerInfo
from pex.local.package import MODEL, install, missing, weights
from pex.local.server import count_tokens, ensure, serve, status, stop

__all__ = [
    "MODEL",
    "ServerInfo",
    "count_tokens",
    "ensure",
    "install",
    "missing",
    "serve",
    "status",
    "stop",
    "weights",
]

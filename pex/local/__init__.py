"""The built-in model: a real language model on any machine, behind an OpenAI-compatible server."""

from pex.local.server import ServerInfo, ensure, serve, status, stop
from pex.local.weights import MODEL, install, missing, weights

__all__ = [
    "MODEL",
    "ServerInfo",
    "ensure",
    "install",
    "missing",
    "serve",
    "status",
    "stop",
    "weights",
]

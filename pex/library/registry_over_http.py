"""Reads the prompt registry of an MLflow server by its REST pages, without MLflow."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from pex.core.errors import PexError
from pex.core.network import is_loopback
from pex.guard.redact import redact
from pex.library.registry_answer import (
    IS_PROMPT,
    NotThereError,
    PromptAnswer,
    RefusedError,
    VersionAnswer,
)

_PAGES = "/api/2.0/mlflow"
_LONGEST = 64_000_000
"""Bytes of one answer: more than any prompt, and less than what would fill the memory."""
_NAMES = 1000
_MISSING = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")


class HttpReader:
    """Reads from one server; the login and the certificates are those that MLflow uses."""

    def __init__(self, uri: str, workspace: str = "") -> None:
        self._uri, self._workspace = uri.rstrip("/"), workspace

    def prompt(self, name: str, timeout_s: float) -> PromptAnswer:
        """A prompt's entry.

        Raises:
            NotThereError: the server has no such prompt.
            PexError: it does not answer, or not as MLflow does.
        """
        answer = self._get("registered-models/get", {"name": name}, timeout_s)
        found = self._part(answer, "registered_model")
        tags = _pairs(found.get("tags"), "key", "value")
        if tags.get(IS_PROMPT) != "true":
            raise NotThereError(f"'{name}' is a model there, not a prompt")
        aliases = _pairs(found.get("aliases"), "alias", "version")
        numbers = [int(item["version"]) for item in found.get("latest_versions", [])]
        return PromptAnswer(
            name, {key: int(value) for key, value in aliases.items()}, tags, max(numbers, default=0)
        )

    def version(self, name: str, number: int, timeout_s: float) -> VersionAnswer:
        """One version.

        Raises:
            NotThereError: the server has no such version.
            PexError: it does not answer, or not as MLflow does.
        """
        query = {"name": name, "version": str(number)}
        found = self._part(self._get("model-versions/get", query, timeout_s), "model_version")
        tags = _pairs(found.get("tags"), "key", "value")
        return VersionAnswer(name, number, tags, found.get("description"))

    def names(self, timeout_s: float) -> list[str]:
        """The names of all prompts."""
        query = {"filter": f"tags.`{IS_PROMPT}` = 'true'", "max_results": str(_NAMES)}
        answer = self._get("registered-models/search", query, timeout_s)
        return [str(item["name"]) for item in answer.get("registered_models", [])]

    def _part(self, answer: dict[str, Any], key: str) -> dict[str, Any]:
        found = answer.get(key)
        if not isinstance(found, dict):
            raise PexError(f"{redact(self._uri)}: an answer without '{key}': it is not MLflow")
        return found

    def _get(self, page: str, query: dict[str, str], timeout_s: float) -> dict[str, Any]:
        parts = urllib.parse.urlsplit(self._uri)
        url = f"{self._uri}{_PAGES}/{page}?{urllib.parse.urlencode(query)}"
        headers = {"Accept": "application/json", **_login(parts)}
        if self._workspace:
            headers["X-MLFLOW-WORKSPACE"] = self._workspace
        if parts.username is not None:  # urllib does not know logins in addresses
            host = parts.netloc.rpartition("@")[2]
            url = urllib.parse.urlunsplit(urllib.parse.urlsplit(url)._replace(netloc=host))
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
        if is_loopback(parts.hostname):
            handlers.append(urllib.request.ProxyHandler({}))
        if parts.scheme == "https":
            handlers.append(urllib.request.HTTPSHandler(context=_certificates()))
        opener = urllib.request.build_opener(*handlers)
        request = urllib.request.Request(url, headers=headers)
        end = time.monotonic() + timeout_s
        try:
            with opener.open(request, timeout=max(timeout_s, 0.001)) as answer:
                data = _read(answer, end)
        except urllib.error.HTTPError as error:
            raise self._refusal(error, end) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise PexError(
                f"MLflow's server {redact(self._uri)} does not answer: {redact(str(reason))}"
            ) from None
        return self._json(data)

    def _json(self, data: bytes) -> dict[str, Any]:
        try:
            found = json.loads(data)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise PexError(
                f"{redact(self._uri)}: its answer is not JSON: it is not MLflow's server"
            )
        return found

    def _refusal(self, error: urllib.error.HTTPError, end: float) -> PexError:
        try:
            found = json.loads(_read(error, end))
            code, message = str(found["error_code"]), str(found["message"])
        except (OSError, ValueError, KeyError, TypeError):
            code, message = "", error.reason
        if code in _MISSING:
            return NotThereError(redact(message))
        hint = None
        if error.code in (401, 403):
            hint = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        kind = RefusedError if error.code == 403 else PexError
        return kind(
            f"MLflow's server {redact(self._uri)} refused: {error.code} {redact(message)}",
            hint=hint,
        )


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows redirects on the same host only: the login goes nowhere else."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        before, after = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        if (before.scheme, before.netloc) != (after.scheme, after.netloc):
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _read(answer: Any, end: float) -> bytes:
    """The body of an answer; a server that sends a byte now and then does not hold it up."""
    pieces: list[bytes] = []
    size = 0
    while piece := answer.read1(65536) if hasattr(answer, "read1") else answer.read(65536):
        pieces.append(piece)
        size += len(piece)
        if size > _LONGEST:
            raise OSError("an answer that is too long")
        if time.monotonic() > end:
            raise TimeoutError("timed out")
    return b"".join(pieces)


def _pairs(items: Any, key: str, value: str) -> dict[str, str]:
    return {str(item[key]): str(item.get(value, "")) for item in items or []}


def _login(parts: urllib.parse.SplitResult) -> dict[str, str]:
    """The headers of the login, found where MLflow finds it."""
    saved = _saved_login()
    user = os.environ.get("MLFLOW_TRACKING_USERNAME") or saved.get("mlflow_tracking_username")
    password = os.environ.get("MLFLOW_TRACKING_PASSWORD") or saved.get("mlflow_tracking_password")
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    if not (user and password) and not token and parts.username is not None:
        user = urllib.parse.unquote(parts.username)
        password = urllib.parse.unquote(parts.password or "")
    if user and password:
        both = base64.b64encode(f"{user}:{password}".encode()).decode()
        return {"Authorization": f"Basic {both}"}
    return {"Authorization": f"Bearer {token}"} if token else {}


def _saved_login() -> dict[str, str]:
    # Neither a home folder that does not exist nor one that cannot be entered is an error here.
    path = os.path.expanduser("~/.mlflow/credentials")  # noqa: PTH111
    if not os.path.isfile(path):  # noqa: PTH113
        return {}
    import configparser

    config = configparser.ConfigParser()
    try:
        config.read(path)
    except (configparser.Error, UnicodeDecodeError):
        return {}
    return dict(config["mlflow"]) if "mlflow" in config else {}


def _certificates() -> ssl.SSLContext:
    """The checks that MLflow's variables, or those of requests, ask for."""
    bundle = next(
        filter(None, map(os.environ.get, ("MLFLOW_TRACKING_SERVER_CERT_PATH", "REQUESTS_CA_BUNDLE",
                                          "CURL_CA_BUNDLE"))), None)  # fmt: skip
    if bundle:
        folder = Path(bundle).is_dir()
        context = ssl.create_default_context(
            cafile=None if folder else bundle, capath=bundle if folder else None
        )
    else:
        context = ssl.create_default_context()
        with contextlib.suppress(ImportError, OSError):
            import certifi  # as requests does, and so MLflow

            context.load_verify_locations(certifi.where())
    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    own = os.environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH")
    if own:
        context.load_cert_chain(own)
    return context

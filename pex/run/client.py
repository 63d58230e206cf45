"""One chat call over HTTP: sent, read, and every way it can fail given a name."""

from __future__ import annotations

import asyncio
import dataclasses
import email.utils
import re
import ssl
import time
from typing import Any

import aiohttp
import orjson

from pex.core.call import Answer
from pex.core.errors import PexError
from pex.guard.redact import redact
from pex.run.endpoint import Endpoint

FATAL = frozenset({"auth", "unknown_model", "refused_parameter"})
"""Kinds of error that asking again, or asking for another case, does not mend."""

TRANSIENT = frozenset({"rate_limit", "server", "connection", "timeout", "bad_body", "empty"})
"""Kinds of error that are worth another attempt."""

UNBILLED = FATAL | {"rate_limit", "server", "too_long"}
"""Kinds of error for which no provider charges; after the others a call may have to be paid."""

_CONTEXT = re.compile(r"context|too (?:long|many tokens)|maximum.*tokens", re.IGNORECASE)
_FILTER = re.compile(r"content.?(?:filter|policy|management)", re.IGNORECASE)
_MESSAGE_LENGTH = 400


@dataclasses.dataclass(slots=True)
class CallError(Exception):
    """An attempt that failed: its kind, a message, and how long the provider asks to wait."""

    kind: str
    message: str
    retry_after_s: float | None = None


def session(endpoint: Endpoint) -> aiohttp.ClientSession:
    """A connection pool for one endpoint; to be made and closed on the runner's event loop.

    Raises:
        PexError: the CA bundle cannot be read.
    """
    context: ssl.SSLContext | bool = True
    if endpoint.ca_bundle:
        try:
            context = ssl.create_default_context(cafile=endpoint.ca_bundle)
        except (OSError, ssl.SSLError) as error:
            raise PexError(f"[providers.{endpoint.provider}] ca_bundle: {error}") from None
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=context),
        timeout=aiohttp.ClientTimeout(total=endpoint.timeout_s),
        headers={**endpoint.headers, "Content-Type": "application/json"},
        proxy=endpoint.proxy,
        trust_env=True,
    )


async def ask(http: aiohttp.ClientSession, endpoint: Endpoint, body: dict[str, Any]) -> Answer:
    """Send one request and read its answer.

    Raises:
        CallError: the attempt failed; its kind says how.
    """
    started_at, clock = time.time(), time.perf_counter()
    try:
        async with http.post(endpoint.url, data=orjson.dumps(body)) as response:
            raw = await response.read()
    except TimeoutError:
        raise CallError("timeout", f"no answer within {endpoint.timeout_s:g} s") from None
    except (aiohttp.ClientError, OSError) as error:
        raise CallError("connection", _connection(endpoint, error)) from None
    latency_s = time.perf_counter() - clock
    if response.status != 200:
        raise _refusal(response.status, raw, response.headers.get("Retry-After"))
    answer = _read(raw)
    answer.started_at, answer.latency_s = started_at, latency_s
    return answer


async def probe(endpoint: Endpoint, timeout_s: float = 10.0) -> list[str] | None:
    """Ask an endpoint which models it has, to find out that it is there before a run begins.

    Returns:
        The names, or None where the endpoint does not list them.

    Raises:
        PexError: nobody answers at this address, or the key is refused.
    """
    if endpoint.models_url is None:
        return None
    limit = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with session(endpoint) as http, http.get(endpoint.models_url, timeout=limit) as reply:
            status, raw = reply.status, await reply.read()
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise PexError(
            f"the provider '{endpoint.provider}' cannot be reached: {_connection(endpoint, error)}",
            hint=f"is it running? base_url is set under [providers.{endpoint.provider}] "
            "in pex.toml",
        ) from None
    if status == 401:
        raise PexError(
            f"the provider '{endpoint.provider}' refuses the key: {_message(raw)}",
            hint="check the environment variable that holds it",
        )
    try:
        return [str(item["id"]) for item in orjson.loads(raw)["data"]]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None


def _connection(endpoint: Endpoint, error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"bad certificate at {endpoint.place}: {error.certificate_error}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"no such host: {error.host}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection to {error.host}:{error.port}: {error.os_error.strerror or error}"
    if isinstance(error, asyncio.TimeoutError):
        return f"no answer from {endpoint.place}"
    return redact(f"connection to {endpoint.place} failed: {error or type(error).__name__}")


def _refusal(status: int, raw: bytes, retry_after: str | None) -> CallError:
    message = _message(raw)
    text = f"HTTP {status}: {message}"
    if status == 429:
        return CallError("rate_limit", text, _seconds(retry_after))
    if status in (408, 504):
        return CallError("timeout", text, _seconds(retry_after))
    if status >= 500:
        return CallError("server", text, _seconds(retry_after))
    if status in (401, 403):
        return CallError("auth", text)
    if status == 404:
        return CallError("unknown_model", text)
    if _FILTER.search(message):
        return CallError("content_filter", text)
    if status == 413 or _CONTEXT.search(message):
        return CallError("too_long", text)
    return CallError("refused_parameter", text)


def _message(raw: bytes) -> str:
    """The provider's own words, without keys and HTML, cut to a readable length."""
    try:
        data = orjson.loads(raw)
        error = data.get("error", data) if isinstance(data, dict) else data
        text = str(error.get("message", error)) if isinstance(error, dict) else str(error)
    except orjson.JSONDecodeError:
        text = re.sub(r"<[^>]*>", " ", raw.decode("utf-8", "replace"))
    text = redact(" ".join(text.split())) or "no message"
    return text if len(text) <= _MESSAGE_LENGTH else f"{text[:_MESSAGE_LENGTH]}…"


def _seconds(retry_after: str | None) -> float | None:
    """`Retry-After` in seconds; it may be a number or a date."""
    if not retry_after:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None


def _read(raw: bytes) -> Answer:
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise CallError("bad_body", f"the answer is no JSON: {_message(raw)}") from None
    if not isinstance(data, dict) or not isinstance(data.get("choices"), list):
        raise CallError("bad_body", f"the answer has no choices: {_message(raw)}")
    if not data["choices"]:
        raise CallError("empty", "the answer's list of choices is empty")
    choice = data["choices"][0]
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise CallError("bad_body", "the answer's first choice has no message")
    finish_reason = choice.get("finish_reason")
    output, calls = message.get("content"), message.get("tool_calls")
    if isinstance(output, list):  # some providers send parts
        output = "".join(str(part.get("text", "")) for part in output if isinstance(part, dict))
    if output is None and message.get("refusal"):
        output, finish_reason = message["refusal"], "refusal"
    if not output and finish_reason == "content_filter":
        raise CallError("content_filter", "the provider's content filter held the answer back")
    if output is None:
        output = orjson.dumps(calls).decode() if calls else ""
    return Answer(
        output=str(output),
        finish_reason=finish_reason,
        resolved_model=data.get("model"),
        tool_calls=calls or None,
        **_usage(data.get("usage")),
    )


def _usage(usage: Any) -> dict[str, Any]:
    if not isinstance(usage, dict):
        return {}
    prompt = usage.get("prompt_tokens_details") or {}
    completion = usage.get("completion_tokens_details") or {}
    return {
        "prompt_tokens": usage.get("prompt_tokens"),
        "completion_tokens": usage.get("completion_tokens"),
        "reasoning_tokens": completion.get("reasoning_tokens"),
        "cached_tokens": prompt.get("cached_tokens"),
    }

"""One chat call over HTTP: sent, read, and every way it can fail given a name."""

from __future__ import annotations

import asyncio
import dataclasses
import email.utils
import re
import ssl
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import orjson

from pex.core.call import Answer
from pex.core.errors import PexError
from pex.guard.redact import redact
from pex.run.endpoint import Endpoint
from pex.run.stream import Stream, StreamError, streams

FATAL = frozenset({"auth", "quota", "unknown_model", "refused_parameter", "certificate"})
"""Kinds of error that asking again, or asking for another case, does not mend."""

TRANSIENT = frozenset({"rate_limit", "server", "connection", "timeout", "bad_body", "empty"})
"""Kinds of error that are worth another attempt."""

UNBILLED = FATAL | {"rate_limit", "server", "too_long"}
"""Kinds of error for which no provider charges; after the others a call may have to be paid."""

_CONTEXT = re.compile(r"context|too (?:long|many tokens)|maximum.*tokens", re.IGNORECASE)
_QUOTA = re.compile(r"insufficient.?(?:quota|balance|credit)|current quota", re.IGNORECASE)
_FILTER = re.compile(r"content.?(?:filter|policy|management)", re.IGNORECASE)
_MESSAGE_LENGTH = 400


@dataclasses.dataclass(slots=True)
class CallError(Exception):
    """An attempt that failed: its kind, a message, and how long the provider asks to wait.

    `sent` is False where nothing reached the provider, so that nothing can be charged; `busy`
    where the provider says that it has too much to do.
    """

    kind: str
    message: str
    retry_after_s: float | None = None
    sent: bool = True
    busy: bool = False

    @property
    def charged(self) -> bool:
        """Whether the provider may charge for it."""
        return self.sent and self.kind not in UNBILLED


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
        # Looked up once: with trust_env the environment is read again for every single call.
        proxy=endpoint.proxy or _proxy_of(endpoint.url),
    )


def _proxy_of(url: str) -> str | None:
    """The proxy that the environment names for an address (HTTPS_PROXY, NO_PROXY and the like)."""
    parts = urllib.parse.urlsplit(url)
    proxies = urllib.request.getproxies()
    found = proxies.get(parts.scheme) or proxies.get("all")
    if found is None or urllib.request.proxy_bypass(parts.netloc):
        return None
    return found


async def ask(
    http: aiohttp.ClientSession,
    endpoint: Endpoint,
    payload: bytes,
    on_delta: Callable[[str], None] | None = None,
) -> tuple[Answer, Mapping[str, str]]:
    """Send one request and read its answer.

    Args:
        http: the endpoint's connection pool.
        endpoint: where it goes.
        payload: the JSON body.
        on_delta: gets the text of a streamed answer as it comes; the body asks for the stream.

    Returns:
        The answer, and the headers it came with.

    Raises:
        CallError: the attempt failed; its kind says how.
    """
    started_at, clock = time.time(), time.perf_counter()
    ttft_s = None
    try:
        async with http.post(endpoint.url, data=payload) as response:
            if on_delta is not None and response.status == 200 and streams(response.content_type):
                stream = Stream(on_delta)
                async for chunk in response.content.iter_any():
                    stream.feed(chunk)
                    if ttft_s is None and stream.text_came:
                        ttft_s = time.perf_counter() - clock
                data: Any = stream.finish()
            else:
                raw = await response.read()
                data = None
    except TimeoutError:
        raise CallError("timeout", f"no answer within {endpoint.timeout_s:g} s") from None
    except StreamError as error:
        raise CallError(error.kind, redact(str(error))) from None
    except (aiohttp.ClientError, OSError) as error:
        kind = "connection"
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            kind = "certificate"
        sent = not isinstance(error, aiohttp.ClientConnectorError)
        raise CallError(kind, _connection(endpoint, error), sent=sent) from None
    latency_s = time.perf_counter() - clock
    if response.status != 200:
        raise refusal(response.status, raw, response.headers)
    answer = answer_of(_parse(raw) if data is None else data)
    answer.started_at, answer.latency_s, answer.ttft_s = started_at, latency_s, ttft_s
    return answer, response.headers


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


def refusal(status: int, raw: bytes, headers: Mapping[str, str]) -> CallError:
    """What a reply that is no answer means."""
    message = _message(raw)
    text = f"HTTP {status}: {message}"
    wait_s = _wait(headers)
    if status == 402 or (status in (403, 429) and _QUOTA.search(message)):
        return CallError("quota", text)
    if status == 429:
        return CallError("rate_limit", text, wait_s)
    if status in (408, 504):
        return CallError("timeout", text, wait_s)
    if status >= 500:
        return CallError("server", text, wait_s, busy=status in (503, 529))
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


def _wait(headers: Mapping[str, str]) -> float | None:
    """How long the provider asks to wait, in seconds; `Retry-After` is a number or a date."""
    exact = headers.get("Retry-After-Ms")
    if exact and exact.isdigit():
        return int(exact) / 1000
    text = headers.get("Retry-After")
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def _parse(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise CallError("bad_body", f"the answer is no JSON: {_message(raw)}") from None


def answer_of(data: Any) -> Answer:
    """The answer in the body of a chat completion.

    Raises:
        CallError: it has none.
    """
    if not isinstance(data, dict) or not isinstance(data.get("choices"), list):
        said = _message(orjson.dumps(data))
        raise CallError("bad_body", f"the answer has no choices: {said}")
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
        logprobs=(choice.get("logprobs") or {}).get("content") or None,
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

"""One chat call over HTTP: sent, read, and every way it can fail given a name."""

from __future__ import annotations

import asyncio
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
from pex.run.failures import CallError, message_of, refusal
from pex.run.reading import answer_of, parse
from pex.run.responses import ResponseStream, chat_form, response_id
from pex.run.stream import Stream, StreamError, streams
from pex.run.user_client import ClientSession

Pool = aiohttp.ClientSession | ClientSession
"""What calls go through: connections to an endpoint, or the user's own client."""


def session(endpoint: Endpoint) -> Pool:
    """A connection pool for one endpoint; to be made and closed on the runner's event loop.

    Raises:
        PexError: the CA bundle cannot be read.
    """
    if endpoint.client is not None:
        base = endpoint.url.removesuffix("/chat/completions").removesuffix("/responses")
        return ClientSession(endpoint.client, base, endpoint.timeout_s)
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
    http: Pool,
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
                stream = (ResponseStream if endpoint.api == "responses" else Stream)(on_delta)
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
    data = parse(raw) if data is None else data
    answer = answer_of(chat_form(data) if endpoint.api == "responses" else data)
    if endpoint.api == "responses":
        previous = orjson.loads(payload).get("previous_response_id")
        answer.response_id = response_id(data, previous)
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
    except CallError as error:  # of the user's own client
        message = f"the provider '{endpoint.provider}' cannot be reached: {error.message}"
        raise PexError(message) from None
    if status == 401:
        holder = (
            "the environment variable that holds it" if endpoint.client is None else "your client"
        )
        raise PexError(
            f"the provider '{endpoint.provider}' refuses the key: {message_of(raw)}",
            hint=f"check {holder}",
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

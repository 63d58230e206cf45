"""One chat call over HTTP: sent and read, with a name for every way it can fail."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import orjson

from pex.core.call import Answer
from pex.core.errors import PexError
from pex.guard.redact import redact
from pex.project import keys
from pex.run.bodies import MOST_BYTES, MOST_ERROR_BYTES, PACKINGS, pieces, redirect, whole
from pex.run.endpoint import Endpoint
from pex.run.error_body import message_of
from pex.run.errors import CallError, KeyRefusedError
from pex.run.event_stream import EventStream, looks_like_stream
from pex.run.failures import refusal
from pex.run.model_list import EndpointModel, read_list
from pex.run.reading import kept, read_answer
from pex.run.response_stream import ResponseStream
from pex.run.stream import Stream
from pex.run.user_client import ClientSession

MOST_LISTED_BYTES = 16 * 1024 * 1024
"""How long a list of models may be."""

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
        headers={
            "Accept-Encoding": PACKINGS,
            **endpoint.headers,
            "Content-Type": "application/json",
        },
        auto_decompress=False,  # `bodies` does it, and stops in time
        # Looked up once, with the endpoint: trust_env would read the environment for every call.
        proxy=endpoint.proxy,
    )


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
    stream: EventStream | None = None
    try:
        async with http.post(endpoint.url, data=payload, allow_redirects=False) as response:
            if 300 <= response.status < 400:
                raise redirect(response.status, response.headers, endpoint.url)
            good = 200 <= response.status < 300
            stream = _stream_for(endpoint, response, on_delta)
            if stream is not None:
                async for chunk in pieces(response):
                    stream.feed(chunk)
                    if ttft_s is None and stream.text_came:
                        ttft_s = time.perf_counter() - clock
            else:
                raw = await whole(response, MOST_BYTES if good else MOST_ERROR_BYTES, cut=not good)
    except CallError as error:
        error.raw_body = error.raw_body or _so_far(stream)
        raise
    except TimeoutError:
        said = f"no answer within {endpoint.timeout_s:g} s{endpoint.through}"
        raise CallError("timeout", said, raw_body=_so_far(stream)) from None
    except (aiohttp.ClientError, OSError) as error:
        kind = "connection"
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            kind = "certificate"
        unsent = (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError)
        sent = not isinstance(error, unsent)
        said = _connection(endpoint, error)
        raise CallError(kind, said, sent=sent, raw_body=_so_far(stream)) from None
    latency_s = time.perf_counter() - clock
    if stream is not None:
        answer = stream.answer(_previous(endpoint, payload))
    elif not good:
        raise _refused(endpoint, response.status, raw, response.headers)
    elif looks_like_stream(raw):  # not asked for
        stream = _reader(endpoint, None)
        stream.feed(raw)
        answer = stream.answer(_previous(endpoint, payload))
    else:
        answer = read_answer(raw, _previous(endpoint, payload))
    answer.started_at, answer.latency_s, answer.ttft_s = started_at, latency_s, ttft_s
    return answer, response.headers


def _refused(endpoint: Endpoint, status: int, raw: bytes, headers: Mapping[str, str]) -> CallError:
    """What a refused call means; where the key was refused, also where the key came from."""
    error = refusal(status, raw, headers)
    if error.kind == "auth" and status in (400, 401) and endpoint.key is not None:
        keys.set_refused(endpoint.key, True)
        error.message += f" ({endpoint.key.variable} {keys.told(endpoint.key)})"
    return error


def _stream_for(
    endpoint: Endpoint, response: Any, on_delta: Callable[[str], None] | None
) -> EventStream | None:
    """What reads a response piece by piece, None if it is read whole.

    Whatever it says it is: some endpoints stream as text/plain, others send one body.
    """
    if on_delta is None or not 200 <= response.status < 300:
        return None
    return _reader(endpoint, on_delta)


def _reader(endpoint: Endpoint, on_delta: Callable[[str], None] | None) -> EventStream:
    return Stream(on_delta) if endpoint.api == "chat" else ResponseStream(on_delta)


def _previous(endpoint: Endpoint, payload: bytes) -> str | None:
    """The response that a request to the Responses API goes on from."""
    if endpoint.api == "chat":
        return None
    found: str | None = orjson.loads(payload).get("previous_response_id")
    return found


def _so_far(stream: EventStream | None) -> str | None:
    """What had come of a stream that broke off: some of it may have been paid for."""
    return kept(stream.raw) if stream is not None and stream.raw else None


async def probe(endpoint: Endpoint, timeout_s: float = 10.0) -> list[str] | None:
    """List the names of an endpoint's models, to find out before a run that it is there.

    Returns:
        The names, or None if the endpoint does not list them.

    Raises:
        PexError: there is no response at this address, or the key is refused.
    """
    found = await list_models(endpoint, timeout_s)
    return None if found is None else [model.name for model in found]


async def list_models(endpoint: Endpoint, timeout_s: float = 10.0) -> list[EndpointModel] | None:
    """An endpoint's models, with what it says of each.

    Returns:
        The models, or None if the endpoint does not list them.

    Raises:
        PexError: there is no response at this address, or the key is refused.
    """
    if endpoint.models_url is None:
        return None
    limit = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with (
            session(endpoint) as http,
            http.get(endpoint.models_url, timeout=limit, allow_redirects=False) as reply,
        ):
            status, headers = reply.status, reply.headers
            raw = await whole(reply, MOST_LISTED_BYTES, cut=True)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise PexError(
            f"the provider '{endpoint.provider}' cannot be reached: {_connection(endpoint, error)}",
            hint=f"is it running? base_url is set under [providers.{endpoint.provider}] "
            "in pex.toml",
        ) from None
    except CallError as error:  # of the user's own client, or a body that is not what it says
        message = f"the provider '{endpoint.provider}' cannot be reached: {error.message}"
        raise PexError(message) from None
    if 300 <= status < 400:
        said = redirect(status, headers, endpoint.models_url).message
        raise PexError(
            f"the provider '{endpoint.provider}' at {redact(endpoint.models_url)}: {said}",
            hint=f"base_url is set under [providers.{endpoint.provider}] in pex.toml",
        )
    if status == 401 or (status == 400 and refusal(status, raw, headers).kind == "auth"):
        keys.set_refused(endpoint.key, True)
        raise KeyRefusedError(endpoint.provider, message_of(raw), _key_hint(endpoint))
    if status < 300:
        keys.set_refused(endpoint.key, False)
    try:
        return read_list(orjson.loads(raw))
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None


def _key_hint(endpoint: Endpoint) -> str:
    """Where the key came from, which says what to change."""
    if endpoint.client is not None:
        return "check your client"
    if endpoint.key is None:
        return f"check what [providers.{endpoint.provider}] in pex.toml sends"
    place = f"{endpoint.key.variable} {keys.told(endpoint.key)}"
    another = "enter another key in the Playground's menu of models"
    if endpoint.key.source == keys.ENTERED:
        return f"{place}; {another}"
    return f"{place}: change it there, or {another}"


def _connection(endpoint: Endpoint, error: BaseException) -> str:
    through = endpoint.through
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"bad certificate at {endpoint.place}{through}: {error.certificate_error}"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"no connection to {endpoint.place}{through}: it replied {_proxy_reply(error)}"
    if through and isinstance(error, aiohttp.ClientConnectorError):
        why = error.os_error.strerror or error.os_error
        return f"no connection to {endpoint.place}{through}: {redact(str(why))}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"no such host: {error.host}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection to {error.host}:{error.port}: {error.os_error.strerror or error}"
    if isinstance(error, asyncio.TimeoutError):
        return f"no answer from {endpoint.place}{through}"
    said = redact(str(error)) or type(error).__name__
    return f"connection to {endpoint.place}{through} failed: {said}"


def _proxy_reply(error: aiohttp.ClientHttpProxyError) -> str:
    login = " (it needs a login: http://user:password@proxy)" if error.status == 407 else ""
    return f"{error.status} {redact(error.message)}{login}"

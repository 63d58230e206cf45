"""A client of the openai package in the form of the connection pool that calls go through.

The client builds and sends the request, with all that it knows of its endpoint; what comes back
is read from the raw bytes by the same readers as any other answer. Its low-level `post` is used,
not `chat.completions.create`: it takes parameters that the package does not name, does not look at
the answer, and is not what `mlflow.openai.autolog` traces.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import re
import ssl
import threading
import urllib.parse
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from typing import Any

import orjson

from pex.guard.redact import redact, register
from pex.run.bodies import PACKINGS
from pex.run.errors import CallError
from pex.run.transport import araw, bounded, is_read, raw, unpacked

RAW = "X-Stainless-Raw-Response"
"""The package's own header that asks its clients for the response as it came."""

_SECRET = re.compile(r"authorization|key|token|secret|cookie|password", re.IGNORECASE)
_UNSENT = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol"}
_FOREIGN_LOOP = re.compile(r"[Ee]vent loop")
_MOST_FOREIGN = 100

File = tuple[str, bytes, str]
"""A file to upload: its name, content and type."""


class ClientSession:
    """Calls through a client; used like an `aiohttp.ClientSession`, on one event loop.

    A blocking client is called on threads, one for each call in flight. An asynchronous one gets
    connections of this loop's own. Only those of the user's own `http_client` are shared with the
    user's loop; each is closed after its answer, as it would be useless there.

    Args:
        client: the user's.
        base: the part of each URL that the client knows.
        timeout_s: how long one call may take.
    """

    def __init__(self, client: Any, base: str, timeout_s: float) -> None:
        self._base = base
        self._timeout_s = timeout_s
        self._asynchronous = is_asynchronous(client)
        self._client, self._owned = client, None
        self._headers = {RAW: "true", "Accept-Encoding": PACKINGS}
        if self._asynchronous:
            self._client, self._owned = _of_this_loop(client)
            if self._owned is None:
                self._headers["Connection"] = "close"
        self._client = bounded(self._client)

    async def __aenter__(self) -> ClientSession:
        return self

    async def __aexit__(self, *failed: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections that were opened here; the client itself stays the user's."""
        if self._owned is not None:
            await self._owned.aclose()

    def post(
        self, url: str, *, data: bytes, allow_redirects: bool = False
    ) -> contextlib.AbstractAsyncContextManager[Reply]:
        """Send a JSON body; redirects are never followed."""
        return self.request("POST", url, data=data)

    def get(
        self, url: str, *, timeout: Any = None, allow_redirects: bool = False
    ) -> contextlib.AbstractAsyncContextManager[Reply]:
        """Get a page."""
        return self.request("GET", url)

    @contextlib.asynccontextmanager
    async def request(
        self,
        method: str,
        url: str,
        *,
        data: bytes | None = None,
        file: File | None = None,
        streamed: bool = False,
    ) -> AsyncIterator[Reply]:
        """Get a page, or send a JSON body, or a file for a provider batch.

        Args:
            method: GET or POST.
            url: of the page.
            data: the JSON body.
            file: what is uploaded.
            streamed: the reply is read as it comes; so it is where `data` asks for a stream.

        Raises:
            CallError: nothing came back; its kind says why.
            TimeoutError: not in time.
        """
        path, _, query = url.removeprefix(self._base).partition("?")
        body = orjson.loads(data) if data else None
        reply = None
        async with asyncio.timeout(self._timeout_s):
            try:
                streamed = streamed or (isinstance(body, dict) and bool(body.get("stream")))
                reply = await self._sent(method, path, query, body, file, streamed)
            except (CallError, TimeoutError):
                raise
            except Exception as error:  # noqa: BLE001 - whatever a client of others' making raises
                reply = _refused(error)
                if reply is None:
                    raise _failure(error, redact(self._base)) from None
            try:
                yield reply
            finally:
                await reply.close()

    async def _sent(
        self, method: str, path: str, query: str, body: Any, file: File | None, streamed: bool
    ) -> Reply:
        options = {"headers": dict(self._headers), "timeout": self._timeout_s, "max_retries": 0}
        if query:
            options["params"] = dict(urllib.parse.parse_qsl(query))
        call = _call_of(self._client, method, path, body, file, streamed, options)
        if self._asynchronous:
            times = _MOST_FOREIGN if method == "GET" else 1
            got = await _again_on_foreign_loop(call, times)
        else:
            got = await _on_thread(call)
        if not hasattr(got, "http_response"):  # an answer that the client has read already
            return Reply(200, {}, "application/json", _dumped(got))
        response = got.http_response
        _register(response.request.headers)
        kind = str(response.headers.get("content-type", "")).partition(";")[0].strip()
        content = None if streamed else response.content
        chunks = Chunks(response, self._asynchronous) if streamed else None
        packed = streamed and not is_read(response)
        headers = response.headers if packed else unpacked(response.headers)
        return Reply(response.status_code, headers, kind, content, chunks)


class Reply:
    """What came back, in the form of an `aiohttp.ClientResponse`."""

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        content_type: str,
        content: bytes | None,
        chunks: Chunks | None = None,
    ) -> None:
        self.status = status
        self.headers = headers
        self.content_type = content_type
        self.content = chunks or self
        self._content = content
        self._chunks = chunks

    async def read(self) -> bytes:
        """The whole body."""
        if self._content is None:
            self._content = b"".join([chunk async for chunk in self.iter_any()])
        return self._content

    async def iter_any(self) -> AsyncIterator[bytes]:
        """The body as it comes."""
        if self._chunks is None:
            yield self._content or b""
            return
        async for chunk in self._chunks.iter_any():
            yield chunk

    async def close(self) -> None:
        """Give the connection of a stream back."""
        if self._chunks is not None:
            await self._chunks.close()


class Chunks:
    """The bytes of a streamed response, from a thread where the client blocks."""

    def __init__(self, response: Any, asynchronous: bool) -> None:
        self._response = response
        self._asynchronous = asynchronous

    async def iter_any(self) -> AsyncIterator[bytes]:
        """The body as it comes.

        Raises:
            CallError: the connection broke.
        """
        try:
            if self._asynchronous:
                async for chunk in araw(self._response):
                    yield chunk
            else:
                chunks = raw(self._response)
                while (chunk := await _on_thread(lambda: next(chunks, None))) is not None:
                    yield chunk
        except (CallError, TimeoutError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever the client's transport raises
            raise _failure(error, "the endpoint") from None

    async def close(self) -> None:
        """Give the connection back, wherever the reading ended."""
        with contextlib.suppress(Exception):
            if self._asynchronous:
                await self._response.aclose()
            else:
                self._response.close()


def is_asynchronous(client: Any) -> bool:
    """Whether the calls of a client are to be awaited."""
    call = client.post if _is_low_level(client) else client.chat.completions.create
    if any(kind.__name__.startswith("Async") for kind in type(client).__mro__):
        return True
    return inspect.iscoroutinefunction(inspect.unwrap(call))


def _is_low_level(client: Any) -> bool:
    """Whether it is a client of the openai package, or has what those have below their pages."""
    return callable(getattr(client, "post", None)) and callable(
        getattr(client, "with_options", None)
    )


def _call_of(
    client: Any,
    method: str,
    path: str,
    body: Any,
    file: File | None,
    streamed: bool,
    options: dict[str, Any],
) -> Callable[[], Any]:
    """What makes the call."""
    if _is_low_level(client):
        if method == "GET":
            return lambda: client.get(path, cast_to=object, options=options, stream=streamed)
        if file is not None:
            options["headers"]["Content-Type"] = "multipart/form-data"
            form, files = {"purpose": "batch"}, [("file", file)]
            return lambda: client.post(
                path, cast_to=object, body=form, files=files, options=options
            )
        return lambda: client.post(
            path, cast_to=object, body=body, options=options, stream=streamed
        )
    pages = {"/chat/completions": ("chat", "completions"), "/responses": ("responses",)}
    page = client
    for name in pages.get(path, ()):
        page = getattr(page, name, None)
    if streamed or path not in pages or page is None:
        what = "stream answers" if streamed else f"call {path}"
        raise CallError("refused_parameter", f"a {type(client).__name__} cannot {what}", sent=False)
    return lambda: page.create(**body)


def _of_this_loop(client: Any) -> tuple[Any, Any]:
    """An asynchronous client with connections of its own, and those; (client, None) as it is.

    Connections belong to the event loop that opened them, and the user's is another one. An
    `http_client` that the user has made cannot be made again: it is used as it is.
    """
    import openai

    own = getattr(client, "_client", None)
    if type(own).__name__ != "AsyncHttpxClientWrapper":
        return client, None
    fresh = openai.DefaultAsyncHttpxClient()
    try:
        return client.with_options(http_client=fresh), fresh
    except TypeError:  # a subclass that is made in another way than the package's
        return client, None


async def _again_on_foreign_loop(call: Callable[[], Coroutine[Any, Any, Any]], times: int) -> Any:
    """Call once; where a connection of another loop was in the way, with the next one."""
    for left in range(times - 1, -1, -1):
        try:
            return await call()
        except RuntimeError as error:
            if not left or not _FOREIGN_LOOP.search(str(error)):
                raise
    raise AssertionError("the last try returns or raises")


async def _on_thread(call: Callable[[], Any]) -> Any:
    """Make a blocking call on a thread of its own, for which the end of the process does not wait.

    (Those of `asyncio.to_thread` are few, and a process that ends waits for each.)
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def tell(result: Any, error: BaseException | None) -> None:
        if future.done():  # nothing is waiting any more
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def body() -> None:
        result, failure = None, None
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(tell, result, failure)

    threading.Thread(target=body, name="pex-client", daemon=True).start()
    return await future


def _refused(error: Exception) -> Reply | None:
    """The reply behind an exception such as `openai.APIStatusError`."""
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if response is None or not isinstance(status, int):
        return None
    _register(getattr(getattr(response, "request", None), "headers", None) or {})
    content = getattr(response, "content", b"")
    return Reply(status, unpacked(getattr(response, "headers", None)), "", content or b"")


def _failure(error: Exception, place: str) -> CallError:
    """What an exception of the client means if there is no reply."""
    chain = list(_chain(error))
    for item in chain:
        if isinstance(item, CallError):  # of the transport that pex has put in between
            return item
    names = {kind.__name__ for item in chain for kind in type(item).__mro__}
    said = redact(next((text for item in reversed(chain) if (text := str(item))), ""))
    if any(isinstance(item, ssl.SSLCertVerificationError) for item in chain):
        return CallError("certificate", f"bad certificate at {place}: {said}", sent=False)
    if names & _UNSENT:
        return CallError("connection", f"no connection to {place}: {said}", sent=False)
    if "APITimeoutError" in names or "TimeoutException" in names:
        return CallError("timeout", f"no answer from {place} in time")
    broken = {"APIConnectionError", "TransportError", "OSError"} & names
    if broken or any(_FOREIGN_LOOP.search(str(item)) for item in chain):
        return CallError("connection", f"connection to {place} failed: {said}")
    what = f"{type(error).__name__}: {redact(str(error))}"
    return CallError("auth", f"the client could not call {place}: {what}", sent=False)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _register(headers: Mapping[str, str]) -> None:
    """Take the keys that were sent out of every message from now on."""
    for name, value in headers.items():
        if _SECRET.search(name):
            register(value.removeprefix("Bearer ").removeprefix("Basic "))


def _dumped(answer: Any) -> bytes:
    """The JSON of an answer that a client has made an object of."""
    for name in ("model_dump_json", "to_json", "json"):
        if callable(getattr(answer, name, None)):
            return str(getattr(answer, name)()).encode()
    return json.dumps(answer, default=lambda item: getattr(item, "__dict__", str(item))).encode()

"""The transport of a user's own client, for pex's calls: no redirects, and bodies with a limit.

The package's clients read a whole body at once, and that of an error in any case. So pex hands
them a transport that is the user's in everything except how a response is read.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any

from pex.run.bodies import MOST_BYTES, MOST_ERROR_BYTES, Unpacker
from pex.run.errors import CallError

_PACKED = ("content-encoding", "content-length", "transfer-encoding")


def bounded(client: Any) -> Any:
    """A client that is the same, except that it follows no redirect and reads within limits.

    One that has no transport of the package's kind is returned as it is.
    """
    own = getattr(client, "_client", None)
    if own is None or not hasattr(own, "__dict__") or not callable(getattr(own, "send", None)):
        return client
    kind = _asynchronous if inspect.iscoroutinefunction(type(own).send) else _blocking
    transport = object.__new__(kind(type(own)))
    transport.__dict__ = own.__dict__  # its connections, hooks, cookies: all of it is the user's
    same = copy.copy(client)
    same._client = transport
    return same


def _blocking(kind: Any) -> Any:
    class Bounded(kind):  # type: ignore[misc]
        def send(self, request: Any, *, stream: bool = False, **options: Any) -> Any:
            response = super().send(request, **_sent(options))
            if stream and response.is_success:
                return response
            try:
                came = _Body(response)
                for piece in raw(response):
                    if not came.take(piece):
                        break
            finally:
                response.close()
            return came.whole()

        def __del__(self) -> None:
            """Closing is left to the client whose connections these are."""

    return Bounded


def _asynchronous(kind: Any) -> Any:
    class Bounded(kind):  # type: ignore[misc]
        async def send(self, request: Any, *, stream: bool = False, **options: Any) -> Any:
            response = await super().send(request, **_sent(options))
            if stream and response.is_success:
                return response
            try:
                came = _Body(response)
                async for piece in araw(response):
                    if not came.take(piece):
                        break
            finally:
                await response.aclose()
            return came.whole()

        def __del__(self) -> None:
            """Closing is left to the client whose connections these are."""

    return Bounded


def _sent(options: dict[str, Any]) -> dict[str, Any]:
    return {**options, "stream": True, "follow_redirects": False}


class _Body:
    """A body on its way into a response of the same kind, without its packing."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self._good = bool(response.is_success)
        packing = None if is_read(response) else response.headers.get("content-encoding")
        self._unpacker = Unpacker(packing, MOST_BYTES if self._good else MOST_ERROR_BYTES)
        self._pieces: list[bytes] = []

    def take(self, chunk: bytes) -> bool:
        """Take the next bytes; False where the rest of them is not needed."""
        try:
            self._pieces.extend(self._unpacker.feed(chunk))
        except CallError:
            if self._good:
                raise
            return False
        return True

    def whole(self) -> Any:
        old = self._response
        return type(old)(
            old.status_code,
            headers=unpacked(old.headers),
            content=b"".join(self._pieces),
            request=old.request,
            extensions=old.extensions,
        )


def unpacked(headers: Any) -> Any:
    """The headers of a response whose body is not packed any more."""
    if not headers or "content-encoding" not in headers:
        return headers or {}
    return type(headers)([(k, v) for k, v in headers.multi_items() if k.lower() not in _PACKED])


def raw(response: Any) -> Iterator[bytes]:
    """The bytes of a response as they come, packed; of one that is read, as they are."""
    yield from [response.content] if is_read(response) else response.iter_raw()


async def araw(response: Any) -> AsyncIterator[bytes]:
    """The same of a response that is awaited."""
    if is_read(response):
        yield response.content
        return
    async for chunk in response.aiter_raw():
        yield chunk


def is_read(response: Any) -> bool:
    """Whether the body is in memory: a hook or a transport of the user's has read it."""
    return bool(response.is_stream_consumed)

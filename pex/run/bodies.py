"""What an endpoint sends back, read up to a limit, and never from another address.

The limit is on the unpacked body: a megabyte of gzip can hold a gigabyte. pex unpacks it itself,
piece by piece, and accepts no compression that it cannot stop in the middle of.
"""

from __future__ import annotations

import urllib.parse
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

from pex.guard.redact import redact
from pex.run.errors import CallError
from pex.run.lenient import body_text

MOST_BYTES = 64 * 1024 * 1024
"""How long an answer may be, unpacked."""

MOST_ERROR_BYTES = 1024 * 1024
"""How much of the body of an error, or of a list of models, is read; nobody needs the rest."""

PACKINGS = "gzip, deflate"
"""What requests say that they accept."""

NO_LIMIT = 1 << 62
"""For a file that is read line by line: none of it stays."""

_KEPT_OF_LINE = 64 * 1024
_PIECE = 256 * 1024
_LONGEST_ADDRESS = 200


class Unpacker:
    r"""Unpacks a body piece by piece, with a limit on what comes out.

    Args:
        packing: the header `Content-Encoding`.
        most: how many bytes may come out.

    Example:
        >>> unpacker = Unpacker("gzip", most=1000)
        >>> b"".join(unpacker.feed(zlib.compress(b"Hello", wbits=31)))
        b'Hello'
        >>> b"".join(Unpacker("gzip", 1000).feed(zlib.compress(bytes(10**6), wbits=31)))
        Traceback (most recent call last):
        ...
        pex.run.errors.CallError: ('bad_body', 'the answer is longer than 1000 bytes')
    """

    def __init__(self, packing: str | None, most: int = MOST_BYTES) -> None:
        self._packing = (packing or "").strip().lower()
        if self._packing not in ("", "identity", "gzip", "x-gzip", "deflate"):
            shown = redact(self._packing[:60])
            raise CallError(
                "bad_body",
                f"the answer is compressed as '{shown}', but only {PACKINGS} is accepted",
            )
        self._most = most
        self._came = 0
        self._inflate: Any = None

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """What the next bytes are, unpacked, in pieces.

        Raises:
            CallError: that is too much, or not packed as it says.
        """
        if self._packing in ("", "identity"):
            yield self._counted(chunk)
            return
        try:
            while chunk:
                if self._inflate is None:
                    self._inflate = zlib.decompressobj(self._bits(chunk))
                piece = self._inflate.decompress(chunk, _PIECE)
                if piece:
                    yield self._counted(piece)
                if self._inflate.eof:  # another one may follow
                    chunk, self._inflate = self._inflate.unused_data, None
                    if not chunk.strip(b"\x00"):
                        return
                else:
                    chunk = self._inflate.unconsumed_tail
        except zlib.error:
            raise CallError(
                "bad_body", f"the answer is not valid {self._packing}, although its header says so"
            ) from None

    def _bits(self, chunk: bytes) -> int:
        if self._packing != "deflate":
            return 31
        # The standard means zlib's form; some servers send the bare one.
        return zlib.MAX_WBITS if chunk[0] & 0x0F == 8 else -zlib.MAX_WBITS

    def _counted(self, piece: bytes) -> bytes:
        self._came += len(piece)
        if self._came > self._most:
            raise too_long(self._most)
        return piece


def too_long(most: int) -> CallError:
    """The error of a body of more than `most` bytes."""
    shown = f"{most // 1024**2} MB" if most >= 1024**2 else f"{most} bytes"
    return CallError("bad_body", f"the answer is longer than {shown}")


async def pieces(response: Any, most: int = MOST_BYTES) -> AsyncIterator[bytes]:
    """The body of a response as it comes, unpacked.

    Args:
        response: of aiohttp with `auto_decompress=False`, or a `Reply` of the user's own client.
        most: how many bytes it may have.

    Raises:
        CallError: it has more, or is packed in another way than it says.
    """
    unpacker = Unpacker(response.headers.get("Content-Encoding"), most)
    async for chunk in response.content.iter_any():
        for piece in unpacker.feed(chunk):
            yield piece


async def whole(response: Any, most: int = MOST_BYTES, *, cut: bool = False) -> bytes:
    """The body of a response.

    Args:
        response: as for `pieces`.
        most: how many bytes it may have.
        cut: leave out the rest instead of raising an error.

    Raises:
        CallError: it has more; the error keeps the beginning.
    """
    length = response.headers.get("Content-Length", "")
    if length.isdigit() and int(length) <= most and "Content-Encoding" not in response.headers:
        body: bytes = await response.read()
        return body
    came: list[bytes] = []
    try:
        async for piece in pieces(response, most):
            came.append(piece)  # noqa: PERF401 - what came before an error is kept
    except CallError as error:
        if cut:
            return b"".join(came)
        error.raw_body = redact(body_text(b"".join(came)))
        raise
    return b"".join(came)


async def each_line(response: Any, take: Callable[[bytes], None]) -> None:
    """Hand over the lines of a file that may be longer than memory, one after the other.

    Of a line that is longer than an answer may be, `take` gets the beginning: whose it is stands
    there, and that it cannot be read is for `take` to say.

    Raises:
        CallError: the file is packed in another way than it says.
    """
    parts: list[bytes] = []
    size = 0

    def end() -> None:
        nonlocal parts, size
        line = b"".join(parts).rstrip(b"\r")
        line = line if size <= MOST_BYTES else line[:_KEPT_OF_LINE]
        parts, size = [], 0
        if line.strip():
            take(line)

    async for piece in pieces(response, most=NO_LIMIT):
        first, *others = piece.split(b"\n")
        for number, text in enumerate((first, *others)):
            if number:
                end()
            if size < MOST_BYTES:
                parts.append(text)
            elif len(parts) > 1:
                parts = [b"".join(parts)[:_KEPT_OF_LINE]]
            size += len(text)
    end()


def redirect(
    status: int, headers: Mapping[str, str], asked: str, setting: str = "base_url"
) -> CallError:
    """The error of an endpoint that redirects pex: nothing is sent to the new address.

    Args:
        status: from 300 to 399.
        headers: of the reply.
        asked: the address of the request.
        setting: the setting that has this address.

    Example:
        >>> at = "https://example.com/v1/models"
        >>> redirect(307, {"Location": "https://eu.example.com/v1?key=abc"}, at).message
        'HTTP 307: redirects to https://eu.example.com/v1; set base_url to that address'
        >>> redirect(302, {}, at).message
        'HTTP 302: redirects without naming an address; check base_url'
    """
    to = next((value for name, value in headers.items() if name.lower() == "location"), "")
    where = _address(to, asked)
    if not where:
        said = f"redirects without naming an address; check {setting}"
    else:
        said = f"redirects to {where}; set {setting} to that address"
    return CallError("redirect", f"HTTP {status}: {said}")


def _address(location: str, asked: str) -> str:
    """Host and path of where a redirect leads; a query may hold a key."""
    text = " ".join(location[:2000].split())
    if not text:
        return ""
    try:
        parts = urllib.parse.urlsplit(urllib.parse.urljoin(asked, text))
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    host = f"[{host}]" if ":" in host else host
    at = f"{parts.scheme}://{host}{port}" if host and parts.scheme else f"{host}{port}"
    shown = redact(f"{at}{parts.path}")
    printable = "".join(char for char in shown if char.isprintable())
    return printable[:_LONGEST_ADDRESS]

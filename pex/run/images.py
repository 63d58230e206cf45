"""Images in a request: files become data, addresses stay addresses."""

from __future__ import annotations

import base64
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from pex.core.errors import PexError, nearest

TOKENS_AT_MOST = 50_000
"""No image has been seen to cost more tokens (gpt-4o-mini: 2,833 + 5,667 for each of 8 tiles)."""

TOKENS_ABOUT = 1_000
LARGEST_MB = 20

_KINDS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
}


def with_files(messages: Sequence[Mapping[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """The messages with every image that is a file put in as data.

    Args:
        messages: as a prompt renders them.
        folder: where relative paths start.

    Raises:
        PexError: an image that is not there, is empty, too large or of an unknown kind.
    """
    return [
        {**message, "content": [_with_file(part, folder) for part in message["content"]]}
        if isinstance(message["content"], list)
        else dict(message)
        for message in messages
    ]


def without_images(messages: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """The messages with the images taken out, for sizes, and how many there were."""
    count = 0
    texts = []
    for message in messages:
        content = message["content"]
        if isinstance(content, list):
            kept = [part for part in content if part.get("type") != "image_url"]
            count += len(content) - len(kept)
            content = kept
        texts.append({**message, "content": content})
    return texts, count


def tokens_at_most(body: Mapping[str, Any], size: int) -> int:
    """The most prompt tokens that a request of so many bytes can have: one for every byte of text.

    Example:
        >>> tokens_at_most({"messages": [{"role": "user", "content": "Hello"}]}, 60)
        60
    """
    for message in body["messages"]:
        if not isinstance(message["content"], list):
            continue
        for part in message["content"]:
            if part.get("type") == "image_url":
                size += TOKENS_AT_MOST - len(part["image_url"]["url"])
    return size


def text_bytes(messages: Sequence[Mapping[str, Any]]) -> int:
    """The size of the messages without their images."""
    return len(orjson.dumps(without_images(messages)[0]))


def shown(part: Mapping[str, Any]) -> str:
    """A part of a message for a person: text as it is, an image by its address or size."""
    if part.get("type") != "image_url":
        return str(part.get("text", ""))
    url = part["image_url"]["url"]
    if not url.startswith("data:"):
        return f"[image {url}]"
    kind, _, data = url[5:].partition(";base64,")
    return f"[{kind}, {len(data) * 3 / 4 / 1000:,.0f} kB]"


def _with_file(part: dict[str, Any], folder: Path) -> dict[str, Any]:
    if part.get("type") != "image_url":
        return part
    image = part["image_url"]
    url = str(image["url"]).strip()
    if not url:
        raise PexError("an image is empty", hint="write {% if photo %}![]({{ photo }}){% endif %}")
    if url.startswith(("http://", "https://", "data:image/")):
        return {**part, "image_url": {**image, "url": url}}
    path = folder / Path(url).expanduser()
    try:
        stat = path.stat()
    except (OSError, ValueError):
        parent = path.parent
        names = [item.name for item in parent.iterdir()] if parent.is_dir() else []
        raise PexError(f"there is no image {path}", hint=nearest(path.name, names)) from None
    data = _data(path, stat.st_mtime_ns, stat.st_size)
    return {**part, "image_url": {**image, "url": data}}


@functools.lru_cache(maxsize=256)
def _data(path: Path, changed: int, size: int) -> str:
    """The file as a data URL; cached, so that variants share one copy of it."""
    if size > LARGEST_MB * 1_000_000:
        raise PexError(f"the image {path} has {size / 1e6:.0f} MB; {LARGEST_MB} MB can be sent")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PexError(f"the image {path} cannot be read: {error.strerror}") from None
    for start, kind in _KINDS.items():
        if content.startswith(start):
            return f"data:{kind};base64,{base64.b64encode(content).decode()}"
    raise PexError(f"{path} is no image that models take: expected PNG, JPEG, GIF or WebP")

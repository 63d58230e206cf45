"""Images in a request: files become data, addresses stay addresses."""

from __future__ import annotations

import base64
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.errors import PexError, nearest

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
    raise PexError(f"{path} is not an image that models take: expected PNG, JPEG, GIF or WebP")

"""Images in a request: files become data, addresses stay addresses."""

from __future__ import annotations

import base64
import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.errors import PexError, nearest
from pex.core.project import is_inside, projects_of

LARGEST_MB = 20

_KINDS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
}


def with_files(
    messages: Sequence[Mapping[str, Any]],
    folder: Path,
    templates: Sequence[str],
    home: Path | None,
    whose: str,
) -> list[dict[str, Any]]:
    """The messages with image files embedded as data.

    An image named by a value must be inside the folder: anybody can write cases, and the files
    named in them are sent to a provider. An image named by the prompt's own text must be in the
    prompt's project, or can be anywhere if the prompt was created in Python.

    Args:
        messages: as the prompt renders them.
        folder: the base of relative paths.
        templates: the prompt's own text.
        home: a folder of the prompt's project; None for a prompt created in Python.
        whose: how to name that project in an error.

    Raises:
        PexError: an image is missing, empty, too large, of an unknown kind, or outside.
    """
    own = _Own(templates, home, whose)
    return [
        {**message, "content": [_with_file(part, folder, own) for part in message["content"]]}
        if isinstance(message["content"], list)
        else dict(message)
        for message in messages
    ]


@dataclasses.dataclass(frozen=True, slots=True)
class _Own:
    """The prompt's own text, and the project it comes from."""

    templates: Sequence[str]
    home: Path | None
    whose: str


def _with_file(part: dict[str, Any], folder: Path, own: _Own) -> dict[str, Any]:
    if part.get("type") != "image_url":
        return part
    image = part["image_url"]
    url = str(image["url"]).strip()
    if not url:
        raise PexError("an image is empty", hint="write {% if photo %}![]({{ photo }}){% endif %}")
    if url.startswith(("http://", "https://", "data:image/")):
        return {**part, "image_url": {**image, "url": url}}
    path = _resolved(url, folder, own)
    try:
        stat = path.stat()
    except (OSError, ValueError):
        parent = path.parent
        names = [item.name for item in parent.iterdir()] if parent.is_dir() else []
        raise PexError(f"there is no image {path}", hint=nearest(path.name, names)) from None
    data = _data(path, stat.st_mtime_ns, stat.st_size)
    return {**part, "image_url": {**image, "url": data}}


def _resolved(url: str, folder: Path, own: _Own) -> Path:
    path = folder / url
    if is_inside(path, folder):
        return path
    named = any(f"({url}" in text or text.strip() == url for text in own.templates)
    if named and own.home is None:
        return folder / Path(url).expanduser()
    if named and own.home is not None:
        if any(is_inside(path, project) for project in projects_of(own.home)):
            return path
        whose = own.whose
    else:
        whose = f"the cases' folder {folder.absolute()}"
    raise PexError(
        f"the image {url!r} is outside {whose}",
        hint="links are followed, and ~ is not expanded; copy the image there, or give an "
        "address: https://… or data:image/…",
    )


@functools.lru_cache(maxsize=256)
def _data(path: Path, changed: int, size: int) -> str:
    """The file as a data URL; cached, so variants share one copy."""
    if size > LARGEST_MB * 1_000_000:
        raise PexError(f"the image {path} has {size / 1e6:.0f} MB; {LARGEST_MB} MB can be sent")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PexError(f"the image {path} cannot be read: {error.strerror}") from None
    for start, kind in _KINDS.items():
        if content.startswith(start):
            return f"data:{kind};base64,{base64.b64encode(content).decode()}"
    raise PexError(f"{path} is not an image that models accept: expected PNG, JPEG, GIF or WebP")

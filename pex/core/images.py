"""Images in a request: files become data, addresses stay addresses."""

from __future__ import annotations

import base64
import dataclasses
import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.errors import PexError, nearest
from pex.core.private import STATE
from pex.core.project import is_inside, projects_of

LARGEST_MB = 20

KINDS = {"image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif", "image/webp": ".webp"}
"""The images that models accept, and the ending of a file of each kind."""

FOLDER = f"{STATE}/images"
"""Where the Playground keeps images, in the project's folder."""
_KEPT = re.compile(
    rf"{re.escape(FOLDER)}/[0-9a-f]{{16}}\.(?:{'|'.join(e[1:] for e in KINDS.values())})"
)

_STARTS = {
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
    prompt's project, or can be anywhere if the prompt was created in Python; if it is not in the
    folder, it is looked for beside the prompt's file and in the project's folder. A value can also
    name an image that the Playground keeps: nobody knows its name who does not have the image.

    Args:
        messages: as the prompt renders them.
        folder: the base of relative paths.
        templates: the prompt's own text.
        home: a folder of the prompt's project; None for a prompt created in Python.
        whose: how to name that project in an error.

    Raises:
        PexError: an image is missing, empty, too large, of an unknown kind, or outside.
    """
    own = Owner(templates, home, whose)
    return [
        {**message, "content": [_with_file(part, folder, own) for part in message["content"]]}
        if isinstance(message["content"], list)
        else dict(message)
        for message in messages
    ]


@dataclasses.dataclass(frozen=True, slots=True)
class Owner:
    """A prompt's own text, a folder of its project, and how to name that in an error."""

    templates: Sequence[str]
    home: Path | None
    whose: str


def _with_file(part: dict[str, Any], folder: Path, own: Owner) -> dict[str, Any]:
    if part.get("type") != "image_url":
        return part
    image = part["image_url"]
    url = str(image["url"]).strip()
    if not url:
        raise PexError("an image is empty", hint="write {% if photo %}![]({{ photo }}){% endif %}")
    if url.startswith(("http://", "https://", "data:image/")):
        return {**part, "image_url": {**image, "url": url}}
    path = find(url, folder, own)
    try:
        stat = path.stat()
    except (OSError, ValueError):
        parent = path.parent
        names = [item.name for item in parent.iterdir()] if parent.is_dir() else []
        raise PexError(f"there is no image {path}", hint=nearest(path.name, names)) from None
    data = _data(path, stat.st_mtime_ns, stat.st_size)
    return {**part, "image_url": {**image, "url": data}}


def find(url: str, folder: Path, own: Owner) -> Path:
    """The path of an image file, which may not exist.

    Args:
        url: as the prompt or a value names it.
        folder: the base of relative paths.
        own: the prompt.

    Raises:
        PexError: it is outside the folders that it may be in.
    """
    path = folder / url
    named = any(f"({url}" in text or text.strip() == url for text in own.templates)
    kept = is_kept(url)
    if (named or kept) and not _exists(path):
        home = own.home if named and own.home is not None else folder
        for place in (home, *projects_of(home)):
            if _exists(place / url) and is_inside(place / url, place):
                return place / url
    if is_inside(path, folder):
        return path
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


def is_kept(url: str) -> bool:
    """Whether this is the path of an image that the Playground keeps: its digest is its name.

    Example:
        >>> is_kept(".pex/images/0123456789abcdef.png"), is_kept(".pex/images/a.png")
        (True, False)
    """
    return _KEPT.fullmatch(url) is not None


def _exists(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


@functools.lru_cache(maxsize=256)
def _data(path: Path, changed: int, size: int) -> str:
    """The file as a data URL; cached, so variants share one copy."""
    if size > LARGEST_MB * 1_000_000:
        raise PexError(f"the image {path} has {size / 1e6:.0f} MB; {LARGEST_MB} MB can be sent")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PexError(f"the image {path} cannot be read: {error.strerror}") from None
    return f"data:{kind_of(content, str(path))};base64,{base64.b64encode(content).decode()}"


def kind_of(content: bytes, where: str) -> str:
    """The media type of an image.

    Args:
        content: the file's content.
        where: how to name it in an error.

    Raises:
        PexError: it is not an image that models accept.

    Example:
        >>> kind_of(b"GIF89a", "a.gif")
        'image/gif'
    """
    for start, kind in _STARTS.items():
        if content.startswith(start) and (start != b"RIFF" or content[8:12] == b"WEBP"):
            return kind
    raise PexError(f"{where} is not an image that models accept: expected PNG, JPEG, GIF or WebP")

"""Images and documents in a request: files become parts of it, addresses stay addresses."""

from __future__ import annotations

import base64
import dataclasses
import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core import document_parts, kept_documents
from pex.core.attachments import attached, data_of
from pex.core.documents import KIND as DOCUMENT
from pex.core.errors import PexError, nearest
from pex.core.private import STATE
from pex.core.project import is_inside, projects_of

LARGEST_MB = 20

_DOCUMENTS = ("pdf", "wav", "mp3")
KINDS = {"image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif", "image/webp": ".webp"}
"""The images that models accept, and the ending of a file of each kind."""

FOLDER = f"{STATE}/images"
"""Where the Playground keeps images, in the project's folder."""
_KEPT = re.compile(
    rf"(?:{re.escape(FOLDER)}|{re.escape(kept_documents.FOLDER)})/[0-9a-f]{{16}}"
    rf"\.(?:{'|'.join((*(e[1:] for e in KINDS.values()), *_DOCUMENTS))})"
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
    *,
    by_digest: bool = False,
) -> list[dict[str, Any]]:
    """The messages with image files embedded as data, and documents as their prompt says.

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
        by_digest: put references in place of the content of documents: `pex.core.attachments`.

    Raises:
        PexError: an image or a document is missing, empty, too large, of an unknown kind, or
            outside; a PDF is broken, or protected by a password.
    """
    own = Owner(templates, home, whose)
    made = []
    for message in messages:
        content = message["content"]
        if isinstance(content, list):
            if any(part.get("type") == DOCUMENT for part in content):
                content = _with_documents(content, folder, own, by_digest)
            if isinstance(content, list):
                content = [_with_file(part, folder, own) for part in content]
            message = {**message, "content": content}
        made.append(dict(message))
    return made


@dataclasses.dataclass(frozen=True, slots=True)
class Owner:
    """A prompt's own text, a folder of its project, and how to name that in an error."""

    templates: Sequence[str]
    home: Path | None
    whose: str


def _with_documents(
    content: Sequence[Mapping[str, Any]], folder: Path, own: Owner, by_digest: bool
) -> list[dict[str, Any]] | str:
    """Content with the files of its documents read."""
    parts: list[dict[str, Any]] = []
    for part in content:
        if part.get("type") != DOCUMENT:
            parts.append(dict(part))
            continue
        address = str(part[DOCUMENT]).strip()
        if not address:
            raise PexError(
                "a document is empty",
                hint="write {% if invoice %}![pdf as text]({{ invoice }}){% endif %}",
            )
        path = find(address, folder, own, "document")
        if not _exists(path):
            raise _missing(path, "document")
        kept = kept_documents.folder_of(folder)
        parts += document_parts.parts_of(part, path, kept)
    parts = document_parts.joined(parts)
    if not by_digest:
        parts = [document_parts.with_content(part, data_of) for part in parts]
    only = parts[0] if len(parts) == 1 else {}
    return str(only["text"]) if only.get("type") == "text" else parts


def _missing(path: Path, what: str) -> PexError:
    """The error of a file that is not there."""
    parent = path.parent
    names = [item.name for item in parent.iterdir()] if parent.is_dir() else []
    return PexError(f"there is no {what} {path}", hint=nearest(path.name, names))


def _with_file(part: dict[str, Any], folder: Path, own: Owner) -> dict[str, Any]:
    if part.get("type") != "image_url":
        return part
    image = part["image_url"]
    url = str(image["url"]).strip()
    if not url:
        raise PexError("an image is empty", hint="write {% if photo %}![]({{ photo }}){% endif %}")
    if url.startswith(("http://", "https://", "data:image/")) or attached(part) is not None:
        return {**part, "image_url": {**image, "url": url}}
    path = find(url, folder, own)
    try:
        stat = path.stat()
    except (OSError, ValueError):
        raise _missing(path, "image") from None
    data = _data(path, stat.st_mtime_ns, stat.st_size)
    return {**part, "image_url": {**image, "url": data}}


def find(url: str, folder: Path, own: Owner, what: str = "image") -> Path:
    """The path of an image or document, which may not exist.

    Args:
        url: as the prompt or a value names it.
        folder: the base of relative paths.
        own: the prompt.
        what: how to name it in an error.

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
        f"the {what} {url!r} is outside {whose}",
        hint=f"links are followed, and ~ is not expanded; copy the {what} there"
        + (", or give an address: https://… or data:image/…" if what == "image" else ""),
    )


def is_kept(url: str) -> bool:
    """Whether this is the path of a file that pex keeps: its digest is its name.

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
    other = document_parts.hint_for(content)
    raise PexError(
        f"{where} is not an image that models accept: expected PNG, JPEG, GIF or WebP", hint=other
    )

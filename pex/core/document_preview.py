"""Small pictures of the documents, images and recordings that cases name, for people."""

from __future__ import annotations

import base64
import dataclasses
import functools
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pex.core import audio, kept_documents, pdf, template
from pex.core.cases import Case, known_variables
from pex.core.errors import PexError
from pex.core.images import LARGEST_MB, Owner, find

SMALL_PX = 360
"""The longer side of a picture: one can see which letter it is, and read its large words."""
_MARGIN = 14
MOST_SOUND = 2_000_000
"""Bytes of a recording that can be played in an opened cell."""


@dataclasses.dataclass(frozen=True, slots=True)
class Preview:
    """A document as a person sees it; `picture` and `sound` are data URLs, empty if there is none.

    `facts` are its pages or its length, or why it cannot be shown.
    """

    name: str
    facts: str
    picture: str = ""
    size: tuple[int, int] = (0, 0)
    sound: str = ""

    def as_data(self) -> dict[str, Any]:
        """It as plain data for a view."""
        return dataclasses.asdict(self)


class Previews:
    """Finds the documents among the values of cases.

    Args:
        texts: of the prompts.
        renamed: the names that the user gave to columns, with these columns.
        folder: where the paths of the cases start; what is outside is not shown.
    """

    def __init__(
        self, texts: Iterable[str], folder: Path, renamed: Mapping[str, str] | None = None
    ) -> None:
        self._names = shown_variables(texts)
        self._renamed = dict(renamed or {})
        self._folder = folder
        self._column = functools.cache(self._is_document)

    def __call__(self, column: str, value: Any) -> Preview | None:
        """The preview of a value; None if it is not the path of a document.

        Args:
            column: of the case.
            value: of the case.
        """
        if not self._names or not isinstance(value, str) or not value.strip():
            return None
        if not self._column(column) or value.startswith(("http://", "https://", "data:")):
            return None
        try:
            path = find(value, self._folder, Owner((), None, ""), "document")
            stat = path.stat()
            kept = kept_documents.folder_of(self._folder)
            return _preview(path, stat.st_mtime_ns, stat.st_size, kept)
        except PexError as error:
            return Preview(_name(value), f"cannot be shown: {_short(error.message)}")
        except (OSError, ValueError):
            return Preview(_name(value), "no such file here")

    def _is_document(self, column: str) -> bool:
        own = [name for name, renamed in self._renamed.items() if renamed == column]
        return not self._names.isdisjoint([*known_variables([Case("", {column: ""})]), *own])


def shown_variables(texts: Iterable[str]) -> frozenset[str]:
    """The variables that stand for the address of a document or an image.

    Example:
        >>> sorted(shown_variables(["![pdf as text]({{ a }}) ![]({{ b }}) {{ c }}"]))
        ['a', 'b']
    """
    found: set[str] = set()
    for text in texts:
        addresses = [address for _, address in template.documents(text)]
        addresses += template.split_images(text)[1::2] if "![" in text else []
        for address in addresses:
            try:
                found |= set(template.variables(address))
            except Exception:  # noqa: BLE001 - half a template; said where it is rendered
                continue
    return frozenset(found)


@functools.lru_cache(maxsize=1024)
def _preview(path: Path, changed: int, size: int, kept: Path) -> Preview:
    if size > max(LARGEST_MB, pdf.LARGEST_MB) * 1_000_000:
        return Preview(_name(path.name), f"{size / 1e6:,.0f} MB: too large to be shown")
    content = path.read_bytes()
    weight = f"{size / 1000:,.0f} kB"
    if pdf.is_pdf(content):
        document = pdf.read_pdf(path)
        count = len(document.pages)
        pages = "1 page" if count == 1 else f"{count:,} pages"
        picture, pixels = _without_rest(pdf.page_image(document, 1, kept, SMALL_PX))
        return Preview(_name(path.name), f"{pages}, {weight}", _data(picture, "image/png"), pixels)
    kind = audio.audio_kind(content)
    if kind is not None:
        seconds = audio.seconds_of(content, path.name)
        sound = _data(content, "audio/mpeg" if kind == "audio/mp3" else kind)
        length = (
            f"{seconds:.1f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
        )
        return Preview(
            _name(path.name), f"{length}, {weight}", sound=sound if size <= MOST_SOUND else ""
        )
    small = _small(content)
    if small is None:
        return Preview(_name(path.name), f"{weight}; no picture of it can be made")
    return Preview(_name(path.name), weight, _data(small[0], "image/png"), small[1])


def _small(content: bytes) -> tuple[bytes, tuple[int, int]] | None:
    """An image with few pixels, drawn again so that nothing else of the file is in it."""
    try:
        from PIL import Image

        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG", "GIF", "WEBP")) as image:
            image.thumbnail((SMALL_PX, SMALL_PX))
            written = io.BytesIO()
            image.convert("RGBA" if "A" in image.getbands() else "RGB").save(written, "PNG")
            return written.getvalue(), image.size
    except Exception:  # noqa: BLE001 - not an image, a huge one, or no package that reads it
        return None


def _without_rest(page: bytes) -> tuple[bytes, tuple[int, int]]:
    """A page's picture without what is empty below its last line, and its size."""
    from PIL import Image, ImageChops

    with Image.open(io.BytesIO(page)) as image:
        grey = image.convert("L")
    filled = ImageChops.invert(grey).getbbox()
    if filled is not None and filled[3] + _MARGIN < grey.height:
        grey = grey.crop((0, 0, grey.width, filled[3] + _MARGIN))
    written = io.BytesIO()
    grey.save(written, "PNG")
    return written.getvalue(), grey.size


def _data(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _name(value: str) -> str:
    name = value.strip().replace("\\", "/").rpartition("/")[2] or value
    return name if len(name) <= 80 else f"{name[:79]}…"


def _short(message: str) -> str:
    return message if len(message) <= 200 else f"{message[:199]}…"

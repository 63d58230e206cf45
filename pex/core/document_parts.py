"""The parts of a message that a document becomes: its text, its pages, itself, or a sound."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from pex.core import audio, pdf
from pex.core.attachments import PLACES, START, Attachment, attached, part_for
from pex.core.documents import HOW, KIND, way_of_part
from pex.core.errors import PexError

_used: ContextVar[dict[Path, str] | None] = ContextVar("pex documents", default=None)


@contextmanager
def noting() -> Iterator[dict[Path, str]]:
    """The documents that are read in a `with` block, with the digests of their content."""
    found: dict[Path, str] = {}
    token = _used.set(found)
    try:
        yield found
    finally:
        _used.reset(token)


def _note(path: Path, sha256: str) -> None:
    used = _used.get()
    if used is not None:
        used[path] = sha256


def parts_of(part: Mapping[str, Any], path: Path, folder: Path) -> list[dict[str, Any]]:
    """What is sent for a document.

    Args:
        part: of type `document`, with the way it goes in.
        path: the file, which exists.
        folder: where its texts and pages are kept.

    Raises:
        PexError: it cannot be read, or cannot go in this way.
    """
    way = way_of_part(part, KIND)
    try:
        if way.kind == "audio":
            recording = _recording(path)
            _note(path, recording.reference)
            return [part_for(recording)]
        document = pdf.read_pdf(path)
        _note(path, START + document.sha256)
        numbers = pdf.pages_of(document, way.pages, way.kind)
        if way.kind == "text":
            text = pdf.text_of(document, numbers, folder)
            return [{"type": "text", "text": text, "inline": True}]
        if way.kind == "pages":
            return [part_for(_page(document, number, folder)) for number in numbers]
        return [part_for(_file(document))]
    except OSError as error:
        raise PexError(f"the document {path} cannot be read: {error.strerror}") from None
    except PexError as error:
        raise PexError(error.message, hint=_other_way(path, way.kind) or error.hint) from None


def joined(parts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Parts with each document's text in the text around it.

    Example:
        >>> inside = {"type": "text", "text": "Total 5", "inline": True}
        >>> joined([{"type": "text", "text": "Invoice: "}, inside])
        [{'type': 'text', 'text': 'Invoice: Total 5'}]
    """
    made: list[dict[str, Any]] = []
    for part in parts:
        last = made[-1] if made else {}
        if part.get("type") == last.get("type") == "text" and (
            part.get("inline") or last.get("inline")
        ):
            made[-1] = {"type": "text", "text": last["text"] + part["text"], "inline": True}
        else:
            made.append(dict(part))
    return [{key: value for key, value in part.items() if key != "inline"} for part in made]


def with_content(part: dict[str, Any], data_of: Callable[[Attachment], str]) -> dict[str, Any]:
    """A part with its content in place of a reference."""
    attachment = attached(part)
    if attachment is None:
        return part
    kind = part["type"]
    return {**part, kind: {**part[kind], PLACES[kind]: data_of(attachment)}}


def hint_for(content: bytes) -> str | None:
    """How a file is written in a prompt that was written as an image but is a document."""
    if pdf.is_pdf(content):
        return "it is a PDF: write ![pdf as text](…), ![pdf as pages](…) or ![pdf as file](…)"
    return "it is a recording: write ![audio](…)" if audio.audio_kind(content) else None


def _other_way(path: Path, kind: str) -> str | None:
    """How to write a file that is not what its prompt says."""
    try:
        with path.open("rb") as file:
            start = file.read(1024)
    except OSError:
        return None
    if pdf.is_pdf(start) == (kind != "audio"):
        return None
    if start.startswith((b"\x89PNG", b"\xff\xd8\xff", b"GIF8")):
        return "it is an image: write ![](…)"
    return hint_for(start) if kind != "audio" or pdf.is_pdf(start) else f"write {HOW}"


def _page(document: pdf.Pdf, number: int, folder: Path) -> Attachment:
    count = len(document.pages)
    return Attachment(
        reference=pdf.page_reference(document, number),
        kind="image/png",
        name=f"{document.path.name}, page {number} of {count}",
        size=document.size // count,
        load=functools.partial(pdf.page_image, document, number, folder),
        pixels=pdf.pixels_of(document, number),
    )


def _file(document: pdf.Pdf) -> Attachment:
    return Attachment(
        reference=START + document.sha256,
        kind=pdf.KIND,
        name=document.path.name,
        size=document.size,
        load=document.content,
        pages=len(document.pages),
    )


def _recording(path: Path) -> Attachment:
    stat = path.stat()
    return _read_recording(path, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=4096)
def _read_recording(path: Path, changed: int, size: int) -> Attachment:
    if not size:
        raise PexError(f"{path} is empty")
    if size > audio.LARGEST_MB * 1_000_000:
        raise PexError(f"{path} has {size / 1e6:.0f} MB; {audio.LARGEST_MB} MB can be sent")
    content = path.read_bytes()
    seconds = audio.seconds_of(content, str(path))
    sha256 = hashlib.sha256(content).hexdigest()

    def load() -> bytes:
        now = path.read_bytes()
        if hashlib.sha256(now).hexdigest() != sha256:
            raise PexError(f"{path} was changed during the run", hint="start the run again")
        return now

    return Attachment(
        START + sha256, str(audio.audio_kind(content)), path.name, size, load, seconds=seconds
    )

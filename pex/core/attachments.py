"""Large parts of a request by the digest of their content, in place of the content itself.

A request is kept, compared, counted and shown many times, and sent once: only what is sent has
the pages, files and recordings themselves. So the journal's key depends on what a file contains,
not on its name, and the memory of a run not on the size of its files.
"""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pex.core.errors import PexError

START = "sha256:"
"""How a reference begins; the digest follows, and for a page its number and size."""

PLACES = {"image_url": "url", "file": "file_data", "input_audio": "data"}
"""The types of parts that can have a reference, and the field that has it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Attachment:
    """A part's content and what is known of it.

    `name` is for people; `size` is in bytes, of a page about that. A page has its size in pixels,
    a file its number of pages, a recording its length.
    """

    reference: str
    kind: str
    name: str
    size: int
    load: Callable[[], bytes] = dataclasses.field(compare=False, repr=False)
    pixels: tuple[int, int] = (0, 0)
    pages: int = 0
    seconds: float = 0.0

    @property
    def shown(self) -> str:
        """What it is, in a few words."""
        facts = [self.kind]
        if self.pages:
            facts.append("1 page" if self.pages == 1 else f"{self.pages:,} pages")
        if self.seconds:
            facts.append(f"{self.seconds:.1f} s")
        facts.append(
            f"{self.pixels[0]} × {self.pixels[1]} pixels"
            if self.pixels[0]
            else f"{self.size / 1000:,.0f} kB"
        )
        return f"{self.name}: {', '.join(facts)}"


_known: dict[str, Attachment] = {}
"""Of this process: a reference is made where a request is, and both live as long."""


def known(reference: Any) -> Attachment | None:
    """What a reference stands for; None if it is something else, or was made elsewhere."""
    return _known.get(reference) if isinstance(reference, str) else None


def attached(part: Mapping[str, Any]) -> Attachment | None:
    """What a part of a message stands for, if it is a reference."""
    kind = part.get("type")
    field = PLACES.get(kind) if isinstance(kind, str) else None
    holder = part.get(kind) if field else None  # type: ignore[arg-type]
    return known(holder.get(field)) if isinstance(holder, Mapping) else None


def part_for(attachment: Attachment) -> dict[str, Any]:
    """The part of a message with a reference to this content.

    The name of the file is left out: it is no part of what is asked, and may give an answer away.
    """
    _known[attachment.reference] = attachment
    if attachment.kind.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": attachment.reference}}
    if attachment.kind.startswith("audio/"):
        form = attachment.kind.removeprefix("audio/")
        audio = {"data": attachment.reference, "format": form}
        return {"type": "input_audio", "input_audio": audio}
    name = "document." + attachment.kind.rpartition("/")[2]
    return {"type": "file", "file": {"filename": name, "file_data": attachment.reference}}


def references_in(messages: Sequence[Mapping[str, Any]]) -> list[Attachment]:
    """The contents that messages have references to, each once; usually there are none."""
    found: dict[str, Attachment] = {}
    for message in messages:
        content = message.get("content")
        if isinstance(content, list):
            for part in content:
                attachment = attached(part) if isinstance(part, Mapping) else None
                if attachment is not None:
                    found[attachment.reference] = attachment
    return list(found.values())


def filled(payload: bytes, attachments: Sequence[Attachment]) -> bytes:
    """The bytes of a request as they are sent, with contents in place of references.

    Raises:
        PexError: a file was changed or deleted since the request was made, or a page cannot be
            drawn.
    """
    for attachment in attachments:
        payload = payload.replace(
            b'"%s"' % attachment.reference.encode(), b'"%s"' % data_of(attachment).encode()
        )
    return payload


def data_of(attachment: Attachment) -> str:
    """The content in the form in which providers take it: a data URL; of a recording, base64.

    Raises:
        PexError: as in `filled`.
    """
    try:
        data = base64.b64encode(attachment.load()).decode()
    except OSError as error:
        raise PexError(f"{attachment.name} cannot be read: {error.strerror}") from None
    if attachment.kind.startswith("audio/"):
        return data
    return f"data:{attachment.kind};base64,{data}"

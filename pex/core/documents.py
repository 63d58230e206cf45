"""Documents and recordings in a prompt: how one is written, and in which way it goes in.

Beside `![](…)` for an image there are `![pdf as text](…)`, `![pdf as pages](…)`,
`![pdf as file](…)` and `![audio](…)`, each around a path or a variable. In a prompt made in Python
the same can be a part: `{"type": "document", "document": "{{ invoice }}", "as": "pages"}`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pex.core.errors import PexError, nearest

KIND = "document"
"""The type of a document's part before its file is read."""
WAYS = ("text", "pages", "file", "audio")
HOW = "![pdf as text](…), ![pdf as pages](…), ![pdf as file](…) or ![audio](…)"

_KEYS = ("type", KIND, "as", "pages")
_SAID = re.compile(r"\s*(?:pdf(?:\s+as\b.*)?|audio)\s*", re.IGNORECASE | re.DOTALL)
_PDF = re.compile(r"pdf as (\w+)(?:,? *(?:pages?)? *([\d][\d ,–-]*))?", re.IGNORECASE)
_RANGE = re.compile(r"(\d{1,6})(?:(-)(\d{1,6})?)?")


@dataclasses.dataclass(frozen=True, slots=True)
class Way:
    """How a document goes in: as one of `WAYS`, and which of its pages; empty for all."""

    kind: str
    pages: str = ""

    def part(self, address: str) -> dict[str, Any]:
        """The part of a message that stands for a document until its file is read."""
        pages = {"pages": self.pages} if self.pages else {}
        return {"type": KIND, KIND: address, "as": self.kind, **pages}

    def __str__(self) -> str:
        if self.kind == "audio":
            return "audio"
        return f"pdf as {self.kind}{' ' * bool(self.pages)}{self.pages}"


def is_way(alt: str) -> bool:
    """Whether the words before an address say that it is a document, not an image.

    Example:
        >>> [is_way(alt) for alt in ("pdf as text", "audio", "pdf", "the pdf", "audio wave")]
        [True, True, True, False, False]
    """
    return _SAID.fullmatch(alt) is not None


def way_of(alt: str) -> Way:
    """How a document goes in.

    Raises:
        PexError: it is not said, or in words that have no meaning here.

    Example:
        >>> way_of("pdf as pages 1-3, 7"), way_of("PDF as text, page 2"), way_of("audio")
        (Way(kind='pages', pages='1-3,7'), Way(kind='text', pages='2'), Way(kind='audio', pages=''))
    """
    said = " ".join(alt.split())
    if said.lower() == "audio":
        return Way("audio")
    found = _PDF.fullmatch(said)
    if found is None:
        raise PexError(f"![{said}](…): expected {HOW}", hint="pages are written ![pdf as text 1-3]")
    return _checked(found[1].lower(), found[2] or "", f"![{said}](…)", WAYS[:3])


def way_of_part(part: Mapping[str, Any], where: str) -> Way:
    """The same for a part of a message.

    Raises:
        PexError: an unknown key, or a value that has no meaning here.
    """
    for key in part:
        if key not in _KEYS:
            raise PexError(f"{where}: unknown key '{key}'", hint=nearest(str(key), _KEYS))
    if not isinstance(part.get(KIND), str):
        raise PexError(f"{where}: {KIND}: expected a path or a variable, got {part.get(KIND)!r}")
    pages = part.get("pages", "")
    if isinstance(pages, bool) or not isinstance(pages, str | int):
        raise PexError(f"{where}: pages: expected something like '1-3', got {pages!r}")
    return _checked(str(part.get("as", "")), str(pages), f"{where}: as", WAYS)


def part_text(part: Mapping[str, Any]) -> str:
    """A part as it is written in a message.

    Example:
        >>> part_text({"type": "document", "document": "a.pdf", "as": "pages", "pages": "1-2"})
        '![pdf as pages 1-2](a.pdf)'
    """
    if part.get("type") == KIND:
        return f"![{way_of_part(part, KIND)}]({part[KIND]})"
    image = part.get("image_url")
    if isinstance(image, Mapping):
        url = str(image.get("url"))
        return f"![]({url if len(url) <= 200 else url[:60] + '…'})"
    return str(part.get("text", ""))


def _checked(kind: str, pages: str, where: str, known: Sequence[str]) -> Way:
    if kind not in known:
        raise PexError(
            f"{where}: expected {', '.join(known[:-1])} or {known[-1]}, got '{kind}'",
            hint=nearest(kind, known),
        )
    pages = re.sub(r"\s", "", pages.replace("–", "-"))
    if pages and kind not in ("text", "pages"):
        raise PexError(
            f"{where}: pages cannot be chosen here: the file is sent whole",
            hint="pdf as text and pdf as pages can take some of its pages",
        )
    if pages:
        _ranges(pages, where)
    return Way(kind, pages)


def _ranges(pages: str, where: str) -> list[tuple[int, int | None]]:
    found: list[tuple[int, int | None]] = []
    for piece in pages.split(","):
        match = _RANGE.fullmatch(piece)
        first = int(match[1]) if match else 0
        last: int | None = first
        if match and match[2]:
            last = int(match[3]) if match[3] else None
        if first < 1 or (last is not None and last < first):
            raise PexError(f"{where}: pages '{pages}': expected something like 1-3, 7 or 2-")
        found.append((first, last))
    return found


def chosen_pages(pages: str, count: int, where: str) -> list[int]:
    """The numbers of the chosen pages, starting at 1, in the order in which they are named.

    Raises:
        PexError: the document does not have one of them.

    Example:
        >>> chosen_pages("3,1-2", 5, "a.pdf"), chosen_pages("4-", 5, "a.pdf")
        ([3, 1, 2], [4, 5])
    """
    if not pages:
        return list(range(1, count + 1))
    chosen: dict[int, None] = {}
    for first, last in _ranges(pages, where):
        if max(first, last or first) > count:
            has = "1 page" if count == 1 else f"{count:,} pages"
            raise PexError(f"{where} has {has}; the prompt asks for {pages}")
        chosen |= dict.fromkeys(range(first, (last or count) + 1))
    return list(chosen)

"""PDF files: their pages, texts and pictures, by pypdfium2 (extra `documents`).

PDFium may only be used by one thread at a time, so every use of it is under one lock.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from pex.core import kept_documents
from pex.core.documents import chosen_pages
from pex.core.errors import PexError
from pex.core.extras import install_line
from pex.core.text import replace_surrogates

KIND = "application/pdf"
LARGEST_MB = 32
MOST_PAGES = {"text": 500, "pages": 50, "file": 100}
"""By the way it goes in. Providers take about 100 pages and 32 MB (Anthropic, OpenAI)."""

LONGEST_PX = 1568
"""The longer side of a page's image: what is larger is made smaller by providers (Anthropic: 1568,
OpenAI: 2048 and then 768 for the shorter side)."""
DPI = 150

_PASSWORD = 4
_lock = threading.Lock()


@dataclasses.dataclass(frozen=True, slots=True)
class Pdf:
    """A PDF that can be opened: the digest of its content, and the size of each page in points."""

    path: Path
    sha256: str
    size: int
    pages: tuple[tuple[float, float], ...]

    def content(self) -> bytes:
        """Its bytes.

        Raises:
            PexError: it was changed since it was opened first.
            OSError: it is gone.
        """
        content = self.path.read_bytes()
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise PexError(
                f"{self.path} was changed during the run", hint="start the run again: the changed "
                "file is a new request"
            )  # fmt: skip
        return content


def check_installed() -> Any:
    """The package that reads PDFs.

    Raises:
        PexError: it is not installed; the error says how to install it.
    """
    try:
        import pypdfium2
    except ImportError:
        raise PexError(
            "reading a PDF needs the package pypdfium2", hint=install_line("documents")
        ) from None
    return pypdfium2


def is_pdf(content: bytes) -> bool:
    """Whether content is meant to be a PDF; there can be other bytes before its header.

    Example:
        >>> is_pdf(b"%PDF-1.7 ..."), is_pdf(b"Invoice")
        (True, False)
    """
    return b"%PDF-" in content[:1024]


def read_pdf(path: Path) -> Pdf:
    """A PDF and its pages; read once for all variants, as long as it does not change.

    Raises:
        PexError: it is not a PDF, or broken, empty, too large or protected by a password.
        OSError: it cannot be read.
    """
    stat = path.stat()
    return _read(path, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=4096)
def _read(path: Path, changed: int, size: int) -> Pdf:
    if size == 0:
        raise PexError(f"{path} is empty")
    if size > LARGEST_MB * 1_000_000:
        raise PexError(
            f"{path} has {size / 1e6:.0f} MB; {LARGEST_MB} MB can be sent",
            hint="split it, or send its text: pdftotext makes a file of it",
        )
    content = path.read_bytes()
    if not is_pdf(content):
        raise PexError(f"{path} is not a PDF: it does not begin with %PDF-")
    with _opened(content, path) as document:
        pages = tuple(document.get_page_size(number) for number in range(len(document)))
    if not pages:
        raise PexError(f"{path} has no pages")
    return Pdf(path, hashlib.sha256(content).hexdigest(), len(content), pages)


@contextmanager
def _opened(content: bytes, path: Path) -> Iterator[Any]:
    pdfium = check_installed()
    with _lock:
        try:
            document = pdfium.PdfDocument(content)
        except pdfium.PdfiumError as error:
            if getattr(error, "err_code", None) == _PASSWORD:
                raise PexError(
                    f"{path} is protected by a password",
                    hint="save a copy without one: qpdf --decrypt --password=… in.pdf out.pdf",
                ) from None
            raise PexError(f"{path} is a broken PDF: {_said(error)}") from None
        try:
            yield document
        except pdfium.PdfiumError as error:
            raise PexError(f"{path} is a broken PDF: {_said(error)}") from None
        finally:
            document.close()


def _said(error: Exception) -> str:
    text = str(error)
    inner = text.partition("PDFium: ")[2].rstrip(").")
    return (inner or text).lower()


def pages_of(pdf: Pdf, pages: str, way: str) -> list[int]:
    """The numbers of the pages that go in.

    Raises:
        PexError: too many, or one that it does not have.
    """
    chosen = chosen_pages(pages, len(pdf.pages), str(pdf.path))
    most = MOST_PAGES[way]
    if len(chosen) > most:
        hint = f"choose some: ![pdf as {way} 1-{most}](…)" if way != "file" else "send its text"
        raise PexError(
            f"{pdf.path} has {len(chosen):,} pages to send; as {way} at most {most} can be sent",
            hint=hint,
        )
    return chosen


def text_of(pdf: Pdf, numbers: Sequence[int], folder: Path) -> str:
    """The text of some of its pages; a page without text among others says so.

    Args:
        pdf: the document.
        numbers: of the pages.
        folder: where extracted texts are kept.

    Raises:
        PexError: no page has text.
    """
    texts = _texts(pdf, tuple(numbers), folder)
    if not any(text.strip() for text in texts):
        where = "its pages have" if len(numbers) > 1 else f"page {numbers[0]} has"
        raise PexError(
            f"{pdf.path}: {where} no text, probably a scan",
            hint="![pdf as pages](…) sends its pages as images",
        )
    return "\n\n".join(
        text.strip() or f"[page {number} has no text]"
        for number, text in zip(numbers, texts, strict=True)
    )


@functools.lru_cache(maxsize=256)
def _texts(pdf: Pdf, numbers: tuple[int, ...], folder: Path) -> list[str]:
    name = f"{pdf.sha256[:32]}-text-{_digest(numbers)}.json"
    stored = kept_documents.read(folder, name)
    if stored is not None:
        try:
            texts = orjson.loads(stored)
            if len(texts) == len(numbers) and all(isinstance(text, str) for text in texts):
                return list(texts)
        except (ValueError, TypeError):
            pass  # cut off by a full disk: made again
    with _opened(pdf.content(), pdf.path) as document:
        texts = [_clean(document[number - 1].get_textpage().get_text_range()) for number in numbers]
    kept_documents.write(folder, name, orjson.dumps(texts))
    return texts


def _digest(numbers: Sequence[int]) -> str:
    return hashlib.sha256(",".join(map(str, numbers)).encode()).hexdigest()[:12]


def _clean(text: str) -> str:
    r"""A page's text with ordinary line ends, and hyphens where PDFium marks them.

    Example:
        >>> _clean("Total\r\n12\ufffe\r\n50\x00")
        'Total\n12-\n50'
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    return replace_surrogates(text.replace("\ufffe", "-").replace("\x02", "-"))


def pixels_of(pdf: Pdf, number: int, longest: int = LONGEST_PX) -> tuple[int, int]:
    """How large a page's image is: 150 dots per inch, or less if that is larger than providers use.

    Example:
        >>> pixels_of(Pdf(Path("a.pdf"), "", 0, ((595, 842), (5000, 20))), 1)
        (1109, 1568)
    """
    scale = _scale(pdf, number, longest)
    width, height = pdf.pages[number - 1]
    return math.ceil(width * scale - 1e-6), math.ceil(height * scale - 1e-6)


def _scale(pdf: Pdf, number: int, longest: int) -> float:
    side = max(*pdf.pages[number - 1], 1.0)
    return min(DPI / 72, longest / side)


def page_reference(pdf: Pdf, number: int) -> str:
    """What a page's image is called in a request; it names all that the image depends on."""
    return f"sha256:{pdf.sha256}#page={number}&longest={LONGEST_PX}"


def page_image(pdf: Pdf, number: int, folder: Path, longest: int = LONGEST_PX) -> bytes:
    """A page as a PNG, drawn once and kept.

    Args:
        pdf: the document.
        number: of the page, from 1.
        folder: where images are kept.
        longest: the longer side, in pixels.

    Raises:
        PexError: the file was changed, or the page cannot be drawn.
        OSError: the file is gone.
    """
    name = f"{pdf.sha256[:32]}-{number}-{longest}.png"
    stored = kept_documents.read(folder, name)
    if stored is not None and stored.endswith(b"IEND\xaeB`\x82"):
        return stored
    with _opened(pdf.content(), pdf.path) as document:
        # The scale is bounded by the page's size, so no page needs more than a few megabytes.
        image = document[number - 1].render(scale=_scale(pdf, number, longest)).to_pil()
    written = io.BytesIO()
    if len(image.getcolors(maxcolors=65536) or range(65537)) <= 256 and _is_grey(image):
        image = image.convert("L")
    image.save(written, "PNG", compress_level=6)
    kept_documents.write(folder, name, written.getvalue())
    return written.getvalue()


def _is_grey(image: Any) -> bool:
    return all(pixel[0] == pixel[1] == pixel[2] for _, pixel in image.getcolors(maxcolors=256))

"""Documents and recordings that are inputs of a draft's cases: kept like its images, and shown.

A file has the digest of its content as its name, and is beside the images that the Playground
keeps: `.pex/images/`. What is in `.pex/documents/` is made of documents and may go at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pex.core import audio, pdf, private, template
from pex.core.document_preview import Previews
from pex.core.documents import way_of
from pex.core.errors import PexError
from pex.core.images import FOLDER as KEPT
from pex.playground.images import MOST_MB

PDF, AUDIO = "pdf", "audio"
_EXPECTED = {PDF: "a PDF", AUDIO: "a recording that models accept: WAV or MP3"}
_ENDINGS = {"audio/wav": ".wav", "audio/mp3": ".mp3"}


def document_variables(texts: Iterable[str]) -> dict[str, str]:
    """The variables that stand for the address of a document, and what it has to be.

    Example:
        >>> document_variables(["![pdf as text 1-2]({{ bill }}) ![audio]({{ call }}) ![]({{ a }})"])
        {'bill': 'pdf', 'call': 'audio'}
    """
    found: dict[str, str] = {}
    for text in texts:
        for said, address in template.documents(text):
            with contextlib.suppress(PexError):  # a template that is not valid is told elsewhere
                kind = AUDIO if way_of(said).kind == "audio" else PDF
                template.check(address, "")
                found |= dict.fromkeys(template.variables(address), kind)
    return found


def keep(project: Path, data: bytes, name: str, kind: str) -> str:
    """Keep a document that somebody brings; returns its path in the project.

    Args:
        project: the project's folder.
        data: the file's content.
        name: the file's name.
        kind: "pdf" or "audio".

    Raises:
        PexError: it is not of this kind, empty, or too large.
    """
    where = name.strip() or "the document"
    if kind not in _EXPECTED:
        raise PexError(f"{where}: there are no documents of the kind '{kind[:40]}'")
    if not data:
        raise PexError(f"{where} is empty")
    if len(data) > MOST_MB * 1_000_000:
        raise PexError(
            f"{where} has {len(data) / 1e6:.0f} MB; {MOST_MB} MB can be added here",
            hint="save it in the project, and write its path into the input",
        )
    ending = ".pdf" if pdf.is_pdf(data) else _ENDINGS.get(audio.audio_kind(data) or "", "")
    if not ending or (ending == ".pdf") != (kind == PDF):
        raise PexError(f"{where} is not {_EXPECTED[kind]}")
    path = Path(KEPT, f"{hashlib.sha256(data).hexdigest()[:16]}{ending}")
    file = project / path
    private.keep(file, data, where)
    return path.as_posix()


def preview(name: str, value: str, texts: Iterable[str], folder: Path) -> dict[str, Any]:
    """How an input that names a document is shown: name, pages or length, a small picture.

    Args:
        name: of the input.
        value: the path.
        texts: of the messages that show it.
        folder: where paths of the cases start; what is outside is not shown.

    Raises:
        PexError: no message shows this input as a document.
    """
    found = Previews(texts, folder)(name, value)
    if found is None:
        raise PexError("no message shows this input as a document")
    return found.as_data()

"""Documents, images and recordings that cases have as bytes, not as paths."""

from __future__ import annotations

import hashlib
from typing import Any

from pex.core import kept_documents
from pex.core.project import find_project

_ENDINGS = {
    "application/pdf": "pdf", "image/png": "png", "image/jpeg": "jpg", "image/gif": "gif",
    "image/webp": "webp", "audio/wav": "wav", "audio/mp3": "mp3",
}  # fmt: skip


def given_bytes(content: bytes) -> Any:
    """The path under which a document's bytes are kept in the project; other bytes as they are.

    The path is the value of the case: it is short, and the same for the same content.
    """
    from pex.core.audio import audio_kind
    from pex.core.errors import PexError
    from pex.core.images import kind_of
    from pex.core.pdf import KIND, is_pdf

    kind = KIND if is_pdf(content) else audio_kind(content)
    if kind is None:
        try:
            kind = kind_of(content, "")
        except PexError:
            return content  # said by whoever needs JSON
    name = f"{hashlib.sha256(content).hexdigest()[:16]}.{_ENDINGS[kind]}"
    folder = find_project() / kept_documents.FOLDER
    if kept_documents.read(folder, name) is None and not kept_documents.write(
        folder, name, content
    ):
        raise PexError(f"the folder {folder} cannot be written: bytes in cases are kept there")
    return f"{kept_documents.FOLDER}/{name}"

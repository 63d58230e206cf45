"""What somebody thinks of answers: a thumb and a note, each of one text."""

from __future__ import annotations

import hashlib


def text_id(text: str) -> str:
    """What an answer's text is known by: another text has another one.

    Example:
        >>> text_id("positive")
        'afa6e9ab3ac6'
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]

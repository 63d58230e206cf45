"""JSON as servers really send it, where a strict reader has refused it.

Python's `json.dumps` writes NaN, Infinity and half surrogates; other servers send a byte order
mark, control characters inside strings, bytes that are not UTF-8, or something after the value.
"""

from __future__ import annotations

import codecs
import json
from typing import Any

from pex.core.sanitized_json import sanitized_json, sanitized_json_text

MOST_KEPT = 1_000_000
"""Characters of a body that are kept as they came."""

_MARKS = (  # the longer ones first: UTF-32's mark begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


def read_leniently(raw: bytes, *, halves: bool = False) -> Any:
    r"""The first JSON value in `raw`, with what can be saved of it.

    Args:
        raw: a body, or a piece of a stream.
        halves: leave half surrogates, because the other half may come with the next piece.

    Raises:
        ValueError: it does not begin with a JSON value.

    Example:
        >>> read_leniently(b'\xef\xbb\xbf{"text": "a\x01 \\ud83d", "logprob": -Infinity} rest')
        {'text': 'a\x01 �', 'logprob': None}
    """
    text = _decoded(raw).lstrip(" \t\r\n\x00\ufeff")
    decoder = json.JSONDecoder(strict=False, parse_int=_whole_number)
    try:
        value, _ = decoder.raw_decode(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    return value if halves else sanitized_json(value)


def body_text(raw: bytes) -> str:
    r"""The bytes of a body as a text that can be stored: what is not UTF-8 is written `\xff`.

    Example:
        >>> body_text(b'caf\xc3\xa9 \xff')
        'café \\xff'
    """
    # A character has at most four bytes, so none that is kept is cut in two.
    text = raw[: 4 * MOST_KEPT + 4].decode("utf-8", "backslashreplace")
    return text if len(text) <= MOST_KEPT else f"{text[:MOST_KEPT]}…"


def dumped(value: Any) -> bytes:
    """The bytes of a value that has been read, also of one that is too deep to write."""
    return sanitized_json_text(value).encode("utf-8", "replace")


def _decoded(raw: bytes) -> str:
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return raw.decode(encoding, "replace")
    return raw.decode("utf-8", "replace")


def _whole_number(digits: str) -> int | float:
    # Python refuses to read a whole number of thousands of digits.
    return int(digits) if len(digits) < 300 else float(digits)

"""A canary: a word that only the prompt has, so an answer that has it has repeated the prompt.

`{{ canary }}` in a prompt is such a word, another one for each case and repeat. The request that
is sent has it; whatever pex stores or shows has `CANARY` in its place.

*For a scorer.* pex looks for the canary when an answer arrives, before the answer is stored, so a
scorer needs neither the canary nor the secret that it is derived from, now or after `load_run`:
`answer.canary` is None if the request had no canary, `[]` if the answer has no trace of it, else
the forms in which it has it, such as `["plain"]` or `["base64", "reversed"]`.

*What is not found*: a translation, a description of the word letter by letter, a cipher of the
model's own, fewer than `SHORTEST_PIECE` characters in a row. A repeated prompt without its canary
is not found either: that takes a comparison with the prompt.
"""

from __future__ import annotations

import base64
import bisect
import codecs
import dataclasses
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator

CANARY = "⟨canary⟩"
"""What is stored and shown in place of a canary."""

LENGTH = 20
"""Characters of a canary: 100 bits."""
SHORTEST = 16
"""Fewer characters could stand in an answer by chance, or be guessed."""
SHORTEST_PIECE = 12
"""A piece of a canary of so many characters in a row counts as the canary: answers are cut off."""

_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyz234567")
_ASCII_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_LETTERS = re.compile(r"[a-z0-9]+")
_NO_SPACE = re.compile(r"\S+")
_ESCAPED = re.compile(
    r"%([0-9a-fA-F]{2})|\\x([0-9a-fA-F]{2})|\\u00([0-9a-fA-F]{2})|\b0x([0-9a-fA-F]{2})\b"
    r"|&#x0{0,4}([0-9a-fA-F]{2});|&#0{0,4}([0-9]{2,3});"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Leak:
    """Where a text has the canary, and in which form.

    Forms: plain, case, spaced, piece, reversed, rot13, hex, percent (and other escapes), base64.
    """

    start: int
    end: int
    form: str


def new_canary() -> str:
    """A random canary for one call of an application.

    Example:
        >>> canary = new_canary()
        >>> len(canary), canary.isalnum(), canary == new_canary()
        (20, True, False)
    """
    return "".join(secrets.choice(sorted(_ALPHABET)) for _ in range(LENGTH))


def derive(secret: bytes, *parts: str, length: int = LENGTH) -> str:
    """A word that nobody can guess without the secret: HMAC-SHA256, as base32 in lower case.

    Args:
        secret: the key.
        parts: what the word is for; other parts make another word.
        length: in characters, from 16 to 51.

    Example:
        >>> derive(b"secret", "canary", "case-1", "1")
        'jwxf2bu3gmludwrrb3yo'
        >>> derive(b"secret", "a", "bc") == derive(b"secret", "ab", "c")
        False
    """
    if not SHORTEST <= length <= 51:
        raise ValueError(f"length={length}: expected 16 to 51")
    message = b"".join(b"%d:%s" % (len(part), part) for part in map(str.encode, parts))
    found = hmac.new(secret, message, hashlib.sha256).digest()
    return base64.b32encode(found).decode().lower()[:length]


def find_canary(text: str, canary: str) -> list[Leak]:
    """Where a text has the canary: plain, in another case, spaced out, reversed or encoded.

    It takes time proportional to the text's length.

    Args:
        text: any text, such as an answer.
        canary: letters and digits, at least `SHORTEST`.

    Returns:
        The places in the order of the text; none within another of the same form.

    Raises:
        ValueError: the canary is too short, or has other characters.

    Example:
        >>> find_canary("It is abcdefghijklmnop23.", "abcdefghijklmnop23")
        [Leak(start=6, end=24, form='plain')]
        >>> [leak.form for leak in find_canary("A-B-C-D-E-F-G-H-I-J-K-L-M-N-O-P-2-3",
        ...                                    "abcdefghijklmnop23")]
        ['spaced']
        >>> find_canary("YWJjZGVmZ2hpamtsbW5vcDIz", "abcdefghijklmnop23")
        [Leak(start=0, end=24, form='base64')]
    """
    if len(canary) < SHORTEST or not (canary.isascii() and canary.isalnum()):
        raise ValueError(f"a canary has at least {SHORTEST} letters and digits")
    found = {*_of_letters(text, canary), *_of_base64(text, canary), *_of_escapes(text, canary)}
    return sorted(found, key=lambda leak: (leak.start, leak.end, leak.form))


def _of_letters(text: str, canary: str) -> Iterator[Leak]:
    """As letters, whatever stands between them."""
    view = _View(text, text.translate(_ASCII_LOWER), _LETTERS)
    lower = canary.translate(_ASCII_LOWER)
    whole = list(view.find(lower))
    for start, end in whole:
        if text[start:end] == canary:
            form = "plain"
        else:
            form = "case" if end - start == len(canary) else "spaced"
        yield Leak(start, end, form)
    for start, end in _pieces(view, lower):
        before = bisect.bisect_right(whole, (start, len(text))) - 1
        if before < 0 or whole[before][1] <= start:
            yield Leak(start, end, "piece")
    for form, needle in (
        ("reversed", lower[::-1]),
        ("rot13", codecs.encode(lower, "rot13")),
        ("hex", lower.encode().hex()),
        ("hex", canary.encode().hex()),
        ("hex", canary.upper().encode().hex()),
        ("hex", lower[::-1].encode().hex()),
    ):
        for start, end in view.find(needle):
            yield Leak(start, end, form)


def _pieces(view: _View, canary: str) -> Iterator[tuple[int, int]]:
    """The longest pieces of a canary that are in a text, joined where they overlap."""
    size = SHORTEST_PIECE
    spans = sorted(
        span for at in range(len(canary) - size + 1) for span in view.find(canary[at : at + size])
    )
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    yield from joined


def _of_escapes(text: str, canary: str) -> Iterator[Leak]:
    """As `%61`, `0x61` or `&#97;`, some of the characters or all."""
    if _ESCAPED.search(text) is None:
        return
    parts: list[str] = []
    places: list[int] = []
    ends: list[int] = []
    at = 0
    for match in _ESCAPED.finditer(text):
        parts.append(text[at : match.start()])
        places += range(at, match.start())
        ends += range(at + 1, match.start() + 1)
        code = int(match[6]) if match[6] else int(match[match.lastindex or 1], 16)
        parts.append(chr(code))
        places.append(match.start())
        ends.append(match.end())
        at = match.end()
    parts.append(text[at:])
    places += range(at, len(text))
    ends += range(at + 1, len(text) + 1)
    decoded = "".join(parts)
    view = _View(decoded, decoded.translate(_ASCII_LOWER), _LETTERS)
    lower = canary.translate(_ASCII_LOWER)
    for needle in (lower, lower[::-1]):
        for start, end in view.find(needle):
            first, last = places[start], ends[end - 1]
            if last - first > end - start:  # else it stands there without escapes
                yield Leak(first, last, "percent")


def _of_base64(text: str, canary: str) -> Iterator[Leak]:
    """As base64, wherever in the encoded text it begins, also over several lines."""
    view = _View(text, text, _NO_SPACE)
    lower = canary.translate(_ASCII_LOWER)
    for word in {canary, lower, lower.upper(), lower[::-1]}:
        for offset in range(3):
            encoded = base64.b64encode(b"\0" * offset + word.encode()).decode().rstrip("=")
            # The first and last character can also have bits of what stands beside the word.
            first = (0, 2, 3)[offset]
            last = len(encoded) - bool((offset + len(word)) % 3)
            needle = encoded[first:last]
            for start, end in view.find(needle):
                stop = min(end + 1, len(text)) if last < len(encoded) else end
                yield Leak(start, stop, "base64")
            for start, end in view.find(needle[::-1]):
                yield Leak(start, end, "base64")


class _View:
    """A text without some of its characters, and where the others were."""

    def __init__(self, original: str, text: str, keep: re.Pattern[str]) -> None:
        self._runs: list[tuple[int, int]] = []  # where each run of kept characters begins
        parts: list[str] = []
        size = 0
        for match in keep.finditer(text):
            self._runs.append((size, match.start()))
            parts.append(match[0])
            size += len(match[0])
        self.text = "".join(parts)
        self._original = original

    def find(self, needle: str) -> Iterator[tuple[int, int]]:
        """The places of a needle in the original text."""
        at = self.text.find(needle)
        while at >= 0:
            yield self._place(at), self._place(at + len(needle) - 1) + 1
            at = self.text.find(needle, at + len(needle))

    def _place(self, at: int) -> int:
        size, start = self._runs[bisect.bisect_right(self._runs, (at, len(self._original))) - 1]
        return start + at - size

"""Letters of a text without what is between them, and runs of letters that another text has too.

Spaces, punctuation, markup and case make no difference to them; neither do letters that are wide
or bold. So a text is recognised where it is spaced out or set in capitals.
"""

from __future__ import annotations

import base64
import binascii
import bisect
import codecs
import re
import unicodedata
from collections.abc import Iterable, Iterator
from urllib.parse import unquote_to_bytes

_RUN = re.compile(r"[^\W_]+")
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff]")
"""Characters that say as much as several letters of an alphabet."""
_BASE64 = re.compile(r"([A-Za-z0-9+/_-]{16,})={0,2}")
_BASE32 = re.compile(r"[A-Za-z2-7]{16,}")
_HEX_PAIRS = re.compile(r"(?<![0-9A-Za-z])(?:(?:0x|\\x|%)?[0-9A-Fa-f]{2}[\s,:-]{0,2}){10,}")
_HEX_SIGNS = re.compile(r"0x|\\x|[^0-9A-Fa-f]")


class _Folded(dict[int, int]):
    """Each character's plain small form, of the same length; made when it is first seen."""

    def __missing__(self, code: int) -> int:
        char = chr(code)
        plain = unicodedata.normalize("NFKC", char).lower()
        low = char.lower()
        found = ord(plain) if len(plain) == 1 else ord(low) if len(low) == 1 else code
        self[code] = found
        return found


_FOLDED = _Folded()


class Letters:
    """The letters and digits of a text from a place on, folded, and where they stand.

    Example:
        >>> letters = Letters("a-B c!")
        >>> letters.text, letters.place(2)
        ('abc', 4)
    """

    __slots__ = ("_firsts", "_folded", "_places", "_start", "text")

    def __init__(self, text: str, start: int = 0) -> None:
        self._folded = text.translate(_FOLDED)
        self._start = start
        self._firsts: list[int] = []
        self._places: list[int] = []
        self.text = "".join(_RUN.findall(self._folded, start))

    def place(self, at: int) -> int:
        """Where in the text a letter stands."""
        if not self._firsts:  # few texts need it
            size = 0
            for match in _RUN.finditer(self._folded, self._start):
                self._firsts.append(size)
                self._places.append(match.start())
                size += match.end() - match.start()
        run = bisect.bisect_right(self._firsts, at) - 1
        return self._places[run] + at - self._firsts[run]


def folded(text: str) -> str:
    """The letters and digits of a text, folded.

    Example:
        >>> folded("Straße 1-2")
        'straße12'
    """
    return "".join(_RUN.findall(text.translate(_FOLDED)))


class Source:
    """Texts whose letters are looked for: as they are, backwards, and by rot13.

    Args:
        texts: pieces; a run does not go from one into the next.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        pieces = [piece for piece in map(folded, texts) if piece]
        self.size = sum(map(len, pieces))
        wide = sum(len(_WIDE.findall(piece)) for piece in pieces)
        self.wide = 3 if wide * 2 > self.size else 1
        """How many letters of an alphabet one of its characters counts as."""
        self.gram = 8 // self.wide + (self.wide > 1)
        turned = [piece[::-1] for piece in pieces]
        forms = dict.fromkeys((*pieces, *turned, *map(_rot13, pieces), *map(_rot13, turned)))
        self.joined = "\n".join(forms)
        self.grams = {
            form[at : at + self.gram] for form in forms for at in range(len(form) - self.gram + 1)
        }
        self._plain = "\n".join(pieces)

    def runs(self, letters: str, least: int) -> Iterator[tuple[int, int]]:
        """The longest runs of letters all of whose short pieces are in the texts.

        Args:
            letters: folded letters.
            least: of the letters of an alphabet; a third of that for ideographs.
        """
        size, grams = self.gram, self.grams
        least = max(-(-least // self.wide), size)
        end = len(letters) - size
        if not grams or end < 0:
            return
        step = least - size + 1  # a run has so many places, so one of them is looked at
        at = step - 1
        while at <= end:
            if letters[at : at + size] not in grams:
                at += step
                continue
            first = last = at
            while first > 0 and letters[first - 1 : first - 1 + size] in grams:
                first -= 1
            while last < end and letters[last + 1 : last + 1 + size] in grams:
                last += 1
            if last - first + size >= least:
                yield first, last + size
            at = last + step + 1

    def longest(self, letters: str) -> int:
        """The length of the longest run, as letters of an alphabet; 0 if there is none."""
        return max((last - first for first, last in self.runs(letters, 1)), default=0) * self.wide

    def open_from(self, letters: str) -> int:
        """From where on a run may still begin or go on when more letters follow."""
        size, count = self.gram, len(letters)
        at = count - size
        if at >= 0 and letters[at:] in self.grams:
            while at > 0 and letters[at - 1 : at - 1 + size] in self.grams:
                at -= 1
            return at
        for length in range(min(size - 1, count), 0, -1):
            if letters[count - length :] in self.joined:
                return count - length
        return count

    def form(self, letters: str) -> str:
        """How letters that were found are written: "plain", or "backwards or by rot13"."""
        return "plain" if letters[: self.gram] in self._plain else "backwards or by rot13"


def _rot13(text: str) -> str:
    return codecs.encode(text, "rot13")


def decoded(text: str, start: int = 0) -> Iterator[tuple[int, int, str, str]]:
    """What base64, base32 and hexadecimal digits in a text say: start, end, kind, text.

    What makes no text is left out.
    """
    for first, last, kind, data in _data_in(text, start):
        said = data.decode("utf-8", "ignore")
        if len(said.encode()) * 5 >= len(data) * 4:
            yield first, last, kind, said


def _data_in(text: str, start: int) -> Iterator[tuple[int, int, str, bytes]]:
    for match in _HEX_PAIRS.finditer(text, start):
        digits = _HEX_SIGNS.sub("", match[0])
        yield *_trimmed(match), "hexadecimal", bytes.fromhex(digits[: len(digits) & ~1])
    for match in _BASE64.finditer(text, start):
        run = match[1].translate(_TO_STANDARD)
        for skip in range(4):
            part = run[skip:]
            part = part[: len(part) & ~3] if len(part) % 4 == 1 else part
            try:
                data = base64.b64decode(part + "=" * (-len(part) % 4))
            except (binascii.Error, ValueError):
                continue
            yield *match.span(), "base64", data
    for match in _BASE32.finditer(text, start):
        run = match[0].upper()
        for part in {run[: len(run) // 8 * 8] or run, run}:
            try:
                data = base64.b32decode(part + "=" * (-len(part) % 8))
            except (binascii.Error, ValueError):
                continue
            yield *match.span(), "base32", data


_TO_STANDARD = str.maketrans("-_", "+/")


def _trimmed(match: re.Match[str]) -> tuple[int, int]:
    return match.start(), match.start() + len(match[0].rstrip(" \t\r\n,:-"))


def percent_decoded(text: str) -> str:
    """A part of an address without percent signs, twice, and with spaces for plus signs.

    Example:
        >>> percent_decoded("a%2520b+c")
        'a b c'
    """
    for _ in range(2):
        if "%" in text:
            text = unquote_to_bytes(text.encode("utf-8", "replace")).decode("utf-8", "replace")
    return text.replace("+", " ")

r"""A secret in every form: as it is, or as written in JSON, HTML, an address or base64.

All forms but base64 keep letters and digits; every other character has only a few variants, so one
pattern matches any mix of them (a notebook is JSON and can show JSON in HTML).
"""

from __future__ import annotations

import base64
import functools
import re

SHORTEST = 8
"""Shorter values are removed only as separate words, and not at all if they are ordinary words or
numbers. Longer values are removed everywhere, ordinary words only as separate words."""
_SHORTEST_ALONE = 4
_LONGEST_WORD = 16
_LONGEST = 4000
"""For a longer value, only this many characters are matched: nobody types that many by chance."""
_NAMED = {
    "&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos", "+": "plus", "=": "equals",
    "/": "sol",
}  # fmt: skip
_ESCAPES = {"\n": ["n", "r\\\\{0,8}n", "\r\n"], "\r": ["r"], "\t": ["t"], " ": [r"\+"]}
_BACKSLASHES = r"\\{0,8}"
_BEGINS = r"(?:(?<![A-Za-z0-9_])|(?<=\\[nrt])|(?<=\\u[0-9a-fA-F]{4})|(?<=%[0-9a-fA-F]{2}))"
"""Not inside a longer word; an escape (a line break, or another character in JSON) can precede."""
_PLAIN_RUN = re.compile(r"[A-Za-z0-9]+")


class Written:
    """A secret, prepared for searching.

    Attributes:
        pattern: matches it in all its forms.
        marks: every text with the secret contains at least one of these; empty if none is certain.
    """

    __slots__ = ("marks", "pattern")

    def __init__(self, value: str) -> None:
        value = value[:_LONGEST]
        plain = "".join(map(_any_form, value))
        if _is_common(value):
            plain = rf"{_BEGINS}(?:{plain})(?![A-Za-z0-9_])"
        coded = _coded(value) if len(value) >= SHORTEST else []
        self.pattern = re.compile("|".join([plain, *map(re.escape, coded)]))
        longest = max(_PLAIN_RUN.findall(value), key=len, default="")
        self.marks = (longest, *coded) if longest else ()


@functools.lru_cache(maxsize=1024)
def written(value: str) -> Written | None:
    r"""A value prepared for searching; None if it is too short, or a short word.

    Example:
        >>> written("open+sesame").pattern.sub("…", "open%2bsesame, open\u002Bsesame")
        '…, …'
        >>> written("sk-1").pattern.sub("…", "sk-1 is not sk-10")
        '… is not sk-10'
        >>> written("changeme").pattern.sub("…", "changeme, not unchangemeant")
        '…, not unchangemeant'
        >>> written("local"), written("4711")
        (None, None)
    """
    if len(value) < SHORTEST:
        mixed = re.search(r"[A-Za-z]", value) and re.search(r"[^A-Za-z]", value)
        if len(value) < _SHORTEST_ALONE or not mixed:
            return None
    return Written(value)


def is_word(value: str) -> bool:
    """Whether it looks like a natural-language word.

    Example:
        >>> is_word("changeme"), is_word("Ab1")
        (True, False)
    """
    styles = (value.islower(), value.isupper(), value.istitle())
    return len(value) < _LONGEST_WORD and value.isalpha() and any(styles)


def _is_common(value: str) -> bool:
    """Whether ordinary words can contain it; if so, it is removed only as a separate word."""
    return len(value) < SHORTEST or is_word(value)


def _any_form(char: str) -> str:
    """A pattern for a character and its forms in JSON, Python, HTML and addresses."""
    if char.isascii() and char.isalnum():
        return char
    code = ord(char)
    units = char.encode("utf-16-be", "surrogatepass").hex()
    forms = [
        re.escape(char),
        "".join(f"%(?:25)?(?i:{byte:02x})" for byte in char.encode("utf-8", "replace")),
        _BACKSLASHES.join(f"u(?i:{units[at : at + 4]})" for at in range(0, len(units), 4)),
        f"&(?:amp;){{0,3}}#(?:0{{0,4}}{code}|(?i:x0{{0,4}}{code:x}));",
    ]
    if code < 256:
        forms.append(f"x(?i:{code:02x})")
    if char in _NAMED:
        forms.append(f"&(?:amp;){{0,3}}{_NAMED[char]};")
    forms += _ESCAPES.get(char, ())
    # Each level of quoting adds backslashes.
    return f"{_BACKSLASHES}(?:{'|'.join(forms)})"


def _coded(value: str) -> list[str]:
    """Its base64 forms, alone or after a user name and a colon.

    Three bytes become four characters, so the form depends on whether zero, one or two bytes come
    before it; characters at both ends that depend on neighbouring bytes are left out.
    """
    data = value.encode("utf-8", "replace")
    found = []
    for before in range(3):
        text = base64.b64encode(bytes(before) + data).decode().rstrip("=")
        first = (0, 2, 3)[before]
        whole = (before + len(data)) * 8 // 6
        found.append(text[first:whole])
        found.append(found[-1].translate(str.maketrans("+/", "-_")))
    return [text for text in dict.fromkeys(found) if len(text) >= SHORTEST]

"""Texts that are made to take long: for a pattern that repeats, for one that nearly matches."""

from __future__ import annotations

import base64
import random

_UNITS = {
    "zero-width characters": "a\u200b", "tag characters": "\U000e0061", "overrides": "\u202e",
    "two scripts": "a\u0430", "many words of two scripts": None, "styled letters": "\U0001d41a",
    "emoji with joiners": "\U0001f468\u200d\U0001f469\u200d\U0001f467 ", "selectors": "\ufe0f",
    "open braces": "{{", "expressions": "{{a}}", "special tokens": "<|im_start|>", "less-than": "<",
    "closing tags": "</review>", "open tags": "<div display:none ", "open comments": "<!--",
    "open images": "![", "open links": "](", "role lines": "\nsystem: you are ",
    "tool results": "\ntool result: ", "fences": '"""\n', "quotes": '"a" ', "separators": "---\n",
    "first words": "ignore ", "first words and fillers": "ignore all ", "dots": ". ",
    "Morse": ".- ", "hexadecimal": "41 ", "percent signs": "%41", "entities": "&#x41;",
    "escapes": "\\u0041", "binary": "01000001 ", "Braille": "\u2801\u2803", "digits": "4",
    "card numbers": "4111 1111 1111 1111 ", "IBANs": "GB82 WEST 1234 5698 7654 32 ",
    "logins": "https://a:b@c.d/?k=", "key names": "api_key=", "one letter": "a", "spaced": "a ",
    "at signs": "a@", "escape sequences": "\x1b[2K",
    "short lines of base64": "QUFBQUFBQUFBQUFBQUFB\n",
}  # fmt: skip
_PROSE = (
    "the lamp arrived broken and I would like to have my money back please thank you Straße café "
    "лампа сломалась עברית 注文 order 4711-0815 of 2026-11-30 for 12.50 EUR (see below) "
)


def hostile_texts(length: int) -> dict[str, str]:
    """A text of so many characters for each kind, and ordinary ones beside them."""
    rng = random.Random(1)
    words = _PROSE.split()
    texts = {
        "prose": " ".join(rng.choice(words) for _ in range(length // 4)),
        "base64 of bytes": base64.b64encode(rng.randbytes(length)).decode(),
        "base64 of text": base64.b64encode(
            b"ignore all previous instructions " * (length // 40 + 1)
        ).decode(),
    }
    for name, unit in _UNITS.items():
        if unit is None:
            count = length // 6
            texts[name] = " ".join(f"a\u0430{number:x}\u03b2" for number in range(count))
        else:
            texts[name] = unit * (length // len(unit) + 1)
    return {name: text[:length] for name, text in texts.items()}

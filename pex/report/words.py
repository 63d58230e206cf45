"""The one difference between two texts, word by word."""

from __future__ import annotations

import re

MAX_WORDS = 4_000
"""Words of an answer that are compared with the baseline's, spaces too."""


def words_apart(text: str, against: str) -> list[tuple[str, str]]:
    """A text word by word against another: `same`, `new` and `gone` pieces, in order.

    Example:
        >>> words_apart("It is fine.", "It was fine.")
        [('same', 'It '), ('gone', 'was'), ('new', 'is'), ('same', ' fine.')]
    """
    from rapidfuzz.distance import Indel

    new, old = (re.findall(r"\s+|\S+", part) for part in (text, against))
    pieces: list[tuple[str, str]] = []
    gone, there = "", ""
    for step in Indel.opcodes(old, new):
        same = "".join(new[step.dest_start : step.dest_end]) if step.tag == "equal" else ""
        if (gone or there) and same and not same.strip() and step.dest_end < len(new):
            gone, there = gone + same, there + same  # a space between two changes is one change
            continue
        if step.tag != "equal":
            gone += "".join(old[step.src_start : step.src_end])
            there += "".join(new[step.dest_start : step.dest_end])
            continue
        pieces += [("gone", gone), ("new", there)]
        pieces.append(("same", same))
        gone, there = "", ""
    pieces += [("gone", gone), ("new", there)]
    return [piece for piece in pieces if piece[1]]

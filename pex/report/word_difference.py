"""The one difference between two texts, word by word."""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_WORDS = 4_000
"""Words, and the spaces between them, that are compared one by one."""
MIN_SIMILARITY = 0.3
"""Answers that share less are simply different; marking every word would say nothing."""


def word_difference(
    new: str, old: str, *, min_similarity: float = 0.0
) -> list[tuple[str, str]] | None:
    """A text word by word compared with an older one.

    Args:
        new: a text.
        old: what it is compared with.
        min_similarity: share of common words, 0 to 1, below which there is no difference to show.

    Returns:
        Pieces in order, each `same`, `new` or `gone`; None if the parts that differ are longer
        than `MAX_WORDS` or the texts have too little in common.

    Example:
        >>> word_difference("It is fine.", "It was fine.")
        [('same', 'It '), ('gone', 'was'), ('new', 'is'), ('same', ' fine.')]
    """
    from rapidfuzz.distance import Indel

    words, others = (re.findall(r"\s+|\S+", text) for text in (new, old))
    if max(len(words), len(others)) - _common_ends(words, others) > MAX_WORDS:
        return None
    # The spaces between the words are alike in any two texts.
    if min_similarity and Indel.normalized_similarity(old.split(), new.split()) < min_similarity:
        return None
    pieces: list[tuple[str, str]] = []
    removed, added = "", ""
    for step in Indel.opcodes(others, words):
        same = "".join(words[step.dest_start : step.dest_end]) if step.tag == "equal" else ""
        if (removed or added) and same and not same.strip() and step.dest_end < len(words):
            removed, added = removed + same, added + same  # a space between two changes is changed
            continue
        if step.tag != "equal":
            removed += "".join(others[step.src_start : step.src_end])
            added += "".join(words[step.dest_start : step.dest_end])
            continue
        pieces += [("gone", removed), ("new", added), ("same", same)]
        removed, added = "", ""
    pieces += [("gone", removed), ("new", added)]
    return [piece for piece in pieces if piece[1]]


def _common_ends(words: Sequence[str], others: Sequence[str]) -> int:
    """How many words both texts have in common at their start and at their end."""
    shorter = min(len(words), len(others))
    pairs = zip(words, others, strict=False)
    start = next((n for n, (one, other) in enumerate(pairs) if one != other), shorter)
    backwards = zip(reversed(words), reversed(others), strict=False)
    end = next((n for n, (one, other) in enumerate(backwards) if one != other), shorter)
    return min(start + end, shorter)

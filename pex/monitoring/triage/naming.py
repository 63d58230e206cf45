"""Traces that are alike, put together, with a name made from their words."""

from __future__ import annotations

import collections
import re
from collections.abc import Sequence

from pex.cases.near_duplicates import clusters, normalised

ALIKE = 0.7
"""Texts of this likeness are in one cluster."""
SAME = 0.9
"""Texts of this likeness can be decided together."""
_WORD = re.compile(r"[^\W\d_]{3,}")


def clusters_of(texts: Sequence[str]) -> list[int]:
    """The number of the cluster of each text; a text that is like no other is a cluster alone.

    Example:
        >>> clusters_of(["Where is my parcel?", "Refund me.", "where is my parcel now?"])
        [0, 1, 0]
    """
    return _numbers(texts, ALIKE)


def same_as(text: str, texts: Sequence[str]) -> list[int]:
    """The places of the texts that are nearly identical to `text`.

    Example:
        >>> same_as("Where is my parcel?", ["where is my  parcel", "Refund me."])
        [0]
    """
    numbers = _numbers([text, *texts], SAME)
    return [place for place, number in enumerate(numbers[1:]) if number == numbers[0]]


def names_of(texts: Sequence[str], numbers: Sequence[int]) -> dict[int, str]:
    """A name for each cluster: up to three words that are frequent in it and rare elsewhere.

    Example:
        >>> texts = ["Where is my parcel?", "Where is my parcel, please?", "The refund is wrong."]
        >>> names_of(texts, [0, 0, 1])[1]
        'the refund wrong'
    """
    words = [list(dict.fromkeys(_WORD.findall(normalised(text)))) for text in texts]
    everywhere = collections.Counter(word for each in words for word in each)
    names: dict[int, str] = {}
    for number in dict.fromkeys(numbers):
        members = [words[place] for place, other in enumerate(numbers) if other == number]
        inside = collections.Counter(word for each in members for word in each)
        # How often it is here, times the share of its uses that are here.
        best = sorted(
            inside, key=lambda word: (-(inside[word] ** 2) / everywhere[word], -len(word))
        )
        chosen = set(best[:3])
        order = [word for each in members for word in each if word in chosen]
        names[number] = " ".join(dict.fromkeys(order)) or "without words"
    return names


def _numbers(texts: Sequence[str], at_least: float) -> list[int]:
    numbers = list(range(len(texts)))
    for members in clusters(texts, at_least):
        for place in members:
            numbers[place] = members[0]
    return numbers

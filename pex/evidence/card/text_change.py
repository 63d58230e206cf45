"""How a prompt's text changed from one version to the next, cheaply for many versions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pex.report.word_difference import word_difference

_CONTEXT = 12
"""Words of unchanged text that are kept around a change."""


def text_change(new: str, old: str) -> list[tuple[str, str]] | None:
    r"""The new text word by word compared with the old one.

    Lines that both begin or end with are not compared word by word: of a long prompt, most
    versions change a line or two.

    Returns:
        Pieces in order, each `same`, `new` or `gone`; None if too much changed.

    Example:
        >>> text_change("system:\nBe brief.\nuser:\nHi", "system:\nBe kind.\nuser:\nHi")
        [('same', 'system:\nBe '), ('gone', 'kind.'), ('new', 'brief.'), ('same', '\nuser:\nHi')]
    """
    if new == old:
        return [("same", new)] if new else []
    lines, others = (text.splitlines(keepends=True) for text in (new, old))
    shorter = min(len(lines), len(others))
    start = 0
    while start < shorter and lines[start] == others[start]:
        start += 1
    end = 0
    while end < shorter - start and lines[-1 - end] == others[-1 - end]:
        end += 1
    head, tail = "".join(lines[:start]), "".join(lines[len(lines) - end :])
    middle = "".join(lines[start : len(lines) - end])
    before = "".join(others[start : len(others) - end])
    first = _common_words(middle, before)
    last = _common_words(middle[first:][::-1], before[first:][::-1])
    inside = word_difference(middle[first : len(middle) - last], before[first : len(before) - last])
    if inside is None:
        return None
    same = [("same", middle[:first]), *inside, ("same", middle[len(middle) - last :])]
    return _joined([("same", head), *same, ("same", tail)])


def _common_words(one: str, other: str) -> int:
    """The length of the whole words, with the spaces between them, that both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:  # halving: comparing two slices is much faster than two characters
        half = (low + high + 1) // 2
        low, high = (half, high) if one[:half] == other[:half] else (low, half - 1)
    if low == len(one) == len(other):
        return low
    if low == 0:
        return 0
    space, start = one[low - 1].isspace(), low - 1  # the last word may go on differently
    while start and one[start - 1].isspace() == space:
        start -= 1
    return start


def _joined(pieces: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for kind, text in pieces:
        if not text:
            continue
        if found and found[-1][0] == kind:
            found[-1] = (kind, found[-1][1] + text)
        else:
            found.append((kind, text))
    return found


def shortened(pieces: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The changes with a few words around each.

    Example:
        >>> long = [("same", "a " * 50), ("new", "b"), ("same", " c" * 50)]
        >>> [text[:4] for _, text in shortened(long)]
        ['… a ', 'b', ' c c']
    """
    found = []
    for number, (kind, text) in enumerate(pieces):
        words = re.findall(r"\s*\S+|\s+$", text) if kind == "same" else []
        if len(words) > 2 * _CONTEXT + 4:
            head = "" if number == 0 else "".join(words[:_CONTEXT])
            tail = "" if number == len(pieces) - 1 else "".join(words[-_CONTEXT:])
            text = f"{head} …{tail}" if head else f"…{tail}"
        found.append((kind, text))
    return found

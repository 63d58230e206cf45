"""Items of two lists matched to each other: which are missing, which are too much."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pex.score.field_values import key

MOST_PAIRS = 250_000
"""The largest number of pairs of items that are compared by a rule: 500 by 500."""

Right = Callable[[list[Any], list[Any]], list[list[bool]]]
"""Which items of a list are right for which of another: a row for each wanted item."""


def unmatched(
    given: list[Any], wanted: list[Any], compare: Right, *, once: bool
) -> tuple[list[Any], list[Any]]:
    """The wanted items that are missing and the given ones that are too much, in any order.

    Args:
        given: the items of the answer.
        wanted: the expected items.
        compare: which items are right for which.
        once: whether an item is the partner of only one other.
    """
    if len(given) * len(wanted) > MOST_PAIRS:
        given, wanted = _without_equal(given, wanted)
        if len(given) * len(wanted) > MOST_PAIRS:
            return wanted, given
    right = compare(given, wanted)
    if not once:
        missing = [want for want, row in zip(wanted, right, strict=True) if not any(row)]
        return missing, [have for n, have in enumerate(given) if not any(r[n] for r in right)]
    if not given or not wanted:
        return wanted, given
    from scipy.optimize import linear_sum_assignment

    pairs = [(w, g) for w, g in zip(*linear_sum_assignment(right, maximize=True), strict=True)
             if right[w][g]]  # fmt: skip
    met, used = {w for w, _ in pairs}, {g for _, g in pairs}
    return (
        [want for n, want in enumerate(wanted) if n not in met],
        [have for n, have in enumerate(given) if n not in used],
    )


def _without_equal(given: list[Any], wanted: list[Any]) -> tuple[list[Any], list[Any]]:
    waiting: dict[str, list[int]] = {}
    for number, have in enumerate(given):
        waiting.setdefault(key(have), []).append(number)
    left = []
    for want in wanted:
        places = waiting.get(key(want))
        if places:
            places.pop()
        else:
            left.append(want)
    kept = sorted(number for numbers in waiting.values() for number in numbers)
    return [given[number] for number in kept], left


def in_order(given: list[Any], wanted: list[Any], compare: Right) -> tuple[list[Any], list[Any]]:
    """The items that are missing and too much in a list whose order counts."""
    if len(given) * len(wanted) > MOST_PAIRS:
        return wanted, given
    # The longest common subsequence: one item left out does not make all others wrong.
    right = compare(given, wanted)
    best = [[0] * (len(given) + 1) for _ in range(len(wanted) + 1)]
    for w in range(len(wanted) - 1, -1, -1):
        for g in range(len(given) - 1, -1, -1):
            best[w][g] = (
                best[w + 1][g + 1] + 1 if right[w][g] else max(best[w + 1][g], best[w][g + 1])
            )
    missing, extra, w, g = [], [], 0, 0
    while w < len(wanted) and g < len(given):
        if right[w][g] and best[w][g] == best[w + 1][g + 1] + 1:
            w, g = w + 1, g + 1
        elif best[w + 1][g] >= best[w][g + 1]:
            missing.append(wanted[w])
            w += 1
        else:
            extra.append(given[g])
            g += 1
    return missing + wanted[w:], extra + given[g:]

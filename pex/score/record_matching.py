"""Records of two lists matched to each other, so that as many of their fields as possible agree."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.score.field_paths import lookup
from pex.score.field_rules import FieldRule
from pex.score.field_values import key

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_RECORDS = 1_000
"""The largest number of records, given or expected, that are matched by their fields."""
THRESHOLD = 0.5
"""The share of its fields that a record must have right to be the partner of another."""


@dataclasses.dataclass(frozen=True, slots=True)
class Matching:
    """Which given record is which expected one, by their positions.

    `pairs` are (expected, given), in the order of the expected ones; `missing` are expected
    records without a partner, `extra` given ones.
    """

    pairs: Sequence[tuple[int, int]]
    missing: Sequence[int]
    extra: Sequence[int]


def match_records(
    given: Sequence[Any],
    wanted: Sequence[Any],
    rules: Mapping[tuple[str, ...], FieldRule],
    threshold: float = THRESHOLD,
) -> Matching | None:
    """The best matching of two lists of records; None if there are too many to be matched.

    The sum of the pairs' likeness is the largest there is. The likeness of two records is the share
    of their fields that agree, by weight; fields that neither has do not count. Of matchings that
    are equally good, the one closer to the order of the lists is taken.

    Args:
        given: the records of the answer; one that is not an object has no partner.
        wanted: the expected records.
        rules: how fields are compared, by their paths.
        threshold: the least likeness of two partners.

    Example:
        >>> from pex.score.field_rules import check_rules, field_rule
        >>> rules = {("name",): field_rule("text"), ("n",): field_rule("number")}
        >>> wanted = [{"name": "a", "n": 1}, {"name": "b", "n": 2}]
        >>> given = [{"name": "B", "n": 2}, {"name": "c", "n": 3}, {"name": "a", "n": 9}]
        >>> match_records(given, wanted, rules)
        Matching(pairs=[(0, 2), (1, 0)], missing=[], extra=[1])
    """
    rows, columns = list(range(len(wanted))), list(range(len(given)))
    equal: list[tuple[int, int]] = []
    if max(len(rows), len(columns)) > MOST_RECORDS:
        equal, rows, columns = _equal(given, wanted)
        if max(len(rows), len(columns)) > MOST_RECORDS:
            return None
    found = _assigned([given[n] for n in columns], [wanted[n] for n in rows], rules, threshold)
    pairs = sorted([*equal, *((rows[w], columns[g]) for w, g in found)])
    met, used = {w for w, _ in pairs}, {g for _, g in pairs}
    return Matching(
        pairs,
        [number for number in range(len(wanted)) if number not in met],
        [number for number in range(len(given)) if number not in used],
    )


def _equal(
    given: Sequence[Any], wanted: Sequence[Any]
) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Pairs of records that are the same, and the positions of the others."""
    waiting: dict[str, list[int]] = {}
    for number in range(len(given) - 1, -1, -1):
        waiting.setdefault(key(given[number]), []).append(number)
    pairs, left = [], []
    for number, record in enumerate(wanted):
        places = waiting.get(key(record))
        if places:
            pairs.append((number, places.pop()))
        else:
            left.append(number)
    return pairs, left, sorted(number for places in waiting.values() for number in places)


def _assigned(
    given: Sequence[Any],
    wanted: Sequence[Any],
    rules: Mapping[tuple[str, ...], FieldRule],
    threshold: float,
) -> list[tuple[int, int]]:
    if not given or not wanted:
        return []
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    alike = _likeness(given, wanted, rules)
    alike[alike < max(threshold, 1e-9)] = 0
    # Too little to outweigh a field, enough to decide between equally good matchings.
    places = np.abs(
        np.arange(len(wanted))[:, None] / len(wanted) - np.arange(len(given))[None, :] / len(given)
    )
    paired = zip(*linear_sum_assignment(alike - 1e-7 * places, maximize=True), strict=True)
    return [(int(w), int(g)) for w, g in paired if alike[w, g] > 0]


def _likeness(
    given: Sequence[Any], wanted: Sequence[Any], rules: Mapping[tuple[str, ...], FieldRule]
) -> NDArray[Any]:
    """The share of fields that agree, for each expected record and each given one."""
    import numpy as np

    total = np.zeros((len(wanted), len(given)))
    weight = np.zeros_like(total)
    for names, rule in rules.items():
        have = [lookup(record, names)[1] for record in given]
        want = [lookup(record, names)[1] for record in wanted]
        scores = rule.pairs(have, want)
        if scores is None or rule.weight == 0:
            continue
        one = np.array([value is not None for value in want])[:, None]
        other = np.array([value is not None for value in have])[None, :]
        total += np.where(one & other, scores, 0) * rule.weight
        weight += (one | other) * rule.weight
    return np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)

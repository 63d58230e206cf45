"""Every value of a list compared with every one of another, many at a time."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from pex.core.text import value_text
from pex.score.field_values import key
from pex.score.reading import fold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pex.core.score import Score

MOST = 10_000
"""The largest number of different pairs that a rule compares one by one."""
_LONGEST = 1000
"""Characters of a text that count for the likeness of two."""


def equal_codes(
    given: Sequence[Any], wanted: Sequence[Any], code: Callable[[Any], Hashable]
) -> NDArray[Any]:
    """1 where two values have the same code, else 0; a row for each wanted value.

    Example:
        >>> equal_codes(["A", "b"], ["a", "x"], str.casefold).tolist()
        [[1.0, 0.0], [0.0, 0.0]]
    """
    import numpy as np

    numbers: dict[Hashable, int] = {}

    def coded(values: Sequence[Any]) -> NDArray[Any]:
        found = (numbers.setdefault(code(value), len(numbers)) for value in values)
        return np.fromiter(found, dtype=np.int64, count=len(values))

    same: NDArray[Any] = coded(wanted)[:, None] == coded(given)[None, :]
    return same.astype(float)


def text_code(value: Any) -> Hashable:
    """A code that values have in common if case and white space are all that differs."""
    if isinstance(value, str):
        return " ".join(fold(value).split())
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return str(Decimal(str(value)).normalize() + 0)
        except InvalidOperation:
            return str(value)
    if isinstance(value, list):
        return ("list", *map(text_code, value))
    if isinstance(value, dict):
        return ("dict", *sorted((name, str(text_code(value[name]))) for name in value))
    return key(value), None


def near_numbers(
    given: Sequence[Any],
    wanted: Sequence[Any],
    read: Callable[[Any], list[Fraction] | str],
    tolerance: float,
    relative: float,
) -> NDArray[Any]:
    """1 where a number is a wanted one within the tolerance, else 0.

    Args:
        given: values of answers.
        wanted: expected values.
        read: the readings of a value as a number.
        tolerance: in the unit of the numbers.
        relative: a share of the wanted number.
    """
    import numpy as np

    def readings(values: Sequence[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        first, second = np.full(len(values), np.nan), np.full(len(values), np.nan)
        for place, value in enumerate(values):
            if isinstance(value, int | float) and not isinstance(value, bool):
                first[place] = _float(value)
            elif value is not None and not isinstance(found := read(value), str):
                first[place], second[place] = float(found[0]), float(found[-1])
        return first, second

    target = readings(wanted)[0][:, None]
    limit = np.maximum(tolerance, relative * np.abs(target)) * (1 + 1e-9)
    right = np.zeros((len(wanted), len(given)), dtype=bool)
    for values in readings(given):
        right |= np.abs(values[None, :] - target) <= limit
    return right.astype(float)


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of more than 300 digits
        return float("nan")


def likeness(
    given: Sequence[Any], wanted: Sequence[Any], ignore_case: bool, threshold: float | None
) -> NDArray[Any]:
    """How alike texts are, from 0 to 1; with a threshold, 1 from there on and 0 below."""
    import numpy as np
    from rapidfuzz import fuzz, process

    def texts(values: Sequence[Any]) -> list[str]:
        found = ("" if value is None else value_text(value)[:_LONGEST] for value in values)
        return [fold(text) if ignore_case else text for text in found]

    cutoff = None if threshold is None else 100 * threshold
    found = process.cdist(
        texts(wanted), texts(given), scorer=fuzz.ratio, score_cutoff=cutoff, dtype=np.float32
    )
    scores: NDArray[Any] = found.astype(float) / 100
    return scores if threshold is None else (scores > 0).astype(float)


def shared_items(
    given: Sequence[list[Any] | None], wanted: Sequence[list[Any] | None], partial: bool
) -> NDArray[Any]:
    """The share of items that lists have in common, in any order (F1); 1 or 0 if not partial.

    Example:
        >>> shared_items([["A", "b"], ["c"]], [["b", "a"], ["a", "x"]], True).tolist()
        [[1.0, 0.0], [0.5, 0.0]]
    """
    import numpy as np

    numbers: dict[Hashable, int] = {}
    coded = [
        [[numbers.setdefault(text_code(item), len(numbers)) for item in values or ()] for values in
         lists]
        for lists in (wanted, given)
    ]  # fmt: skip
    want, have = (np.zeros((len(lists), len(numbers)), dtype=np.float32) for lists in coded)
    for counts, lists in zip((want, have), coded, strict=True):
        for row, items in enumerate(lists):
            np.add.at(counts[row], items, 1)
    sizes = want.sum(axis=1)[:, None] + have.sum(axis=1)[None, :]
    # As if each list were the set of its items, which is right but for items that are repeated.
    shared = np.minimum(want, 1) @ np.minimum(have, 1).T
    found: NDArray[Any] = np.where(sizes > 0, 2 * shared / np.maximum(sizes, 1), 1).astype(float)
    return found if partial else (found >= 1).astype(float)


def one_by_one(
    given: Sequence[Any], wanted: Sequence[Any], compare: Callable[[Any, Any], Score]
) -> NDArray[Any]:
    """The scores of a rule that can only compare two values; too many are compared as texts."""
    import numpy as np

    have = {key(value): value for value in given if value is not None}
    want = {key(value): value for value in wanted if value is not None}
    if len(have) * len(want) > MOST:
        return equal_codes(given, wanted, text_code)
    scores = {}
    for name, target in want.items():
        for other, value in have.items():
            try:
                found = compare(value, target).value
            except (ValueError, TimeoutError):
                found = 0.0
            scores[name, other] = 0.0 if found is None else float(found)
    names = [key(value) for value in given]
    return np.array([[scores.get((key(w), name), 0.0) for name in names] for w in wanted])

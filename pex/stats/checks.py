"""The input checks shared by all functions of this package, in one wording."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def finite(values: Sequence[float] | Floats, what: str) -> Floats:
    """The values as an array of floats, each of them finite.

    Args:
        values: numbers or booleans in one dimension.
        what: their name in the message.

    Returns:
        A new array of float64.

    Raises:
        ValueError: a value is missing, infinite or not a number; the message gives its position.

    Example:
        >>> finite([True, 0.5], "scores").tolist()
        [1.0, 0.5]
    """
    import numpy as np

    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what}: expected a list of numbers ({error})") from None
    if array.ndim != 1:
        raise ValueError(f"{what}: expected one list of numbers, got {array.ndim} dimensions")
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise ValueError(
            f"{what}[{bad[0]}] is {array[bad[0]]}; every value must be a finite number"
        )
    return array


def square(table: Sequence[Sequence[float]], what: str) -> Floats:
    """The table as a square array of counts, none below 0.

    Args:
        table: as many rows as columns.
        what: its name in the message.

    Returns:
        A new array of float64.

    Raises:
        ValueError: not square, or an entry is missing, infinite or below 0.

    Example:
        >>> square([[1, 2], [3, 4]], "table").shape
        (2, 2)
    """
    import numpy as np

    try:
        array = np.array(table, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what}: expected rows of numbers ({error})") from None
    if array.ndim != 2 or array.shape[0] != array.shape[1] or array.size == 0:
        raise ValueError(f"{what}: expected as many rows as columns, got shape {array.shape}")
    if not np.isfinite(array).all() or (array < 0).any():
        raise ValueError(f"{what}: every entry must be a count of at least 0")
    return array


def between(value: float, low: float, high: float, what: str) -> None:
    """Raise unless `value` is strictly between the two.

    Args:
        value: the value to check.
        low: the lower limit.
        high: the upper limit.
        what: its name in the message.

    Raises:
        ValueError: `value` is not between them.

    Example:
        >>> between(95, 0, 1, "confidence")
        Traceback (most recent call last):
        ValueError: confidence is 95; expected a number between 0 and 1
    """
    if not low < value < high:
        raise ValueError(f"{what} is {value}; expected a number between {low} and {high}")


def counted(values: Iterable[float], what: str) -> None:
    """Raise unless every value is a whole number of at least 0.

    Args:
        values: numbers of cases.
        what: their name in the message.

    Raises:
        ValueError: a value is not.

    Example:
        >>> counted([3, 0], "passes")
    """
    for value in values:
        if not (value >= 0 and math.isfinite(value) and value == int(value)):
            raise ValueError(f"{what}: expected whole numbers of at least 0, got {value}")


def normal_quantile(confidence: float) -> float:
    """The number of standard errors by which a two-sided interval extends to each side.

    Args:
        confidence: two-sided level, between 0 and 1.

    Returns:
        1.96 for 0.95.

    Raises:
        ValueError: the level is not between 0 and 1.

    Example:
        >>> round(normal_quantile(0.95), 2)
        1.96
    """
    between(confidence, 0, 1, "confidence")
    return statistics.NormalDist().inv_cdf(0.5 + confidence / 2)

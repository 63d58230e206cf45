"""When a series changed: the days on which its level moved, each with an interval."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pex.stats.checks import finite

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_LEAST = 2
"""So many points a level has at least."""


@dataclasses.dataclass(frozen=True, slots=True)
class ChangePoint:
    """A move of the level of a series.

    Args:
        index: the first point of the new level.
        first: with `last` the points within which it begins, at 95 %.
        last: see `first`.
        before: the level before.
        after: the level after.
    """

    index: int
    first: int
    last: int
    before: float
    after: float


def change_points(values: Sequence[float], confidence: float = 0.95) -> list[ChangePoint]:
    """The points at which the mean of a series moves, for looking back at a whole series.

    With the package `ruptures` (extra `change-points`) all points are placed together, by dynamic
    programming (PELT); without it one after the other (binary segmentation). A further point has to
    reduce the sum of squares by 3 s² log n, with s from the differences of neighbours. It is no
    alarm: it says when, not whether by chance. The interval has all places whose likelihood is not
    too far below that of the best one, with the neighbouring points kept.

    Args:
        values: one number for each point in time, equally reliable.
        confidence: level of the intervals.

    Returns:
        The points, oldest first; none for fewer than four values or a series that does not vary.

    Raises:
        ValueError: a value is not finite, or `confidence` is not between 0 and 1.

    Source: R. Killick, P. Fearnhead and I. A. Eckley, Journal of the American Statistical
    Association 107 (2012) 1590-1598; A. J. Scott and M. Knott, Biometrics 30 (1974) 507-512; the
    interval: K. J. Worsley, Biometrika 73 (1986) 91-104.

    Example:
        >>> found = change_points([0.9, 0.91, 0.89, 0.9, 0.92, 0.8, 0.79, 0.81, 0.8])
        >>> [(point.index, point.first, point.last) for point in found]
        [(5, 5, 5)]
    """
    import numpy as np

    series = finite(values, "values")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; expected a number between 0 and 1")
    if series.size < 2 * _LEAST:
        return []
    # A robust spread of neighbours' differences, which a few moves of the level hardly change.
    steps = np.abs(np.diff(series))
    spread = float(np.median(steps)) / 0.954
    spread = spread or float(steps.mean()) * math.sqrt(math.pi) / 2
    if spread == 0:
        return []
    penalty = 3 * spread**2 * math.log(series.size)
    try:
        import ruptures
    except ImportError:
        places = _segmented(series, penalty)
    else:
        search = ruptures.Pelt(model="l2", min_size=_LEAST, jump=1).fit(series.reshape(-1, 1))
        places = [int(place) for place in search.predict(pen=penalty)][:-1]
    edges = [0, *places, series.size]
    return [
        _around(series, left, place, right, spread, confidence)
        for left, place, right in zip(edges, edges[1:], edges[2:], strict=False)
    ]


def _segmented(series: Floats, penalty: float) -> list[int]:
    """Binary segmentation: the best cut of any segment, as long as it is worth the penalty."""
    import numpy as np

    found: list[int] = []
    open_parts = [(0, series.size)]
    while open_parts:
        left, right = open_parts.pop()
        if right - left < 2 * _LEAST:
            continue
        gains = _gains(series[left:right])
        cut = int(np.argmax(gains))
        if gains[cut] > penalty:
            place = left + cut + _LEAST
            found.append(place)
            open_parts += [(left, place), (place, right)]
    return sorted(found)


def _gains(part: Floats) -> Floats:
    """How much each cut reduces the sum of squares; the first is after `_LEAST` points."""
    import numpy as np

    count = part.size
    left = np.arange(_LEAST, count - _LEAST + 1)
    sums = np.cumsum(part)
    step = sums[left - 1] / left - (sums[-1] - sums[left - 1]) / (count - left)
    return np.asarray(left * (count - left) / count * step**2)


def _around(
    series: Floats, left: int, place: int, right: int, spread: float, confidence: float
) -> ChangePoint:
    import numpy as np
    from scipy.special import chdtri

    gains = _gains(series[left:right])
    best = float(gains[place - left - _LEAST])
    # Twice the difference of the log-likelihoods, compared with chi-square of one degree.
    near = np.flatnonzero(best - gains <= spread**2 * float(chdtri(1, 1 - confidence)))
    return ChangePoint(
        place,
        left + int(near.min()) + _LEAST,
        left + int(near.max()) + _LEAST,
        float(series[left:place].mean()),
        float(series[place:right].mean()),
    )

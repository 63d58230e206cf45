"""Many comparisons at once: p-values adjusted for their number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pex.stats.checks import finite

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """Adjust for the chance of any false positive; the default for variants against a baseline.

    Args:
        p_values: one per comparison, in any order.

    Returns:
        Adjusted p-values in the same order: reject if one is at most the level.

    Raises:
        ValueError: a p-value is not between 0 and 1.

    Source: S. Holm, Scandinavian Journal of Statistics 6 (1979) 65-70.

    Example:
        >>> holm([0.01, 0.04, 0.03, 0.005]).round(3).tolist()
        [0.03, 0.06, 0.06, 0.02]
    """
    import numpy as np

    p = _checked(p_values)
    order = np.argsort(p, kind="stable")
    grown = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    return _in_order(grown, order)


def bonferroni(p_values: Sequence[float]) -> NDArray[np.float64]:
    """Adjust by the number of comparisons; `holm` gives the same guarantee and more power.

    Args:
        p_values: one per comparison.

    Returns:
        Adjusted p-values in the same order.

    Raises:
        ValueError: a p-value is not between 0 and 1.

    Source: O. J. Dunn, Journal of the American Statistical Association 56 (1961) 52-64.

    Example:
        >>> bonferroni([0.01, 0.5]).tolist()
        [0.02, 1.0]
    """
    import numpy as np

    p = _checked(p_values)
    return np.minimum(1.0, p * p.size)


def benjamini_hochberg(p_values: Sequence[float]) -> NDArray[np.float64]:
    """Adjust for the share of false positives among all positives; to explore, not to decide.

    Args:
        p_values: one per comparison, in any order; independent or positively dependent.

    Returns:
        Adjusted p-values in the same order.

    Raises:
        ValueError: a p-value is not between 0 and 1.

    Source: Y. Benjamini and Y. Hochberg, Journal of the Royal Statistical Society B 57 (1995)
    289-300.

    Example:
        >>> benjamini_hochberg([0.01, 0.04, 0.03, 0.005]).round(3).tolist()
        [0.02, 0.04, 0.04, 0.02]
    """
    import numpy as np

    p = _checked(p_values)
    order = np.argsort(p, kind="stable")[::-1]
    shrunk = np.minimum.accumulate(p[order] * p.size / np.arange(p.size, 0, -1))
    return _in_order(shrunk, order)


def _checked(p_values: Sequence[float]) -> NDArray[np.float64]:
    p = finite(p_values, "p_values")
    if p.size and not 0 <= p.min() <= p.max() <= 1:
        raise ValueError("p_values: expected numbers between 0 and 1")
    return p


def _in_order(adjusted: NDArray[np.float64], order: NDArray[np.intp]) -> NDArray[np.float64]:
    import numpy as np

    back = np.empty_like(adjusted)
    back[order] = np.minimum(1.0, adjusted)
    return back

"""The binomial distribution, also for whole arrays of counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


def binomial_cdf(k: ArrayLike, n: ArrayLike, p: float) -> NDArray[np.float64]:
    """The probability of at most `k` successes in `n` trials.

    Args:
        k: whole numbers; below 0 gives 0, `n` and above gives 1.
        n: trials, of the same shape as `k` or one number.
        p: probability of a success in one trial.

    Returns:
        One probability for each pair of `k` and `n`.

    Source: the incomplete beta function; NIST Digital Library of Mathematical Functions, 8.17.5.

    Example:
        >>> float(binomial_cdf(1, 2, 0.5))
        0.75
    """
    import numpy as np
    from scipy.special import betainc

    k, n = np.broadcast_arrays(np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64))
    inside = (k >= 0) & (k < n)
    # The function is undefined outside this range: any valid pair serves as a placeholder.
    low = np.where(inside, k, 0.0)
    high = np.where(inside, n, 1.0)
    return np.where(inside, betainc(high - low, low + 1, 1 - p), np.where(k < 0, 0.0, 1.0))

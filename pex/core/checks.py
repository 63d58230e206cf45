"""Checks for numbers given by users."""

from __future__ import annotations

import math
from typing import Any

from pex.core.errors import PexError


def check_positive(key: str, value: Any, *, zero: bool = False) -> None:
    """Raise a `PexError` unless `value` is None or a finite number above 0 (or 0, with `zero`).

    Example:
        >>> check_positive("timeout_s", "soon")
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: timeout_s: expected a number, more than 0, got 'soon'
    """
    if value is None:
        return
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not (value > 0 or (zero and value == 0)):
        least = "0 or more" if zero else "more than 0"
        raise PexError(f"{key}: expected a number, {least}, got {value!r}")


def check_count(key: str, value: Any) -> None:
    """Raise a `PexError` unless `value` is None or a whole number of at least 1.

    Example:
        >>> check_count("max_in_flight", 0)
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: max_in_flight: expected a whole number of at least 1, got 0
    """
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise PexError(f"{key}: expected a whole number of at least 1, got {value!r}")

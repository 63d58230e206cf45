"""A score: what a scorer says of one answer."""

from __future__ import annotations

import dataclasses

WORDS = {"yes": True, "true": True, "pass": True, "no": False, "false": False, "fail": False}
"""How models and other tools write a yes or a no."""


@dataclasses.dataclass(frozen=True, slots=True)
class Score:
    """A value and, where there is one, the reason for it.

    Args:
        value: True or False, a number, or None where the scorer does not apply (not counted).
        reason: why, in a few words; shown beside the value.
        error: set by pex where the scorer itself failed; such a score is not counted as 0.

    Example:
        >>> Score(True, reason="names 'positive'").value
        True
    """

    value: bool | float | None
    reason: str | None = None
    error: str | None = None

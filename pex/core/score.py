"""A score: a scorer's result for one answer."""

from __future__ import annotations

import dataclasses

WORDS = {"yes": True, "true": True, "pass": True, "no": False, "false": False, "fail": False}
"""Spellings of yes and no by models and other tools."""


@dataclasses.dataclass(frozen=True, slots=True)
class Score:
    """A value and, if there is one, its reason.

    Args:
        value: True or False, a number, or None if the scorer does not apply (not counted).
        reason: why, in a few words; shown next to the value.
        error: set by pex if the scorer itself failed; the score is then not counted as 0.

    Example:
        >>> Score(True, reason="names 'positive'").value
        True
    """

    value: bool | float | None
    reason: str | None = None
    error: str | None = None

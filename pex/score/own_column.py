"""Scorers that read their expected answer from a column of their own, not from `expected`.

So one case can have several checks, and different cases different ones: a case without a value in a
scorer's column is not scored by it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from pex.core.call import Answer
from pex.core.case import Case
from pex.core.cases import known_variables
from pex.core.errors import PexError, nearest
from pex.score.base import Rule


def expecting(case: Case, column: str | None) -> Case:
    """The case with the value of a column as its expected answer; None and "" are no value.

    Example:
        >>> expecting(Case("1", {"q": "Why?", "must_have": "Because"}, "x"), "must_have").expected
        'Because'
        >>> expecting(Case("1", {"q": "Why?", "must_have": ""}, "x"), "must_have").expected
        >>> expecting(Case("1", {"q": "Why?"}, "x"), None).expected
        'x'
    """
    if column is None:
        return case
    value = case.values.get(column)
    return dataclasses.replace(case, expected=None if value in (None, "") else value)


def with_column(cases: Sequence[Case], column: str | None, name: str) -> list[Case]:
    """The cases with the values of a scorer's column as expected answers.

    Raises:
        PexError: no case has the column, or a value in it.
    """
    if column is None or not cases:
        return list(cases)
    known = known_variables(cases)
    if column not in known:
        raise PexError(
            f"scorer '{name}': no case has a column '{column}'", hint=nearest(column, known)
        )
    found = [expecting(case, column) for case in cases]
    if all(case.expected is None for case in found):
        raise PexError(f"scorer '{name}': the column '{column}' is empty in every case")
    return found


def of_column(rule: Rule, column: str | None) -> Rule:
    """The rule, with the value of the column as the case's expected answer."""
    if column is None:
        return rule

    def own(answer: Answer, case: Case) -> Any:
        return rule(answer, expecting(case, column))

    return own

"""What a scorer is, and the ground that all of them stand on: a failure is never a zero."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.core.names import check_name
from pex.core.score import Score

Rule = Callable[[Answer, Case], Any]
"""Judges one answer; may return a bool, a number, None, a Score, or a dict of these."""


class Scorer(Protocol):
    """Judges one answer and never raises: a failure becomes a `Score` with an `error`."""

    @property
    def name(self) -> str:
        """The name of its score."""
        ...

    def __call__(self, answer: Answer, case: Case) -> dict[str, Score]:
        """The scores of an answer, by name."""
        ...


class RuleScorer:
    """A rule under a name."""

    def __init__(self, name: str, rule: Rule) -> None:
        self.name = check_name(name, "score name")
        self._rule = rule

    def __call__(self, answer: Answer, case: Case) -> dict[str, Score]:
        """The scores of an answer, by name; what the rule raises is their error."""
        try:
            return named_scores(self.name, self._rule(answer, case))
        except Exception as error:  # noqa: BLE001 - a scorer's failure is a row, not the run's end
            return {self.name: Score(None, error=f"{type(error).__name__}: {error}")}


def named_scores(name: str, result: Any) -> dict[str, Score]:
    """What a rule returned, as scores: a dict's become `name.key`.

    Raises:
        TypeError: the rule returned something that is no score.
        ValueError: it returned a number that is not finite.

    Example:
        >>> named_scores("tone", {"polite": True, "words": 3})["tone.words"].value
        3.0
    """
    if isinstance(result, Mapping):
        scores: dict[str, Score] = {}
        for key, value in result.items():
            inner = check_name(f"{name}.{key}", "score name") if key else name
            scores[inner] = _score(value)
        return scores
    return {name: _score(result)}


def _score(result: Any) -> Score:
    if isinstance(result, Score):
        return Score(_value(result.value), result.reason, result.error)
    return Score(_value(result))


def _value(value: Any) -> bool | float | None:
    if hasattr(value, "item"):  # numpy's numbers
        value = value.item()
    if value is None or isinstance(value, bool):
        return value
    if not isinstance(value, int | float):
        raise TypeError(
            f"a score is True or False, a number, None, a pex.Score, or a dict of these; "
            f"got {type(value).__name__}"
        )
    if not math.isfinite(value):
        raise ValueError(f"a score must be a finite number, got {value}")
    return float(value)


def needs_expected(rule: Callable[[Answer, Case, Any], Any]) -> Rule:
    """A rule that does not apply to a case without an expected answer."""

    def checked(answer: Answer, case: Case) -> Any:
        if case.expected is None:
            return Score(None, reason="no expected answer")
        return rule(answer, case, case.expected)

    return checked


def check_expected(name: str, cases: list[Case]) -> None:
    """Raise a `PexError` where a scorer needs expected answers and no case has one."""
    if cases and all(case.expected is None for case in cases):
        raise PexError(
            f"scorer '{name}' compares with an expected answer, and no case has one",
            hint="say which column holds it: columns: {expected: …}",
        )

"""Scorers and the contract of all of them: a failure is never scored as zero."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.core.names import check_name
from pex.core.remarks import EXAMPLE
from pex.core.score import Score
from pex.core.text import replace_surrogates
from pex.guard.redact import redact, redact_values

Rule = Callable[[Answer, Case], Any]
"""Judges one answer; can return a bool, a number, None, a Score, or a dict of these."""

Messages = Sequence[Mapping[str, Any]]


class PromptRule:
    """A rule that also sees the prompt: its messages, as templates or as they were sent.

    They are None where nobody knows them any more.
    """

    def __init__(self, rule: Callable[[Answer, Case, Messages | None], Any]) -> None:
        self._rule = rule

    def __call__(self, answer: Answer, case: Case, prompt: Messages | None = None) -> Any:
        """The result of the rule."""
        return self._rule(answer, case, prompt)


NOT_EXPECTED = "no expected answer"
OWN_EXAMPLE = Score(None, reason="the prompt shows this case as an example")
"""The score of a prompt on a case in its own text: it was told what it is asked."""
CUT_OFF = "cut off"
"""The reason given if a score needs a complete answer."""


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

    @property
    def rule(self) -> Rule | PromptRule:
        """The rule itself."""
        return self._rule

    def __call__(
        self, answer: Answer, case: Case, prompt: Messages | None = None
    ) -> dict[str, Score]:
        """The scores of an answer, by name; an exception of the rule becomes their error.

        Args:
            answer: what the model said.
            case: what it was asked.
            prompt: the messages of the prompt, for the rules that need them.
        """
        rule = self._rule
        try:
            if isinstance(rule, PromptRule):
                return named_scores(self.name, rule(answer, case, prompt))
            return named_scores(self.name, rule(answer, case))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a scorer's failure is a row
            return {self.name: _failure(error)}


class LateScorer:
    """A rule that is looked up when an experiment runs, not when it is only read.

    Finding it imports a module of the project, which runs the module's code.
    """

    def __init__(self, name: str, find: Callable[[], RuleScorer]) -> None:
        self.name = check_name(name, "score name")
        self._find = find
        self._found: RuleScorer | None = None

    def find(self) -> RuleScorer:
        """Return the scorer itself; must be called before any model is.

        Raises:
            PexError: the function does not exist, or it does not fit the cases.
        """
        if self._found is None:
            self._found = self._find()
        return self._found

    def __call__(self, answer: Answer, case: Case) -> dict[str, Score]:
        """The scores of an answer, by name."""
        return self.find()(answer, case)


def scored(
    scorer: Scorer, answer: Answer, case: Case, prompt: Messages | None = None
) -> dict[str, Score]:
    """The scores of an answer; none if the case is an example in the prompt that was sent.

    Args:
        scorer: how it is scored.
        answer: what the model said.
        case: what it was asked.
        prompt: the messages of the prompt, if they are known.

    Example:
        >>> answer = Answer("good", remarks=["example"])
        >>> scored(RuleScorer("right", lambda answer, case: True), answer, Case("1", {}))
        {'right': Score(value=None, reason='the prompt shows this case as an example', error=None)}
    """
    if is_example(answer):
        return {scorer.name: OWN_EXAMPLE}
    if isinstance(scorer, RuleScorer):
        return scorer(answer, case, prompt)
    return scorer(answer, case)


def is_example(answer: Answer) -> bool:
    """Whether an answer is to a case that the prompt itself shows."""
    return EXAMPLE in answer.remarks


def named_scores(name: str, result: Any) -> dict[str, Score]:
    """Turn a rule's result into scores: those of a dict are named `name.key`.

    A value that is not a score (a string, a number that is not finite) becomes a score with an
    `error`; it does not affect the other scores in a dict.

    Example:
        >>> named_scores("tone", {"polite": True, "words": 3})["tone.words"].value
        3.0
        >>> named_scores("tone", float("nan"))["tone"].error
        'ValueError: a score must be a finite number, got nan'
    """
    if not isinstance(result, Mapping):
        return {name: _score(result)}
    if not result:
        return {name: Score(None, reason="the scorer gave no score")}
    scores: dict[str, Score] = {}
    bad: list[str] = []
    for key, value in result.items():
        try:
            inner = name if key == "" else check_name(f"{name}.{key}", "score name")
        except PexError as error:
            bad.append(str(error).replace("\n  ", ", "))
        else:
            scores[inner] = _score(value)
    if bad:
        scores[name] = Score(None, error=replace_surrogates(f"PexError: {'; '.join(bad)}"))
    return scores


def _score(result: Any) -> Score:
    given = result if isinstance(result, Score) else Score(result)
    try:
        reason = (
            None if given.reason is None else replace_surrogates(redact_values(str(given.reason)))
        )
        error = None if given.error is None else replace_surrogates(redact(str(given.error)))
        return Score(_value(given.value), reason, error)
    except Exception as raised:  # noqa: BLE001 - reading a value may fail in any way
        return _failure(raised)


def _value(value: Any) -> bool | float | None:
    if hasattr(value, "item"):  # NumPy numbers
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


def _failure(error: BaseException) -> Score:
    kind = type(error).__name__
    try:
        message = redact(str(error))
    except Exception:  # noqa: BLE001 - an error without a printable message must not end the run
        message = "it has no readable message"
    return Score(None, error=replace_surrogates(f"{kind}: {message}" if message else kind))


def needs_expected(rule: Callable[[Answer, Case, Any], Any]) -> Rule:
    """A rule that does not apply to a case without an expected answer."""

    def checked(answer: Answer, case: Case) -> Any:
        if case.expected is None:
            return Score(None, reason=NOT_EXPECTED)
        return rule(answer, case, case.expected)

    return checked


def is_cut_off(answer: Answer) -> bool:
    """Whether an answer was ended by the token limit, not by the model.

    Example:
        >>> is_cut_off(Answer(output="Once upon a", finish_reason="length"))
        True
    """
    return answer.finish_reason == "length" or "cut_off" in answer.remarks


def needs_whole(rule: Rule) -> Rule:
    """A rule on a complete answer: False if the answer was cut off."""

    def checked(answer: Answer, case: Case) -> Any:
        if is_cut_off(answer):
            return Score(False, reason=CUT_OFF)
        return rule(answer, case)

    return checked


def check_expected(cases: Sequence[Case], name: str) -> None:
    """Raise a `PexError` if a scorer needs expected answers and no case has one."""
    if cases and all(case.expected is None for case in cases):
        raise PexError(
            f"scorer '{name}' compares with the expected answer, but no case has one",
            hint="name its column: columns: {expected: …}",
        )

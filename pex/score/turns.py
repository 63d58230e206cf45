"""Scores of a conversation: of its last answer, of each answer, or of all of them together."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.core.messages import content_text
from pex.core.score import Score
from pex.core.variant import Variant
from pex.score.base import Messages, PromptRule, Rule, RuleScorer

Turns = Literal["last", "each", "whole"]
"""`last`: the last answer; `each`: every answer, with what its turn expects; `whole`: all answers
as one text."""

_CUT_OFF = "cut_off"


class EachTurn(PromptRule):
    """A rule on each answer of a conversation: the score is the mean over its turns.

    What is expected is a list with one item for each turn; null expects nothing there.

    Args:
        rule: what scores one answer.
    """

    def __init__(self, rule: Rule) -> None:
        super().__init__(self._scores)
        self._scorer = RuleScorer("turn", rule)

    def _scores(self, answer: Answer, case: Case, prompt: Messages | None) -> dict[str, Score]:
        answers = answers_of(answer)
        wanted = expected_of(case, len(answers))
        by_name: dict[str, list[tuple[int, Score]]] = {}
        for number, (one, expected) in enumerate(zip(answers, wanted, strict=True), 1):
            of_turn = dataclasses.replace(case, expected=expected)
            for name, score in self._scorer(one, of_turn, prompt).items():
                by_name.setdefault(name.partition(".")[2], []).append((number, score))
        return {name: _together(scores) for name, scores in by_name.items()}


def whole_conversation(rule: Rule) -> Rule:
    """A rule on all answers of a conversation, as one text with a line break between them."""

    def joined(answer: Answer) -> Answer:
        answers = answers_of(answer)
        if len(answers) == 1:
            return answer
        return dataclasses.replace(answer, output="\n".join(one.output or "" for one in answers))

    if isinstance(rule, PromptRule):
        return PromptRule(lambda answer, case, prompt: rule(joined(answer), case, prompt))
    return lambda answer, case: rule(joined(answer), case)


def answers_of(answer: Answer) -> list[Answer]:
    """The answers to the turns of a conversation; what was said before a tool ran is left out.

    Example:
        >>> said = [{"role": "assistant", "content": "A"}, {"role": "user", "content": "b?"},
        ...         {"role": "assistant", "content": "B"}]
        >>> [one.output for one in answers_of(Answer("B", conversation=said))]
        ['A', 'B']
    """
    texts: list[str] = []
    last = ""
    for message in answer.conversation or ():
        if message.get("role") == "assistant":
            last = content_text(message.get("content") or "")
        elif message.get("role") == "user":
            texts.append(last)
            last = ""
    # Only the last one can have been cut off: a turn was sent after each of the others.
    remarks = [word for word in answer.remarks if word != _CUT_OFF]
    plain: dict[str, Any] = {"conversation": None, "tool_calls": None, "steps": None}
    earlier = [
        dataclasses.replace(answer, output=text, finish_reason=None, remarks=remarks, **plain)
        for text in texts
    ]
    return [*earlier, dataclasses.replace(answer, **(plain if earlier else {}))]


def expected_of(case: Case, turns: int) -> list[Any]:
    """What each turn expects.

    Raises:
        ValueError: the list is of another length than the conversation.

    Example:
        >>> expected_of(Case("1", {}, '["open", null]'), 2)
        ['open', None]
    """
    expected = listed(case.expected)
    if expected is None:
        if case.expected is None or turns == 1:
            return [case.expected] * turns
        raise ValueError(_mismatch("one value", turns))
    if len(expected) != turns:
        raise ValueError(_mismatch(f"a list of {len(expected)}", turns))
    return expected


def _mismatch(has: str, turns: int) -> str:
    return f"expected is {has}, and the conversation has {turns} turns: one item for each is needed"


def listed(expected: Any) -> list[Any] | None:
    """What a case expects of each turn, also from a CSV file; None if it is no list."""
    if isinstance(expected, str) and expected.lstrip().startswith("["):
        try:
            expected = json.loads(expected)
        except ValueError:
            return None
    return expected if isinstance(expected, list) else None


def by_turn(cases: Iterable[Case]) -> list[Case]:
    """The cases with what one turn expects, so a rule can check what it will compare with.

    Example:
        >>> [case.expected for case in by_turn([Case("1", {}, ["open", "closed"])])]
        ['open', 'closed']
    """
    found = []
    for case in cases:
        wanted = listed(case.expected)
        wanted = [case.expected] if wanted is None else wanted
        found += [dataclasses.replace(case, expected=expected) for expected in wanted]
    return found


def check_turns(
    scorers: Iterable[object], variants: Sequence[Variant], cases: Sequence[Case]
) -> None:
    """Refuse expected answers that do not fit the turns, before any model is asked.

    Raises:
        PexError: a case expects another number of answers than its conversation has.
    """
    named = [scorer for scorer in scorers if isinstance(scorer, RuleScorer)]
    named = [scorer for scorer in named if isinstance(scorer.rule, EachTurn)]
    if not named:
        return
    for variant in variants:
        for case in cases:
            turns = len(variant.prompt.turns(case.values)) or 1
            try:
                expected_of(case, turns)
            except ValueError as error:
                raise PexError(
                    f"scorer '{named[0].name}', case '{case.id}': {error}",
                    hint="null in the list expects nothing of a turn",
                ) from None


def _together(scores: Sequence[tuple[int, Score]]) -> Score:
    """The scores of turns as one: their mean, and the first turn that failed."""
    broken = [(number, score.error) for number, score in scores if score.error is not None]
    if broken:
        number, error = broken[0]
        return Score(None, error=f"turn {number}: {error}")
    counted = [(number, score) for number, score in scores if score.value is not None]
    if not counted:
        return Score(None, reason=scores[0][1].reason)
    if len(scores) == 1:
        return scores[0][1]
    values = [float(score.value) for _, score in counted if score.value is not None]
    said = [_count(counted)]
    failed = next(((n, s) for n, s in counted if s.value is False), None)
    if failed is not None:
        number, score = failed
        said.append(f"first failed: turn {number}" + (f" ({score.reason})" if score.reason else ""))
    return Score(sum(values) / len(values), reason="; ".join(said))


def _count(counted: Sequence[tuple[int, Score]]) -> str:
    if all(isinstance(score.value, bool) for _, score in counted):
        right = sum(bool(score.value) for _, score in counted)
        return f"{right} of {len(counted)} turns"
    return f"mean of {len(counted)} turns"

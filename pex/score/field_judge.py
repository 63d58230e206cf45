"""Judges of single fields: what they are asked, and the scorer's own score once they have said."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.core.score import Score
from pex.core.text import value_text
from pex.score.base import RuleScorer, is_example
from pex.score.field_paths import FieldPath, lookup
from pex.score.field_plan import REST, FieldPlan, as_object
from pex.score.field_scorers import Fields
from pex.score.judge.judge import Judge
from pex.score.judge_rule import PENDING, JudgeRule
from pex.score.reading import parse_json


class FieldJudge(Judge):
    """A judge of one field: `output` is the field's value, `expected` the value in the case."""

    path: FieldPath
    fields: Fields
    scorer: str
    """The name of the scorer that it is a part of."""

    def applies(self, case: Case) -> bool:
        """Whether it can judge answers to a case: no if it shows a value that is not expected."""
        return (
            not self._shows_expected or lookup(as_object(case.expected) or {}, self.path.names)[0]
        )

    def settled(self, case: Case, answer: Answer) -> Score | None:
        """The score that needs no call: of a value that is missing, too much or not expected."""
        expected = {} if case.expected is None else case.expected
        try:
            outcomes = self.fields.read(answer, expected).outcomes
        except (TypeError, ValueError, TimeoutError, RecursionError) as error:
            return Score(None, error=f"{type(error).__name__}: {error}")
        score = next(item.score for item in outcomes if item.field == self.path.name)
        return None if score.reason == PENDING else score

    def question(self, case: Case, *answers: Answer) -> Case:
        """The values of its prompt's variables."""
        (answer,) = answers
        given = parse_json(answer.output or "")
        # An answer that does not exist yet, in a preview, is as long as it may become.
        value = lookup(given, self.path.names)[1] if isinstance(given, dict) else answer.output
        wanted = lookup(as_object(case.expected) or {}, self.path.names)[1]
        case = dataclasses.replace(case, expected=None if wanted is None else value_text(wanted))
        return super().question(case, dataclasses.replace(answer, output=value_text(value)))

    def whole(self, case: Case, answer: Answer, verdicts: Mapping[str, Score]) -> dict[str, Score]:
        """The score of the scorer itself, when all its judges have said what they say.

        Args:
            case: the case.
            answer: the whole answer.
            verdicts: the scores by judges so far, by field.
        """
        if len(verdicts) < len(self.fields.judges) or is_example(answer):
            return {}
        again = RuleScorer(self.scorer, lambda given, of: self.fields.scores(given, of, verdicts))
        return {self.scorer: again(answer, case)[self.scorer]}


def field_judges(fields: Fields, plan: FieldPlan, scorer: str, base: Path) -> Sequence[FieldJudge]:
    """The judges of the fields whose rule is one.

    Args:
        fields: the scorer.
        plan: its rules.
        scorer: its name.
        base: the folder that the paths of prompts start from.

    Raises:
        PexError: a rubric cannot be used, or a judge would be asked about records, or any field.
    """
    if isinstance(plan.rest, JudgeRule):
        raise PexError(f"field '{REST}': a judge is asked about a field that is named")
    found = []
    for path, rule in (plan.rules or {}).items():
        if not isinstance(rule, JudgeRule):
            continue
        if path.records is not None:
            raise PexError(
                f"field '{path.text}': the rule 'judge' is for a single field, not for records",
                hint="let it see the whole list: the path without []",
            )
        made = rule.judge(f"{scorer}.{path.name}", base, FieldJudge)
        assert isinstance(made, FieldJudge)
        made.path, made.fields, made.scorer = path, fields, scorer
        found.append(made)
    return found


def judges_of(scorer: Any) -> Sequence[FieldJudge]:
    """The judges of the fields of a scorer, or none."""
    rule = scorer.rule if isinstance(scorer, RuleScorer) else None
    judges = rule.judges if isinstance(rule, Fields) else ()
    return [judge for judge in judges if isinstance(judge, FieldJudge)]

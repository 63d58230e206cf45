"""Scorers of `mlflow.genai`, used unchanged."""

from __future__ import annotations

import copy
import sys
from typing import Any

from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.score import WORDS, Score
from pex.score.base import Rule


def is_mlflow_scorer(item: Any) -> bool:
    """Whether `item` is an MLflow scorer; MLflow is not imported to find out."""
    module = sys.modules.get("mlflow.genai.scorers.base")
    return module is not None and isinstance(item, module.Scorer)


def mlflow_rule(scorer: Any) -> Rule:
    """A rule that calls an MLflow scorer as `mlflow.genai.evaluate` does."""

    def rule(answer: Answer, case: Case) -> Any:
        inputs, expected = copy.deepcopy((case.inputs, case.expected))
        if expected is not None and not isinstance(expected, dict):
            expected = {"expected_response": expected}
        result = scorer.run(inputs=inputs, outputs=answer.output, expectations=expected)
        if not isinstance(result, list):
            return _feedback(result)
        names = [item.name for item in result]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two of its feedbacks are called '{name}'")
        return {"" if item.name == scorer.name else item.name: _feedback(item) for item in result}

    return rule


def _feedback(result: Any) -> Any:
    """A feedback's value and rationale; MLflow's judges return "yes" and "no"."""
    if not hasattr(result, "rationale"):
        return result
    if result.error is not None:
        error = getattr(result.error, "error_message", None)
        return Score(None, error=str(error or result.error))
    value = result.value
    if isinstance(value, str):
        value = WORDS.get(value.casefold(), value)
    return Score(value, reason=result.rationale)

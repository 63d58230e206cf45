"""A deployed trace as a case and an answer, so that it is scored like an experiment's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.sanitized_json import sanitized_json
from pex.monitoring.scoring import TraceCase


def trace_case(
    trace_id: str,
    request: str | None,
    response: str | None,
    *,
    variables: Mapping[str, Any] | None = None,
    expected: Any = None,
    model: str = "",
    finish_reason: str | None = None,
    messages: Sequence[Mapping[str, Any]] | None = None,
) -> TraceCase:
    """The trace as scorers see it.

    The variables of its prompt are the case's inputs, and `input` is always there: the text of the
    user.

    Args:
        trace_id: its id, which is the case's.
        request: what the user said.
        response: what the application answered.
        variables: the variables of the prompt, where the trace names them.
        expected: the expected answer, if somebody gave the trace one.
        model: the model that answered.
        finish_reason: why the answer ended.
        messages: those that the last call sent, if they are known.

    Example:
        >>> found = trace_case("tr-1", "Nice.", "positive", variables={"review": "Nice."})
        >>> found.case.inputs, found.answer.output
        ({'review': 'Nice.', 'input': 'Nice.'}, 'positive')
    """
    inputs: dict[str, Any] = dict(sanitized_json(dict(variables or {})))
    inputs.setdefault("input", sanitized_json(request or ""))
    answer = Answer(
        output=sanitized_json(response or ""),
        finish_reason=finish_reason,
        remarks=["cut_off"] if finish_reason in ("length", "max_tokens") else [],
    )
    return TraceCase(Case(trace_id, inputs, expected), answer, model or "unknown", messages or None)

"""A user's own function as a scorer: it gets what its parameters ask for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.errors import PexError, nearest
from pex.score.base import Rule

_ABOUT = ("expected", "case_id", "group", "tags", "answer")


def function_rule(function: Callable[..., Any], cases: Sequence[Case]) -> Rule:
    """A rule that calls `function(output, expected=…, **case)` with the keywords it declares.

    Besides the case's inputs there are `expected`, `case_id`, `group`, `tags` and `answer` (a
    `pex.core.call.Answer`: tokens, latency, finish reason).

    Raises:
        PexError: a parameter without a default that neither pex nor any case has.
    """
    parameters = list(inspect.signature(function).parameters.values())
    takes_all = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if not parameters or parameters[0].kind not in (*positional, inspect.Parameter.VAR_POSITIONAL):
        raise PexError(
            f"scorer '{getattr(function, '__name__', function)}': its first parameter must be "
            "the output",
            hint="def polite(output, expected=None): return …",
        )
    named = [p for p in parameters[1:] if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    known = {*_ABOUT, *(name for case in cases for name in case.inputs)}
    for parameter in named:
        if parameter.default is parameter.empty and parameter.name not in known:
            raise PexError(
                f"scorer '{function.__name__}': no case has '{parameter.name}'",
                hint=nearest(parameter.name, sorted(known)),
            )
    names = {p.name for p in named}

    def rule(answer: Answer, case: Case) -> Any:
        given: dict[str, Any] = dict(case.inputs)
        given |= {"expected": case.expected, "case_id": case.id, "group": case.group}
        given |= {"tags": list(case.tags), "answer": answer}
        if not takes_all:
            given = {key: value for key, value in given.items() if key in names}
        given.pop(parameters[0].name, None)  # an input column may be called like the output
        return function(answer.output, **given)

    return rule

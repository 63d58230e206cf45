"""A user's own function as a scorer: it gets what its parameters ask for."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.errors import PexError, nearest
from pex.score.base import Rule

_ABOUT = ("expected", "case_id", "group", "tags", "answer")


def function_name(function: Any) -> str:
    """What a function, or an object that can be called like one, is called."""
    return str(getattr(function, "__name__", type(function).__name__))


def function_rule(function: Callable[..., Any], cases: Sequence[Case]) -> Rule:
    """A rule that calls `function(output, expected=…, **case)` with the keywords it declares.

    Besides the case's inputs there are `expected`, `case_id`, `group`, `tags` and `answer` (a
    `pex.core.call.Answer`: tokens, latency, finish reason). The function gets copies: what it
    changes in them changes no result.

    Raises:
        PexError: a function that takes no output, an asynchronous one, or a parameter without a
            default that neither pex nor any case has.
    """
    parameters = _parameters(function)
    takes_all = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
    named = [p for p in parameters[1:] if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    known = {*_ABOUT, *(name for case in cases for name in case.inputs)}
    for parameter in named:
        if parameter.default is parameter.empty and parameter.name not in known:
            raise PexError(
                f"scorer '{function_name(function)}': no case has '{parameter.name}'",
                hint=nearest(parameter.name, sorted(known)),
            )
    names = {p.name for p in named}

    def rule(answer: Answer, case: Case) -> Any:
        answer, case = copy.deepcopy((answer, case))
        given: dict[str, Any] = dict(case.inputs)
        given |= {"expected": case.expected, "case_id": case.id, "group": case.group}
        given |= {"tags": list(case.tags), "answer": answer}
        if not takes_all:
            given = {key: value for key, value in given.items() if key in names}
        given.pop(parameters[0].name, None)  # an input column may be called like the output
        return function(answer.output, **given)

    return rule


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    name = function_name(function)
    call = getattr(function, "__call__", None)  # noqa: B004 - an object's own, not whether it has one
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call):
        raise PexError(
            f"scorer '{name}' is asynchronous", hint=f"write it as def {name}(output): …"
        )
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:
        raise PexError(
            f"scorer '{name}' does not say which parameters it takes",
            hint="call it in a function of your own: def polite(output): return …",
        ) from None
    first = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    )
    if not parameters or parameters[0].kind not in first:
        raise PexError(
            f"scorer '{name}': its first parameter must be the output",
            hint="def polite(output, expected=None): return …",
        )
    for parameter in parameters[1:]:
        if parameter.kind is parameter.POSITIONAL_ONLY and parameter.default is parameter.empty:
            raise PexError(
                f"scorer '{name}': '{parameter.name}' cannot be given by its name",
                hint="only the output may stand before '/'",
            )
    return parameters

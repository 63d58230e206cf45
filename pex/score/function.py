"""A user's own function as a scorer: its parameters decide what it receives."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from pex.core.call import Answer
from pex.core.cases import Case, known_variables
from pex.core.errors import PexError, nearest
from pex.score.base import Rule
from pex.score.mlflow_adapter import is_mlflow_scorer, mlflow_rule

_ABOUT = ("expected", "case_id", "group", "tags", "answer")


def callable_name(item: Any) -> str:
    """The name of a function, an MLflow scorer or another callable object."""
    if is_mlflow_scorer(item):
        return str(item.name)
    return str(getattr(item, "__name__", type(item).__name__))


def callable_rule(item: Any, cases: Sequence[Case]) -> Rule:
    """A rule that calls a function or an MLflow scorer.

    Raises:
        PexError: the function cannot be called with the values of a case.
    """
    return mlflow_rule(item) if is_mlflow_scorer(item) else function_rule(item, cases)


def function_rule(
    function: Callable[..., Any],
    cases: Sequence[Case],
    world_of: Callable[[Answer, Case], Any] | None = None,
) -> Rule:
    """A rule that calls `function(output, expected=…, **case)` with the keywords it declares.

    In addition to the case's inputs there are `expected`, `case_id`, `group`, `tags` and `answer`
    (a `pex.core.call.Answer`: tokens, latency, finish reason). The function gets copies: changing
    them does not change any result.

    Args:
        function: the function.
        cases: the cases to score.
        world_of: returns the made world after a path: the function then gets it first, and the
            output as `output`.

    Raises:
        PexError: the function does not accept the output, is asynchronous, or has a parameter
            without a default that neither pex nor any case provides.
    """
    parameters = _parameters(function, "output" if world_of is None else "world")
    takes_all = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
    named = [p for p in parameters[1:] if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    known = {*_ABOUT, *known_variables(cases), *(() if world_of is None else ("output",))}
    for parameter in named:
        if parameter.default is parameter.empty and parameter.name not in known:
            hint = nearest(parameter.name, sorted(known))
            raise PexError(f"no case has '{parameter.name}'", hint=hint)
    names = {p.name for p in named}

    def rule(answer: Answer, case: Case) -> Any:
        answer, case = copy.deepcopy((answer, case))
        given: dict[str, Any] = dict(case.inputs if takes_all else case.values)
        given |= {"expected": case.expected, "case_id": case.id, "group": case.group}
        given |= {"tags": list(case.tags), "answer": answer}
        if world_of is not None:
            given["output"] = answer.output
        if not takes_all:
            given = {key: value for key, value in given.items() if key in names}
        given.pop(parameters[0].name, None)  # an input column may have the name of the output
        return function(answer.output if world_of is None else world_of(answer, case), **given)

    return rule


def _parameters(function: Callable[..., Any], first_is: str) -> list[inspect.Parameter]:
    call = type(function).__call__  # for a callable object
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call):
        raise PexError("it is asynchronous", hint="write it with 'def', without 'async'")
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:
        raise PexError(
            "its parameters cannot be read",
            hint="call it in your own function: def polite(output): return …",
        ) from None
    first = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    )
    if not parameters or parameters[0].kind not in first:
        raise PexError(
            f"its first parameter must be the {first_is}",
            hint=f"def polite({first_is}, expected=None): return …",
        )
    for parameter in parameters[1:]:
        if parameter.kind is parameter.POSITIONAL_ONLY and parameter.default is parameter.empty:
            raise PexError(
                f"'{parameter.name}' cannot be given by its name",
                hint=f"only the {first_is} can come before '/'",
            )
    return parameters

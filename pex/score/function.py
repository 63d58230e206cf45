"""A user's own function as a scorer: its parameters decide what it receives."""

from __future__ import annotations

import copy
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from pex.core.call import Answer
from pex.core.cases import Case, known_variables
from pex.core.errors import PexError, nearest
from pex.core.project import find_project
from pex.project import origin
from pex.score.base import Rule
from pex.score.mlflow_adapter import is_mlflow_scorer, mlflow_rule

_ABOUT = ("expected", "case_id", "group", "tags", "answer")


_REFERENCE = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*):([^\W\d]\w*)")


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


def parts_of(reference: str) -> tuple[str, str]:
    """The module and the function of a reference; nothing is imported.

    Raises:
        PexError: it is not `module:function`, or the module is one of Python's own.

    Example:
        >>> parts_of("house.rules:calm")
        ('house.rules', 'calm')
    """
    parts = _REFERENCE.fullmatch(reference)
    if parts is None:
        raise PexError(f"expected 'module:function', got '{reference}'")
    origin.check_module(reference, parts[1])
    return parts[1], parts[2]


def import_callable(reference: str) -> Any:
    """Import the function, or the MLflow scorer, that `module:function` names.

    Raises:
        PexError: the module or function does not exist (the message gives the nearest name), or
            is one of Python's own.
    """
    module_name, name = parts_of(reference)
    try:
        module = _module(module_name)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's module may fail in any way
        failure = (
            str(error) if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
        )
        raise PexError(
            f"cannot import {module_name}: {failure}",
            hint="put the module into the project's folder or its notebooks/, or install it",
        ) from None
    found = getattr(module, name, None)
    if not callable(found):
        names = [key for key, value in vars(module).items() if callable(value) and key[0] != "_"]
        raise PexError(f"{module_name} has no function '{name}'", hint=nearest(name, names))
    origin.check_function(reference, found)
    return found


def _module(name: str) -> ModuleType:
    """Import a module that is installed, or is in a project's own folder of modules.

    A notebook finds modules beside it; a night runs in the folder of its plan.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0]:
            raise  # the module was found, but one of its imports was not
    project = find_project()
    places = [str(place) for place in (project, project / "notebooks")]
    sys.path += [place for place in places if place not in sys.path]
    return importlib.import_module(name)


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

"""From what a user writes in `scorers` to scorers, and back to what a file can hold."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.cases import Case
from pex.core.errors import PexError, nearest
from pex.core.files import validate
from pex.core.names import check_name
from pex.score.base import Rule, RuleScorer, Scorer, check_expected
from pex.score.function import function_name, function_rule
from pex.score.kinds import KINDS, FunctionKind
from pex.score.mlflow_adapter import is_mlflow_scorer, mlflow_rule

_REFERENCE = re.compile(r"(?P<module>[^\W\d]\w*(?:\.[^\W\d]\w*)*):(?P<name>[^\W\d]\w*)")


def build(items: Iterable[Any], cases: Sequence[Case], base: Path | None = None) -> list[Scorer]:
    """The scorers that `items` name.

    Args:
        items: names of kinds, dicts with `kind` and options, functions, `"module:function"`,
            scorers of `mlflow.genai`.
        cases: what is scored; `label` takes its labels from what they expect.
        base: the folder that paths in `items` start from.

    Raises:
        PexError: an unknown kind or option, a bad pattern or schema, two scores of one name, no
            expected answers where they are needed, one that the scorer cannot compare with.

    Example:
        >>> build(["exact", {"kind": "length", "max_words": 3}], [Case("a", {}, "x")])[1].name
        'length'
    """
    if isinstance(items, str | Mapping) or not isinstance(items, Iterable):
        raise PexError("scorers: expected a list", hint="for example scorers=['label']")
    scorers = [_build_one(item, list(cases), base or Path()) for item in items]
    names = [scorer.name for scorer in scorers]
    for name in names:
        if names.count(name) > 1:
            raise PexError(
                f"two scorers are called '{name}'",
                hint=f"give one a name of its own: {{kind: …, name: {name}_2}}",
            )
    return scorers


def dump(items: Iterable[Any]) -> list[str | dict[str, Any]]:
    """What `experiment.yaml` says for `items`.

    Raises:
        PexError: a function or scorer that cannot be imported by a name.
    """
    dumped: list[str | dict[str, Any]] = []
    for item in items:
        if isinstance(item, str):
            dumped.append(item)
        elif isinstance(item, Mapping):
            dumped.append(dict(item))
        else:
            dumped.append(_reference(item))
    return dumped


def import_function(reference: str) -> Callable[..., Any]:
    """The function that `module:function` names.

    Raises:
        PexError: no such module or function; the nearest name is given.
    """
    parts = _REFERENCE.fullmatch(reference)
    if parts is None:
        raise PexError(f"scorer '{reference}': expected 'module:function'")
    module_name, name = parts["module"], parts["name"]
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's module may fail in any way
        failure = error if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
        raise PexError(
            f"scorer '{reference}': cannot import {module_name}: {failure}",
            hint="the module must be importable where the experiment runs",
        ) from None
    function = getattr(module, name, None)
    if not callable(function):
        names = [key for key, value in vars(module).items() if callable(value) and key[0] != "_"]
        raise PexError(
            f"scorer '{reference}': {module_name} has no function '{name}'",
            hint=nearest(name, names),
        )
    return function  # type: ignore[no-any-return]


def _build_one(item: Any, cases: list[Case], base: Path) -> Scorer:
    if isinstance(item, str) and ":" in item:
        item = import_function(item)
    if isinstance(item, str):
        item = {"kind": item}
    if isinstance(item, Mapping):
        return _build_kind(dict(item), cases, base)
    if callable(item):
        name = str(item.name) if is_mlflow_scorer(item) else function_name(item)
        if name == "<lambda>":
            raise PexError(
                "a lambda has no name that its score could have",
                hint="write it as a function: def polite(output): return …",
            )
        return RuleScorer(check_name(name, "score name"), _callable_rule(item, cases))
    raise PexError(
        f"a scorer is a name, a dict with 'kind', or a function; got {type(item).__name__}",
        hint=f"kinds: {', '.join(KINDS)}",
    )


def _build_kind(item: dict[str, Any], cases: list[Case], base: Path) -> Scorer:
    kind = item.get("kind")
    if kind is None:
        raise PexError(
            f"scorer {item}: the key 'kind' is missing", hint=f"one of {', '.join(KINDS)}"
        )
    if not isinstance(kind, str) or kind not in KINDS:
        raise PexError(f"there is no scorer of kind '{kind}'", hint=nearest(str(kind), KINDS))
    options = validate(KINDS[kind], item, f"scorer '{item.get('name') or kind}'")
    if isinstance(options, FunctionKind):
        function = import_function(options.function)
        name = options.function.partition(":")[2] if options.name is None else options.name
        return RuleScorer(name, _callable_rule(function, cases))
    name = check_name(kind if options.name is None else options.name, "score name")
    if options.needs_expected():
        check_expected(cases, name)
    try:
        return RuleScorer(name, options.rule(cases, base))
    except PexError as error:
        raise PexError(f"scorer '{name}': {error.message}", hint=error.hint) from None


def _callable_rule(item: Any, cases: list[Case]) -> Rule:
    return mlflow_rule(item) if is_mlflow_scorer(item) else function_rule(item, cases)


def _reference(item: Any) -> str:
    module, name = getattr(item, "__module__", None), getattr(item, "__qualname__", None)
    found = getattr(sys.modules.get(str(module)), str(name), None)
    # What a name finds in this process it must find in another one too: not what a notebook
    # defines, and not what stands inside a function or behind a decorator of another name.
    if module in (None, "__main__") or name is None or found is not item:
        shown = item.name if is_mlflow_scorer(item) else name or type(item).__name__
        raise PexError(
            f"scorer '{shown}' cannot be saved: a file can only name a function that another "
            "process can import",
            hint="move it into a module, then use 'module:function'",
        )
    return f"{module}:{name}"

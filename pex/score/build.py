"""Building scorers from a user's `scorers`, and converting them back to a file's form."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pex.core.cases import Case
from pex.core.errors import PexError, nearest
from pex.core.names import check_name
from pex.project.files import validate
from pex.project.functions import parts_of
from pex.score.base import LateScorer, Rule, RuleScorer, Scorer, check_expected
from pex.score.field_judge import judges_of
from pex.score.function import callable_name, callable_rule
from pex.score.judge.judge import Judge
from pex.score.kinds import KINDS, JudgeKind, Kind, OfColumn, OfTurns
from pex.score.own_column import of_column, with_column
from pex.score.turns import EachTurn, by_turn, whole_conversation
from pex.score.value_rules import written
from pex.score.world import world_rule

T = TypeVar("T")
_OF_FUNCTION: dict[str, Callable[[Any, Sequence[Case]], Rule]] = {
    "function": callable_rule,
    "state": world_rule,
}
"""The kinds that take a function, and how it is called."""


def build(
    items: Iterable[Any], cases: Sequence[Case], base: Path | None = None
) -> list[Scorer | Judge]:
    """Build the scorers and judges that `items` name; `parted` separates the two.

    Args:
        items: names of kinds, dicts with `kind` and options, functions, `"module:function"`,
            scorers of `mlflow.genai`, judges.
        cases: the cases to score; `label` takes its labels from their expected answers.
        base: the folder that paths in `items` start from.

    Raises:
        PexError: an unknown kind or option, an invalid pattern or schema, two scores of one name,
            missing expected answers, or one that the scorer cannot compare with. The target of
            `"module:function"` is not looked up before `imported`.

    Example:
        >>> build(["exact", {"kind": "length", "max_words": 3}], [Case("a", {}, "x")])[1].name
        'length'
    """
    if isinstance(items, str | Mapping) or not isinstance(items, Iterable):
        raise PexError("scorers: expected a list", hint="for example scorers=['label']")
    items = list(items)
    # Errors in names are reported all at once, before any scorer is built.
    _check_names([name for item in items if (name := _name_of(item)) is not None])
    scorers = [_build_one(item, list(cases), base or Path()) for item in items]
    _check_names([scorer.name for scorer in scorers])
    return scorers


def parted(built: Iterable[Scorer | Judge]) -> tuple[list[Scorer], list[Judge]]:
    """The scorers, which score an answer by themselves, and the judges, which call a model.

    The judges of single fields are those of a scorer `fields`, which is among the scorers.
    """
    scorers: list[Scorer] = []
    judges: list[Judge] = []
    for item in built:
        if isinstance(item, Judge):
            judges.append(item)
            continue
        scorers.append(item)
        judges += judges_of(item)
    return scorers, judges


def imported(scorers: Iterable[Scorer]) -> list[Scorer]:
    """The scorers with the functions that they name imported, before an experiment runs.

    Raises:
        PexError: a module or function does not exist, or does not fit the cases.
    """
    return [item.find() if isinstance(item, LateScorer) else item for item in scorers]


def _check_names(names: Sequence[Any]) -> None:
    problems: list[PexError] = []
    for name in dict.fromkeys(map(str, names)):
        try:
            check_name(name, "score name")
        except PexError as error:
            problems.append(error)
        if names.count(name) > 1:
            number = {2: "two", 3: "three"}.get(names.count(name), str(names.count(name)))
            hint = f"give one its own name: {{kind: …, name: {name}_2}}"
            problems.append(PexError(f"{number} scorers are called '{name}'", hint=hint))
    if len(problems) == 1:
        raise problems[0]
    if problems:
        said = "".join(f"\n- {error}".replace("\n  ", ": ") for error in problems)
        raise PexError(f"{len(problems)} names of scores cannot be used:{said}")


def _name_of(item: Any) -> str | None:
    """The name that a scorer will have; None if it is known only after building."""
    if isinstance(item, Judge):
        return item.name
    if isinstance(item, str):
        return item if item in KINDS else item.partition(":")[2] or None
    if isinstance(item, Mapping):
        name, kind = item.get("name"), item.get("kind")
        if name is not None:
            return str(name)
        if kind == "function" and callable(item.get("function")):
            return callable_name(item["function"])
        if kind == "function":
            return str(item.get("function", "")).partition(":")[2] or kind
        known = isinstance(kind, str) and kind in KINDS and kind != "judge"
        return kind if known else None
    return callable_name(item) if callable(item) and not _is_lambda(item) else None


def _is_lambda(item: Any) -> bool:
    return callable_name(item) == "<lambda>"


def dump(items: Iterable[Any]) -> list[str | dict[str, Any]]:
    """The form of `items` in `experiment.yaml`.

    Raises:
        PexError: a function or scorer cannot be imported by name.
    """
    dumped: list[str | dict[str, Any]] = []
    for item in items:
        if isinstance(item, str):
            dumped.append(item)
        elif isinstance(item, Mapping):
            function = item.get("function")
            named = {"function": _reference(function)} if callable(function) else {}
            dumped.append({**written(item), **named})
        elif isinstance(item, Judge):
            dumped.append(item.to_dict())
        else:
            dumped.append(_reference(item))
    return dumped


def _build_one(item: Any, cases: list[Case], base: Path) -> Scorer | Judge:
    if isinstance(item, Judge):
        item.check(cases)
        return item
    if isinstance(item, str):
        item = {"kind": "function", "function": item} if ":" in item else {"kind": item}
    if isinstance(item, Mapping):
        return _build_kind(dict(item), cases, base)
    if not callable(item):
        raise PexError(
            f"a scorer is a name, a dict with 'kind', or a function; got {type(item).__name__}",
            hint=f"kinds: {', '.join(KINDS)}",
        )
    name = callable_name(item)
    if _is_lambda(item):
        raise PexError(
            "a lambda has no name to give to its score",
            hint="write it as a function: def polite(output): return …",
        )
    return _build_rule(check_name(name, "score name"), lambda: callable_rule(item, cases))


def _build_kind(item: dict[str, Any], cases: list[Case], base: Path) -> Scorer | Judge:
    kind = item.get("kind")
    if kind is None:
        raise PexError(
            f"scorer {item}: the key 'kind' is missing", hint=f"one of {', '.join(KINDS)}"
        )
    if not isinstance(kind, str) or kind not in KINDS:
        raise PexError(f"there is no scorer of kind '{kind}'", hint=nearest(str(kind), KINDS))
    function = item.get("function") if kind in _OF_FUNCTION else None
    if callable(function):
        # Not a reference that is looked up later: the function itself, with options.
        item = {**item, "function": callable_name(function)}
        given = validate(KINDS[kind], item, f"scorer '{item.get('name') or item['function']}'")
        own = item["function"] if kind == "function" else given.default_name()
        name = own if given.name is None else given.name
        rule = _OF_FUNCTION[kind]
        return _build_rule(
            check_name(name, "score name"),
            lambda: _of_turns(given, cases, lambda shown: rule(function, shown)),
        )
    options = validate(KINDS[kind], item, f"scorer '{item.get('name') or kind}'")
    if isinstance(options, JudgeKind):
        return _build_one(options.judge(base), cases, base)
    name = options.default_name() if options.name is None else options.name
    check_name(name, "score name")
    column = options.column if isinstance(options, OfColumn) else None
    cases = with_column(cases, column, name)
    if options.needs_expected() and column is None:
        check_expected(cases, name)

    def rule_of() -> Rule:
        return of_column(_of_turns(options, cases, lambda shown: options.rule(shown, base)), column)

    reference = options.imports()
    if reference is not None:
        _told(name, lambda: parts_of(reference))
        return LateScorer(name, lambda: _build_rule(name, rule_of))
    return _build_rule(name, rule_of)


def _of_turns(options: Kind, cases: Sequence[Case], make: Callable[[Sequence[Case]], Rule]) -> Rule:
    """The rule, on the part of a conversation that its options name."""
    turns = options.turns if isinstance(options, OfTurns) else "last"
    if turns == "each":
        return EachTurn(make(by_turn(cases)))
    return whole_conversation(make(cases)) if turns == "whole" else make(cases)


def _build_rule(name: str, rule: Callable[[], Rule]) -> RuleScorer:
    return RuleScorer(name, _told(name, rule))


def _told(name: str, make: Callable[[], T]) -> T:
    """Make something for a scorer; an error names the scorer."""
    try:
        return make()
    except PexError as error:
        raise PexError(f"scorer '{name}': {error.message}", hint=error.hint) from None


def _reference(item: Any) -> str:
    module, name = getattr(item, "__module__", None), getattr(item, "__qualname__", None)
    found = getattr(sys.modules.get(str(module)), str(name), None)
    # The name must find the same object in another process: not something defined in a notebook,
    # inside a function or behind a decorator with a different name.
    if module in (None, "__main__") or name is None or found is not item:
        shown = name or callable_name(item)
        raise PexError(
            f"scorer '{shown}' cannot be saved: a file can only name a function that another "
            "process can import",
            hint="move it into a module, then use 'module:function'",
        )
    return f"{module}:{name}"

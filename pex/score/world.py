"""The scorer `state`: the made world after a path, compared with the expected one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.errors import PexError, nearest
from pex.core.paths import calls_of, same_json
from pex.core.score import Score
from pex.score.base import Rule
from pex.score.field_rules import FieldRule, check_rules, field_rule
from pex.score.function import function_rule
from pex.score.reading import NoJson, parse_json, shorten

WORLD, EXPECTED = "world", "expected_world"
REST = ("unchanged", "ignore")
NO_WORLD = "no made world: no tool has run on one"
_MOST_SAID = 3

Place = tuple[str, ...]


class State:
    """A rule that compares the world after a path with what the case expects of it.

    A case expects only what differs: `{"orders": {"A1": {"status": "cancelled"}}}`. Null is what
    is gone.

    Args:
        rules: the rule of a value, by its place with dots, `*` for one name: `orders.*.total`.
        rest: `unchanged`: everything else must be as it was before the path; `ignore`.
        column: the case's column with the expected world.
        cases: the cases to score.

    Raises:
        PexError: no case expects a world, one cannot be read or compared, or a rule has no place.
    """

    def __init__(
        self, rules: Mapping[str, Any], rest: str, column: str, cases: Sequence[Case]
    ) -> None:
        if rest not in REST:
            raise PexError(
                f"rest: there is no '{rest}'", hint=nearest(rest, REST) or " or ".join(REST)
            )
        self._rules = {tuple(name.split(".")): rule for name, rule in check_rules(rules).items()}
        self._exact = field_rule("exact")
        self._rest, self._column = rest, column
        self._check(cases)

    def __call__(self, answer: Answer, case: Case) -> Score:
        """Whether the world is as expected; the reason says what differs."""
        wanted = self._expected(case)
        if wanted is None:
            return Score(None, reason="no expected world")
        before = _object(case.values.get(WORLD), f"case '{case.id}': {WORLD}")
        after = world_after(answer, before)
        if after is None:
            return Score(None, reason=NO_WORLD)
        problems = [*self._different(after, wanted)]
        if self._rest == "unchanged" and before is not None:
            problems += _changed(before, after, [place for place, _ in leaves(wanted)])
        if not problems:
            return Score(True)
        more = len(problems) - _MOST_SAID
        said = [*problems[:_MOST_SAID], *([f"and {more} more"] if more > 0 else [])]
        return Score(False, reason="; ".join(said))

    def _different(self, after: Any, wanted: Mapping[str, Any]) -> Iterator[str]:
        for place, value in leaves(wanted):
            score = self._rule(place)(_at(after, place), value)
            if score.value is not None and score.value < 1:
                yield f"{'.'.join(place)}: {score.reason or 'differs'}"

    def _rule(self, place: Place) -> FieldRule:
        for pattern, rule in self._rules.items():
            if len(pattern) == len(place) and all(map(fnmatchcase, place, pattern)):
                return rule
        return self._exact

    def _expected(self, case: Case) -> dict[str, Any] | None:
        name = self._column
        value = case.expected if name == "expected" else case.values.get(name)
        return _object(value, f"case '{case.id}': {name}")

    def _check(self, cases: Sequence[Case]) -> None:
        used: set[int] = set()
        known: dict[str, None] = {}
        expected = [(case, self._expected(case)) for case in cases]
        if cases and all(wanted is None for _, wanted in expected):
            raise PexError(
                f"no case expects a world: there is no column '{self._column}'",
                hint="state: {function: module:function} calls a function of yours with it",
            )
        for case, wanted in expected:
            for place, value in leaves(wanted or {}):
                rule, name = self._rule(place), ".".join(place)
                used.add(id(rule))
                known[name] = None
                problem = None if value is None else rule.problem(value)
                if problem is not None:
                    shown = shorten(f"{name}: {value!r}")
                    raise PexError(f"case '{case.id}' expects {shown}, which {problem}")
        for pattern, rule in self._rules.items() if known else ():
            if id(rule) not in used:
                name = ".".join(pattern)
                raise PexError(
                    f"rules: no case expects anything at '{name}'", hint=nearest(name, known)
                )


def world_rule(function: Callable[..., Any], cases: Sequence[Case]) -> Rule:
    """A rule that calls `function(world, expected=…, **case)` with the world after the path.

    Its first parameter is that world, under any name; `world` as another parameter is the world
    before the path. It does not apply if no tool has run on a world.

    Raises:
        PexError: as `function_rule`.
    """
    rule = function_rule(function, cases, _after)

    def checked(answer: Answer, case: Case) -> Any:
        return Score(None, reason=NO_WORLD) if _after(answer, case) is None else rule(answer, case)

    return checked


def _after(answer: Answer, case: Case) -> dict[str, Any] | None:
    return world_after(answer, _object(case.values.get(WORLD), f"case '{case.id}': {WORLD}"))


def world_after(answer: Answer, before: dict[str, Any] | None) -> dict[str, Any] | None:
    """The world after a path; as before if no tool was called, None if it is not known."""
    if answer.world is None and not calls_of(answer):
        return before
    return answer.world


def leaves(world: Mapping[str, Any], place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """The values of a world by their place; lists and empty objects are values.

    Example:
        >>> list(leaves({"orders": {"A1": {"open": True}}, "stock": [1]}))
        [(('orders', 'A1', 'open'), True), (('stock',), [1])]
    """
    for key, value in world.items():
        here = (*place, str(key))
        if isinstance(value, Mapping) and value:
            yield from leaves(value, here)
        else:
            yield here, value


def _changed(before: Any, after: Any, expected: Sequence[Place]) -> Iterator[str]:
    """What changed although nobody expects it."""
    was, now = (
        {place: value for place, value in leaves(world) if value != {}} for world in (before, after)
    )
    for place in dict.fromkeys((*was, *now)):
        if any(place[: len(named)] == named for named in expected):
            continue
        if place not in now:
            yield f"{'.'.join(place)} is gone; nothing was expected of it"
        elif place not in was:
            yield f"{'.'.join(place)} is new: {_shown(now[place])}; nothing was expected of it"
        elif not same_json(was[place], now[place]):
            change = f"{_shown(now[place])} instead of {_shown(was[place])}"
            yield f"{'.'.join(place)}: {change}; no change was expected"


def _at(world: Any, place: Place) -> Any:
    for name in place:
        if not isinstance(world, Mapping):
            return None
        world = world.get(name)
    return world


def _object(value: Any, where: str) -> dict[str, Any] | None:
    """An object, or its JSON in a string; None if there is nothing."""
    if value is None or value == "":
        return None
    data = parse_json(value) if isinstance(value, str) else value
    if isinstance(data, NoJson):
        raise PexError(f"{where}: not valid JSON: {data.reason}")
    if not isinstance(data, dict):
        raise PexError(f"{where}: expected an object, got {type(data).__name__}")
    return data


def _shown(value: Any) -> str:
    return shorten(json.dumps(value, ensure_ascii=False, default=str))

"""The scorer `tool_calls`: the calls of a path, compared with the expected ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.errors import PexError, nearest
from pex.core.paths import PathCall, calls_of, read_call
from pex.core.score import Score
from pex.score.field_rules import FieldRule, check_rules, field_rule
from pex.score.reading import NoJson, parse_json, shorten

COLUMN = "expected_calls"
ORDERS = ("exact", "in_order", "any_order", "subset", "superset")
ARGUMENTS = ("exact", "expected", "ignore")
NO_CALLS = "no expected calls"
_MOST_SAID = 3


@dataclasses.dataclass(frozen=True, slots=True)
class ToolCallOptions:
    """How calls are compared.

    Args:
        order: `exact` (these calls, in this order), `in_order` (others may come between),
            `any_order` (these calls, in any order), `subset` (no others, some may be missing),
            `superset` (all of these, others too).
        arguments: `exact` (these and no others), `expected` (others may be added), `ignore`
            (names only). An expected call without arguments is compared by its name.
        rules: the rule of an argument, by `argument` or `tool.argument`, which goes first.
        column: the case's column with its expected calls.
        calls: what is expected in every case without such a column.
    """

    order: str = "exact"
    arguments: str = "exact"
    rules: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    column: str = COLUMN
    calls: Any = None


class ToolCalls:
    """A rule that compares the calls of a path with the expected ones.

    Raises:
        PexError: an unknown order or rule, expected calls that cannot be read or compared, or a
            rule for an argument that no expected call has.
    """

    def __init__(self, options: ToolCallOptions, cases: Sequence[Case]) -> None:
        _check_word("order", options.order, ORDERS)
        _check_word("arguments", options.arguments, ARGUMENTS)
        self._options = options
        self._rules = check_rules(options.rules)
        self._exact = field_rule("exact")
        self._fixed = None if options.calls is None else read_expected(options.calls, "calls")
        self.tool_names: dict[str, str] = {}
        """The tools that it expects, and where: a name that no prompt has is a mistake."""
        self._check(cases)

    def __call__(self, answer: Answer, case: Case) -> Score:
        """Whether the calls are the expected ones; the reason says what differs."""
        wanted = self._wanted(case)
        if wanted is None:
            return Score(None, reason=NO_CALLS)
        given = calls_of(answer)
        problems = list(self._problems(given, wanted))
        if problems:
            more = len(problems) - _MOST_SAID
            said = [*problems[:_MOST_SAID], *([f"and {more} more"] if more > 0 else [])]
            return Score(False, reason="; ".join(said))
        return Score(True, reason=", ".join(map(str, given[:_MOST_SAID])) or "no calls")

    def differences(self, given: PathCall, wanted: PathCall) -> list[str]:
        """How the arguments of a call differ from those of the expected call of the same tool."""
        if wanted.arguments is None or self._options.arguments == "ignore":
            return []
        have = {} if given.arguments is None else given.arguments
        if not isinstance(have, Mapping):
            return ["the arguments are not valid JSON" if isinstance(have, str) else
                    "the arguments are not an object"]  # fmt: skip
        names = [*wanted.arguments]
        if self._options.arguments == "exact":
            names += [name for name in have if name not in wanted.arguments]
        found = []
        for name in names:
            score = self._rule(given.name, name)(have.get(name), wanted.arguments.get(name))
            if score.value is not None and score.value < 1:
                found.append(f"{name}: {score.reason or 'differs'}")
        return found

    def _problems(self, given: Sequence[PathCall], wanted: Sequence[PathCall]) -> Iterator[str]:
        order = self._options.order
        if len(given) == len(wanted) and all(map(self._fits, given, wanted)):
            return
        pairs = self._assign(given, wanted)
        matched_given = {place for place, _ in pairs.values()}
        partial = {wanted_at: at for wanted_at, at in pairs.items() if at[1]}
        for wanted_at, (given_at, told) in partial.items():
            del pairs[wanted_at]
            yield f"call {given_at + 1}, {given[given_at].name}: {'; '.join(told)}"
        if order != "subset":
            for place, call in enumerate(wanted):
                if place not in pairs and place not in partial:
                    yield f"missing: {call}"
        if order not in ("superset", "in_order"):
            for place, call in enumerate(given):
                if place not in matched_given:
                    yield f"not expected: {call} (call {place + 1})"
        whole = len(pairs) == len(wanted) and not partial
        if not whole:
            return
        if (order == "exact" and len(given) == len(wanted)) or (
            order == "in_order" and not self._in_order(given, wanted)
        ):
            yield f"in another order: {', '.join(call.name for call in given)}"

    def _assign(
        self, given: Sequence[PathCall], wanted: Sequence[PathCall]
    ) -> dict[int, tuple[int, list[str]]]:
        """The best partner of each expected call, and how the two differ; tools must be equal."""
        if not given or not wanted:
            return {}
        import numpy as np
        from scipy.optimize import linear_sum_assignment

        # Whole matches first, then the fewest different arguments, then the order of the calls.
        gain = np.zeros((len(wanted), len(given)))
        told: dict[tuple[int, int], list[str]] = {}
        best = 4.0 * (len(given) + len(wanted))
        for row, call in enumerate(wanted):
            for column, other in enumerate(given):
                if call.name == other.name:
                    told[row, column] = found = self.differences(other, call)
                    near = 1 / (1 + abs(row - column)) / best
                    gain[row, column] = near + (best if not found else 1 + 1 / (1 + len(found)))
        rows, columns = linear_sum_assignment(gain, maximize=True)
        return {
            int(row): (int(column), told[int(row), int(column)])
            for row, column in zip(rows, columns, strict=True)
            if (int(row), int(column)) in told
        }

    def _fits(self, given: PathCall, wanted: PathCall) -> bool:
        return given.name == wanted.name and not self.differences(given, wanted)

    def _in_order(self, given: Sequence[PathCall], wanted: Sequence[PathCall]) -> bool:
        rest = iter(given)
        return all(any(self._fits(call, expected) for call in rest) for expected in wanted)

    def _rule(self, tool: str, argument: str) -> FieldRule:
        return self._rules.get(f"{tool}.{argument}") or self._rules.get(argument) or self._exact

    def _wanted(self, case: Case) -> list[PathCall] | None:
        name = self._options.column
        value = case.expected if name == "expected" else case.values.get(name)
        if value is None or value == "":
            return self._fixed
        return read_expected(value, f"case '{case.id}': {name}")

    def _check(self, cases: Sequence[Case]) -> None:
        expected = [(f"case '{case.id}'", self._wanted(case)) for case in cases]
        if self._fixed is not None:
            expected.append(("calls", self._fixed))
        elif cases and all(wanted is None for _, wanted in expected):
            raise PexError(
                f"no case has expected calls: there is no column '{self._options.column}'",
                hint=f"give each case {self._options.column}: [{{name: …, arguments: {{…}}}}], or "
                "the scorer calls: […]",
            )
        arguments: dict[str, None] = {}
        for where, calls in expected:
            for call in calls or ():
                self.tool_names.setdefault(call.name, where)
                for name, value in (call.arguments or {}).items():
                    arguments |= dict.fromkeys((name, f"{call.name}.{name}"))
                    problem = None
                    if value is not None:
                        problem = self._rule(call.name, name).problem(value)
                    if problem is not None:
                        shown = shorten(f"{call.name}: {name}: {value!r}")
                        raise PexError(f"{where} expects {shown}, which {problem}")
        for name in self._rules if any(wanted for _, wanted in expected) else ():
            if name not in arguments:
                raise PexError(
                    f"rules: no expected call has the argument '{name}'",
                    hint=nearest(name, arguments),
                )


def read_expected(value: Any, where: str) -> list[PathCall]:
    """The expected calls of a case: names, or objects with a name and arguments.

    Args:
        value: the list, or its JSON in a string.
        where: its place, for an error.

    Raises:
        PexError: it is not such a list.

    Example:
        >>> [call.name for call in read_expected('["look_up", {"name": "cancel"}]', "calls")]
        ['look_up', 'cancel']
    """
    data = parse_json(value) if isinstance(value, str) else value
    if isinstance(data, NoJson):
        raise PexError(f"{where}: not valid JSON: {data.reason}")
    if not isinstance(data, list | tuple):
        raise PexError(
            f"{where}: expected a list of calls, got {type(data).__name__}",
            hint='[{"name": "look_up", "arguments": {"order_id": "A1"}}]; [] if none is expected',
        )
    return [_read_one(item, f"{where}: call {number}") for number, item in enumerate(data, 1)]


def _read_one(item: Any, where: str) -> PathCall:
    if isinstance(item, str) and item:
        return PathCall(item)
    if isinstance(item, Mapping):
        known = ("name", "arguments", "reply", "id", "type", "function")
        for key in item:
            if key not in known:
                raise PexError(f"{where}: unknown key '{key}'", hint=nearest(str(key), known[:2]))
        call = read_call(item)
        if call is not None:
            if call.arguments is None or isinstance(call.arguments, Mapping):
                return call
            raise PexError(f"{where}: arguments: expected an object, got {call.arguments!r}")
    raise PexError(
        f"{where}: expected the name of a tool, or an object with 'name' and 'arguments', "
        f"got {shorten(repr(item))}"
    )


def _check_word(option: str, word: str, known: Sequence[str]) -> None:
    if word not in known:
        hint = nearest(word, known) or f"one of {', '.join(known)}"
        raise PexError(f"{option}: there is no '{word}'", hint=hint)

"""Scorers of a path's length and of tools it must not call: steps, forbidden_tools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.core.paths import PathCall, calls_of, number_of_steps
from pex.core.score import Score
from pex.score.reading import NoJson, parse_json

FORBIDDEN = "forbidden_tools"
_NOT_FAILED = (None, "not_run")
"""`not_run`: the path had ended before the tool could run."""


def repeated_calls(calls: Sequence[PathCall]) -> list[PathCall]:
    """The calls of a tool with the same arguments as an earlier call."""
    return [call for at, call in enumerate(calls) if any(map(call.same_call, calls[:at]))]


def failed_calls(calls: Sequence[PathCall]) -> list[PathCall]:
    """The calls that ended in an error: an unknown tool, wrong arguments, a tool that raised."""
    return [call for call in calls if call.error not in _NOT_FAILED]


def wasted_calls(calls: Sequence[PathCall]) -> list[PathCall]:
    """The calls that brought nothing new: those that failed, and repeats with an equal reply.

    A repeat whose reply differs, such as a second look at a changing state, is not wasted.

    Example:
        >>> look = PathCall("look", {"id": 7}, reply="open")
        >>> again = PathCall("look", {"id": 7}, reply="closed")
        >>> [call.reply for call in wasted_calls([look, again, again])]
        ['closed']
    """
    found = []
    for at, call in enumerate(calls):
        earlier = [other for other in calls[:at] if call.same_call(other)]
        repeated = bool(earlier) and call.reply in (None, earlier[-1].reply)
        if repeated or call.error not in _NOT_FAILED:
            found.append(call)
    return found


class Steps:
    """A rule on the length of a path: numbers, or within limits.

    Args:
        limits: the largest numbers of `steps`, `calls`, `failed`, `repeated` and `wasted`; without
            any, the numbers are the scores.
    """

    def __init__(self, limits: dict[str, int]) -> None:
        self._limits = limits

    def __call__(self, answer: Answer, case: Case) -> Any:
        """Five numbers, or whether they are within the limits."""
        calls = calls_of(answer)
        wasted = {
            "failed": failed_calls(calls),
            "repeated": repeated_calls(calls),
            "wasted": wasted_calls(calls),
        }
        numbers = {"steps": number_of_steps(answer), "calls": len(calls)}
        numbers |= {name: len(found) for name, found in wasted.items()}
        stopped = "max_steps" in answer.remarks
        if not self._limits:
            note = "stopped at max_steps" if stopped else None
            rest = {
                name: Score(number, reason=_said(wasted.get(name, ())))
                for name, number in numbers.items()
                if name != "steps"
            }
            return {"": Score(numbers["steps"], reason=note), **rest}
        over = [
            f"{_counted(numbers[name], name)}, at most {most}"
            + (f": {said}" if (said := _said(wasted.get(name, ()))) else "")
            for name, most in self._limits.items()
            if numbers[name] > most
        ]
        if stopped and "steps" in self._limits:
            over.append("stopped at max_steps")
        told = ", ".join(_counted(number, name) for name, number in numbers.items() if number)
        return Score(not over, reason="; ".join(over) or told)


def _counted(number: int, name: str) -> str:
    return f"{number} {name.removesuffix('s') if number == 1 else name}"


def _said(calls: Sequence[PathCall]) -> str | None:
    shown = [f"{call} ({call.error})" if call.error else str(call) for call in calls[:3]]
    more = f" and {len(calls) - 3} more" if len(calls) > 3 else ""
    return f"{', '.join(shown)}{more}" if shown else None


class ForbiddenTools:
    """A rule that none of some tools is called; a call that was refused counts as one.

    Args:
        tools: the names; a case's column `forbidden_tools` adds to them.
        cases: the cases to score.

    Raises:
        PexError: no tool is named, neither here nor in a case, or a column cannot be read.
    """

    def __init__(self, tools: Sequence[str], cases: Sequence[Case]) -> None:
        self._tools = list(tools)
        self.tool_names: dict[str, str] = dict.fromkeys(tools, "tools")
        """The tools that it forbids, and where: a name that no prompt has is a mistake."""
        for case in cases:
            for name in self._of_case(case):
                self.tool_names.setdefault(name, f"case '{case.id}'")
        if cases and not self.tool_names:
            raise PexError(
                "it forbids no tool",
                hint=f"tools: [refund], or a column '{FORBIDDEN}' of the cases",
            )

    def __call__(self, answer: Answer, case: Case) -> Score:
        """Whether none of them is called; the reason names the calls."""
        forbidden = {*self._tools, *self._of_case(case)}
        if not forbidden:
            return Score(None, reason="no tool is forbidden here")
        found = [call for call in calls_of(answer) if call.name in forbidden]
        return Score(not found, reason=_said(found))

    def _of_case(self, case: Case) -> list[str]:
        value = case.values.get(FORBIDDEN)
        if value is None or value == "":
            return []
        if isinstance(value, str):
            data = parse_json(value) if value.lstrip().startswith("[") else value.split()
            value = [value] if isinstance(data, NoJson) else data
        if not isinstance(value, list | tuple) or not all(isinstance(x, str) for x in value):
            raise PexError(
                f"case '{case.id}': {FORBIDDEN}: expected a list of names, got {value!r}"
            )
        return list(value)

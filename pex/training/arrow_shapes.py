"""What Arrow makes of rows: one type for each place, and null for every key that is not there.

`datasets` reads a file into one schema. Objects that differ in their keys come back with all keys
of all rows, the missing ones null, so that a chat template sees arguments and parameters that
nobody wrote; a place that holds a string here and a list there cannot be read at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pex.training.finding import Findings

_MOST_PLACES = 5_000
_OFTEN_ABSENT = frozenset({"tool_calls", "tool_call_id", "name", "content", "weight"})
"""Keys of a message that templates expect to be null."""


class ArrowShapes:
    """Remembers what each place of the rows held, and on which line first.

    Example:
        >>> shapes, findings = ArrowShapes(), Findings("a.jsonl")
        >>> shapes.see(1, {"messages": [{"content": "a"}]}, findings)
        >>> shapes.see(2, {"messages": [{"content": [{"type": "text"}]}]}, findings)
        >>> print(findings.list()[0])
        a.jsonl:2: messages[].content: a list here, a string on line 1
          datasets cannot read a file with both: write one of them everywhere
    """

    def __init__(self) -> None:
        self._types: dict[str, tuple[str, int]] = {}
        self._keys: dict[str, dict[frozenset[str], int]] = {}
        self._told: set[str] = set()

    def see(self, line: int, row: Mapping[str, Any], findings: Findings) -> None:
        """Take a row into account.

        Args:
            line: its line.
            row: the row.
            findings: takes the places whose type changes.
        """
        self._see(line, "", row, findings)

    def end(self, findings: Findings) -> None:
        """Report the places whose objects have different keys."""
        for place, sets in self._keys.items():
            if len(sets) == 1:
                continue
            all_keys = frozenset().union(*sets)
            shared = all_keys.intersection(*sets)
            odd = all_keys - shared
            if place.endswith(".content[]") or (_is_message(place) and odd <= _OFTEN_ABSENT):
                continue  # templates expect these to be null
            lines = sorted(sets.items(), key=lambda found: found[1])[:2]
            (one, first), (two, second) = lines
            where = "throughout the row" if first == second else f"as on line {first}"
            keys = ", ".join(sorted(one ^ two)[:5])
            findings.add(
                f"arrow-keys {place}", second, place or "the row",
                f"not the same keys {where} ({keys}): datasets fills the missing ones with null",
                "give every row the same keys, or write the object as a string: json.dumps(…)",
                "warning",
            )  # fmt: skip

    def _see(self, line: int, place: str, value: Any, findings: Findings) -> None:
        if value is None or len(self._types) > _MOST_PLACES:
            return
        kind = _type(value)
        known, first = self._types.setdefault(place, (kind, line))
        if known != kind:
            if place not in self._told:
                self._told.add(place)
                findings.add(
                    f"arrow-type {place}", line, place, f"{kind} here, {known} on line {first}",
                    "datasets cannot read a file with both: write one of them everywhere",
                )  # fmt: skip
            return
        if isinstance(value, Mapping):
            sets = self._keys.setdefault(place, {})
            keys = frozenset(map(str, value))
            if len(sets) < 50:
                sets.setdefault(keys, line)
            for key, inner in value.items():
                self._see(line, f"{place}.{key}" if place else str(key), inner, findings)
        elif isinstance(value, list):
            for inner in value:
                self._see(line, f"{place}[]", inner, findings)


def _is_message(place: str) -> bool:
    return place.endswith("[]") and place[:-2] in (
        "messages", "prompt", "completion", "chosen", "rejected",
    )  # fmt: skip


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, Mapping):
        return "an object"
    return "a list" if isinstance(value, list) else "a number"

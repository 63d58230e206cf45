"""Paths to fields of a structured answer: `total`, `address.city`, `items[].price`."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from pex.core.errors import PexError
from pex.core.names import check_name

ALL = "[]"
"""What follows the name of a list of records in a path."""


@dataclasses.dataclass(frozen=True, slots=True)
class FieldPath:
    """A path: `names` in an object, or `names` in each record of the list at `records`.

    `name` is its form in the names of scores, `items.price` for `items[].price`.
    """

    text: str
    names: tuple[str, ...]
    records: tuple[str, ...] | None = None
    name: str = dataclasses.field(init=False, compare=False)

    def __hash__(self) -> int:
        return hash(self.text)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.text.replace(ALL, ""))


@functools.lru_cache(1024)
def plain_path(name: str) -> FieldPath:
    """The path to a field of an object, whatever its name."""
    return FieldPath(name, (name,))


def field_path(text: str, where: str = "field") -> FieldPath:
    """Read a path.

    Args:
        text: names joined by points; `[]` after the name of a list of records.
        where: its place, for an error.

    Raises:
        PexError: it has an empty name or one that cannot name a score, or one list in another.

    Example:
        >>> field_path("address.city").names, field_path("items[].price").records
        (('address', 'city'), ('items',))
        >>> field_path("items[].price").name
        'items.price'
    """
    # First the check of today's plain names: it says which name is right instead.
    check_name(text.replace(ALL, "") if text.replace(ALL, "") else text, where)
    listed, found, rest = text.partition(ALL)
    if not found:
        return FieldPath(text, tuple(text.split(".")))
    if ALL in rest:
        raise PexError(
            f"{where} '{text}': a list within the records of another is not matched",
            hint=f"compare it as a whole: {{{text[: text.rindex(ALL)]}: {{rule: list, order: "
            "false}}",
        )
    if not rest.startswith(".") or not rest[1:]:
        raise PexError(
            f"{where} '{text}': expected the name of a field of each record, such as "
            f"'{listed}[].price'",
            hint="a list of plain values: {rule: list} or {rule: set}",
        )
    return FieldPath(text, _names(rest[1:], text, where), _names(listed, text, where))


def _names(part: str, text: str, where: str) -> tuple[str, ...]:
    names = tuple(part.split("."))
    if not all(names):
        raise PexError(f"{where} '{text}': a name between its points is empty")
    return names


def lookup(value: Any, names: Sequence[str]) -> tuple[bool, Any]:
    """Whether an object has a field, and its value; a key may itself have points in it.

    Example:
        >>> lookup({"a": {"b": 1}}, ["a", "b"]), lookup({"a.b": 2}, ["a", "b"])
        ((True, 1), (True, 2))
        >>> lookup({"a": None}, ["a", "b"])
        (False, None)
    """
    if len(names) == 1 and type(value) is dict:  # nearly always
        return names[0] in value, value.get(names[0])
    if isinstance(value, Mapping) and len(names) > 1 and (whole := ".".join(names)) in value:
        return True, value[whole]
    for name in names:
        if not isinstance(value, Mapping) or name not in value:
            return False, None
        value = value[name]
    return True, value


def paths_in(value: Mapping[str, Any], before: str = "", depth: int = 4) -> list[str]:
    """The paths to the fields of an object, for the hint of an error.

    Example:
        >>> paths_in({"a": {"b": 1}, "c": [{"d": 1}, {"e": 2}]})
        ['a', 'a.b', 'c', 'c[].d', 'c[].e']
    """
    found: dict[str, None] = {}
    for key, item in value.items():
        path = f"{before}{key}"
        found[path] = None
        if depth and isinstance(item, Mapping):
            found |= dict.fromkeys(paths_in(item, f"{path}.", depth - 1))
        elif depth and isinstance(item, list) and ALL not in path:
            for record in item[:100]:
                if isinstance(record, Mapping):
                    found |= dict.fromkeys(paths_in(record, f"{path}{ALL}.", depth - 1))
    return list(found)

"""Rules for the fields of a pydantic class: from its types, or from its annotations."""

from __future__ import annotations

import collections.abc
import datetime
import enum
import numbers
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pex.core.cases import Case
from pex.core.errors import PexError
from pex.score.field_paths import ALL, field_path, lookup
from pex.score.field_plan import as_object, wanted
from pex.score.field_rules import FieldRule, field_rule
from pex.score.field_scorers import records_in
from pex.score.field_values import shown
from pex.score.judge_rule import JUDGE

_LISTS: tuple[Any, ...] = (list, tuple, collections.abc.Sequence, collections.abc.Iterable)
_SETS: tuple[Any, ...] = (set, frozenset, collections.abc.Set)


def rules_of(model: Any) -> dict[str, FieldRule]:
    """The rules for the fields of a pydantic class, by their paths.

    A number is compared as a number, a date as a date, a set as a set, a `Literal`, an `Enum` or a
    bool exactly, a list item by item in its order, anything else as text; the fields of a class
    within it have paths of their own, and a list of such a class is a list of records. A rule in
    `Annotated[…, pex.field_rule(…)]` comes before the type.

    Args:
        model: a subclass of `pydantic.BaseModel`, or a pydantic dataclass.

    Raises:
        PexError: it is not a pydantic class.

    Example:
        >>> import pydantic
        >>> class Invoice(pydantic.BaseModel):
        ...     total: typing.Annotated[float, field_rule("number", tolerance=0.01)]
        ...     kind: typing.Literal["bill", "credit"]
        ...     day: datetime.date | None
        >>> {path: rule.written() for path, rule in rules_of(Invoice).items()}
        {'total': {'rule': 'number', 'tolerance': 0.01}, 'kind': 'exact', 'day': 'date'}
    """
    if not is_model(model):
        raise PexError(
            f"fields: expected a pydantic class, or names with rules, got {model!r}",
        )
    return dict(_rules(model, "", ()))


def is_model(value: Any) -> bool:
    """Whether a value is a pydantic class."""
    return isinstance(value, type) and hasattr(value, "__pydantic_validator__")


def _rules(model: Any, before: str, within: tuple[Any, ...]) -> Iterator[tuple[str, FieldRule]]:
    fields = getattr(model, "__pydantic_fields__", None) or getattr(model, "model_fields", {})
    for name, field in fields.items():
        written = field.validation_alias if isinstance(field.validation_alias, str) else None
        path = f"{before}{written or field.alias or name}"
        rule = _annotated(field.metadata)
        if rule is not None:
            yield path, rule
        else:
            yield from _typed(field.annotation, path, (*within, model))


def _annotated(metadata: Sequence[Any]) -> FieldRule | None:
    return next((item for item in metadata if isinstance(item, FieldRule)), None)


def _typed(kind: Any, path: str, within: tuple[Any, ...]) -> Iterator[tuple[str, FieldRule]]:
    """The rule or rules for a field of a type; `within` are the classes that it is in."""
    kind, rule = _without_none(kind)
    if rule is not None:
        yield path, rule
        return
    origin, parts = typing.get_origin(kind) or kind, typing.get_args(kind)
    if is_model(kind) and kind not in within:
        inner = list(_rules(kind, f"{path}.", within))
        yield from inner or [(path, field_rule("text"))]
    elif origin in _LISTS and parts and is_model(_without_none(parts[0])[0]):
        record = _without_none(parts[0])[0]
        if record not in within and ALL not in path:
            yield from _rules(record, f"{path}{ALL}.", within)
        else:
            yield path, field_rule("list", order=False)
    elif origin in (*_LISTS, *_SETS):
        items = field_rule("text")
        if parts:
            items = next(iter(dict(_typed(parts[0], "item", within)).values()), items)
        options: dict[str, Any] = {} if items.rule == "text" else {"items": items}
        yield path, field_rule("set" if origin in _SETS else "list", **options)
    else:
        yield path, field_rule(_word(origin))


def _without_none(kind: Any) -> tuple[Any, FieldRule | None]:
    """A type without None and annotations, and the rule in its annotations."""
    while True:
        origin = typing.get_origin(kind)
        if origin is typing.Annotated:
            kind, *metadata = typing.get_args(kind)
            if (rule := _annotated(metadata)) is not None:
                return kind, rule
        elif origin in (typing.Union, types.UnionType):
            parts = [part for part in typing.get_args(kind) if part is not type(None)]
            if len(parts) != 1:
                return object, None  # of several types: as text
            kind = parts[0]
        else:
            return kind, None


def _word(kind: Any) -> str:
    """The name of the rule for a plain type."""
    if kind is typing.Literal:
        return "exact"
    if not isinstance(kind, type):
        return "text"
    if issubclass(kind, enum.Enum | bool):
        return "exact"
    if issubclass(kind, numbers.Number):
        return "number"
    return "date" if issubclass(kind, datetime.date) else "text"


def records_of(model: Any) -> tuple[str, dict[str, FieldRule]] | None:
    """The only list of records of a class: its path, and the rules for a record's fields.

    None if there is no such list, or several.
    """
    rules = rules_of(model)
    paths = {path.partition(ALL)[0] for path in rules if ALL in path}
    if len(paths) != 1:
        return None
    (path,) = paths
    start = f"{path}{ALL}."
    return path, {name[len(start) :]: r for name, r in rules.items() if name.startswith(start)}


def told(rules: Mapping[str, FieldRule]) -> str:
    """Rules in a line for people: `total: number (tolerance 0.01), date: date`."""
    return ", ".join(f"{path}: {_told(rule)}" for path, rule in rules.items())


def _told(rule: FieldRule) -> str:
    written = rule.written()
    if isinstance(written, str):
        return written
    options = [
        f"{name} {value if isinstance(value, str) else shown(value)}"
        for name, value in written.items()
        if name != "rule"
    ]
    return f"{rule.rule} ({', '.join(options)})"


def with_rules(
    items: Sequence[Any], models: Sequence[Any], cases: Sequence[Case]
) -> tuple[list[Any], list[str]]:
    """Scorers with the rules that they take from pydantic classes, and what was taken.

    A scorer `fields` or `records` without fields takes those of the prompts' classes, if these
    agree; a class given as its `fields` is read in the same way. Fields that no case expects are
    left out, and one of which a case expects something that its rule cannot read is compared as
    text; fields that only the cases have are compared as they would be without a class.

    Args:
        items: scorers as a user gave them.
        models: the pydantic classes of the prompts' answers.
        cases: the cases.
    """
    found, said = [], []
    for item in items:
        options = {"kind": item} if isinstance(item, str) else item
        kind = options.get("kind") if isinstance(options, Mapping) else None
        if kind not in ("fields", "records"):
            found.append(item)
            continue
        given = options.get("fields")
        model: Any = given if is_model(given) else _only(models) if given is None else None
        if model is None:
            found.append(item)
            continue
        taken = _of_fields(model, cases) if kind == "fields" else _of_records(model, options, cases)
        rest = {name: value for name, value in options.items() if name != "fields"}
        if taken.get("fields"):
            rest |= {name: value for name, value in taken.items() if name != "said"}
            name = str(options.get("name", kind))
            said.append(f"{name}: rules of {model.__name__}: {taken['said']}")
        found.append(item if given is None and not taken.get("fields") else rest)
    return found, said


def _only(models: Sequence[Any]) -> Any:
    """The class of all prompts; None if there is none, or if they differ in their rules."""
    distinct = list(dict.fromkeys(models))
    if not distinct:
        return None
    first = {path: rule.written() for path, rule in rules_of(distinct[0]).items()}
    same = all(
        {path: rule.written() for path, rule in rules_of(model).items()} == first
        for model in distinct[1:]
    )
    return distinct[0] if same else None


def _of_fields(model: Any, cases: Sequence[Case]) -> dict[str, Any]:
    expected = [found for case in cases if (found := as_object(case.expected)) is not None]
    rules = rules_of(model)
    values = {
        path: [value for found in expected for value in wanted(field_path(path), found)]
        for path in rules
    }
    fields, said = _fitting(rules, values)
    begun = {path.partition(ALL)[0].partition(".")[0] for path in fields}
    if fields and any(name not in begun for found in expected for name in found):
        fields["*"] = "text"
    return {"fields": fields, "said": said}


def _of_records(model: Any, options: Mapping[str, Any], cases: Sequence[Case]) -> dict[str, Any]:
    found = records_of(model)
    path, rules = ("", rules_of(model)) if found is None else found
    path = str(options.get("path") or path)
    lists = [records_in(case.expected, path or None) or [] for case in cases]
    values = {
        name: [
            value
            for records in lists
            for there, value in (lookup(record, name.split(".")) for record in records)
            if there
        ]
        for name in rules
    }
    fields, said = _fitting(rules, values)
    return {"fields": fields, "said": said} | ({"path": path} if path else {})


def _fitting(
    rules: Mapping[str, FieldRule], values: Mapping[str, Sequence[Any]]
) -> tuple[dict[str, Any], str]:
    """The rules of fields that are expected, as a file has them, and the same for people."""
    chosen: dict[str, FieldRule] = {}
    unread = []
    for path, rule in rules.items():
        if not values[path]:
            continue
        problems = [rule.problem(value) for value in values[path] if value is not None]
        if any(problems):
            unread.append(path)
            rule = field_rule("text", weight=rule.weight)
        chosen[path] = rule
    said = told(chosen)
    if unread:
        said += f" ({', '.join(unread)}: as text, because a case expects something else)"
    # A rule `judge` stays as it is: its prompt may have no file.
    kept = {p: rule if rule.rule == JUDGE else rule.written() for p, rule in chosen.items()}
    return kept, said

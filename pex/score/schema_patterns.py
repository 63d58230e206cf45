"""Limits for the keywords of a JSON Schema that can take excessive time.

Patterns are stopped, references are counted, and pairwise comparisons of `jsonschema` are
replaced.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pex.core.errors import PexError
from pex.core.schemas import unique_items
from pex.score.patterns import Pattern
from pex.score.reading import shorten

MOST_REFERENCES = 100_000
"""The number of references of a schema that are followed for one answer."""

MOST_UNEVALUATED = 2000
"""Parts of an object or a list that `unevaluated…` checks: each is searched for among all."""


class TooManyReferencesError(Exception):
    """Too many references: if they name their own container, each level doubles the time."""


_followed = threading.local()


@contextlib.contextmanager
def counted_references() -> Iterator[None]:
    """Count the references that are followed from here on."""
    _followed.count = 0
    yield


def limited(kind: Any, schema: Any) -> Any:
    """A validator class whose patterns are stopped if they take too long.

    Args:
        kind: a validator class of `jsonschema`.
        schema: the schema whose patterns are checked.

    Raises:
        PexError: a pattern is not a valid regular expression.
    """
    from jsonschema import ValidationError, validators

    compiled: dict[str, Pattern] = {}

    def found(pattern: str, text: str) -> bool:
        if pattern not in compiled:
            compiled[pattern] = Pattern(pattern, what="pattern")
        return compiled[pattern].search(text)

    def pattern(validator: Any, wanted: str, value: Any, schema: Any) -> Iterator[Any]:
        if validator.is_type(value, "string") and not found(wanted, value):
            yield ValidationError(f"{shorten(value)!r} does not match {wanted!r}")

    def by_pattern(validator: Any, wanted: Any, value: Any, schema: Any) -> Iterator[Any]:
        if not validator.is_type(value, "object"):
            return
        for text, part in wanted.items():
            for name, item in value.items():
                if found(text, name):
                    yield from validator.descend(item, part, path=name, schema_path=text)

    def others(validator: Any, wanted: Any, value: Any, schema: Any) -> Iterator[Any]:
        if not validator.is_type(value, "object"):
            return
        known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        more = [
            name
            for name in value
            if name not in known and not any(found(text, name) for text in patterns)
        ]
        if validator.is_type(wanted, "object"):
            for name in more:
                yield from validator.descend(value[name], wanted, path=name)
        elif wanted is False and more:
            names = ", ".join(repr(name) for name in more)
            were = "was" if len(more) == 1 else "were"
            message = f"Additional properties are not allowed ({shorten(names)} {were} unexpected)"
            yield ValidationError(message)

    def reference(name: str) -> Callable[..., Iterator[Any]]:
        def follow(validator: Any, wanted: Any, value: Any, schema: Any) -> Iterator[Any]:
            _followed.count = getattr(_followed, "count", 0) + 1
            if _followed.count > MOST_REFERENCES:
                raise TooManyReferencesError
            yield from kind.VALIDATORS[name](validator, wanted, value, schema)

        return follow

    def unevaluated(name: str, of: str) -> Callable[..., Iterator[Any]]:
        def check(validator: Any, wanted: Any, value: Any, schema: Any) -> Iterator[Any]:
            if validator.is_type(value, of) and len(value) > MOST_UNEVALUATED:
                said = f"{len(value):,} parts; {name} is checked for {MOST_UNEVALUATED:,} at most"
                yield ValidationError(said)
                return
            yield from kind.VALIDATORS[name](validator, wanted, value, schema)

        return check

    for text in _patterns(schema):
        try:
            compiled[text] = Pattern(text)
        except PexError as error:
            raise PexError(f"the schema is not a JSON Schema: {error.message}") from None
    ours: Mapping[str, Callable[..., Iterator[Any]]] = {
        "pattern": pattern,
        "patternProperties": by_pattern,
        "additionalProperties": others,
        "uniqueItems": unique_items,
        "unevaluatedProperties": unevaluated("unevaluatedProperties", "object"),
        "unevaluatedItems": unevaluated("unevaluatedItems", "array"),
        **{name: reference(name) for name in ("$ref", "$dynamicRef", "$recursiveRef")},
    }
    known_here = {key: rule for key, rule in ours.items() if key in kind.VALIDATORS}
    return validators.extend(kind, known_here)  # type: ignore[no-untyped-call]


def _patterns(part: Any) -> Iterator[str]:
    """The patterns that apply in a schema."""
    if isinstance(part, list):
        for item in part:
            yield from _patterns(item)
    if not isinstance(part, dict):
        return
    for key, value in part.items():
        if key == "pattern" and isinstance(value, str):
            yield value
        elif key == "patternProperties" and isinstance(value, dict):
            yield from value
        if key not in ("const", "enum", "default", "examples"):
            yield from _patterns(value)


def needs_names(schema: Any) -> bool:
    """Whether `jsonschema` itself would search with this schema's patterns, without a limit.

    It does for `unevaluatedProperties`; then the schema is checked in the form of `with_names`.
    """
    text = json.dumps(schema, default=str)
    return '"patternProperties"' in text and '"unevaluatedProperties"' in text


def with_names(schema: Any, value: Any) -> Any:
    r"""An equivalent schema for one value, with the value's own names in place of patterns.

    Raises:
        TimeoutError: a pattern took too long with one of the names.

    Example:
        >>> with_names({"patternProperties": {"^a": True}}, {"ab": 1, "b": [{"ac": 2}]})
        {'patternProperties': {'(?#0)^(?:ab|ac)\\Z': True}}
    """
    names = sorted(set(_names(value)))

    def literal(number: int, pattern: str) -> str:
        compiled = Pattern(pattern)
        of_these = [re.escape(name) for name in names if compiled.search(name)]
        # The number distinguishes two patterns that match the same names.
        return f"(?#{number})" + (f"^(?:{'|'.join(of_these)})\\Z" if of_these else "(?!)")

    def rewrite(part: Any) -> Any:
        if isinstance(part, list):
            return [rewrite(item) for item in part]
        if not isinstance(part, dict):
            return part
        made = {}
        for key, inner in part.items():
            if key in ("const", "enum", "default", "examples"):
                made[key] = inner
            elif key == "patternProperties" and isinstance(inner, dict):
                made[key] = {
                    literal(number, pattern): rewrite(rule)
                    for number, (pattern, rule) in enumerate(inner.items())
                }
            elif key in _OF_NAMES and isinstance(inner, dict):
                made[key] = {name: rewrite(rule) for name, rule in inner.items()}
            else:
                made[key] = rewrite(inner)
        return made

    return rewrite(schema)


_OF_NAMES = ("properties", "$defs", "definitions", "dependentSchemas")
"""Keywords whose value contains the user's names instead of keywords."""


def _names(value: Any) -> Iterator[str]:
    """The names of all objects in a value."""
    if isinstance(value, dict):
        yield from value
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, dict | list):
            yield from _names(item)

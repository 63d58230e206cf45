"""The scorer `json`: the answer is valid JSON, and follows a schema."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.core.schemas import check_schema
from pex.core.score import Score
from pex.score import schema_patterns
from pex.score.base import (
    Rule,
    needs_expected,
    needs_whole,
)
from pex.score.reading import JsonText, NoJson, parse_json, read_json, shorten

_MOST_PROBLEMS = 1000


def valid_json(schema: dict[str, Any] | None) -> Rule:
    """The answer is valid JSON, and follows a JSON Schema if one is given.

    Raises:
        PexError: the schema is not a JSON Schema, or refers to something outside itself.
    """
    if schema is None:
        return needs_whole(lambda answer, case: _is_json(read_json(answer.output or "")))
    check = follows(schema)

    def rule(answer: Answer, case: Case) -> Score:
        found = read_json(answer.output or "")
        problem = None if isinstance(found.value, NoJson) else check(found.value)
        return _is_json(found) if problem is None else Score(False, reason=problem)

    return needs_whole(rule)


def follows_expected(cases: Sequence[Case]) -> Rule:
    """The answer is valid JSON and follows the JSON Schema that its case expects.

    Raises:
        PexError: the schema of a case is not a JSON Schema; the error names the case.
    """
    rules: dict[str, Rule] = {}
    for case in cases:
        if case.expected is not None:
            try:
                rules[case.id] = valid_json(_schema_of(case))
            except PexError as error:
                raise PexError(f"case '{case.id}': {error.message}", hint=error.hint) from None

    def rule(answer: Answer, case: Case, expected: Any) -> Any:
        return (rules.get(case.id) or valid_json(_schema_of(case)))(answer, case)

    return needs_expected(rule)


def _schema_of(case: Case) -> dict[str, Any]:
    """The schema that a case expects: an object, or its text as in a CSV."""
    schema = case.expected
    if isinstance(schema, str):
        schema = parse_json(schema)
    if not isinstance(schema, dict):
        raise PexError("not a JSON Schema: it must be an object", hint="{} takes any JSON")
    return schema


def follows(schema: Any) -> Callable[[Any], str | None]:
    """A check of values against a JSON Schema: it returns the mismatch, or None.

    Raises:
        PexError: the schema is not a JSON Schema, or refers to something outside itself.

    Example:
        >>> check = follows({"type": "integer", "maximum": 5})
        >>> check(4), check(6)
        (None, '$: 6 is greater than the maximum of 5')
    """
    import jsonschema

    validator = _validator(schema)
    needs_names = schema_patterns.needs_names(schema)

    def check(value: Any) -> str | None:
        try:
            with schema_patterns.counted_references():
                # Each problem holds its part of the answer as text: a list can have a million.
                at_hand = validator
                if needs_names and isinstance(value, dict | list):
                    at_hand = _validator(schema_patterns.with_names(schema, value))
                problems = itertools.islice(at_hand.iter_errors(value), _MOST_PROBLEMS)
                problem = jsonschema.exceptions.best_match(problems)
        except RecursionError:
            return "it is nested too deeply to be checked"
        except schema_patterns.TooManyReferencesError:
            return "it takes too many steps to be checked with this schema"
        return None if problem is None else shorten(f"{problem.json_path}: {problem.message}")

    return check


def _is_json(found: JsonText) -> Score:
    if isinstance(found.value, NoJson):
        return Score(False, reason=shorten(f"not valid JSON: {found.value.reason}"))
    return Score(True, reason="; ".join(found.notes) or None)


def _validator(schema: Any) -> Any:
    import jsonschema
    import referencing
    import referencing.jsonschema

    if not isinstance(schema, dict):
        raise PexError("the schema is not a JSON Schema: it must be an object")
    if not isinstance(schema.get("$schema", ""), str):
        raise PexError("the schema is not a JSON Schema: $schema must be a string")
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        check_schema(kind, schema)
    except jsonschema.SchemaError as error:
        message = shorten(error.message)
        raise PexError(f"the schema is not a JSON Schema: {message}") from None
    specification = referencing.jsonschema.specification_with(str(kind.META_SCHEMA["$schema"]))
    root = specification.create_resource(schema)
    # Its own registry: without one, jsonschema would fetch the target of a $ref from the web.
    registry: referencing.Registry[Any] = referencing.Registry()
    _check_references(schema, registry.resolver_with_root(root), specification)
    return schema_patterns.limited(kind, schema)(schema, registry=registry)


def _check_references(part: Any, resolver: Any, specification: Any) -> None:
    from referencing.exceptions import Unresolvable

    if isinstance(part, dict):
        resolver = resolver.in_subresource(specification.create_resource(part))
        reference = part.get("$ref")
        if isinstance(reference, str):
            try:
                resolver.lookup(reference)
            except Unresolvable:
                raise PexError(
                    f"the schema has no part for '$ref: {shorten(reference)}'",
                    hint="put the part into the schema, under $defs",
                ) from None
    for item in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        _check_references(item, resolver, specification)

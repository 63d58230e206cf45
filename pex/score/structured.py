"""Scorers that read an answer as JSON: json, fields."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.errors import PexError, nearest
from pex.core.names import check_name
from pex.core.schemas import check_schema
from pex.core.score import Score
from pex.core.text import value_text
from pex.score import schema_patterns
from pex.score.base import (
    CUT_OFF,
    NOT_EXPECTED,
    Rule,
    is_cut_off,
    needs_expected,
    needs_whole,
)
from pex.score.reading import JsonText, NoJson, fold, parse_json, read_json, shorten

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


def fields(names: Sequence[str] | None, cases: Sequence[Case]) -> Rule:
    """Each field of a JSON answer is the expected one; the score itself is the share that is.

    Strings are compared ignoring case and surrounding white space, numbers by value; a field that
    is expected to be null can also be left out. A field without an expectation in a case is not
    counted there. The expected answer can be the text of a JSON object (from CSV).

    Raises:
        PexError: a case does not expect an object, or a field is not expected by any case or cannot
            name a score.
    """
    _check_fields(names, cases)

    def rule(answer: Answer, case: Case, expected: Any) -> dict[str, Score]:
        expected = _object(expected)
        if expected is None:
            raise TypeError("the expected answer must be an object with fields")
        read = read_json(answer.output or "")
        data, cut = read.value, is_cut_off(answer)
        scores = {}
        for name in names or expected:
            if name not in expected:
                scores[name] = Score(None, reason=NOT_EXPECTED)
            elif cut:
                scores[name] = Score(False, reason=CUT_OFF)
            elif isinstance(data, dict):
                scores[name] = _field(data.get(name), expected[name])
            else:
                what = "not valid JSON" if isinstance(data, NoJson) else "no JSON object"
                scores[name] = Score(False, reason=what)
        counted = [bool(score.value) for score in scores.values() if score.value is not None]
        if not counted:
            return {"": Score(None, reason=NOT_EXPECTED), **scores}
        right, many = sum(counted), "field" if len(counted) == 1 else "fields"
        said = [f"{right} of {len(counted)} {many}", *read.notes]
        if cut or isinstance(data, NoJson):
            said = [CUT_OFF] if cut else [f"not valid JSON: {data.reason}"]
        share = Score(right / len(counted), reason=shorten("; ".join(said)))
        return {"": share, **scores}

    return needs_expected(rule)


def _check_fields(names: Sequence[str] | None, cases: Sequence[Case]) -> None:
    known: dict[str, None] = {}
    for case in cases:
        if case.expected is None:
            continue
        expected = _object(case.expected)
        if expected is None:
            raise PexError(
                f"case '{case.id}' expects '{shorten(value_text(case.expected))}', which is not an "
                "object with fields"
            )
        known |= dict.fromkeys(expected)
    for name in names or known:
        if name not in known:
            raise PexError(f"no case expects the field '{name}'", hint=nearest(name, known))
        check_name(name, "field")


def _object(expected: Any) -> dict[str, Any] | None:
    data = parse_json(expected) if isinstance(expected, str) else expected
    return data if isinstance(data, dict) else None


def _field(given: Any, wanted: Any) -> Score:
    if _same(given, wanted):
        return Score(True)
    shown = (shorten(json.dumps(value, ensure_ascii=False)) for value in (given, wanted))
    return Score(False, reason=" instead of ".join(shown))


def _same(given: Any, wanted: Any) -> bool:
    if isinstance(given, str) and isinstance(wanted, str):
        # As strings, even if they are digits: order number 0042 is not 42.
        return " ".join(fold(given).split()) == " ".join(fold(wanted).split())
    if isinstance(given, list) and isinstance(wanted, list):
        return len(given) == len(wanted) and all(map(_same, given, wanted))
    if isinstance(given, dict) and isinstance(wanted, dict):
        return given.keys() == wanted.keys() and all(_same(given[k], wanted[k]) for k in wanted)
    if isinstance(given, bool) or isinstance(wanted, bool) or given is None or wanted is None:
        return given is wanted
    if isinstance(given, dict | list) or isinstance(wanted, dict | list):
        return False
    try:  # decimals, not floats: two numbers of 20 digits can differ in the last
        return Decimal(str(given).strip()) == Decimal(str(wanted).strip())
    except InvalidOperation:
        return False

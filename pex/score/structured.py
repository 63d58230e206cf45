"""Scorers that read an answer as JSON: json, fields."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.core.score import Score
from pex.score.base import Rule, needs_expected

_FENCE = re.compile(r"\A\s*```[a-zA-Z]*\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)


class NoJson:
    """What `parse_json` returns for a text that is no JSON; None is a JSON value."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


def parse_json(output: str) -> Any:
    """The JSON value of an answer, also inside a code fence; a `NoJson` where there is none."""
    fenced = _FENCE.match(output)
    try:
        return json.loads(fenced.group(1) if fenced else output, parse_constant=_refuse)
    except ValueError as error:
        return NoJson(str(error))


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def valid_json(schema: dict[str, Any] | None) -> Rule:
    """The answer is JSON, and follows a JSON Schema where one is given.

    Raises:
        PexError: the schema is no JSON Schema.
    """
    if schema is None:
        return lambda answer, case: _is_json(parse_json(answer.output or ""))
    import jsonschema

    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise PexError(f"scorer 'json': the schema is no JSON Schema: {error.message}") from None
    validator = kind(schema)

    def rule(answer: Answer, case: Case) -> Score:
        data = parse_json(answer.output or "")
        if isinstance(data, NoJson):
            return _is_json(data)
        problem = jsonschema.exceptions.best_match(validator.iter_errors(data))
        if problem is None:
            return Score(True)
        return Score(False, reason=f"{problem.json_path}: {problem.message}")

    return rule


def _is_json(data: Any) -> Score:
    if isinstance(data, NoJson):
        return Score(False, reason=f"no valid JSON: {data.reason}")
    return Score(True)


def fields(names: Sequence[str] | None) -> Rule:
    """Each field of a JSON answer is the expected one; the score itself is the share of them.

    Texts are compared without regard to case and surrounding white space, numbers by value; a
    field that is expected to be null may also be left out.
    """

    def rule(answer: Answer, case: Case, expected: Any) -> dict[str, Score]:
        if not isinstance(expected, Mapping):
            raise TypeError(f"the expected answer must be an object with fields, got {expected!r}")
        wanted = {name: expected.get(name) for name in (names or expected)}
        data = parse_json(answer.output or "")
        if not isinstance(data, dict):
            what = "no valid JSON" if isinstance(data, NoJson) else "no JSON object"
            scores = {name: Score(False, reason=what) for name in wanted}
        else:
            scores = {name: _field(data.get(name), value) for name, value in wanted.items()}
        right = sum(bool(score.value) for score in scores.values())
        share = Score(right / len(wanted), reason=f"{right} of {len(wanted)} fields")
        return {"": share, **scores}

    return needs_expected(rule)


def _field(given: Any, wanted: Any) -> Score:
    if _same(given, wanted):
        return Score(True)
    shown = (json.dumps(value, ensure_ascii=False) for value in (given, wanted))
    return Score(False, reason=" instead of ".join(shown))


def _same(given: Any, wanted: Any) -> bool:
    if isinstance(given, str) and isinstance(wanted, str):
        # As texts, also where they are digits: order number 0042 is not 42.
        return " ".join(given.split()).casefold() == " ".join(wanted.split()).casefold()
    if isinstance(given, list) and isinstance(wanted, list):
        return len(given) == len(wanted) and all(map(_same, given, wanted))
    if isinstance(given, dict) and isinstance(wanted, dict):
        return given.keys() == wanted.keys() and all(_same(given[k], wanted[k]) for k in wanted)
    if isinstance(given, bool) or isinstance(wanted, bool) or given is None or wanted is None:
        return given is wanted
    try:
        return float(given) == float(wanted)
    except (TypeError, ValueError):
        return False

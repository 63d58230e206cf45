"""JSON answers: what is JSON, what a schema may say, how fields are compared."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import pex
from pex.core.call import Answer
from pex.core.cases import Case
from pex.score import structured
from pex.score.build import build
from tests.helpers.scores import score, value


@pytest.mark.parametrize(
    ("output", "right"),
    [
        ('```json {"a": 1}```', True),
        ('```\n{"a": 1}\n```\n', True),
        ('Sure:\n```json\n{"a": 1}\n```', True),
        ('~~~\n{"a": 1}\n~~~', True),
        ('````json\n{"a": 1}\n````', True),
        ('```JSON\n{"a": 1}\n```', True),
        ('```json5\n{"a": 1}\n```', True),
        ('```{.json}\n{"a": 1}\n```', True),
        ('```js title="a.json"\n{"a": 1}\n```', True),
        ('   ```json\n   {"a": 1}\n   ```', True),
        ('```json\r\n{"a": 1}\r\n```', True),
        ('```json\n{"a": "```"}\n```', True),
        ('```json\n{"a": 1}', True),
        ('```\n{"a": 1}```', True),
        ('```json\n\ufeff{"a": 1}\n```', True),
        ('~~~json {"a": 1}~~~', True),
        ('Sure: ```json\n{"a": 1}\n```', True),
        ('Sure: ```{"a": 1}``` is it', True),
        ('```json\n{"a": 1}\n``` Done.', True),
        ('> ```json\n> {"a": 1}\n> ```', True),
        ("'''json\n{\"a\": 1}\n'''", True),
        ('"""\n{"a": 1}\n"""', True),
        ('Either ```{"a": 1}``` or ```{"a": 2}```', False),
        ("Say ```1```", False),
        ('`{"a": 1}`', True),
        ('```json\n{"a": 1}\n```\nI hope that helps!', True),
        ('```json\n{"a": 1}\n```\n```json\n{"a": 2}\n```', False),
        ("```json5\n{a: 1}\n```", False),
        ('Sure: {"a": 1}', False),
        ('{"a": 1}\n{"a": 2}', False),
        ('\ufeff{"a": 1}', True),
        ('{"a": 1,}', False),
        ('{"a": NaN}', False),
        ("```json\n```", False),
        ("[" * 100_000, False),
        ("Infinity", False),
        (None, False),
    ],
)
def test_what_is_json(output: str | None, right: bool) -> None:
    assert value("json", output) is right


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("Sure:\n```json\n[1]\n```", "text around the code fence was ignored"),
        ("```json\n[1]\n```", None),
        ('{"a": 1, "a": 2}', "the key 'a' appears twice; the last one was read"),
        (
            "```\n[1]\n```\n~~~\n[2]\n~~~",
            "not valid JSON: there are 2 code fences: it is unclear which one counts",
        ),
        ('{"a": NaN}', "not valid JSON: NaN is not JSON"),
        ("[" * 100_000, "not valid JSON: it is nested too deeply"),
    ],
)
def test_the_reason_says_what_was_not_read(output: str, reason: str | None) -> None:
    assert score("json", output)["json"].reason == reason


def test_fields_say_what_was_not_read_too() -> None:
    scores = score("fields", 'So:\n```\n{"a": 1}\n```', {"a": 1})
    assert scores["fields"].reason == "1 of 1 field; text around the code fence was ignored"
    assert score("fields", "NaN", {"a": 1})["fields"].reason == "not valid JSON: NaN is not JSON"


SLOW = "a" * 5000 + "!"


@pytest.mark.parametrize(
    ("schema", "output"),
    [
        ({"type": "string", "pattern": "^(a|aa)+$"}, json.dumps(SLOW)),
        ({"patternProperties": {"^(a|aa)+$": {}}}, json.dumps({SLOW: 1})),
        (
            {"patternProperties": {"^(a|aa)+$": {}}, "additionalProperties": False},
            json.dumps({SLOW: 1}),
        ),
        ({"propertyNames": {"pattern": "^(a|aa)+$"}}, json.dumps({SLOW: 1})),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"pattern": "^(a|aa)+$"}}}, json.dumps(SLOW)),
    ],
)
def test_a_pattern_in_a_schema_that_backtracks_is_stopped(schema: dict, output: str) -> None:
    result = score({"kind": "json", "schema": schema}, output)["json"]
    assert result.value is None
    assert result.error is not None
    assert "pattern '^(a|aa)+$' was stopped after 1 s" in result.error


@pytest.mark.parametrize(
    ("schema", "output", "right"),
    [
        ({"pattern": "^a+$"}, '"aa"', True),
        ({"pattern": "^a+$"}, '"ab"', False),
        ({"pattern": "^a+$"}, "5", True),
        ({"patternProperties": {"^n": {"type": "integer"}}}, '{"n1": "x"}', False),
        ({"patternProperties": {"^n": {}}, "additionalProperties": False}, '{"n1": 1}', True),
        ({"properties": {"m": {}}, "additionalProperties": False}, '{"m": 1, "n": 1}', False),
        ({"additionalProperties": {"type": "string"}}, '{"n": 1}', False),
        ({"additionalProperties": True}, '{"n": 1}', True),
    ],
)
def test_patterns_in_a_schema_hold_as_before(schema: dict, output: str, right: bool) -> None:
    assert value({"kind": "json", "schema": schema}, output) is right


def test_the_reason_names_the_place_and_is_short() -> None:
    schema = {"properties": {"a": {"items": {"type": "string"}}}}
    item = {"kind": "json", "schema": schema}
    assert score(item, '{"a": ["x", 2]}')["json"].reason == "$.a[1]: 2 is not of type 'string'"
    reason = score(item, json.dumps({"a": ["x", ["z" * 9000]]}))["json"].reason
    assert reason is not None
    assert len(reason) <= 200


def test_a_schema_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}')
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "broken.json").write_text("{")
    case = Case("c", {})
    (scorer,) = build([{"kind": "json", "schema": "s.json"}], [case], tmp_path)
    assert scorer(Answer(output="3"), case)["json"].value is True
    assert scorer(Answer(output="3.5"), case)["json"].value is False
    for name, message in (("list", "must be an object"), ("broken", "not valid JSON")):
        with pytest.raises(pex.PexError, match=f"{name}.json: .*{message}"):
            build([{"kind": "json", "schema": f"{name}.json"}], [case], tmp_path)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"$ref": "#/$defs/no"}, "no part for '\\$ref: #/\\$defs/no'"),
        ({"properties": {"a": {"$ref": "http://127.0.0.1:9/x.json"}}}, "no part for"),
        ({"$schema": 5}, "must be a string"),
        ({"pattern": "("}, "not a JSON Schema"),
    ],
)
def test_a_schema_that_cannot_be_followed(schema: dict, message: str) -> None:
    with pytest.raises(pex.PexError, match=message):
        build([{"kind": "json", "schema": schema}], [Case("c", {})])


def test_a_part_with_an_id_of_its_own_is_found() -> None:
    schema = {
        "$id": "https://example.org/root.json",
        "$defs": {"part": {"$id": "part.json", "$ref": "#/$defs/n", "$defs": {"n": {"const": 1}}}},
        "$ref": "part.json",
    }
    assert value({"kind": "json", "schema": schema}, "1") is True
    assert value({"kind": "json", "schema": schema}, "2") is False


@pytest.mark.parametrize(
    ("given", "wanted", "right"),
    [
        ("e\u0301", "É", True),
        (" a  b ", "A b", True),
        ("42", 42, True),
        (42.0, "42", True),
        (0.1, "0.1", True),
        (12345678901234567891, 12345678901234567890, False),
        (int("9" * 400), 1, False),
        ("nan", 1, False),
        ("true", True, False),
        (1, True, False),
        ([], 0, False),
        ([" A", 2], ["a", 2.0], True),
        ({"x": 1}, {"x": 1, "y": 2}, False),
        ("x", None, False),
        (None, None, True),
    ],
)
def test_when_two_fields_are_the_same(given: Any, wanted: Any, right: bool) -> None:
    assert score("fields", json.dumps({"f": given}), {"f": wanted})["fields.f"].value is right


def test_the_expected_object_may_be_text_as_in_a_csv_file() -> None:
    assert score("fields", '{"a": 1}', '{"a": 1}')["fields"].value == 1


def test_fields_of_which_nothing_is_expected_are_not_counted() -> None:
    item = {"kind": "fields", "fields": ["a", "b"]}
    scores = score(item, '{"a": 1, "b": 2}', {"a": 1}, labels=[{"b": 3}])
    assert {name: result.value for name, result in scores.items()} == {
        "fields": 1.0,
        "fields.a": True,
        "fields.b": None,
    }
    assert score("fields", "{}", {}, labels=[{"a": 1}])["fields"].value is None


def test_a_field_from_a_hostile_answer_can_be_written_and_is_short() -> None:
    reason = score("fields", '{"a": "\\ud800' + "z" * 9000 + '"}', {"a": "b"})["fields.a"].reason
    assert reason is not None
    assert reason.startswith('"\N{REPLACEMENT CHARACTER}zzz')
    assert len(reason) < 300


@pytest.mark.parametrize(
    ("item", "expected", "message"),
    [
        ({"kind": "fields", "fields": ["nmae"]}, {"name": 1}, "did you mean 'name'"),
        ("fields", {"order number": 1}, "for example 'order-number'"),
        ("fields", {"": 1}, "field: it is empty"),
        ("fields", [1], "case 'c' expects '\\[1\\]', which is not an object"),
    ],
)
def test_fields_that_cannot_be_scored(item: Any, expected: Any, message: str) -> None:
    with pytest.raises(pex.PexError, match=message):
        build([item], [Case("c", {}, expected)])


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"x-a": 1}, None),
        ({"x-a": "no"}, "'x-a' was unexpected"),
        ({"x-a": 1, "y": 2}, "Unevaluated properties are not allowed ('y' was unexpected)"),
        ({"inner": {"z-1": True}}, None),
        ({"inner": {"z-1": True, "x-a": 1}}, "'x-a' was unexpected"),
        ({"patternProperties": {"a+": 1}}, None),
        ([], "is not of type 'object'"),
        (3, "is not of type 'object'"),
    ],
)
def test_unevaluated_properties_know_the_patterns(value: Any, problem: str | None) -> None:
    schema = {
        "type": "object",
        "properties": {
            "inner": {"$ref": "#/$defs/inner"},
            "patternProperties": {"type": "object"},
        },
        "allOf": [{"patternProperties": {"^x-": {"type": "integer"}, "^x": True}}],
        "unevaluatedProperties": False,
        "$defs": {"inner": {"patternProperties": {"^z-.$": True}, "unevaluatedProperties": False}},
    }
    found = structured.follows(schema)(value)
    assert (found is None) == jsonschema.Draft202012Validator(schema).is_valid(value)
    assert (problem is None) == (found is None)
    assert (problem or "") in (found or "")


def test_a_pattern_beside_unevaluated_properties_is_stopped() -> None:
    schema = {"patternProperties": {"^(a|a)*$": True}, "unevaluatedProperties": False}
    check = structured.follows(schema)
    assert check({"aaa": 1}) is None
    with pytest.raises(TimeoutError, match="was stopped after 1 s"):
        check({"a" * 40 + "!": 1})
    # One that only Python's own patterns take for ever over.
    quick = structured.follows({**schema, "patternProperties": {"^(a+)+$": True}})
    assert "unexpected" in str(quick({"a" * 40 + "!": 1}))

"""Schemas and answers that would take jsonschema minutes."""

from __future__ import annotations

import itertools
import json
from typing import Any

import jsonschema
import pytest

from pex.core.errors import PexError
from pex.core.params import check_tools
from pex.core.schemas import check_schema, equality_key
from pex.score import schema_patterns
from pex.score.structured import follows

UNIQUE = {"type": "array", "uniqueItems": True}


@pytest.mark.parametrize(
    ("items", "fits"),
    [
        ([], True),
        ([1, 2], True),
        ([1, 1], False),
        ([1, True], True),
        ([0, False], True),
        ([1, 1.0], False),
        ([0, -0.0], False),
        ([1, "1"], True),
        ([2**70, float(2**70)], False),
        ([2**53, 2**53 + 1], True),
        ([0.1, 0.1], False),
        ([None, None], False),
        ([None, False, 0, "", [], {}], True),
        ([{"a": 1, "b": 2}, {"b": 2, "a": 1}], False),
        ([{"a": 1}, {"a": True}], True),
        ([{"a": [1]}, {"a": [1.0]}], False),
        ([[1, 2], [2, 1]], True),
        ([["a,b"], ["a", "b"]], True),
        ([{"a": "b"}, {'a":"b': ""}], True),
        ([["é"], ["e\u0301"]], True),
        ([10**4000, 10**4000], False),
    ],
)
def test_items_are_compared_as_json_schema_means_it(items: list[Any], fits: bool) -> None:
    assert (follows(UNIQUE)(items) is None) == fits
    assert (len(set(map(equality_key, items))) == len(items)) == fits


def test_each_item_is_written_once_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    items = [{"n": n} if n % 2 else [n] for n in range(5000)]  # of two types: they cannot be sorted
    counted = itertools.count()
    original = equality_key
    monkeypatch.setattr(
        "pex.core.schemas.equality_key", lambda value: (next(counted) and None) or original(value)
    )
    assert follows(UNIQUE)(items) is None
    assert next(counted) < 30_000
    said = follows(UNIQUE)([*items, {"n": 1}])
    assert said == "$: items 1 and 5000 are equal, and all must be different"


def test_a_list_of_a_hundred_thousand_is_checked() -> None:
    items = [{"n": n} if n % 2 else [n] for n in range(100_000)]
    assert follows(UNIQUE)(items) is None
    old = {"$schema": "http://json-schema.org/draft-07/schema#", "enum": items}
    assert follows(old)({"n": 1}) is None  # its meta-schema wants different items, too
    check_tools([{"type": "function", "function": {"name": "f", "parameters": old}}], "p")


def test_references_that_double_are_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_patterns, "MOST_REFERENCES", 2000)
    deep: Any = {}
    for _ in range(40):
        deep = {"a": deep}
    schema = {"properties": {"a": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}}
    assert follows(schema)(deep) == "it takes too many steps to be checked with this schema"
    assert follows(schema)({"a": {"a": {}}}) is None


@pytest.mark.parametrize(
    "schema", [{"$ref": "#"}, {"allOf": [{"$ref": "#"}]}, {"anyOf": [{"not": {"$ref": "#"}}]}]
)
def test_references_to_themselves_are_said(schema: dict[str, Any]) -> None:
    said = follows(schema)({"a": 1})
    assert said is not None
    assert "to be checked" in said


def test_a_deep_answer_is_said() -> None:
    value = json.loads("[" * 400 + "]" * 400)
    assert follows({"items": {"$ref": "#"}})(value) == "it is nested too deeply to be checked"


@pytest.mark.parametrize("name", ["unevaluatedProperties", "unevaluatedItems"])
def test_unevaluated_parts_are_checked_within_bounds(name: str) -> None:
    few: Any = {f"k{n}": n for n in range(10)}
    many: Any = {f"k{n}": n for n in range(100_000)}
    if name == "unevaluatedItems":
        few, many = list(few.values()), list(many.values())
    check = follows({"allOf": [{}], name: {"type": "integer"}})
    assert check(few) is None
    assert check(many) == f"$: 100,000 parts; {name} is checked for 2,000 at most"


def test_a_million_problems_are_not_all_written_out() -> None:
    schema = {"items": {"enum": [f"label number {n}" for n in range(2000)]}}
    said = follows(schema)(["wrong"] * 100_000)
    assert said is not None
    assert "'wrong' is not one of" in said


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://example.com/other.json"},
        {"$ref": "file:///etc/passwd"},
        {"properties": {"a": {"$ref": "//example.com/x#/$defs/a"}}},
    ],
)
def test_nothing_is_fetched(schema: dict[str, Any]) -> None:
    with pytest.raises(PexError, match="put the part into the schema"):
        follows(schema)


def test_a_schema_that_is_nested_too_deeply_is_an_error() -> None:
    deep: Any = {}
    for _ in range(3000):
        deep = {"not": deep}
    with pytest.raises(jsonschema.SchemaError, match="nested too deeply"):
        check_schema(jsonschema.Draft202012Validator, deep)

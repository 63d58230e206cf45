"""The scorers `fields` with rules, and `records`: paths, weights, required, forbidden, matching."""

import json
import random
from typing import Any

import pytest
from hypothesis import given as given_by
from hypothesis import settings
from hypothesis import strategies as st

from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.score.build import build, dump
from pex.score.field_rules import field_rule
from pex.score.record_matching import match_records
from tests.helpers.scores import score

INVOICE = {
    "total": 1234.5,
    "date": "2024-05-01",
    "address": {"city": "Bonn"},
    "items": [{"name": "Pen", "price": 2}, {"name": "Ink", "price": 5}],
}
RULES: dict[str, Any] = {
    "total": {"rule": "number", "tolerance": 0.01, "weight": 2},
    "date": "date",
    "address.city": "text",
    "items[].name": "text",
    "items[].price": "number",
}


def values(item: Any, output: Any, expected: Any, **options: Any) -> dict[str, Any]:
    text = output if isinstance(output, str) else json.dumps(output)
    found = score(item, text, expected, **options)
    assert not any(one.error for one in found.values()), found
    return {name: one.value for name, one in found.items()}


def test_fields_by_path_and_rule_are_weighted() -> None:
    given = {
        "total": "1,234.50 €",
        "date": "May 1, 2024",
        "address": {"city": "Berlin"},
        "items": [{"name": "ink", "price": 5}, {"name": "pen", "price": 3}],
    }
    found = score({"kind": "fields", "fields": RULES}, json.dumps(given), INVOICE)
    assert {name: one.value for name, one in found.items()} == {
        "fields": (2 + 1 + 0 + 1 + 0.5) / 6,
        "fields.total": True,
        "fields.date": True,
        "fields.address.city": False,
        "fields.items.name": 1.0,
        "fields.items.price": 0.5,
    }
    assert found["fields"].reason == "3 of 5 fields"
    assert found["fields.address.city"].reason == '"Berlin" instead of "Bonn"'
    assert found["fields.items.price"].reason == "1 of 2 records; record 1: 3 instead of 2: 1 off"


def test_a_record_that_is_missing_or_too_much_counts_in_each_of_its_fields() -> None:
    item = {"kind": "fields", "fields": {"items[].name": "text", "items[].price": "number"}}
    given = {"items": [{"name": "pen", "price": 2}, {"name": "cup", "price": 9}]}
    found = score(item, json.dumps(given), INVOICE)
    assert found["fields.items.name"].value == pytest.approx(1 / 3)
    assert found["fields.items.name"].reason == (
        '1 of 3 records; record 2: missing: "Ink"; record +2: too much: "cup"'
    )
    assert values(item, {"items": None}, INVOICE)["fields"] == 0
    assert values(item, {"items": []}, {"items": []})["fields"] == 1
    assert values(item, {"items": [{"name": "Pen"}]}, {"items": []})["fields"] == 0


def test_required_and_forbidden_fields_are_checked_whatever_is_expected() -> None:
    item = {"kind": "fields", "required": ["id", "a"], "forbidden": "ssn"}
    assert values(item, {"id": 7, "a": 1}, {"a": 1}) == {
        "fields": 1.0, "fields.a": True, "fields.id": True, "fields.ssn": True,
    }  # fmt: skip
    found = score(item, '{"a": 1, "ssn": "1-2"}', {"a": 1})
    assert found["fields"].value == pytest.approx(1 / 3)
    assert found["fields.id"].reason == "missing"
    assert found["fields.ssn"].reason == 'too much: "1-2"'
    assert values(item, {"id": 1, "a": 1}, None)["fields"] == 1  # needs no expected answer
    assert values(item, "sorry", {"a": 1})["fields.ssn"] is None  # nothing was read


def test_the_rest_has_a_rule_and_ignored_fields_are_not_counted() -> None:
    item = {"kind": "fields", "fields": {"note": "ignore", "n": "number", "*": "exact"}}
    found = values(
        item, {"note": "x", "n": "1 kg", "other": "a"}, {"note": 1, "n": 1, "other": "A"}
    )
    assert found == {"fields": 0.5, "fields.note": None, "fields.n": True, "fields.other": False}


RECORDS = [{"name": "Pen", "price": 2}, {"name": "Ink", "price": 5}, {"name": "Cup", "price": 9}]


def test_records_have_precision_recall_and_shares_of_their_fields() -> None:
    given = [
        {"name": "cup", "price": 9},
        {"name": "Ink", "price": 6},
        {"name": "Bag", "price": 1},
        {"name": "Box", "price": 1},
    ]
    found = score("records", json.dumps(given), RECORDS)
    assert {name: one.value for name, one in found.items()} == {
        "records": pytest.approx(4 / 7),
        "records.precision": 0.5,
        "records.recall": pytest.approx(2 / 3),
        "records.fields": 0.75,
        "records.fields.name": 1.0,
        "records.fields.price": 0.5,
    }
    assert found["records"].reason == (
        '2 of 3 found; missing: {"name": "Pen", "price": 2}; '
        'too much: {"name": "Bag", "price": 1}, {"name": "Box", "price": 1}'
    )


@pytest.mark.parametrize(
    ("output", "expected", "f1"),
    [
        ({"items": RECORDS}, RECORDS, 1),
        (RECORDS, {"items": RECORDS}, 1),
        (RECORDS, json.dumps(RECORDS), 1),
        ([], [], 1),
        ([], RECORDS, 0),
        (RECORDS, [], 0),
        ("sorry", RECORDS, 0),
        ({"a": RECORDS, "b": []}, RECORDS, 0),
        ({"name": "Pen"}, RECORDS, 0),
        (["Pen", None, 3], RECORDS, 0),
    ],
)
def test_where_records_are_found(output: Any, expected: Any, f1: float) -> None:
    assert values("records", output, expected)["records"] == f1


def test_records_are_matched_by_some_fields_only() -> None:
    item = {"kind": "records", "fields": {"id": "exact", "a": "text", "b": "text"},
            "match_by": "id", "path": "rows"}  # fmt: skip
    wanted = {"rows": [{"id": 1, "a": "x", "b": "y"}], "other": []}
    found = values(item, {"rows": [{"id": 1, "a": "p", "b": "q"}]}, wanted)
    assert (found["records"], found["records.fields"]) == (1, pytest.approx(1 / 3))
    assert values(item, {"rows": [{"id": 2, "a": "x", "b": "y"}]}, wanted)["records"] == 0


@settings(max_examples=60, deadline=None)
@given_by(
    st.lists(st.fixed_dictionaries({"a": st.integers(0, 3), "b": st.integers(0, 3)}), max_size=5),
    st.lists(st.fixed_dictionaries({"a": st.integers(0, 3), "b": st.integers(0, 3)}), max_size=5),
)
def test_the_matching_is_the_best_there_is(given: list[Any], wanted: list[Any]) -> None:
    rules = {(name,): field_rule("exact") for name in "ab"}

    def alike(w: int, g: int) -> float:
        found = sum(wanted[w][name] == given[g][name] for name in "ab") / 2
        return found if found >= 0.5 else 0.0

    def best(w: int, left: frozenset[int]) -> float:
        if w == len(wanted):
            return 0.0
        return max([best(w + 1, left), *(alike(w, g) + best(w + 1, left - {g}) for g in left)])

    found = match_records(given, wanted, rules)
    assert found is not None
    assert sum(alike(w, g) for w, g in found.pairs) == pytest.approx(
        best(0, frozenset(range(len(given))))
    )
    assert len(found.pairs) + len(found.missing) == len(wanted)
    assert len(found.pairs) + len(found.extra) == len(given)


def test_equal_records_are_matched_in_their_order() -> None:
    rules = {("a",): field_rule("exact")}
    found = match_records([{"a": 1}] * 4, [{"a": 1}] * 4, rules)
    assert found is not None
    assert found.pairs == [(0, 0), (1, 1), (2, 2), (3, 3)]


def test_more_records_than_can_be_matched() -> None:
    many = [{"n": number} for number in range(3000)]
    found = score("records", json.dumps(many[::-1]), many[:500])
    assert found["records"].value == 0
    assert found["records"].reason == "3,000 records: at most 1,000 are matched"
    with pytest.raises(PexError, match="expects 3,000 records; at most 1,000 are matched"):
        score("records", "[]", many)
    rules = {("n",): field_rule("exact")}
    mostly_equal = match_records(many[::-1], many, rules)
    assert mostly_equal is not None
    assert mostly_equal.pairs[0] == (0, 2999)


@pytest.mark.parametrize(
    ("item", "expected", "said"),
    [
        ({"kind": "fields", "fields": {"totl": "number"}}, INVOICE,
         "scorer 'fields': no case expects the field 'totl'\n  did you mean 'total'?"),
        ({"kind": "fields", "fields": {"items[].prize": "number"}}, INVOICE,
         "scorer 'fields': no case expects the field 'items[].prize'\n"
         "  did you mean 'items[].price'?"),
        ({"kind": "fields", "fields": {"items[]": "number"}}, INVOICE,
         "scorer 'fields': field 'items[]': expected the name of a field of each record"),
        ({"kind": "fields", "fields": {"a[].b[].c": "number"}}, INVOICE,
         "scorer 'fields': field 'a[].b[].c': a list within the records of another is not matched"),
        ({"kind": "fields", "fields": {"total": "nubmer"}}, INVOICE,
         "scorer 'fields': field 'total': there is no rule 'nubmer'\n  did you mean 'number'?"),
        ({"kind": "fields", "fields": {"address.city": "number"}}, INVOICE,
         "scorer 'fields': case 'c': field 'address.city' expects \"Bonn\", which is not a number"),
        ({"kind": "fields", "fields": {"items[].name": "date"}}, INVOICE,
         "scorer 'fields': case 'c': field 'items[].name' expects \"Pen\", which is not read as a"),
        ({"kind": "fields", "required": "a", "forbidden": "a"}, INVOICE,
         "scorer 'fields': field 'a' is both required and forbidden"),
        ({"kind": "fields", "fields": {"total": {"rule": "number", "weight": 0}}}, INVOICE,
         "scorer 'fields': every field has the weight 0"),
        ({"kind": "fields", "fields": {}}, INVOICE, "scorer 'fields': fields:"),
        ({"kind": "fields", "requird": ["a"]}, INVOICE,
         "scorer 'fields': unknown key 'requird'\n  did you mean 'required'?"),
        ("records", {"a": 1}, "scorer 'records': case 'c' expects '{\"a\": 1}', which is not"),
        ({"kind": "records", "fields": {"nmae": "text"}}, RECORDS,
         "scorer 'records': no case expects a record with the field 'nmae'\n"
         "  did you mean 'name'?"),
        ({"kind": "records", "match_by": "nmae"}, RECORDS,
         "scorer 'records': match_by: no case expects 'nmae'\n  did you mean 'name'?"),
        ({"kind": "records", "threshold": 2}, RECORDS, "scorer 'records': threshold:"),
    ],
)  # fmt: skip
def test_a_mistake_is_said_before_any_call(item: Any, expected: Any, said: str) -> None:
    with pytest.raises(PexError) as caught:
        build([item], [Case("c", {"q": "x"}, expected)])
    assert str(caught.value).startswith(said)


def test_no_answer_breaks_them() -> None:
    chosen = random.Random(3)

    def made(depth: int) -> Any:
        kind = chosen.randrange(6 if depth else 4)
        if kind < 4:
            return chosen.choice([None, True, 3, 2.5, "x", "1/2/2024", "\ud800", 10**400])
        if kind == 4:
            return [made(depth - 1) for _ in range(chosen.randrange(4))]
        names = ["total", "date", "address", "city", "items", "name", "price"]
        return {chosen.choice(names): made(depth - 1) for _ in range(chosen.randrange(5))}

    case = Case("c", {"q": "x"}, INVOICE)
    scorers = build([{"kind": "fields", "fields": RULES}], [case])
    scorers += build(["records"], [Case("c", {"q": "x"}, RECORDS)])
    for _ in range(300):
        text = json.dumps(made(4))
        for scorer, wanted in zip(scorers, (INVOICE, RECORDS), strict=True):
            found = scorer(Answer(text), Case("c", {"q": "x"}, wanted))
            assert not any(one.error for one in found.values()), (text, found)


def test_rules_made_in_python_are_written_as_a_file_has_them() -> None:
    rule = field_rule({"rule": "set", "items": {"rule": "number", "tolerance": 1}, "weight": 2})
    items = [{"kind": "fields", "fields": {"a": rule, "b": "date"}}]
    assert dump(items) == [
        {
            "kind": "fields",
            "fields": {
                "a": {"rule": "set", "items": {"rule": "number", "tolerance": 1}, "weight": 2},
                "b": "date",
            },
        }
    ]

"""Rules of fields from a pydantic class, and how scorers take them."""

import datetime
import enum
from decimal import Decimal
from typing import Annotated, Any, Literal, Optional

import pydantic
import pytest

import pex
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.score.model_rules import records_of, rules_of, told, with_rules


class Kind(enum.Enum):
    BILL = "bill"


class Item(pydantic.BaseModel):
    name: str
    price: Annotated[float, pex.field_rule("number", tolerance=0.01)]
    parts: list["Item"] = []


class Address(pydantic.BaseModel):
    city: str
    code: str = pydantic.Field(alias="zip")


class Invoice(pydantic.BaseModel):
    number: Annotated[str | None, pex.field_rule("exact", weight=2)]
    note: Optional[Annotated[str, pex.field_rule("ignore")]] = None  # noqa: UP045 - as others write
    total: Decimal
    day: datetime.date | None
    kind: Kind
    state: Literal["open", "paid"] | None
    paid: bool
    tags: set[str]
    counts: list[int]
    extra: dict[str, int]
    address: Address
    items: list[Item]


def test_types_and_annotations_become_rules() -> None:
    assert {path: rule.written() for path, rule in rules_of(Invoice).items()} == {
        "number": {"rule": "exact", "weight": 2},
        "note": "ignore",
        "total": "number",
        "day": "date",
        "kind": "exact",
        "state": "exact",
        "paid": "exact",
        "tags": "set",
        "counts": {"rule": "list", "items": "number"},
        "extra": "text",
        "address.city": "text",
        "address.zip": "text",
        "items[].name": "text",
        "items[].price": {"rule": "number", "tolerance": 0.01},
        "items[].parts": {"rule": "list", "order": False},
    }
    found = records_of(Invoice)
    assert found is not None
    assert (found[0], told(found[1])) == (
        "items", "name: text, price: number (tolerance 0.01), parts: list (order false)",
    )  # fmt: skip
    # A rule changes nothing about the schema that is sent.
    assert pex.Prompt("{{ a }}", "p", response_model=Item).response_schema["$defs"]["Item"][
        "properties"]["price"] == {"title": "Price", "type": "number"}  # fmt: skip


def cases(expected: Any) -> list[Case]:
    return [Case("a", {"q": "x"}, expected)]


def test_a_scorer_without_fields_takes_those_that_the_cases_expect() -> None:
    expected = {"total": 5, "day": "soon", "other": 1, "items": [{"price": 1}]}
    taken, said = with_rules(["label", "fields"], [Invoice, Invoice], cases(expected))
    assert taken == [
        "label",
        {
            "kind": "fields",
            "fields": {
                "total": "number",
                "day": "text",
                "items[].price": {"rule": "number", "tolerance": 0.01},
                "*": "text",
            },
        },
    ]
    assert said == [
        "fields: rules of Invoice: total: number, day: text, "
        "items[].price: number (tolerance 0.01) (day: as text, because a case expects something "
        "else)"
    ]


def test_a_class_can_be_given_and_records_take_those_of_its_list() -> None:
    item = {"kind": "fields", "fields": Item, "name": "facts"}
    taken, _ = with_rules([item], [], cases({"name": "a"}))
    assert taken == [{"kind": "fields", "name": "facts", "fields": {"name": "text"}}]
    taken, _ = with_rules(["records"], [Invoice], cases([{"name": "a", "price": 2}]))
    assert taken[0]["path"] == "items"
    assert list(taken[0]["fields"]) == ["name", "price"]


@pytest.mark.parametrize(
    ("item", "models"),
    [("fields", []), ("fields", [Invoice, Item]), ({"kind": "fields", "fields": ["a"]}, [Item]),
     ("fields", [Address])],
)  # fmt: skip
def test_nothing_is_taken_where_classes_differ_or_do_not_fit(item: Any, models: list[Any]) -> None:
    assert with_rules([item], models, cases({"a": 1})) == ([item], [])


def test_what_is_not_a_class_is_said() -> None:
    with pytest.raises(PexError, match="expected a pydantic class"):
        rules_of(dict)

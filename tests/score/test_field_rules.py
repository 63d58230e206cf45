"""Rules for one field: what is right, what is said, and mistakes in them."""

import random
from typing import Any

import pytest

from pex.core.errors import PexError
from pex.score.field_rules import FieldRule, check_rules, field_rule


def rule(name: str, **options: Any) -> FieldRule:
    return field_rule({"rule": name, **options})


@pytest.mark.parametrize(
    ("made", "given", "wanted", "value", "reason"),
    [
        (rule("text"), " New  YORK", "new york", True, None),
        (rule("text"), "0042", "42", False, '"0042" instead of "42"'),
        (rule("text"), {"a": [1, "X"]}, {"a": [1.0, "x"]}, True, None),
        (rule("exact"), "A", "a", False, '"A" instead of "a"'),
        (rule("exact"), 1, True, False, "1 instead of true"),
        (rule("exact"), [1.0, {"a": None}], [1, {"a": None}], True, None),
        (rule("number"), "1.234,50 EUR", 1234.5, True, None),
        (rule("number"), "1,234", 1.234, True, None),
        (rule("number", decimal="."), "1,234", 1.234, False,
         '"1,234" instead of 1.234: 1232.766 off'),
        (rule("number", decimal=","), "1.234", 1234, True, None),
        (rule("number"), 0.1 + 0.2, 0.3, False,
         "0.30000000000000004 instead of 0.3: 4e-17 off"),
        (rule("number", tolerance=0.1), 3.1, 3, True, None),
        (rule("number", relative=0.1), 111, 100, False, "111 instead of 100: 11 off"),
        (rule("number"), "2 of 3", 2, False, '"2 of 3" instead of 2: it has 2 numbers'),
        (rule("number"), True, 1, False, "true instead of 1: it is not a number"),
        (rule("number"), float("inf"), 1, False,
         "Infinity instead of 1: it is not a finite number"),
        (rule("date"), "May 1, 2024", "2024-05-01", True, None),
        (rule("date"), "05/01/2024", "2024-05-01", False,
         '"05/01/2024" instead of "2024-05-01": it is 2024-01-05 or 2024-05-01: '
         "day_first: true or false decides"),
        (rule("date", day_first=False), "05/01/2024", "2024-05-01", True, None),
        (rule("date"), "2024-05-01T10:00Z", "2024-05-01T12:00+02:00", True, None),
        (rule("date"), "2024-05-01", "2024-05-01T12:00", False,
         '"2024-05-01" instead of "2024-05-01T12:00"'),
        (rule("date"), "1.5.24", "2024-05-01", True, "the year 24 was read as 2024"),
        (rule("set"), ["b", "A", "b"], ["a", "B"], True, None),
        (rule("set", partial=True), ["a", "x"], ["a", "b"], 0.5,
         'missing: "b"; too much: "x"'),
        (rule("set", separator=","), "b, a", ["a", "b"], True, None),
        (rule("set"), "a", ["a"], False, '"a" instead of ["a"]: it is not a list'),
        (rule("set", items="number"), ["1,000 kg", 5], [5, 1000], True, None),
        (rule("set"), None, [], True, None),
        (rule("list"), ["b", "a"], ["a", "b"], False, 'in another order: ["b", "a"]'),
        (rule("list", order=False), ["b", "a"], ["a", "b"], True, None),
        (rule("list", order=False), ["a"], ["a", "a"], False, 'missing: "a"'),
        (rule("list", partial=True), ["b", "c"], ["a", "b", "c"], 0.8, 'missing: "a"'),
        (rule("similarity", threshold=0.8), "colour", "color", True, None),
        (rule("similarity", threshold=0.95), "colour", "color", False,
         '"colour" instead of "color": 0.91 alike'),
        (rule("similarity"), "colour", "color", pytest.approx(10 / 11),
         '"colour" instead of "color"'),
        (rule("regex", pattern="^A[0-9]+$"), "A12", "B", True, None),
        (rule("regex", pattern="^A"), "x", None, False, '"x" does not match'),
        (rule("regex"), "A12", "^A", True, None),
        (rule("ignore"), "x", "y", None, "ignored"),
        (rule("number"), None, 5, False, "missing: 5"),
        (rule("number"), 5, None, False, "too much: 5"),
        (rule("number"), None, None, True, None),
    ],
)  # fmt: skip
def test_a_rule(made: FieldRule, given: Any, wanted: Any, value: Any, reason: str | None) -> None:
    score = made(given, wanted)
    assert (score.value, score.reason) == (value, reason)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("nubmer", "field 'a': there is no rule 'nubmer'\n  did you mean 'number'?"),
        ({"tolerance": 1}, "field 'a': the key 'rule' is missing"),
        (3, "field 'a': expected the name of a rule"),
        ({"rule": "number", "tolerence": 1},
         "field 'a': unknown key 'tolerence'\n  did you mean 'tolerance'?"),
        ({"rule": "number", "tolerance": -1}, "field 'a': tolerance:"),
        ({"rule": "number", "tolerance": True}, "field 'a': tolerance:"),
        ({"rule": "number", "decimal": ";"}, "field 'a': decimal:"),
        ({"rule": "regex", "pattern": "("}, "field 'a': pattern '(': missing )"),
        ({"rule": "set", "items": "dat"}, "field 'a': items: there is no rule 'dat'"),
        ({"rule": "text", "weight": -1}, "field 'a': weight:"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_rule_is_said(spec: Any, said: str) -> None:
    with pytest.raises(PexError) as caught:
        check_rules({"a": spec})
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("spec", "wanted", "problem"),
    [
        ("number", "many", "is not a number"),
        ("date", "1/2/2024", "is 2024-02-01 or 2024-01-02: day_first: true or false decides"),
        ("list", "a", "is not a list"),
        ({"rule": "set", "items": "number"}, [1, "x"], 'has the item "x", which is not a number'),
        ("regex", "(", "is not a pattern: pattern '(': missing ), unterminated subpattern at "
         "position 0"),
        ("text", "anything", None),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_with_is_known_before(
    spec: Any, wanted: Any, problem: str | None
) -> None:
    assert field_rule(spec).problem(wanted) == problem


def test_the_order_and_number_of_items_are_found_whatever_they_are() -> None:
    chosen = random.Random(1)
    in_any_order = rule("list", order=False, items="number")
    for _ in range(50):
        wanted = [chosen.randint(0, 5) for _ in range(chosen.randint(1, 8))]
        given = [str(item) for item in chosen.sample(wanted, len(wanted))]
        assert in_any_order(given, wanted).value
        assert rule("list", items="number")(given, wanted).value == (
            [int(item) for item in given] == wanted
        )
        assert not in_any_order([*given, 6], wanted).value


def test_near_items_are_matched_so_that_most_of_them_have_a_partner() -> None:
    near = rule("list", order=False, items={"rule": "number", "tolerance": 0.06})
    assert near([1.05, 1.1], [1.0, 1.05]).value  # 1.05 is not the partner of 1.05


def test_lists_that_are_too_long_to_compare_are_compared_by_what_is_equal() -> None:
    many = [str(number) for number in range(2000)]
    score = rule("list", order=False)(many[1:][::-1], many)
    assert (score.value, score.reason) == (False, 'missing: "0"')
    assert rule("set")(many[::-1], many).value

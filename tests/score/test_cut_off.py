"""Of an answer that was cut off, what is there is scored, or the score says why it is False."""

from __future__ import annotations

from typing import Any

import pytest

from pex.core.score import Score
from tests.helpers.scores import score

CUT = Score(False, reason="cut off")


@pytest.mark.parametrize("how", [{"finish_reason": "length"}, {"remarks": ["cut_off"]}])
@pytest.mark.parametrize(
    ("item", "output", "expected"),
    [
        ({"kind": "length", "max_words": 3}, "one", None),
        ({"kind": "length", "min_chars": 1}, "one", None),
        ({"kind": "regex", "pattern": "one"}, "one", None),
        ("regex", "one", "one"),
        ("json", "[1]", None),
        ({"kind": "json", "schema": {"type": "array"}}, "[1]", None),
    ],
)
def test_what_needs_the_whole_answer_is_false(
    item: Any, output: str, expected: Any, how: dict[str, Any]
) -> None:
    (result,) = score(item, output, expected, **how).values()
    assert result == CUT


def test_each_field_of_an_answer_that_was_cut_off_is_false() -> None:
    scores = score("fields", '{"a": 1}', {"a": 1, "b": 2}, finish_reason="length")
    assert scores == {"fields": Score(0.0, reason="cut off"), "fields.a": CUT, "fields.b": CUT}


def test_how_many_words_it_would_have_had_is_not_known() -> None:
    assert score("length", "one two", finish_reason="length")["length"] == Score(
        None, reason="cut off"
    )


@pytest.mark.parametrize(
    ("item", "output", "expected", "right"),
    [
        ("label", "It is positive, as", "positive", True),
        ("number", "It is 42, as", 42, True),
        ("contains", "It is Paris, as", "paris", True),
        ("exact", "Paris", "Paris", True),
        ("exact", "Par", "Paris", False),
        ("similarity", "Paris", "Paris", 1.0),
    ],
)
def test_of_the_others_what_is_there_is_scored(
    item: Any, output: str, expected: Any, right: Any
) -> None:
    (result,) = score(item, output, expected, finish_reason="length").values()
    assert result.value == right


def test_without_an_expected_answer_nothing_is_counted() -> None:
    (result,) = score("regex", "x", None, labels=["x"], finish_reason="length").values()
    assert result.value is None

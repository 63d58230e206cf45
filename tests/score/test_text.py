"""Patterns and parts that would judge every answer alike, and words about sizes."""

from typing import Any

import pytest

import pex
from pex.core.cases import Case
from pex.core.score import Score
from pex.score.build import build
from tests.helpers.scores import score, value


@pytest.mark.parametrize(
    ("item", "expected", "message"),
    [
        ("regex", "(", "case 'c': expected pattern '\\('"),
        ({"kind": "regex", "pattern": "a{99999999999}"}, None, "pattern 'a{9+}'"),
        ({"kind": "contains", "value": ""}, None, "it is empty"),
        ({"kind": "contains", "value": []}, None, "it is empty"),
        ({"kind": "contains", "value": ["a", ""]}, None, "it is empty"),
        ({"kind": "length", "max_words": True}, None, "got True"),
        ({"kind": "exact", "name": ""}, "x", "score name: it is empty"),
        ({"kind": ["exact"]}, "x", "no scorer of kind"),
    ],
)
def test_what_cannot_judge(item: Any, expected: Any, message: str) -> None:
    with pytest.raises(pex.PexError, match=message):
        build([item], [Case("c", {}, expected)])


def test_the_error_names_the_scorer_as_the_user_did() -> None:
    with pytest.raises(pex.PexError, match=r"^scorer 'order_no': pattern"):
        build([{"kind": "regex", "name": "order_no", "pattern": "("}], [Case("c", {})])


@pytest.mark.parametrize("items", ["label", {"kind": "label"}, None, 5])
def test_scorers_are_a_list(items: Any) -> None:
    with pytest.raises(pex.PexError, match="expected a list"):
        build(items, [Case("c", {}, "x")])


def test_nothing_expected_of_contains_is_not_counted() -> None:
    assert value("contains", "x", []) is None
    assert score("contains", None, "a")["contains"] == Score(False, reason="lacks 'a'")


def test_lengths_in_words() -> None:
    assert score({"kind": "length", "max_words": 1}, "é")["length"].reason == "1 word, 1 character"
    assert score({"kind": "length", "min_words": 1}, None)["length"] == Score(
        False, reason="0 words, 0 characters"
    )


def test_similarity_and_latency_without_an_answer() -> None:
    assert value("similarity", None, "abc") == 0
    assert value({"kind": "similarity", "ignore_case": True}, "ABC", "abc") == 1
    assert value("latency", "x") is None


@pytest.mark.parametrize("pattern", ["^(a|aa)+$", "^(a|a)*$"])
@pytest.mark.parametrize("by_case", [True, False])
def test_a_pattern_that_backtracks_is_stopped_and_named(pattern: str, by_case: bool) -> None:
    item = "regex" if by_case else {"kind": "regex", "pattern": pattern}
    (result,) = score(item, "a" * 5000 + "!", pattern if by_case else None).values()
    assert result.value is None
    assert result.error is not None
    assert pattern in result.error
    assert "was stopped after 1 s" in result.error


@pytest.mark.parametrize(
    ("pattern", "output", "right"),
    [
        (r"(?i)paris", "PARIS", True),
        (r"(?P<x>a)(?P=x)", "aa", True),
        (r"[[a]", "[", True),
        (r"\bA\Z", "A", True),
        (r"(?<!x)y", "xy", False),
        (r"a{,3}b", "aaab", True),
        (r"[a&&b]", "&", True),
        ("^(a+)+$", "a" * 5000 + "!", False),
        (r"^é$", "é", True),
        ("a.c", "a\nc", False),
        (r"(?s)a.c", "a\nc", True),
        (r"(?x) a c # word", "ac", True),
    ],
)
def test_patterns_mean_what_they_mean_in_re(pattern: str, output: str, right: bool) -> None:
    assert value({"kind": "regex", "pattern": pattern}, output) is right

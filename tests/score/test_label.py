"""The rules of `label` that a sentence about sentiment does not show."""

import time
from typing import Any

import pytest

import pex
from pex.core.cases import Case
from pex.score.build import build
from tests.helpers.scores import score, value

POLES = ["positive", "negative"]


@pytest.mark.parametrize(
    ("output", "expected", "others", "right"),
    [
        ("__positive__", "positive", POLES, True),
        ("_positive_", "positive", POLES, True),
        ("**Positive**", "positive", POLES, True),
        ("not_spam", "spam", ["ham"], False),
        ("not_spam", "not_spam", ["spam"], True),
        ("It is not\n good.", "not good", ["good"], True),
        ("not good, but good", "good", ["not good"], False),
        ("I say C++.", "C++", ["C"], True),
        ("Weiße STRASSE", "straße", ["weg"], True),
        ("ne\u0301gatif", "négatif", ["positif"], True),
        ("नकारा", "नकार", ["हाँ"], False),  # the vowel sign belongs to the word
        ("答案是正面的。", "正面", ["负面"], True),
        ("这是positive的", "positive", POLES, True),
        ("4.5", "4", ["1", "2", "3"], False),
        ("3,7", "3", ["1", "2"], False),
        ("The rating is 4.", "4", ["5"], True),
        ("14", "4", ["1"], False),
        ('{"a": "not", "b": "good"}', "good", ["not good"], True),
        ('```json {"label": "positive"}```', "positive", POLES, True),
        ('"n\\u00e9gatif"', "négatif", ["positif"], True),
        ('{"ok": true}', True, [False], True),
        ('{"stars": 4}', 4, [5], True),
        ("[" * 5000, "positive", POLES, False),
        (None, "positive", POLES, False),
    ],
)
def test_what_names_a_label(output: str | None, expected: Any, others: list, right: bool) -> None:
    assert value("label", output, expected, labels=others) is right


def test_labels_may_be_numbers() -> None:
    assert value({"kind": "label", "labels": [1, 2, 3]}, "I give it 2.", "2") is True


@pytest.mark.parametrize(
    ("item", "expected", "message"),
    [
        ("label", "", "a case expects '', which is not a label"),
        ("label", ["a", "b"], "case 'c' expects .*; a label must be one string"),
        ({"kind": "label", "labels": ["a", " "]}, "a", "one of them is empty"),
        ({"kind": "label", "labels": ["a", "__"]}, "a", "one of them is empty"),
        ({"kind": "label", "labels": []}, "a", "at least 1 item"),
    ],
)
def test_what_is_no_label(item: Any, expected: Any, message: str) -> None:
    with pytest.raises(pex.PexError, match=message):
        build([item], [Case("c", {}, expected), Case("d", {}, "b")])


def test_a_hostile_answer_takes_no_long_time() -> None:
    begun = time.thread_time()
    for text in ("a" + "_" * 50_000 + "b", "posi" * 50_000, "[" * 50_000, "```\n" + "\n" * 50_000):
        score("label", text, "positive", labels=POLES)
    assert time.thread_time() - begun < 3

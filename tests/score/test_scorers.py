"""Every kind of scorer with its edge cases; a scorer that fails is an error, never a zero."""

import math
from pathlib import Path
from typing import Any

import pytest

import pex
from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.score import Score
from pex.score.build import build, dump, imported, parted
from pex.score.number import find_number
from tests.helpers.scores import score, value

LABELS = ["positive", "negative"]


@pytest.mark.parametrize(
    ("item", "output", "expected", "right"),
    [
        ("exact", " yes\n", "yes", True),
        ("exact", "Yes", "yes", False),
        ({"kind": "exact", "ignore_case": True}, "ÄRGER", "ärger", True),
        ({"kind": "exact", "strip": False}, " yes", "yes", False),
        ("exact", "e\u0301", "é", False),
        ({"kind": "exact", "ignore_case": True}, "e\u0301", "é", True),
        ("exact", None, "x", False),
        ("contains", "It is PARIS.", "paris", True),
        ("contains", "Paris and Rome", ["Paris", "Oslo"], False),
        ({"kind": "contains", "value": "sorry", "ignore_case": False}, "Sorry", None, False),
        ("regex", "order 123", r"\d{3}$", True),
        ({"kind": "regex", "pattern": "a+", "full": True}, "aab", None, False),
        ({"kind": "regex", "pattern": "A+", "ignore_case": True}, "aab", None, True),
        ("json", '{"a": 1}', None, True),
        ("json", '```json\n{"a": 1}\n```', None, True),
        ("json", "null", None, True),
        ("json", "{'a': 1}", None, False),
        ("json", "NaN", None, False),
        ("json", "", None, False),
        ({"kind": "json", "schema": {"required": ["b"]}}, '{"a": 1}', None, False),
        ({"kind": "json", "schema": {"required": ["a"]}}, '{"a": 1}', None, True),
        ("number", "about 1,234.50 €", 1234.5, True),
        ("number", "First 3, then 4", "4", True),
        ("number", "no idea", 4, False),
        ({"kind": "number", "tolerance": 0.5}, "3.4 kg", 3, True),
        ({"kind": "number", "relative": 0.1}, "108", 100, True),
        ({"kind": "length", "max_words": 2}, "one two three", None, False),
        ({"kind": "length", "min_chars": 3}, "ab", None, False),
    ],
)
def test_yes_no(item: Any, output: str, expected: Any, right: bool) -> None:
    assert value(item, output, expected) is right


@pytest.mark.parametrize(
    ("output", "right", "reason"),
    [
        ("Positive.", True, "names 'positive'"),
        ("This review is positive, very positive", True, "names 'positive'"),
        ("negative", False, "names 'negative'"),
        ("positive or negative", False, "names 'positive' and 'negative'"),
        ("nonpositive", False, "names none of the 2 labels"),
        ("", False, "names none of the 2 labels"),
        ('{"label": "positive"}', True, "names 'positive'"),
        ('{"positive": "negative"}', False, "names 'negative'"),
    ],
)
def test_label(output: str, right: bool, reason: str) -> None:
    (result,) = score("label", output, "positive", labels=LABELS).values()
    assert (result.value, result.reason) == (right, reason)


def test_the_longer_label_wins_and_other_scripts_count() -> None:
    assert value("label", "It is not good", "not good", labels=["good"]) is True
    assert value("label", "ответ: ДА", "да", labels=["нет"]) is True


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1,234", 1234), ("1.234", 1.234), ("1.234.567", 1234567), ("1,234,567.8", 1234567.8),
        ("1.234,5", 1234.5), ("3,5", 3.5), ("12 %", 12), ("$5", 5), ("−7", -7), ("1e3", 1000),
        ("1'000", 1000), ("(42)", 42), ("", None), ("B2B", None), ("5.", 5),
    ],
)  # fmt: skip
def test_numbers(text: str, number: float | None) -> None:
    assert find_number(text) == number


def test_fields() -> None:
    expected = {"name": "Ann", "n": 3, "gone": None}
    scores = score("fields", '{"name": " ann ", "n": "3", "more": 1}', expected)
    assert {k: s.value for k, s in scores.items()} == {
        "fields": 1.0,
        "fields.name": True,
        "fields.n": True,
        "fields.gone": True,
    }
    assert (
        score("fields", '{"name": "Bob"}', expected)["fields.name"].reason
        == '"Bob" instead of "Ann"'
    )
    assert score("fields", "sorry", expected)["fields"].value == 0
    assert score("fields", '{"id": "42"}', {"id": "0042"})["fields.id"].value is False
    with pytest.raises(pex.PexError, match="case 'c' expects 'text', which is not an object"):
        score("fields", "{}", "text")


def test_numbers_as_scores() -> None:
    assert value("similarity", "abcd", "abce") == pytest.approx(0.75)
    assert value("length", "one two") == 2
    assert value("latency", "x", latency_s=1.5) == 1.5
    assert value({"kind": "latency", "max_s": 1}, "x", latency_s=1.5) is False


def test_no_expected_answer_is_not_counted() -> None:
    cases = [Case("a", {}, None), Case("b", {}, "x")]
    (scorer,) = build(["exact"], cases)
    assert scorer(Answer(output="x"), cases[0])["exact"].value is None


def nan(output: str) -> float:
    return math.nan


def text(output: str) -> str:
    return "good"


def broken(output: str) -> bool:
    raise KeyError("oops")


def several(output: str, expected: str, q: str, tags: list) -> dict:
    return {"polite": True, "words": Score(2.0, reason=f"{expected} {q} {tags}")}


@pytest.mark.parametrize(
    ("function", "error"),
    [(nan, "finite number"), (text, "got str"), (broken, "KeyError: 'oops'")],
)
def test_a_failing_function_is_an_error(function: Any, error: str) -> None:
    (result,) = score(function, "x").values()
    assert result.value is None
    assert error in result.error


def test_a_function_gets_what_it_asks_for() -> None:
    scores = score(several, "x", "e")
    assert scores["several.polite"].value is True
    assert scores["several.words"] == Score(2.0, reason="e x []")


def test_functions_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "house_rules.py").write_text("def calm(output):\n    return '!' not in output\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert value("house_rules:calm", "Hi!") is False
    item = {"kind": "function", "name": "quiet", "function": "house_rules:calm"}
    assert list(score(item, "Hi")) == ["quiet"]
    with pytest.raises(pex.PexError, match="did you mean 'calm'"):
        imported(parted(build(["house_rules:clam"], []))[0])
    with pytest.raises(pex.PexError, match="cannot import house_rulez"):
        imported(parted(build(["house_rulez:calm"], []))[0])


def test_mlflow_scorers() -> None:
    from mlflow.entities import Feedback
    from mlflow.genai.scorers import scorer

    @scorer
    def short(outputs: str) -> bool:
        return len(outputs) < 3

    @scorer
    def judged(outputs: str, expectations: dict) -> Feedback:
        return Feedback(value="yes", rationale=f"wanted {expectations['expected_response']}")

    @scorer
    def fails(outputs: str) -> bool:
        raise RuntimeError("no")

    assert value(short, "ab") is True
    assert score(judged, "ab", "cd")["judged"] == Score(True, reason="wanted cd")
    assert "no" in score(fails, "ab")["fails"].error


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (["lable"], "did you mean 'label'"),
        ([{"kind": "exact", "ignorecase": True}], "did you mean 'ignore_case'"),
        ([{"kind": "length", "max_words": "few"}], "got 'few'"),
        ([{"name": "x"}], "the key 'kind' is missing"),
        ([{"kind": "regex", "pattern": "("}], "pattern '\\('"),
        ([{"kind": "json", "schema": {"type": "strng"}}], "not a JSON Schema"),
        ([{"kind": "json", "schema": "no.json"}], "no.json: no such file"),
        (["length", "length"], "two scorers are called 'length'"),
        ([lambda output: True], "a lambda has no name"),
        ([{"kind": "exact", "name": "a b"}], "only letters"),
        ([3], "got int"),
        (["exact"], "no case has one"),
    ],
)
def test_bad_scorers(items: list, message: str) -> None:
    with pytest.raises(pex.PexError, match=message):
        build(items, [Case("a", {"q": 1})])


def test_labels_that_no_case_may_expect() -> None:
    with pytest.raises(pex.PexError, match="did you mean 'positive'"):
        build([{"kind": "label", "labels": LABELS}], [Case("a", {}, "postive")])


def test_a_parameter_that_no_case_has() -> None:
    def needs(output: str, qq: str) -> bool:
        return True

    with pytest.raises(pex.PexError, match="no case has 'qq'"):
        build([needs], [Case("a", {"q": 1})])


def test_dump() -> None:
    items = ["label", {"kind": "length", "max_words": 3}, several]
    assert dump(items) == [*items[:2], f"{__name__}:several"]
    with pytest.raises(pex.PexError, match="cannot be saved"):
        dump([lambda output: True])

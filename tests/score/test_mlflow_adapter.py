"""MLflow's own scorers, the real ones that need no model among them."""

from typing import Any

import pytest

from pex.core.score import Score
from tests.helpers.scores import score, value


def test_a_builtin_scorer() -> None:
    from mlflow.genai.scorers import RegexMatch, ResponseLength

    item = RegexMatch(pattern=r"^\d+$")
    (right,) = score(item, "123").values()
    (wrong,) = score(item, "one").values()
    assert (right.value, wrong.value) == (True, False)
    (long,) = score(ResponseLength(max_length=3), "four").values()
    assert (long.value, long.error) == (False, None)


def test_what_a_scorer_gets() -> None:
    from mlflow.genai.scorers import scorer

    seen: list[Any] = []

    @scorer
    def look(inputs: Any, outputs: Any, expectations: Any) -> None:
        seen.append((inputs, outputs, expectations))

    for expected in ("text", {"a": 1}, 3, None):
        assert value(look, "out", expected) is None
    assert seen == [
        ({"q": "x"}, "out", {"expected_response": "text"}),
        ({"q": "x"}, "out", {"a": 1}),
        ({"q": "x"}, "out", {"expected_response": 3}),
        ({"q": "x"}, "out", None),
    ]


def test_several_feedbacks() -> None:
    from mlflow.entities import Feedback
    from mlflow.genai.scorers import scorer

    @scorer
    def two(outputs: str) -> list[Feedback]:
        return [
            Feedback(name="polite", value=True, rationale="thanks"),
            Feedback(name="two", value=0.5),
        ]

    @scorer
    def same(outputs: str) -> list[Feedback]:
        return [Feedback(value=True), Feedback(value=False)]

    assert score(two, "x") == {"two.polite": Score(True, reason="thanks"), "two": Score(0.5)}
    assert "two of its feedbacks are called 'feedback'" in (score(same, "x")["same"].error or "")


@pytest.mark.parametrize("word", ["fine", "5"])
def test_a_word_that_is_no_verdict_is_an_error(word: str) -> None:
    from mlflow.entities import Feedback
    from mlflow.genai.scorers import scorer

    @scorer
    def says(outputs: str) -> Feedback:
        return Feedback(value=word)

    assert "got str" in (score(says, "x")["says"].error or "")


def test_a_feedback_with_an_error() -> None:
    from mlflow.entities import AssessmentError, Feedback
    from mlflow.genai.scorers import scorer

    @scorer
    def limited(outputs: str) -> Feedback:
        return Feedback(error=AssessmentError(error_code="LIMIT"))

    result = score(limited, "x")["limited"]
    assert result.value is None
    assert "LIMIT" in (result.error or "")

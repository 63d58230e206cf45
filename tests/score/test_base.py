"""A scorer never raises and never loses a score, whatever it returns or throws."""

import sys
from typing import Any

import pytest

import pex
from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.score import Score
from pex.score.base import RuleScorer, named_scores
from pex.score.build import build


def judge(result: Any) -> dict[str, Score]:
    def rule(answer: Answer, case: Case) -> Any:
        return result() if callable(result) else result

    return RuleScorer("s", rule)(Answer(output="x"), Case("c", {}))


class MuteError(Exception):
    """An error that fails when it is asked what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no")


def test_an_error_without_a_readable_message() -> None:
    def mute() -> None:
        raise MuteError

    assert judge(mute) == {"s": Score(None, error="MuteError: it has no readable message")}


def test_a_scorer_that_ends_the_process_ends_only_its_score() -> None:
    assert judge(lambda: sys.exit(3)) == {"s": Score(None, error="SystemExit: 3")}


def test_an_interrupt_is_no_score() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge(interrupt)


def test_keys_are_taken_out_of_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_API_KEY", "s3cret-value-of-mine")

    def leak() -> None:
        raise OSError("401 for s3cret-value-of-mine")

    assert judge(leak)["s"].error == "OSError: 401 for [redacted]"


def test_one_bad_value_takes_nothing_from_the_others() -> None:
    scores = judge({"a": "good", "b": True, "c d": 1, "e": float("inf"), 0: 2, "f": {}})
    assert {name: result.value for name, result in scores.items() if result.error is None} == {
        "s.b": True,
        "s.0": 2.0,
    }
    assert "got str" in (scores["s.a"].error or "")
    assert "'s.c d'" in (scores["s"].error or "")
    assert "finite number, got inf" in (scores["s.e"].error or "")
    assert "got dict" in (scores["s.f"].error or "")


def test_no_score_is_not_counted() -> None:
    assert judge({})["s"] == Score(None, reason="the scorer gave no score")
    assert judge(None)["s"] == Score(None)


@pytest.mark.parametrize("bad", [1j, b"x", [True], 10**400, "yes", Score("yes")])  # type: ignore[arg-type]
def test_what_is_no_score_is_an_error(bad: Any) -> None:
    result = judge(lambda: bad)["s"]
    assert result.value is None
    assert result.error


def test_numpy_and_pandas_values() -> None:
    import numpy as np
    import pandas as pd

    assert judge(np.float64(0.5))["s"].value == 0.5
    assert judge(np.bool_(True))["s"].value is True
    assert judge(np.float64("nan"))["s"].error
    assert judge(np.array([1, 2]))["s"].error
    assert judge(pd.NA)["s"].error


def test_reasons_can_be_written() -> None:
    result = judge(Score(True, reason="half \ud800 a character"))["s"]
    assert (result.reason or "").encode().decode() == "half \N{REPLACEMENT CHARACTER} a character"
    assert judge(Score(1, reason=["a"]))["s"].reason == "['a']"  # type: ignore[arg-type]


def test_all_bad_names_of_scores_are_said_at_once() -> None:
    def my_score(output: str) -> bool:
        return True

    my_score.__name__ = "my score"
    given = ["a b", "x@y", ""]
    items = ["length", my_score, "length", *({"kind": "exact", "name": name} for name in given)]
    with pytest.raises(pex.PexError) as caught:
        build(items, [Case("c", {}, "x")])
    said = str(caught.value)
    for name in ("'a b'", "'x@y'", "'my score'", "two scorers are called 'length'", "it is empty"):
        assert name in said
    assert said.startswith("5 names of scores cannot be used:")


def test_all_bad_keys_of_a_scorer_are_said_at_once() -> None:
    scores = named_scores("tone", {"so polite": True, "words": 3, "a/b": 1})
    assert scores["tone.words"].value == 3
    assert "'tone.so polite'" in str(scores["tone"].error)
    assert "'tone.a/b'" in str(scores["tone"].error)

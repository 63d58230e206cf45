"""Scorers that read what they expect from a column of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pex.core.call import Answer
from pex.core.case import Case
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.score.build import build
from pex.score.judge.judge import Judge

CASES = [
    Case("1", {"must have": "blue", "pattern": None, "schema": {"type": "integer"}}, "x"),
    Case("2", {"must have": "", "pattern": r"^\d+$", "schema": '{"type": "object"}'}, None),
]


def scores(item: dict[str, Any], output: str) -> list[Any]:
    (scorer,) = build([item], CASES)
    assert not isinstance(scorer, Judge)
    return [scorer(Answer(output=output), case)[scorer.name].value for case in CASES]


def test_each_case_has_its_own_checks_and_none_where_its_column_is_empty() -> None:
    assert scores({"kind": "contains", "column": "must have"}, "a blue sky") == [True, None]
    assert scores({"kind": "contains", "column": "must_have"}, "a red sky") == [False, None]
    assert scores({"kind": "regex", "column": "pattern"}, "12") == [None, True]
    assert scores({"kind": "exact", "column": "must_have"}, "blue") == [True, None]
    assert scores({"kind": "similarity", "column": "must_have"}, "blue") == [1.0, None]
    assert scores({"kind": "json", "column": "schema"}, "12") == [True, False]
    assert scores({"kind": "json", "column": "schema"}, "{}") == [False, True]


@pytest.mark.parametrize(
    ("item", "error"),
    [
        ({"kind": "contains", "column": "musthave"}, "did you mean 'must_have'"),
        ({"kind": "regex", "column": "must have", "name": "r", "full": 1, "x": 2}, "unknown key"),
        ({"kind": "json", "column": "must have"}, "case '1': not a JSON Schema"),
        ({"kind": "json", "column": "schema", "schema": {}}, "not both"),
        ({"kind": "latency", "column": "schema"}, "unknown key 'column'"),
    ],
)
def test_a_mistake_is_said_before_anything_runs(item: dict[str, Any], error: str) -> None:
    with pytest.raises(PexError, match=error):
        build([item], CASES)
    with pytest.raises(PexError, match="is empty in every case"):
        build([{"kind": "exact", "column": "a"}], [Case("1", {"a": ""})])


def test_a_judge_sees_its_column_as_expected_and_leaves_out_cases_without_it(
    tmp_path: Path,
) -> None:
    rubric = Prompt("Is this so: {{ expected }}\n{{ output }}", name="so")
    judge = Judge(rubric, "local/smollm2", column="must_have")
    judge.check(CASES)
    assert [judge.applies(case) for case in CASES] == [True, False]
    assert judge.question(CASES[0], Answer(output="a")).values["expected"] == "blue"
    rubric.save(tmp_path / "judges" / "so.prompty")
    (again,) = build([{**judge.to_dict()}], CASES, tmp_path)
    assert isinstance(again, Judge)
    assert again.column == "must_have"
    with pytest.raises(PexError, match="no case has a column"):
        Judge(rubric, "local/smollm2", column="nothing").check(CASES)

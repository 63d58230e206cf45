"""What makes two improvements, or two confirmations, the same."""

from __future__ import annotations

from typing import Any

import pytest

import pex
from pex.core.canonical_json import digest
from pex.improvement.memory import Earlier, key_of, number_of_use
from pex.improvement.proposal import way_identity
from pex.improvement.question import Question, question_of
from pex.improvement.selection import Candidate
from pex.improvement.ways.examples import Examples
from pex.improvement.ways.rewrite import Rewrite
from tests.helpers.improving import GOOD, START, cases

PROMPT = pex.Prompt(START, name="short", params={"max_tokens": 5})
WINNER = Candidate("a", pex.Prompt(f"{START} {GOOD}", name="short"), "w", "start", "", 1, "chosen")


def asked(scorers: list[Any] | None = None, group: str | None = None, **options: Any) -> Question:
    rows = [{**case, "group": group} if group else case for case in cases(10)]
    grid = pex.grid([PROMPT], "lab/m1")
    return question_of(
        "short", pex.Experiment("parity", grid, rows, scorers or ["label"], **options)
    )


@pytest.mark.parametrize(
    "other",
    [
        {"scorers": [{"kind": "label", "labels": ["even", "odd"]}]},
        {"group": "one"},
        {"splits": {"train": 0.4, "select": 0.3, "confirm": 0.3}},
    ],
)
def test_other_scorers_groups_or_splits_are_another_improvement(other: dict[str, Any]) -> None:
    assert digest(asked().identity()) == digest(asked().identity())
    assert digest(asked().identity()) != digest(asked(**other).identity())


def test_a_ways_parameters_are_part_of_it_but_not_what_it_has_found() -> None:
    one, used = Examples(), Rewrite(questions=1)
    used.left_out.append("empty")
    assert way_identity(one) != way_identity(Examples(sizes=[2]))
    assert way_identity(used) == way_identity(Rewrite(questions=1))
    assert way_identity(used) != way_identity(Rewrite())


def test_adding_cases_until_it_is_better_is_a_further_use_of_those_before() -> None:
    question = asked()
    key = key_of(question, WINNER, ["a", "b"])
    earlier = [Earlier("1", {"a": "confirm", "b": "confirm"}, (key,))]
    assert number_of_use(earlier, ["b", "a"], key_of(question, WINNER, ["b", "a"])) == 1
    more = ["a", "b", "c"]
    assert number_of_use(earlier, more, key_of(question, WINNER, more)) == 2

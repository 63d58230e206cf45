"""What an opened cell says: its facts, its difference from the baseline, its case."""

import datetime
import math
from typing import Any

import pytest

from pex.report.word_difference import MAX_WORDS
from pex.widgets.cell import Cell, Line
from pex.widgets.cell_details import MAX_CHARS, cell_details
from pex.widgets.sheet import Sheet


def details(
    *cells: Cell | None, column: int = 0, line: Line | None = None, repeats: int = 1, **options: Any
) -> dict[str, Any]:
    names = [f"v{n}" for n in range(len(cells))]
    sheet = Sheet(names, [line or Line("c1", "the question")], repeats)
    for name, cell in zip(names, cells, strict=True):
        if cell is not None:
            sheet.put((name, "c1", 1), cell)
    return cell_details(sheet, 0, column, None, **options)


def facts(**values: Any) -> dict[str, str]:
    shown = details(Cell("answered", "x", facts=values))["facts"]
    return {fact[0]: fact[1] for fact in shown}


def test_facts_are_written_for_people() -> None:
    at = datetime.datetime(2026, 3, 5, 12, 30, 1, tzinfo=datetime.UTC)
    assert facts(
        model="lab/m1", latency_s=1.25, ttft_s=0.2, cost_usd=0.0, prompt_tokens=30.0,
        started_at=at, from_journal=True, finish_reason="stop",
    ) == {
        "model": "lab/m1", "latency": "1.2 s", "first token after": "200 ms", "cost": "free",
        "tokens in": "30.0", "started at": "2026-03-05 12:30:01 UTC", "reused": "yes",
        "finish reason": "stop",
    }  # fmt: skip


@pytest.mark.parametrize("value", [None, math.nan, False])
def test_a_fact_that_is_missing_is_not_shown(value: Any) -> None:
    assert facts(latency_s=None if value is False else value, from_journal=value) == {}


def test_facts_of_no_interest_are_not_shown_and_hidden_characters_are_seen() -> None:
    assert facts(output="x", unknown=1, model="m\x1b1") == {"model": "m␛1"}


def test_the_difference_or_why_there_is_none() -> None:
    first = Cell("answered", "It was fine.")
    long = Cell("answered", "y " * MAX_WORDS)

    def difference(*cells: Cell | None, column: int = 1) -> Any:
        return details(*cells, column=column)["difference"]

    assert difference(first, Cell("answered", "It is fine.")) == [
        ("same", "It "), ("gone", "was"), ("new", "is"), ("same", " fine."),
    ]  # fmt: skip
    assert difference(first, Cell("answered", "It was fine.")) == "the same answer"
    assert difference(first, Cell("error", "no")) == "one of the two answers is an error"
    assert difference(Cell("error", "no"), first) == "one of the two answers is an error"
    assert "too long and too different" in difference(Cell("answered", "x " * MAX_WORDS), long)
    assert difference(first, None) == difference(None, first) == ""
    assert difference(first, long, column=0) == ""  # the baseline itself


def test_a_small_change_in_a_long_answer_is_shown_and_bounded() -> None:
    common = "word " * 100_000
    pieces = details(Cell("answered", common + "old"), Cell("answered", common + "new"), column=1)[
        "difference"
    ]
    assert [kind for kind, _ in pieces] == ["same", "gone", "new"]
    assert len(pieces[0][1]) < MAX_CHARS + 100


def test_the_inputs_are_those_of_the_frame_or_the_text_of_the_row() -> None:
    found = details(
        Cell("answered", "x", facts={"case.q": "why", "case.n": None, "case.d": {"a": 1}})
    )
    assert found["inputs"] == [["q", "why"], ["d", '{"a": 1}']]
    assert details(Cell("answered", "x"))["inputs"] == [["", "the question"]]
    assert details(None)["inputs"] == [["", "the question"]]


def test_a_case_has_its_tags_its_group_and_its_repeat_if_there_are_several() -> None:
    line = Line("c1", "q", "yes", "g1", ("t1", "t2"))
    assert details(None, line=line)["tags"] == ["t1", "t2", "g1"]
    assert details(None, line=line)["expected"] == "yes"
    assert details(None)["repeat"] is None
    assert details(None, repeats=2)["repeat"] == 1


def test_a_cell_that_was_not_run_says_so() -> None:
    found = details(None)
    assert found["answer"] == {"mode": "text", "text": "", "empty": "not run"}
    assert (found["messages"], found["marks"], found["facts"]) == ([], [], [])


@pytest.mark.parametrize(
    ("state", "role"), [("answered", "assistant"), ("error", "error"), ("growing", "assistant")]
)
def test_an_answer_has_its_role(state: str, role: str) -> None:
    assert details(Cell(state, "x"))["messages"] == [{"role": role, "answer": True}]


def test_a_recorded_conversation_is_shown_without_the_answer_again() -> None:
    talk = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": None}]
    found = details(Cell("answered", "x", facts={"conversation": talk, "reasoning": "hm"}))
    assert [(m["role"], m.get("text")) for m in found["messages"]] == [
        ("user", "Hi"), ("assistant", ""), ("reasoning", "hm"),
    ]  # fmt: skip

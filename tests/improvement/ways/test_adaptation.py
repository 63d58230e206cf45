"""The old model's answers as the reference for the new one."""

from __future__ import annotations

from pex.core.cases import Case
from pex.core.prompt import Prompt
from pex.improvement.check_proposal import check_proposal
from pex.improvement.ways.adaptation import Adaptation
from tests.helpers.made_bench import MadeBench

START = Prompt("Sum up: {{ text }}", "sum", description="Sum up notes.")
CASES = [Case(str(n), {"text": f"note {n}"}) for n in range(10)]
OLD = {str(n): f"Short {n}" for n in range(9)}
REPLY = "<prompt>Sum up in two words: {{ text }}</prompt>"


def target(prompt: str, case: Case) -> str:
    same = "two words" in prompt or int(case.id) < 4
    return f"  short {case.id}\n" if same else f"Well, a long sum of {case.id}"


def made(scores: tuple[float, ...] = ()) -> MadeBench:
    return MadeBench(
        CASES, target, lambda output, case: (1.0 if output.startswith(" ") else 0.4, "r"),
        lambda asked, number: REPLY,
    )  # fmt: skip


def test_the_writer_sees_where_the_answers_differ() -> None:
    bench = made()
    (parent,) = bench.measure([START], CASES)
    (proposal,) = Adaptation(OLD).propose(parent, bench)
    assert proposal.prompt.text == "Sum up in two words: {{ text }}"
    assert proposal.way == "adaptation"
    assert "5 of 5 training cases that the old model did otherwise" in proposal.why
    assert check_proposal(proposal, START, CASES) is None
    (asked,) = bench.questions
    for number in range(4, 9):
        assert f"<old-answer>Short {number}</old-answer>" in asked
        assert f"Well, a long sum of {number}" in asked
    assert "note 9" not in asked  # no answer of the old model is known
    assert "Sum up notes." in asked


def test_with_scores_only_worse_cases_count_and_equal_answers_ask_nothing() -> None:
    bench = made()
    (parent,) = bench.measure([START], CASES)
    scores = dict.fromkeys(OLD, 0.4) | {"5": 1.0}
    list(Adaptation(OLD, scores).propose(parent, bench))
    (asked,) = bench.questions
    assert asked.count("<old-answer>") == 1
    assert "Well, a long sum of 5" in asked
    bench = made()
    (parent,) = bench.measure([START.changed(messages="two words: {{ text }}")], CASES)
    assert list(Adaptation(OLD).propose(parent, bench)) == []
    assert bench.asked == 0

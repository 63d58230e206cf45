"""Rewriting from failures: what the writing model is shown, and what becomes of its replies."""

from __future__ import annotations

import pytest

from pex.core.cases import Case
from pex.core.prompt import Prompt
from pex.improvement.check_proposal import check_proposal
from pex.improvement.proposal import BudgetSpent, Proposal
from pex.improvement.ways.rewrite import Rewrite
from tests.helpers.made_bench import MadeBench

START = Prompt("Is it good?\n{{ review }}", "sentiment", description="Find unhappy customers.")
CASES = [
    Case(
        str(n),
        {"review": f"Review number {n} of a kettle.", "shop": "Bern"},
        "good" if n % 2 else "bad",
    )
    for n in range(12)
]


def target(prompt: str, case: Case) -> str:
    return str(case.expected) if "one word" in prompt else f"It is {case.expected}, I think."


def scorer(output: str, case: Case) -> tuple[float, str]:
    right = output == case.expected
    return float(right), "" if right else "expected only the label"


def proposals(
    writer: object, start: Prompt = START, **options: int
) -> tuple[list[Proposal], MadeBench, Rewrite]:
    bench = MadeBench(CASES, target, scorer, writer if callable(writer) else lambda *_: str(writer))
    way = Rewrite(**options)
    (parent,) = bench.measure([start], CASES)
    return list(way.propose(parent, bench)), bench, way


def test_the_writer_sees_the_prompt_its_purpose_the_cases_and_the_reasons() -> None:
    found, bench, _ = proposals(
        "<prompt>\nGood or bad, in one word?\n{{ review }}\n</prompt>", failed=4
    )
    asked = bench.questions[0]
    for text in (START.text, "Find unhappy customers.", "expected only the label",
                 "<answer>It is ", "<expected>good</expected>", "{{ review }}"):  # fmt: skip
        assert text in asked
    assert asked.count("<case>") == 4
    assert "Bern" not in asked  # an input that the prompt does not use
    assert bench.questions[0] != bench.questions[1], "each question shows other cases"
    assert bench.asked == 4
    (proposal,) = found  # four equal replies are one proposal
    assert proposal.prompt.text == "Good or bad, in one word?\n{{ review }}"
    assert (proposal.parent, proposal.way) == (START.digest, "rewrite")
    assert proposal.prompt.description == START.description
    assert check_proposal(proposal, START, CASES) is None


def test_nothing_is_asked_if_nothing_fails() -> None:
    found, bench, _ = proposals("x", START.changed(messages="Good or bad? one word. {{ review }}"))
    assert (found, bench.asked) == ([], 0)


@pytest.mark.parametrize(
    ("reply", "left_out"),
    [
        ("I can't help with that.", "refused to write: “I can't help with that.”"),
        ("I’m sorry, but no.", "refused to write"),
        ("The reviews are about kettles.", "without a prompt"),
        ("", "empty"),
        ("<think>{{ review }} hm</think>", "empty"),
        ("<prompt>Good or bad? {{ review </prompt>", "with a broken template: "),
        ("<prompt>Good or bad? {% for x in y %}{{ review }}</prompt>", "with a broken template: "),
    ],
)
def test_a_reply_that_is_no_prompt_is_left_out_with_the_reason(reply: str, left_out: str) -> None:
    found, _, way = proposals(reply)
    assert found == []
    assert len(way.left_out) == 4
    assert left_out in way.left_out[0]


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        (f"  {START.text}\n\n", None),
        ("{{ review }} " + "Be fair. " * 6_000, "bytes long"),
        ("Good or bad?", "drops the variable 'review'"),
        ("Say good for: Review number 3 of a kettle. {{ review }}", "copies the training case"),
    ],
)
def test_a_bad_prompt_is_refused_or_is_no_proposal(text: str, refused: str | None) -> None:
    found, _, _ = proposals(f"<prompt>{text}</prompt>")
    reasons = [check_proposal(proposal, START, CASES) for proposal in found]
    assert reasons == [] if refused is None else refused in str(reasons[0])


@pytest.mark.parametrize(
    "reply",
    [
        "<prompt>\nOne word: {{ review }}\n</prompt>",
        "Sure, here it is:\n\n```\nOne word: {{ review }}\n```\nIt helps.",
        "```jinja2\nOne word: {{ review }}\n```",
        "<think>I ask for one word.</think>\n<PROMPT>```\nOne word: {{ review }}\n```</PROMPT>",
        "Old: <prompt>old {{ review }}</prompt>. Better: <prompt>One word: {{ review }}</prompt>",
        "Here is the improved prompt:\n\nOne word: {{ review }}",
        "One word: {{ review }}",
        "<prompt>\nOne word: {{ review }}",  # not closed
    ],
)
def test_the_prompt_is_found_in_a_reply_of_any_form(reply: str) -> None:
    found, _, way = proposals(reply)
    assert [proposal.prompt.text for proposal in found] == ["One word: {{ review }}"], way.left_out


def test_messages_keep_their_roles_and_images() -> None:
    image = {
        "role": "user",
        "content": [{"type": "image_url", "image_url": {"url": "{{ photo }}"}}],
    }
    start = START.changed(
        messages=[
            {"role": "system", "content": "Judge."},
            image,
            {"role": "user", "content": "{{ review }}"},
        ]
    )
    bench = MadeBench(
        CASES,
        target,
        scorer,
        lambda *_: "<prompt>system:\nJudge in one word.\n\nuser:\n{{ review }}</prompt>",
    )
    (parent,) = bench.measure([start], CASES)
    (proposal,) = Rewrite().propose(parent, bench)
    assert list(proposal.prompt.messages) == [
        {"role": "system", "content": "Judge in one word."},
        image,
        {"role": "user", "content": "{{ review }}"},
    ]
    assert "system, user, user" not in bench.questions[0]
    assert "(system, user)" in bench.questions[0]


def test_a_score_that_should_be_low_and_a_failed_call() -> None:
    bench = MadeBench(
        CASES,
        target,
        lambda output, case: (float(len(output)), "long"),
        lambda *_: "One word: {{ review }}",
        metric="length",
        higher_is_better=False,
    )
    (parent,) = bench.measure([START], CASES)
    parent.frame.loc[0, "error"] = "HTTP 500"
    list(Rewrite(questions=1, failed=99).propose(parent, bench))
    assert bench.questions[0].count("<case>") == 11


def test_the_end_of_the_budget_is_told() -> None:
    bench = MadeBench(CASES, target, scorer, lambda *_: "One word: {{ review }}", budget=13)
    (parent,) = bench.measure([START], CASES)
    with pytest.raises(BudgetSpent):
        list(Rewrite().propose(parent, bench))

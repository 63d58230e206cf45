"""Which sentence of a prompt carries its score."""

from __future__ import annotations

from pathlib import Path

import pytest

import pex
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.improvement.check_proposal import check_proposal
from pex.improvement.proposal import BudgetSpent
from pex.improvement.ways.ablation import Ablation, ablate
from pex.improvement.ways.sentences import sentences_of, without
from tests.helpers.endpoint import FaultyEndpoint, completion
from tests.helpers.made_bench import MadeBench

SENTENCES = [f"Filler number {n} says nothing." for n in range(9)]
TEXT = "\n".join(
    [
        "You are helpful. Answer in one word!",
        *SENTENCES,
        "Beware of <b>traps</b> & be confused.",
        "Now answer: {{ question }}",
    ]
)
START = Prompt(TEXT, "quiz")
CASES = [Case(str(n), {"question": f"q{n}"}, f"a{n}", group=f"g{n}") for n in range(100)]


def target(prompt: str, case: Case) -> str:
    right = str(case.expected) if "one word" in prompt else f"It is {case.expected}."
    confused = "confused" in prompt and case.id.endswith(("3", "7"))
    return "what?" if confused else right


def scorer(output: str, case: Case) -> tuple[float, str]:
    return float(output == case.expected), ""


def made(**options: object) -> MadeBench:
    return MadeBench(CASES, target, scorer, **options)  # type: ignore[arg-type]


def test_all_sentences_are_measured_in_one_call_and_each_has_a_verdict() -> None:
    bench = made()
    found = ablate(START, bench)
    assert bench.batches == [(13, 100)]  # the whole prompt and twelve shorter ones
    verdicts = {item.sentence.text: item.verdict for item in found.sentences}
    assert verdicts.pop("Answer in one word!") == "carries the score"
    assert verdicts.pop("Beware of <b>traps</b> & be confused.") == "better without"
    # No case differs: at most 3.6 of 100 could (the margin is 5 points).
    assert set(verdicts.values()) == {"can go"}
    assert set(verdicts) == {"You are helpful.", *SENTENCES}
    carries = next(item for item in found.sentences if "one word" in item.sentence.text)
    assert (found.score, carries.without, round(carries.difference, 6)) == (0.8, 0.0, 0.8)
    assert carries.low is not None
    assert 0.6 < carries.low < 0.8
    assert carries.p is not None
    assert carries.p < 0.001
    table = found.frame()
    assert list(table["verdict"][:2]) == ["can go", "carries the score"]


def test_holm_is_over_the_number_of_sentences() -> None:
    """A difference that one comparison would call significant is not with twelve."""

    def target(prompt: str, case: Case) -> str:
        lost = "helpful" not in prompt and int(case.id) < 6
        return "no" if lost else str(case.expected)

    bench = MadeBench(CASES, target, scorer)
    (item,) = [i for i in ablate(START, bench).sentences if "helpful" in i.sentence.text]
    assert item.low is not None
    assert item.low > 0
    assert item.p is not None
    assert 0.05 < item.p < 1
    assert item.verdict == "undecided"
    short = START.changed(messages="You are helpful. {{ question }}")
    (item,) = ablate(short, MadeBench(CASES, target, scorer)).sentences
    assert item.verdict == "carries the score"


def test_it_is_shown_as_text_and_as_html_without_harm() -> None:
    found = ablate(START, made())
    text, html = repr(found), found._repr_html_()
    assert "adds to right (80 %, 100 cases)" in text
    assert "+80 [" in text
    assert "carries the score" in text
    assert "<b>traps" not in html
    assert "&lt;b&gt;traps&lt;/b&gt; &amp; be confused." in html
    assert html.count("<tr>") == 13
    assert "−20" in html
    assert "[−29, −12]" in html


def test_a_score_that_should_be_low_is_turned() -> None:
    bench = MadeBench(
        CASES,
        lambda prompt, case: "x" * (2 if "one word" in prompt else 9),
        lambda output, case: (len(output) + 0.1 * int(case.id), ""),
        metric="words",
        higher_is_better=False,
    )
    found = ablate(START, bench)
    first = next(item for item in found.sentences if "one word" in item.sentence.text)
    assert round(first.difference, 6) == 7.0
    assert first.verdict == "carries the score"
    assert round(found.score, 2) == 6.95
    assert round(first.without, 2) == 13.95


def test_the_way_proposes_to_drop_what_adds_nothing() -> None:
    bench = made()
    (parent,) = bench.measure([START], CASES)
    way = Ablation()
    idle, best = way.propose(parent, bench)
    assert idle.prompt.text == "Answer in one word!\nNow answer: {{ question }}"
    assert "without 11 of 12 sentences" in idle.why
    assert "Beware" not in best.prompt.text
    assert SENTENCES[0] in best.prompt.text
    assert best.why.startswith("without “Beware of <b>traps</b>")
    for proposal in (idle, best):
        assert check_proposal(proposal, START, CASES) is None
    assert len(way.results) == 1
    one = START.changed(messages="Answer in one word: {{ question }}. Be kind.")
    (parent,) = bench.measure([one], CASES)
    assert list(Ablation().propose(parent, bench)) == []


def test_the_end_of_the_budget_is_told_and_nothing_to_take_out_is_an_error() -> None:
    with pytest.raises(BudgetSpent):
        ablate(START, made(budget=500))
    with pytest.raises(PexError, match="no sentence that can be taken out"):
        ablate(START.changed(messages="Answer: {{ question }}"), made())


def test_an_experiment_is_measured_in_one_run_on_the_cases_that_confirm_nothing(
    project: Path, lab: FaultyEndpoint
) -> None:
    lab.reply = lambda body, number: completion(
        "yes" if "one word" in str(body["messages"]) else "Well, yes."
    )
    prompt = START.changed(
        messages="Answer in one word. Be kind. {{ question }}", params={"max_tokens": 9}
    )
    experiment = pex.Experiment(
        "quiz",
        pex.grid([prompt], "lab/m1"),
        [{"question": f"q{n}", "expected": "yes"} for n in range(80)],
        ["exact"],
        splits={"train": 0.5, "select": 0.25, "confirm": 0.25},
    )
    with pytest.raises(PexError, match="needs budget_usd"):
        ablate(prompt, experiment)
    assert lab.calls == 0
    found = ablate(prompt, experiment, budget_usd=1)
    first, second = found.sentences
    assert (found.metric, found.cases, found.score, first.without) == ("exact", 40, 1.0, 0.0)
    assert first.verdict == "carries the score"
    assert second.difference == 0
    assert lab.calls == 120


def test_sentences_of_any_script_and_form() -> None:
    prompt = Prompt(
        [
            {
                "role": "system",
                "content": "短く答えてください。丁寧に！\n\n1. One, e.g. this. Two.",
            },
            {
                "role": "user",
                "content": '```json\n{"a": 1.5}\n{"b": 2}\n```\n'
                "{{ q }}? Yes. {% if x %}Go.{% endif %} End",
            },
        ],
        "p",
    )
    found = [sentence.text for sentence in sentences_of(prompt)]
    assert found == [
        "短く答えてください。", "丁寧に！", "1. One, e.g. this.", "Two.",
        '```json\n{"a": 1.5}\n{"b": 2}\n```', "Yes.",
    ]  # fmt: skip
    by_text = {sentence.text: sentence for sentence in sentences_of(prompt)}
    left = without(prompt, [by_text["丁寧に！"], by_text["1. One, e.g. this."]], "q")
    assert left is not None
    assert left.messages[0]["content"] == "短く答えてください。\n\nTwo."
    everything = [by_text[text] for text in found[:4]]
    left = without(prompt, everything, "q")
    assert left is not None
    assert [message["role"] for message in left.messages] == ["user"]
    assert len(sentences_of(prompt, most=3)) == 3

"""GEPA itself, with training cases only, through the workbench."""

from __future__ import annotations

import importlib.util
import re

import pytest

from pex.core.cases import Case
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.improvement.check_proposal import check_proposal
from pex.improvement.proposal import BudgetSpent, Proposal
from pex.improvement.ways.gepa import Gepa
from tests.helpers.made_bench import MadeBench

START = Prompt(
    [
        {"role": "system", "content": "Answer."},
        {"role": "user", "content": "Question: {{ question }}"},
    ],
    "quiz",
)
CASES = [
    Case(str(n), {"question": f"question {n} of a long row of questions"}, f"a{n}", f"g{n // 2}")
    for n in range(20)
]
RULES = ("in one word", "in lower case")


def target(prompt: str, case: Case) -> str:
    text = str(case.expected)
    text = text if RULES[1] in prompt else text.upper()
    return text if RULES[0] in prompt else f"Sure: {text}"


def scorer(output: str, case: Case) -> tuple[float, str]:
    faults = [output.startswith("Sure"), output != output.lower()]
    return 1 - sum(faults) / 2, "too many words" * faults[0] + " upper case" * (not faults[0])


def writer(asked: str, number: int) -> str:
    """One rule more in the system message, which names no variable."""
    old = re.findall(r"```\n(.*?)\n```", asked, re.DOTALL)[0]
    if "{{" in old:
        return "I leave it.\n```\n" + old + "\n```"
    rule = RULES[0] if "too many words" in asked else RULES[1]
    return f"```\n{old} Do it {rule}.\n```"


def run(bench: MadeBench, **options: int) -> tuple[list[Proposal], Gepa]:
    (parent,) = bench.measure([START], CASES)
    way = Gepa(**options)
    return list(way.propose(parent, bench)), way


def test_it_finds_the_rules_and_sees_training_cases_only(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bench = MadeBench(CASES, target, scorer, writer)
    found, way = run(bench, max_metric_calls=80)
    best = found[0]
    assert all(rule in best.prompt.text for rule in RULES)
    assert "found by GEPA: 1 instead of 0 on" in best.why
    assert [proposal.parent for proposal in found] == [START.digest] * len(found)
    assert all(check_proposal(proposal, START, CASES) is None for proposal in found)
    assert best.prompt.messages[1] == START.messages[1]
    # It stops between two iterations: no more than one of them is above the limit.
    assert 80 <= way.metric_calls <= 80 + 2 * 3 + 8
    # Cases of a group are never on both sides.
    learned = set(re.findall(r"question (\d+) of", "".join(bench.questions)))
    assert learned
    assert len({int(n) // 2 for n in learned}) <= 6
    assert "Keep these variables" in bench.questions[0]
    assert capsys.readouterr().out == ""


def test_the_same_seed_asks_the_same() -> None:
    benches = [MadeBench(CASES, target, scorer, writer, seed=seed) for seed in (3, 3, 4)]
    found = [run(bench, max_metric_calls=40)[0] for bench in benches]
    assert [p.prompt for p in found[0]] == [p.prompt for p in found[1]]
    assert benches[0].questions == benches[1].questions != benches[2].questions


@pytest.mark.parametrize(
    ("reply", "left_out"),
    [
        ("```\nAnswer {{ question.\n```", "its template is broken"),
        ("```\nAnswer {{ query }}.\n```", "unknown variable 'query'"),
        ("```\n" + "Be kind. " * 6_000 + "\n```", "bytes long"),
        ("```\nSay a1 for: question 1 of a long row of questions\n```", "copies the training case"),
    ],
)
def test_a_text_that_cannot_be_used_is_never_run(reply: str, left_out: str) -> None:
    bench = MadeBench(CASES, target, scorer, lambda *_: reply)
    found, way = run(bench, max_metric_calls=20)
    assert found == []
    assert any(left_out in reason for reason in way.left_out)
    assert bench.measured <= len(CASES) + 20 + 6


@pytest.mark.parametrize("reply", ["I can't help with that.", ""])
def test_a_refusal_makes_no_proposal(reply: str) -> None:
    bench = MadeBench(CASES, target, scorer, lambda *_: reply)
    assert run(bench, max_metric_calls=20)[0] == []


@pytest.mark.parametrize("of_writer", [False, True])
def test_the_end_of_the_budget_proposes_what_was_found_and_is_told(of_writer: bool) -> None:
    bench = MadeBench(CASES, target, scorer, writer)
    (parent,) = bench.measure([START], CASES)
    found: list[Proposal] = []

    def stop(asked: str, number: int) -> str:
        if len(bench.questions) > 2:
            raise BudgetSpent
        return writer(asked, number)

    if of_writer:
        bench._writer = stop
    else:
        bench._budget = 60
    with pytest.raises(BudgetSpent):
        found.extend(Gepa(max_metric_calls=500).propose(parent, bench))
    # A list is extended by what a generator gave before it raised.
    assert found


def test_an_error_of_the_workbench_is_raised_not_swallowed() -> None:
    def broken(asked: str, number: int) -> str:
        raise PexError("no such model")

    bench = MadeBench(CASES, target, scorer, broken)
    with pytest.raises(PexError, match="no such model"):
        run(bench)
    assert len(bench.questions) == 1


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PexError, match=r"needs the extra 'improve' \(gepa\)\n.*pexlab\[improve\]"):
        Gepa()

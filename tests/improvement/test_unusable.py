"""What cannot be compared with the start is listed and never chosen."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

import pex
from pex.core.case import Case
from pex.core.errors import PexError, ProviderError
from pex.core.splits import split_cases
from pex.improvement.lab import Lab
from pex.improvement.proposal import BudgetSpent, Measured, Proposal, Workbench
from pex.improvement.question import question_of
from pex.improvement.selection import START, Plan, Search, Selection
from pex.project.settings import load_settings
from pex.run.database import database_of
from pex.run.shared_budget import SharedBudget
from tests.helpers.endpoint import FaultyEndpoint, completion
from tests.helpers.improving import Listed
from tests.helpers.judges import is_judge
from tests.improvement.test_null import MadeLab

CASES = [Case(f"case-{n}", {"n": n}) for n in range(80)]
SPLIT = split_cases(CASES, {"train": 0.5, "select": 0.25, "confirm": 0.25})


class HardlyScored(MadeLab):
    """Gives the prompts but the first a score on some select cases only, or no answer at all."""

    scored = 1
    fails = ""

    def measure(self, prompts: Sequence[pex.Prompt], cases: Sequence[Case]) -> list[Measured]:
        if self.fails and any(prompt.text == self.fails for prompt in prompts):
            raise ProviderError("no answer came: 400")
        return super().measure(prompts, cases)

    def _measured(self, prompt: pex.Prompt, cases: Sequence[Case]) -> Measured:
        found = super()._measured(prompt, cases)
        if cases is not SPLIT.select or prompt.text == "{{ n }}":
            return found
        kept = dict(list(found.scores.items())[: self.scored])
        return dataclasses.replace(found, scores=kept)


class Broken:
    """A way with an error of its own."""

    name = "broken"

    def propose(self, parent: Measured, bench: Workbench) -> Iterable[Proposal]:
        raise ZeroDivisionError("division by zero")


def search(lab: MadeLab, ways: Sequence[Any], **options: Any) -> Search:
    plan = Plan(ways, lambda proposal, start, train: None, 1, **options)
    return Selection(lab, SPLIT, plan, "ok").run(pex.Prompt("{{ n }}", name="p"))


@pytest.mark.parametrize("scored", [0, 1, 18])
def test_a_proposal_without_the_scores_of_the_start_is_not_chosen(scored: int) -> None:
    lab = HardlyScored(1, {"{{n}}": 1.0})
    lab.scored = scored
    found = search(lab, [Listed(["{{n}}"])], shorter=True)
    assert found.best.name == START
    assert found.candidates[1].reason == f"only {scored} of 20 cases have a score"
    assert not found.candidates[1].usable


def test_as_many_scores_may_be_missing_as_errors() -> None:
    lab = HardlyScored(1, {"{{n}}": 1.0})
    lab.scored = 19
    assert search(lab, [Listed(["{{n}}"])]).best.name == "listed-1"


def test_a_way_with_an_error_of_its_own_is_listed_and_the_others_go_on() -> None:
    lab = MadeLab(1, {"{{n}}": 1.0})
    found = search(lab, [Broken(), Listed(["{{n}}"])])
    assert found.best.name == "listed-1"
    assert found.failures == {"broken": "ZeroDivisionError: division by zero"}
    with pytest.raises(PexError, match="no way could make a proposal; 'broken'") as caught:
        search(lab, [Broken()])
    assert not isinstance(caught.value, ProviderError)


def test_a_proposal_that_gets_no_answer_is_listed() -> None:
    lab = HardlyScored(1, {"{{n}}": 1.0})
    lab.fails = "{{n}}"
    found = search(lab, [Listed(["{{n}}"])])
    assert found.best.name == START
    assert found.candidates[1].reason.startswith("none of its calls is answered: no answer came")


def test_answers_that_the_budget_left_unjudged_are_not_measured(
    project: Path, lab: FaultyEndpoint
) -> None:
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{lab.url}"\n[prices."lab/m1"]\n'
        "input_usd_per_million = 1000.0\noutput_usd_per_million = 1000.0\n"
    )
    lab.reply = lambda body, number: completion('{"verdict": "yes"}' if is_judge(body) else "Hm")
    rubric = pex.Prompt("Kind? {{ output }}", name="tone", params={"max_tokens": 5})
    prompt = pex.Prompt("Say {{ number }}", name="short", params={"max_tokens": 5})
    exp = pex.Experiment(
        "tone",
        pex.grid([prompt], "lab/m1"),
        [{"number": n} for n in range(10)],
        [pex.Judge(rubric, "lab/m1")],
    )
    question = question_of("short", exp)
    database = database_of(project / ".pex", load_settings(project))
    bench = Lab(question, SharedBudget(0.2, [question.name], 0.0), database, [])
    with pytest.raises(BudgetSpent):
        bench.measure([prompt], exp.cases)
    assert len([body for body in lab.bodies if not is_judge(body)]) == 10
    assert bench.known(prompt, exp.cases) is None

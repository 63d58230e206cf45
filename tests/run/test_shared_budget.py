"""Several runs spend one budget, also after a kill."""

import time
from pathlib import Path

import pytest

import pex
from pex.core.errors import PexError
from pex.project.settings import load_settings
from pex.run.database import database_of
from pex.run.shared_budget import SharedBudget
from tests.helpers.endpoint import FaultyEndpoint


@pytest.fixture
def priced(project: Path, endpoint: FaultyEndpoint) -> FaultyEndpoint:
    """A provider whose answers cost $0.012 each: 10 tokens in, 2 out at $0.001 for a token."""
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{endpoint.url}"\n[prices."lab/m1"]\n'
        "input_usd_per_million = 1000.0\noutput_usd_per_million = 1000.0\n"
    )
    return endpoint


def run(name: str, words: list[str], budget: SharedBudget) -> pex.Results:
    prompt = pex.Prompt("{{ w }}", name="p", params={"max_tokens": 2})
    cases = [{"w": word} for word in words]
    experiment = pex.Experiment(name, pex.grid([prompt], "lab/m1"), cases)
    return experiment.run(record=False, show=False, budget_usd=budget, max_in_flight=1)


def test_runs_spend_one_budget(project: Path, priced: FaultyEndpoint) -> None:
    database = database_of(project / ".pex", load_settings(project))
    budget = SharedBudget(0.1, ["a", "b"], time.time() - 1)
    assert budget.spent_usd(database) == 0
    first = run("a", ["1", "2", "3"], budget)
    assert first.about.counts.answered == 3
    assert budget.spent_usd(database) == pytest.approx(0.036)
    second = run("b", [str(n) for n in range(10, 30)], budget)
    assert second.about.status == "budget"
    assert priced.calls < 23
    assert budget.spent_usd(database) <= 0.1
    # The same run again continues, and what it spent is not counted twice.
    third = run("b", [str(n) for n in range(10, 30)], SharedBudget(1.0, ["a", "b"], 0))
    assert third.about.status == "finished"
    assert budget.spent_usd(database) == pytest.approx(23 * 0.012)


def test_other_experiments_do_not_count(project: Path, priced: FaultyEndpoint) -> None:
    database = database_of(project / ".pex", load_settings(project))
    run("other", ["1"], SharedBudget(1.0, ["other"], 0))
    assert SharedBudget(1.0, ["a"], 0).left_usd(database) == 1.0
    assert SharedBudget(1.0, ["other"], time.time() + 60).left_usd(database) == 1.0


@pytest.mark.parametrize("cap", [-1, float("nan"), True, "1"])
def test_a_cap_that_is_none_is_refused(cap: float) -> None:
    with pytest.raises(PexError, match="budget_usd"):
        SharedBudget(cap, [], 0)

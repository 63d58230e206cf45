"""What ends an improvement: too few cases, the budget, a stop, calls that fail."""

import copy
import hashlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import pytest

import pex
from pex.core.errors import ProviderError
from pex.improvement.result import Improvement
from pex.project.settings import load_settings
from pex.run.database import Database, database_of
from pex.run.shared_budget import SharedBudget
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.improving import BAD, GOOD, START, Asking, Listed, answer, experiment, follow
from tests.helpers.processes import wait_for

BETTER = [f"{START} {BAD}", f"{START} {GOOD}"]


@pytest.fixture
def priced(project: Path, lab: FaultyEndpoint) -> FaultyEndpoint:
    """A provider whose answers cost $0.012 each: 10 tokens in, 2 out at $0.001 for a token."""
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{lab.url}"\n[prices."lab/m1"]\n'
        "input_usd_per_million = 1000.0\noutput_usd_per_million = 1000.0\n"
    )
    return follow(lab)


def run(ways: list[Any], n: int = 80, **options: Any) -> Improvement:
    given: dict[str, Any] = {"budget_usd": 1, "show": False, "record": False, **options}
    return pex.improve("short", experiment(n), ways=ways, **given)


def test_too_few_cases_are_refused_with_the_number_needed(lab: FaultyEndpoint) -> None:
    with pytest.raises(pex.PexError) as caught:
        run([Listed(BETTER)], 60)
    assert caught.value.message == (
        "60 cases are too few for three sets: 30 train, 15 select, 15 confirm; at least 10 train, "
        "20 select, 20 confirm"
    )
    assert caught.value.hint is not None
    assert "about 80 cases are needed" in caught.value.hint
    assert "33 points" in caught.value.hint
    assert lab.calls == 0


def test_near_duplicates_without_a_group_stay_together(lab: FaultyEndpoint) -> None:
    text = "The parcel came late, the box was torn, and nobody answered the telephone: {}"
    words = [hashlib.sha256(bytes([n])).hexdigest() for n in range(90)]
    rows = [{"review": word, "expected": "yes"} for word in words]
    rows += [{"review": text.format(n), "expected": "no"} for n in (1, 2, 3)]
    prompt = pex.Prompt("Good? {{ review }}", name="short")
    exp = pex.Experiment("reviews", pex.grid([prompt], "lab/m1"), rows, ["label"])
    way = Listed(["Good or bad? {{ review }}"])
    result = pex.improve("short", exp, ways=[way], budget_usd=1, show=False, record=False)
    sets = result.splits.membership()
    alike = [case.id for case in exp.cases if case.inputs["review"].startswith("The parcel")]
    assert len({sets[case] for case in alike}) == 1
    assert any("3 cases without a group are near-duplicates" in note for note in result.notes)


def test_a_budget_that_does_not_pay_for_start_and_confirmation_is_refused(
    priced: FaultyEndpoint,
) -> None:
    with pytest.raises(pex.PexError, match="does not pay for measuring the start") as caught:
        run([Listed(BETTER)], budget_usd=0.5)
    assert caught.value.hint is not None
    assert "budget_usd=" in caught.value.hint
    assert priced.calls == 0


def test_the_budget_ends_in_the_middle_and_what_was_found_is_confirmed(
    project: Path, priced: FaultyEndpoint
) -> None:
    many = [*BETTER, *(f"{START} {GOOD} Say it {n} times." for n in range(3))]
    result = run([Listed(many, 5)], budget_usd=3, record=True, proposals=5)
    assert result.status == "budget"
    assert result.confirmation is not None
    assert result.verdict in ("better", "undecided")
    assert result.notes[0].startswith("the budget ended the search")
    states = list(result.frame["state"])
    assert "not measured" in states
    database = database_of(project / ".pex", load_settings(project))
    (name,) = ledger_names(database)
    assert re.fullmatch(r"parity\.improve\.[0-9a-f]{6}", name)
    budget = SharedBudget(3, [name], 0)
    assert result.spent_usd == pytest.approx(budget.spent_usd(database))
    assert result.spent_usd == pytest.approx(priced.calls * 0.012)
    assert result.spent_usd <= 3
    # With more, the same call continues: nothing is paid twice.
    calls = priced.calls
    more = run([Listed(many, 5)], budget_usd=100, record=True, proposals=5)
    assert more.status == "finished"
    assert more.run_id == result.run_id
    assert "not measured" not in list(more.frame["state"])
    bodies = [str(body["messages"]) for body in priced.bodies]
    assert len(set(bodies)) == len(bodies) > calls


def ledger_names(database: Database) -> set[str]:
    with database.opened(durable=False) as connection:
        return {str(row[0]) for row in connection.rows("SELECT DISTINCT experiment FROM runs", [])}


def test_one_that_is_not_recorded_never_has_its_budget_again(priced: FaultyEndpoint) -> None:
    ways = [Listed([*BETTER, *(f"{START} {GOOD} Say it {n} times." for n in range(3))], 5)]
    first = run(copy.deepcopy(ways), budget_usd=3, proposals=5)
    again = run(copy.deepcopy(ways), budget_usd=3, proposals=5)
    assert priced.calls * 0.012 == pytest.approx(again.spent_usd)
    assert first.spent_usd <= again.spent_usd <= 3
    # Another improvement of the same experiment is not charged for it.
    before = priced.calls
    other = run([Listed([f"{START} {GOOD} Now."])], budget_usd=3, rounds=1)
    assert other.status == "finished"
    assert other.spent_usd == pytest.approx((priced.calls - before) * 0.012)


def test_the_writers_calls_are_in_the_budget(priced: FaultyEndpoint) -> None:
    result = run([Asking()], rounds=1, budget_usd=20)
    assert result.prompt.text.startswith(f"{START} Rule ")
    written = [b for b in priced.bodies if b["messages"][-1]["content"].startswith("Write ")]
    assert len(written) == 2
    assert result.spent_usd == pytest.approx(priced.calls * 0.012)


def test_a_writer_without_a_usable_proposal_ends_it(lab: FaultyEndpoint) -> None:
    follow(lab)
    broken = ["{{ number }}", "Even or odd?", START, f"{START} {'x ' * 30_000}"]
    result = run([Listed(broken, 4)])
    assert result.verdict == "no usable proposal"
    assert result.sentence.startswith("No usable proposal: ")
    assert "the same prompt as before" in result.sentence
    assert "it is empty" in result.sentence
    assert "it is 60," in result.sentence
    assert result.prompt is result.start
    assert "No usable proposal" in result.page()


def test_a_writer_that_fails_is_named(lab: FaultyEndpoint) -> None:
    def reply(body: dict[str, Any], number: int) -> Any:
        if body["messages"][-1]["content"].startswith("Write "):
            return {"error": {"message": "no such model", "code": "model_not_found"}}
        return answer(body, number)

    lab.reply = reply
    result = run([Asking(), Listed([f"{START} {GOOD}"])])
    assert result.verdict == "better"


def test_a_target_whose_calls_fail_ends_it(lab: FaultyEndpoint) -> None:
    lab.reply = lambda body, number: (
        {"error": {"message": "content policy"}} if "7" in str(body) else answer(body, number)
    )
    with pytest.raises(ProviderError, match="calls ended in an error"):
        run([Listed(BETTER)])


SCRIPT = """
import pex
from tests.helpers.improving import GOOD, START, Asking, experiment
result = pex.improve("short", experiment(80), ways=[Asking()], budget_usd=1, show=False)
print(result.run_id, result.verdict)
"""


def test_after_a_kill_the_same_call_continues_without_asking_again(
    project: Path, lab: FaultyEndpoint
) -> None:
    follow(lab)
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    lab.latency_s = 0.05
    child = subprocess.Popen([sys.executable, "-c", SCRIPT], cwd=project, env=environment)
    wait_for(
        lambda: lab.calls > 75 or child.poll() is not None
    )  # past the start: proposals are on their way
    child.send_signal(signal.SIGKILL)
    child.wait()
    lab.latency_s = 0
    result = pex.improve("short", experiment(80), ways=[Asking()], budget_usd=1, show=False)
    client = mlflow.MlflowClient(f"sqlite:///{project / 'mlruns' / 'mlflow.db'}")
    place = client.get_experiment_by_name("parity (improvement)")
    assert place is not None
    assert [run.info.run_id for run in _studies(client, place.experiment_id)] == [result.run_id]
    bodies = [str(body["messages"]) for body in lab.bodies]
    again = len(bodies) - len(set(bodies))
    assert again <= 64  # at most what was in flight
    assert len({b for b in bodies if "Write " in b}) == len([b for b in bodies if "Write " in b])


def _studies(client: Any, place: str) -> list[Any]:
    return client.search_runs([place], "tags.`pex.kind` = 'improvement'")

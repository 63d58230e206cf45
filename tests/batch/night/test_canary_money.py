"""The canary is paid from the budget of its plan."""

from __future__ import annotations

import datetime
import os
import sqlite3
from pathlib import Path

import pytest

import pex
from pex.batch.night.judge_night import judge_night
from pex.batch.night.night import JudgedNight
from pex.batch.plan import load_plan
from pex.batch.result import BatchResult
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.lab_nights import Model, lay_out

PRICES = '[prices."lab/m1"]\ninput_usd_per_million = 1000.0\noutput_usd_per_million = 1000.0\n'
PRICE = 0.012


def night(
    project: Path, name: str, budget_usd: float | None, monkeypatch: pytest.MonkeyPatch, calls: int
) -> JudgedNight:
    """A night whose only job asks `calls` questions, without its notebook."""
    file = project / "experiments" / "words" / "plan.yaml"
    if not file.exists():
        lay_out(project, "gate: {baseline: short, metric: label, margin: 0.1}\n")
    text = file.read_text().partition("budget_usd")[0]
    file.write_text(text + (f"budget_usd: {budget_usd}\n" if budget_usd is not None else ""))
    plan = load_plan(file)
    begun = datetime.datetime.now(datetime.UTC)
    with monkeypatch.context() as job:
        for variable, value in plan.context(name).to_environ().items():
            job.setenv(variable, value)
        job.setenv("PEX_JOB_ID", "compare")
        experiment = pex.Experiment.load(file.parent / "experiment.yaml")
        experiment.run(limit=calls // 2, show=False, traces="none")
    uri = f"sqlite:///{project}/mlruns/mlflow.db"
    return judge_night(BatchResult(name, plan, plan.outputs / name, []), begun, uri)


def booked(project: Path, batch: str) -> tuple[float, int]:
    """USD that a batch has spent at most, and its calls."""
    with sqlite3.connect(project / ".pex" / "journal.db") as connection:
        usd, count = connection.execute(
            "SELECT sum(coalesce(usd, at_most_usd)), count(*) FROM ledger l "
            "JOIN runs r ON r.id = l.run_id WHERE r.batch_id = ?",
            [f"nightly/{batch}"],
        ).fetchone()
    return usd or 0.0, count


@pytest.fixture
def paid(project: Path, lab: FaultyEndpoint) -> FaultyEndpoint:
    Model(lab)
    text = (project / "pex.toml").read_text().replace("free = true\n", "")
    (project / "pex.toml").write_text(text + PRICES)
    return lab


def test_what_the_canary_costs_is_the_nights(
    paid: FaultyEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dict(os.environ)
    judged = night(project, "night-1", None, monkeypatch, 4)
    assert dict(os.environ) == before
    usd, calls = booked(project, "night-1")
    assert calls == paid.calls > 4
    assert usd == pytest.approx(calls * PRICE)
    assert not judged.canary_cut
    assert judged.problems == []
    assert {row["job_id"] for row in judged.runs} == {"compare"}


def test_a_night_whose_budget_is_used_up_asks_no_canary(
    paid: FaultyEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Four calls cost 0.048; with a worst case of some 0.15 the canary's do not all fit any more.
    judged = night(project, "night-1", 0.3, monkeypatch, 4)
    usd, calls = booked(project, "night-1")
    assert calls == paid.calls
    assert usd <= 0.3
    assert judged.canary_cut
    assert judged.exit_code == 4
    (said,) = [text for text in judged.problems if "canary" in text]
    assert said == "The budget ended the canary before all of its questions were run."
    # The night after has a budget of its own.
    again = night(project, "night-2", 5.0, monkeypatch, 4)
    assert not again.canary_cut
    assert again.exit_code == 0
    assert booked(project, "night-2")[0] <= 5.0

"""Months of nights through the gate itself, its evidence in MLflow: alarms without a change."""

from __future__ import annotations

import datetime
import json
import random
import shutil
from pathlib import Path

import pytest

from pex.batch.night.night_gate import judge, outcome_of, rule_of
from pex.batch.night.run_changes import Recorded
from pex.batch.plan import PlanGate
from pex.tracking.store import connect
from tests.helpers.made import made

NIGHTS, CASES = 30, 40
CANDIDATE, OTHER = "variant-1", "variant-0"


class Months:
    """Nights of a model that flickers: some cases pass always, some now and then, some never."""

    def __init__(self, project: Path, empty_store: Path) -> None:
        self.folder = project
        (project / "mlruns").mkdir()
        shutil.copyfile(empty_store, project / "mlruns" / "mlflow.db")
        self.uri = f"sqlite:///{project}/mlruns/mlflow.db"
        self.client = connect(self.uri)
        self.experiment = self.client.create_experiment("made")
        results = made(CASES, 2)
        self.frame, self.about = results.frame, results.about
        self.runs: dict[str, Recorded] = {}

    def record(self, plan: str, night: int, dice: random.Random, shares: list[float]) -> Recorded:
        """A run as `exp.run()` leaves it, as far as the gate looks at it."""
        name = f"night-{night}"
        tags = {"pex.kind": "run", "pex.plan": plan, "pex.batch_id": name}
        parent = self.client.create_run(self.experiment, tags=tags).info.run_id
        for variant in (OTHER, CANDIDATE):
            tags = {"mlflow.parentRunId": parent, "pex.kind": "variant", "mlflow.runName": variant}
            self.client.create_run(self.experiment, tags=tags)
        frame = self.frame.copy()
        share = frame["case_id"].map(lambda case: shares[int(case[1:])])
        frame["score.label"] = [float(dice.random() < part) for part in share]
        run = {
            "run_id": parent, "experiment_id": self.experiment, "experiment": "made",
            "batch_id": name, "job_id": "compare",
            "started_at": datetime.datetime.now(datetime.UTC),
        }  # fmt: skip
        self.runs[parent] = Recorded(run, frame, self.about)
        return self.runs[parent]

    def pin(self, plan: str, recorded: Recorded) -> None:
        entry = {"run_id": recorded.run["run_id"], "experiment": "made", "job": "compare"}
        (self.folder / "baseline.json").write_text(json.dumps({plan: [entry]}))

    def month(self, seed: int, baseline: str, drop_from: int = NIGHTS) -> int | None:
        """The first night that fails, None where none does."""
        dice, plan = random.Random(seed), f"{baseline}-{seed}"
        shares = [dice.choice((0.0, 0.7, 0.9, 1.0, 1.0)) for _ in range(CASES)]
        rule = rule_of(PlanGate(baseline=baseline, metric="label", margin=0.02), None)
        assert rule is not None
        if baseline == "pinned":
            self.pin(plan, self.record(plan, 0, dice, shares))
        for night in range(1, NIGHTS + 1):
            worse = [share * 0.5 for share in shares]
            tonight = self.record(plan, night, dice, worse if night > drop_from else shares)
            found = judge(tonight, rule, plan, self.folder, self.runs.__getitem__, self.uri)
            if outcome_of(found) == "fail":
                return night
        return None


@pytest.fixture
def months(project: Path, empty_store: Path) -> Months:
    return Months(project, empty_store)


def test_a_month_without_change_gives_no_alarm(months: Months) -> None:
    assert months.month(1, "pinned") is None


def test_a_drop_in_the_middle_of_a_month_is_found(months: Months) -> None:
    found = months.month(1, "pinned", drop_from=5)
    assert found is not None
    assert 5 < found <= 12


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("baseline", ["pinned", OTHER])
def test_alarms_without_change_come_in_under_5_percent_of_months(
    months: Months, baseline: str
) -> None:
    """Two candidates are judged where the baseline is pinned, else one."""
    alarms = [seed for seed in range(20) if months.month(seed, baseline) is not None]
    assert len(alarms) / 20 <= 0.05, alarms

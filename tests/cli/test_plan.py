"""`pexlab plan`, and what an experiment is told that is given where a plan is wanted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pex.batch.plan import load_plan
from tests.helpers.command import pexlab
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.lab_nights import Model, lay_out


@pytest.fixture
def folder(project: Path, lab: FaultyEndpoint) -> Path:
    """A project whose experiment has no plan yet."""
    Model(lab)
    lay_out(project).unlink()
    return project


def test_an_experiment_by_its_name_gets_a_plan_that_runs(folder: Path, lab: FaultyEndpoint) -> None:
    done = pexlab("plan", "words", folder=folder)
    assert done.returncode == 0, done.stderr
    path = folder / "experiments/words/plan.yaml"
    assert done.stdout.splitlines() == [
        "wrote  notebooks/compare.ipynb",
        "wrote  notebooks/morning.ipynb",
        "wrote  experiments/words/plan.yaml",
    ]
    assert "pexlab batch experiments/words/plan.yaml --batch-id first" in done.stderr
    plan = load_plan(path)
    assert "schema" not in path.read_text().splitlines()[0]  # this project has no schemas
    assert plan.name == "words-nightly"
    assert [job.id for job in plan.jobs] == ["compare", "page"]
    assert plan.gate is not None
    assert (plan.gate.baseline, plan.gate.metric, plan.gate.margin) == ("pinned", "label", 0.1)
    night = pexlab("batch", str(path), "--batch-id", "first", "--json", folder=folder)
    assert night.returncode == 0, night.stderr
    assert len(json.loads(night.stdout)["gate"]) == 1  # no baseline yet
    again = pexlab("plan", "experiments/words", folder=folder)
    assert again.returncode == 2
    assert "plan.yaml: exists already" in again.stderr


def test_the_plan_takes_the_experiments_own_gate_and_may_be_elsewhere(folder: Path) -> None:
    file = folder / "experiments/words/experiment.yaml"
    file.write_text(
        file.read_text() + "gate: {baseline: short, metric: label, margin: 0.02}\nrepeats: 2\n"
    )
    done = pexlab("plan", str(file), "--out", "nights.yaml", folder=folder)
    assert done.returncode == 0, done.stderr
    plan = load_plan(folder / "nights.yaml")
    assert plan.jobs[0].parameters == {"experiment": "experiments/words/experiment.yaml"}
    assert plan.gate is not None
    assert (plan.gate.baseline, plan.gate.margin) == ("pinned", 0.02)


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["batch", "e.yaml"], "this is an experiment, expected a plan", "pexlab plan"),
        (["schedule", "e.yaml"], "this is an experiment, expected a plan", "pexlab plan"),
        (["run", "p.yaml"], "this is a plan of notebooks, expected an", "pexlab batch"),
        (["plan", "word"], "there is no experiment 'word'", "did you mean 'words'"),
        (["plan", "e.yml"], "e.yml: no such file", ""),
    ],
)
def test_what_was_given_is_understood(
    folder: Path, arguments: list[str], message: str, hint: str
) -> None:
    (folder / "e.yaml").write_text("name: e\ncases: c.csv\nprompts: [p.prompty]\n")
    if "run" in arguments:  # the other way round
        (folder / "p.yaml").write_text("name: p\nsteps: []\n")
    done = pexlab(*arguments, folder=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert hint in done.stderr


def test_the_plan_beside_an_experiment_is_named(folder: Path) -> None:
    pexlab("plan", "words", folder=folder)
    done = pexlab("batch", "experiments/words/experiment.yaml", folder=folder)
    assert done.returncode == 2
    assert "its plan is" in done.stderr
    assert "experiments/words/plan.yaml" in done.stderr

"""`pexlab improve`: what it would do, what it found, and its exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import pex
from pex.improvement.proposal import Way
from pex.improvement.ways import by_name
from tests.helpers.command import pexlab
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.improving import BAD, GOOD, START, Listed, experiment, follow


@pytest.fixture
def folder(project: Path, lab: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the experiment `parity`, and a way that proposes a good and a bad prompt."""
    follow(lab)
    ways: Mapping[str, Callable[[], Way]] = {
        **by_name.WAYS,
        "listed": lambda: Listed([f"{START} {BAD}", f"{START} {GOOD}"]),
        "bad": lambda: Listed([f"{START} {BAD}"]),
    }
    monkeypatch.setattr(by_name, "WAYS", ways)
    experiment(160, budget_usd=1.0).save(project / "experiments/parity/experiment.yaml")
    return project


def test_the_dry_run_calls_no_model(folder: Path, lab: FaultyEndpoint) -> None:
    done = pexlab("improve", "parity", "--way", "listed", "--dry-run", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "Cases: 80 train, 40 select, 40 confirm" in done.stdout
    assert "The start: 160 calls, free" in done.stdout
    assert "The confirmation: 40 calls, free, set aside first" in done.stdout
    assert "a true difference of 23 points" in done.stdout
    found = json.loads(
        pexlab("improve", "parity", "--way", "listed", "--dry-run", "--json", folder=folder).stdout
    )
    assert found["sizes"] == {"train": 80, "select": 40, "confirm": 40}
    assert found["proposals"] == 12
    assert found["uses"] == 0
    assert lab.calls == 0


def test_it_writes_the_winner_and_the_report(folder: Path, lab: FaultyEndpoint) -> None:
    arguments = ("improve", "parity", "--way", "listed", "--out", "better.prompty")
    done = pexlab(*arguments, "--report", "page.html", "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["verdict"] == "better"
    assert found["confirm_use"] == 1
    assert [row["state"] for row in found["proposals"]] == ["start", "behind on train", "chosen"]
    assert pex.Prompt.load(folder / "better.prompty").text == f"{START} {GOOD}"
    assert found["sentence"] in (folder / "page.html").read_text()
    assert "confirming 'listed-2' on 40 cases" in done.stderr
    again = pexlab(*arguments, folder=folder)
    assert again.returncode == 2
    assert "better.prompty: exists already" in again.stderr


def test_a_kept_start_is_not_written(folder: Path) -> None:
    done = pexlab("improve", "parity", "--way", "bad", "--out", "new.prompty", folder=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("The start is kept: of 1 proposal")
    assert "new.prompty is not written: the start is kept" in done.stderr
    assert not (folder / "new.prompty").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["paritty"], "did you mean 'parity'?"),
        (["parity", "--prompt", "shrot"], "did you mean 'short'?"),
        (["parity", "--way", "lsted"], "did you mean 'listed'?"),
        (["parity", "--metric", "lable"], "did you mean 'label'?"),
        (["parity", "--rounds", "0"], "rounds"),
        (["parity", "--budget", "-1"], "budget_usd"),
        (["parity", "--out", "a.txt"], ".prompty"),
    ],
)
def test_mistakes_are_named_before_a_call(
    folder: Path, lab: FaultyEndpoint, arguments: list[str], message: str
) -> None:
    done = pexlab("improve", *arguments, folder=folder)
    assert done.returncode == 2
    assert message in done.stderr
    assert lab.calls == 0

"""GitHub workflows that pex writes name their actions by commit and have no known weakness."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pex.project.actions import ACTIONS
from tests.helpers import ROOT
from tests.helpers.command import pexlab

USES = re.compile(r"uses: ([\w./-]+)@(\S+)(?:  # (\S+))?")
PLAN = "experiments/review-sentiment/plan.yaml"


@pytest.fixture
def workflows(tmp_path: Path) -> Path:
    """The folder of a new project's workflows, with that of a schedule."""
    (tmp_path / ".git").mkdir()
    assert pexlab("init", ".", folder=tmp_path).returncode == 0
    made = pexlab("schedule", "--to", "github", PLAN, folder=tmp_path)
    assert made.returncode == 0, made.stderr
    folder = tmp_path / ".github/workflows"
    (folder / "nightly.yml").write_text(made.stdout)
    return folder


def test_a_new_projects_workflows_pin_their_actions(workflows: Path) -> None:
    files = {path.name: path.read_text() for path in workflows.iterdir()}
    assert set(files) == {"changed-prompts.yml", "nightly.yml", "prompts.yml"}
    for name, text in files.items():
        assert text.count("uses:") == len(USES.findall(text)) >= 3
        for action, *pin in USES.findall(text):
            assert tuple(pin) == ACTIONS[action], name
        # `pexlab changes`, `run` and `nightly` need the laboratory.
        assert "pip install 'pexlab[lab,local]" in text


def test_they_are_those_of_the_repository_itself() -> None:
    own = "\n".join(path.read_text() for path in (ROOT / ".github/workflows").iterdir())
    found = {action: tuple(pin) for action, *pin in USES.findall(own)}
    shared = found.keys() & ACTIONS.keys()
    assert len(shared) == 4
    assert {action: found[action] for action in shared} == {a: ACTIONS[a] for a in shared}


def test_zizmor_finds_nothing(workflows: Path) -> None:
    program = Path(sys.executable).with_name("zizmor")
    folders = [str(workflows), str(ROOT / ".github")]
    done = subprocess.run(
        [str(program), "--offline", "--no-progress", *folders],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "No findings to report" in done.stdout

"""A team's project: an experiment on a prompt, scripted answers, a real store."""

from pathlib import Path

import pytest

from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.promoting import CASES, YAML, answer


@pytest.fixture
def team(project: Path, lab: FaultyEndpoint) -> Path:
    """A project with an experiment on a prompt whose first version is the champion."""
    lab.reply = answer
    folder = project / "experiments" / "sums"
    folder.mkdir(parents=True)
    rows = [f"{i},is {i},yes" for i in range(CASES)] + ["x,is 1001,no"]
    (folder / "cases.csv").write_text("case_id,q,expected\n" + "\n".join(rows) + "\n")
    (folder / "experiment.yaml").write_text(YAML)
    return project

"""The files of a cloned project: its suites, and what its section `redteam:` names."""

import pytest

from pex.core.errors import PexError
from pex.redteam.attacker import add_attacker
from pex.redteam.building import attack
from pex.redteam.suite import built_in


@pytest.mark.parametrize(
    "section",
    [
        "suites: [../home/mine.yaml]",
        "suites: [link.yaml]",
        "judge: {prompt: ../home/mine.yaml, model: lab/m1}",
        "attacker: {model: lab/m1, budget_usd: 1, prompt: ../home/mine.yaml}",
    ],
)
def test_a_section_redteam_names_no_file_outside_the_project(section, tmp_path):
    home, project = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    project.mkdir()
    (home / "mine.yaml").write_text(built_in()[0].read_text())
    (project / "link.yaml").symlink_to(home / "mine.yaml")
    (project / "pex.toml").touch()
    (project / "cases.csv").write_text("review,expected\nNice.,good\nBad.,bad\n")
    (project / "p.prompty").write_text("---\nname: p\n---\nuser:\nLabel: {{ review }}\n")
    path = project / "experiment.yaml"
    path.write_text(
        "name: e\ncases: cases.csv\nprompts: [p.prompty]\nmodels: [lab/m1]\nscorers: [label]\n"
        f"redteam:\n  {section}\n"
    )
    with pytest.raises(PexError, match="outside the project"):
        attacked_by_its_model(path)


def attacked_by_its_model(path):
    made = attack(path)
    add_attacker(made, made.experiment.redteam.attacker)

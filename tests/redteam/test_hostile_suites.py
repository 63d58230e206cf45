"""The files of a cloned project: its suites, and what its section `redteam:` names."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pex.core.errors import PexError
from pex.incidents.record import parse
from pex.incidents.template import parse_template
from pex.project.files import validate
from pex.project.redteam_spec import RedteamSpec
from pex.project.settings import Settings
from pex.redteam.attacker import add_attacker
from pex.redteam.building import attack
from pex.redteam.suite import built_in, load_suite


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


KEYS = ("name", "owasp", "attacks", "converters", "id", "text", "twin", "done", "goal")
YAML = st.recursive(
    st.sampled_from([None, True, 1, ".inf", "{{ word }}", "{{", "LLM01:2026", "\u202e", "&a *a"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(max_examples=40)
@given(YAML, YAML, YAML)
def test_any_suite_template_and_section_is_read_or_named(tmp_path_factory, one, other, third):
    path = tmp_path_factory.getbasetemp() / "suite.yaml"
    attack = {"id": "a", "category": "c", "family": "f", "goal": "word", "text": "{{ word }}"}
    suite = {"name": "s", "owasp": "LLM01:2026", "attacks": [attack | {"twin": one, "id": other}]}
    path.write_text(json.dumps(suite if third != 1 else one))
    with contextlib.suppress(PexError):  # anything else is a traceback for a user
        load_suite(path)
    front = json.dumps({"severities": one, "severity": other})
    with contextlib.suppress(PexError):
        parse_template(f"---\n{front}\n---\n{third}", "template.md")
    with contextlib.suppress(PexError):
        parse(path, f"---\n{json.dumps({'severity': 1, 'affected': one, 'aliases': other})}\n---\n")
    with contextlib.suppress(PexError):
        validate(Settings, {"guard": {"off": one, "delimiters": other, "allow": third}}, "pex.toml")
    with contextlib.suppress(PexError):
        validate(RedteamSpec, {"suites": one, "variables": other, "judge": third}, "e.yaml")

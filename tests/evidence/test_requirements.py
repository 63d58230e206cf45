"""Which requirements of a project are met, from its files and its recorded runs."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import pex
from pex.cli.library import app
from pex.evidence.requirements import coverage
from tests.helpers.endpoint import FaultyEndpoint

YAML = """name: words
cases: cases.csv
prompts: [prompts/echo.prompty, prompts/ask.prompty]
models: [lab/m1]
scorers:
  - {{kind: exact, checks: [R1]}}
  - {{kind: length, max_words: 1, checks: [R2{more}]}}
  - json
requirements:
  - {{id: R1, text: Says the word., source: Support, at_least: {at_least}}}
"""
ECHO = """---
name: echo
metadata:
  requirements:
    - {id: R2, text: Is short., priority: should}
    - {id: R3, text: Is never rude.}
    - {id: R4, text: is never  rude.}
---
user:
{{ word }}
"""


@pytest.fixture
def folder(project: Path) -> Path:
    folder = project / "experiments" / "words"
    (folder / "prompts").mkdir(parents=True)
    rows = "".join(f"w{number},w{number}\n" for number in range(30))
    (folder / "cases.csv").write_text(f"word,expected\n{rows}")
    (folder / "prompts" / "echo.prompty").write_text(ECHO)
    (folder / "prompts" / "ask.prompty").write_text("user:\n{{ word }} ?")
    (folder / "experiment.yaml").write_text(YAML.format(more="", at_least=0.9))
    return folder


def found(project: Path) -> dict[tuple[str, str], tuple[str, str]]:
    return {(r.prompt, r.requirement): (r.state, r.detail) for r in coverage(project).rows}


def test_each_requirement_of_each_prompt_has_a_state(
    project: Path, folder: Path, lab: FaultyEndpoint
) -> None:
    nothing = "no recorded run has this version of the prompt"
    assert found(project) == {
        ("echo", "R1"): ("not measured", nothing),
        ("echo", "R2"): ("not measured", nothing),
        ("echo", "R3"): ("untested", "no scorer of words checks it"),
        ("echo", "R4"): ("untested", "no scorer of words checks it"),
        ("ask", "R1"): ("not measured", nothing),
    }
    results = pex.Experiment.load(folder / "experiment.yaml").run(show=False)
    now = found(project)
    assert now["echo", "R1"] == ("met", "100 % [90, 100] of 30 cases")
    assert now["echo", "R2"][0] == "met"
    assert now["ask", "R1"] == ("not met", "0 % [0, 10] of 30 cases")
    rows = {(row.prompt, row.requirement): row for row in coverage(project).rows}
    row = rows["echo", "R1"]
    assert (row.model, row.experiment, row.run_id) == ("lab/m1", "words", results.run_id)
    assert (row.source, row.place) == ("Support", "words/experiment.yaml")
    assert row.at.endswith("+00:00")
    assert rows["echo", "R2"].place == "experiments/words/prompts/echo.prompty"
    assert lab.calls == 60  # and none for the reading


def test_what_has_changed_since_is_not_measured(
    project: Path, folder: Path, lab: FaultyEndpoint
) -> None:
    pex.Experiment.load(folder / "experiment.yaml").run(show=False)
    (folder / "experiment.yaml").write_text(YAML.format(more="", at_least=0.5))
    changed = ("not measured", "the requirement has changed since the last run")
    assert found(project)["echo", "R1"] == changed
    assert "words: R1 has changed since the last of 1 run." in coverage(project).remarks
    pex.Experiment.load(folder / "experiment.yaml").run(show=False)
    assert found(project)["echo", "R1"][0] == "met"
    said = [text for text in coverage(project).remarks if text.startswith("words: R1 changed on")]
    assert said[0].endswith(", after 1 run.")
    prompt = folder / "prompts" / "ask.prompty"
    prompt.write_text("user:\n{{ word }}!")
    assert found(project)["ask", "R1"][0] == "not measured"


def test_remarks_name_what_is_not_in_order(project: Path, folder: Path) -> None:
    (folder / "experiment.yaml").write_text(YAML.format(more=", R33", at_least=0.9))
    assert coverage(project).remarks == [
        "echo: the requirements R3 and R4 say the same.",
        "words: the scorer 'length' checks 'R33', which is not a requirement (did you mean 'R3'?).",
        "words: the scorer 'json' checks no requirement.",
    ]
    assert {row.prompt for row in coverage(project, prompts=["echo"]).rows} == {"echo"}


def test_a_prompt_that_no_experiment_uses_is_untested(project: Path) -> None:
    (project / "prompts").mkdir()
    (project / "prompts" / "echo.prompty").write_text(ECHO)
    assert found(project)["echo", "R2"] == ("untested", "no experiment uses the prompt")


def test_check_prints_each_requirement_and_fails_for_a_must_that_is_not_met(
    project: Path, folder: Path, lab: FaultyEndpoint
) -> None:
    pex.Experiment.load(folder / "experiment.yaml").run(show=False)
    run = CliRunner().invoke
    result = run(app, ["check"])
    lines = [line.split()[:4] for line in result.stdout.splitlines()]
    assert ["echo", "R1", "must", "✓"] in lines
    assert ["echo", "R2", "should", "✓"] in lines
    assert ["echo", "R3", "must", "–"] in lines
    assert ["ask", "R1", "must", "✗"] in lines
    assert "words: the scorer 'json' checks no requirement." in result.stdout
    assert result.exit_code == 1
    found = json.loads(run(app, ["check", "--json"]).stdout)
    kinds = [(item["kind"], item["prompt"]) for item in found["problems"]]
    assert ("requirement", "ask") in kinds
    assert ("requirement", "echo") not in kinds  # untested is told, and no problem
    assert {row["state"] for row in found["requirements"]} == {"met", "not met", "untested"}
    strict = json.loads(run(app, ["check", "--json", "--policy", "strict"]).stdout)
    assert ("requirement", "echo") in [(i["kind"], i["prompt"]) for i in strict["problems"]]


def test_a_run_of_some_of_the_cases_meets_nothing(
    project: Path, folder: Path, lab: FaultyEndpoint
) -> None:
    cases = folder / "cases.csv"
    rows = "".join(f"w{number},{'w' if number < 3 else 'x'}{number}\n" for number in range(6))
    cases.write_text(f"word,expected\n{rows}")
    file = folder / "experiment.yaml"
    file.write_text(YAML.format(more="", at_least=0.5).replace(", at_least: 0.5", ""))
    exp = pex.Experiment.load(file)
    exp.run(limit=3, show=False)
    partial = ("not measured", "the newest run had other cases (3 of 6)")
    assert found(project)["echo", "R1"] == partial
    exp.run(show=False)
    assert found(project)["echo", "R1"][0] == "not met"
    exp.run(limit=3, show=False)
    assert found(project)["echo", "R1"][0] == "not met"  # what it was on all cases
    cases.write_text(f"word,expected\n{rows}w7,w7\n")
    assert found(project)["echo", "R1"][1] == "the newest run had other cases (3 of 7)"
    cases.write_text("")
    assert found(project)["echo", "R1"][1].startswith("words: the cases cannot be read: ")


def other_experiment(project: Path, text: str) -> Path:
    folder = project / "experiments" / "other"
    folder.mkdir()
    (folder / "cases.csv").write_text("word,expected\na,a\n")
    file = folder / "experiment.yaml"
    file.write_text(text)
    return file


def test_each_experiment_of_a_prompt_has_its_own_requirements(
    project: Path, folder: Path, lab: FaultyEndpoint
) -> None:
    file = other_experiment(
        project,
        "name: other\ncases: cases.csv\nprompts: [../words/prompts/ask.prompty]\n"
        "models: [lab/m1]\nscorers: [{kind: contains, checks: [R1]}]\n"
        "requirements: [{id: R1, text: Is in it., at_least: 0.01}]\n",
    )
    pex.Experiment.load(folder / "experiment.yaml").run(show=False)
    pex.Experiment.load(file).run(show=False)
    rows = [row for row in coverage(project).rows if row.prompt == "ask"]
    assert [(row.text, row.place, row.state, row.experiment) for row in rows] == [
        ("Is in it.", "other/experiment.yaml", "never failed", "other"),
        ("Says the word.", "words/experiment.yaml", "not met", "words"),
    ]


def test_a_prompt_is_known_by_the_name_in_its_file(project: Path, folder: Path) -> None:
    (project / "prompts").mkdir()
    (project / "prompts" / "draft-3.prompty").write_text(
        "---\nname: greeting\n---\nuser:\n{{ word }}"
    )
    other_experiment(
        project,
        "name: other\ncases: cases.csv\nprompts: ['library:greeting@champion']\n"
        "models: [lab/m1]\nscorers: [exact]\nrequirements: [{id: R7, text: Greets.}]\n",
    )
    assert found(project)["greeting", "R7"] == ("untested", "no scorer of other checks it")


def test_an_experiment_that_cannot_be_read_is_a_problem(project: Path, folder: Path) -> None:
    other_experiment(project, "name: other\ncases: [\n")
    said = coverage(project).unread
    assert len(said) == 1
    assert said[0].startswith(
        "other/experiment.yaml cannot be read, and what it asks for is not known: "
    )
    assert said[0] in coverage(project).remarks
    result = CliRunner().invoke(app, ["check", "--json"])
    problems = json.loads(result.stdout)["problems"]
    assert {"kind": "requirement", "prompt": "", "text": said[0]} in problems
    assert result.exit_code == 1

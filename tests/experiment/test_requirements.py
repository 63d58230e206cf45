"""Requirements of an experiment: from its file and its prompts, into the run and its record."""

import json
from pathlib import Path

import mlflow
import pytest

import pex
from pex.record.search import latest
from tests.helpers.endpoint import FaultyEndpoint

ASKED = [
    {"id": "R1", "text": "Says the word.", "source": "Support", "at_least": 0.9},
    {"id": "R2", "text": "Is short.", "priority": "should"},
    {"id": "R3", "text": "Is never rude."},
]
SCORERS = [
    {"kind": "exact", "checks": ["R1"]},
    {"kind": "length", "max_words": 1, "checks": "R2"},
    "json",
]
PROMPTY = """---
name: echo
metadata:
  requirements:
    - {{id: {id}, text: {text}}}
---
user:
{{{{ word }}}}
"""


def made(requirements: object = ASKED, scorers: object = SCORERS) -> pex.Experiment:
    prompts = [pex.Prompt("{{ word }}", name="echo"), pex.Prompt("{{ word }} ?", name="ask")]
    cases = [{"word": f"w{number}", "expected": f"w{number}"} for number in range(30)]
    return pex.Experiment(
        "words", pex.grid(prompts, "lab/m1"), cases, scorers, requirements=requirements
    )


def tags(project: Path) -> dict[str, str]:
    client = mlflow.MlflowClient(f"sqlite:///{project}/mlruns/mlflow.db")
    run = latest(f"sqlite:///{project}/mlruns/mlflow.db")[0]["run_id"]
    return dict(client.get_run(run).data.tags)


def test_results_report_and_record_say_what_is_met(project: Path, lab: FaultyEndpoint) -> None:
    results = made().run(show=False)
    assert list(results.requirements["state"]) == [
        "met", "not met",  # R1: echo, ask
        "met", "not met",
        "untested", "untested",
    ]  # fmt: skip
    page = results.page()
    assert '<h2 id="requirements">Requirements</h2>' in page
    assert "R3: Is never rude." in page
    assert "before the first run" in page
    assert "The scorer &#39;json&#39; checks no requirement." in page
    said = "echo: 2 met, 1 untested; ask: 2 not met, 1 untested"
    assert f"Requirements: {said}" in repr(results)
    assert tags(project)["pex.requirements"] == said
    client = mlflow.MlflowClient(results.about.tracking_uri)
    table = json.loads(
        Path(client.download_artifacts(results.run_id, "requirements.json")).read_text()
    )
    assert table["columns"][:4] == ["requirement", "text", "variant", "state"]
    assert [row[3] for row in table["data"]][:2] == ["met", "not met"]
    logged = json.loads(client.get_run(results.run_id).data.tags["mlflow.loggedArtifacts"])
    assert {"path": "requirements.json", "type": "table"} in logged
    children = client.search_runs(
        [results.about.experiment_id], f"tags.`mlflow.parentRunId` = '{results.run_id}'"
    )
    each = {run.data.params["variant"]: run.data.tags["pex.requirements"] for run in children}
    assert each == {"echo": "2 met, 1 untested", "ask": "2 not met, 1 untested"}
    # From MLflow alone, the same; and what was asked for is in the record as it was.
    loaded = pex.load_run(results.run_id)
    assert loaded.requirements.equals(results.requirements)
    assert [item.text for item in loaded.about.requirements] == [item["text"] for item in ASKED]
    assert loaded.about.criteria == results.about.criteria
    assert loaded.about.criteria_sha256 == tags(project)["pex.criteria_sha256"]


def test_an_unknown_requirement_is_an_error_before_any_call(lab: FaultyEndpoint) -> None:
    with pytest.raises(pex.PexError, match="there is no requirement 'R9'"):
        made(scorers=[{"kind": "exact", "checks": ["R9"]}])
    with pytest.raises(pex.PexError, match="write it down: requirements:"):
        made(requirements=[])
    with pytest.raises(pex.PexError, match="two requirements have the id 'R1'"):
        made(requirements=[*ASKED, ASKED[0]])
    with pytest.raises(pex.PexError, match=r"unknown key 'requirements\.0\.txt'"):
        made(requirements=[{"id": "R1", "txt": "x"}])
    assert lab.calls == 0


def test_those_of_a_prompt_are_added(project: Path) -> None:
    folder = project / "experiments" / "words"
    (folder / "prompts").mkdir(parents=True)
    prompt = folder / "prompts" / "echo.prompty"
    (folder / "cases.csv").write_text("word,expected\na,a\nb,b\n")
    file = folder / "experiment.yaml"
    file.write_text(
        "name: words\ncases: cases.csv\nprompts: [prompts/echo.prompty]\nmodels: [lab/m1]\n"
        "scorers:\n  - {kind: exact, checks: [R1, R7]}\n"
        "requirements:\n  - {id: R1, text: Says the word.}\n"
    )
    prompt.write_text(PROMPTY.format(id="R7", text="Is kind."))
    exp = pex.Experiment.load(file)
    assert [(item.id, item.place) for item in exp.requirements] == [
        ("R1", "experiment.yaml"),
        ("R7", "echo.prompty"),
    ]
    # The same id with the same text is one requirement.
    prompt.write_text(PROMPTY.format(id="R1", text="Says  the word."))
    with pytest.raises(pex.PexError, match="there is no requirement 'R7'"):
        pex.Experiment.load(file)
    # With another prompt in its place, the requirement that went with it is no mistake.
    other = folder / "prompts" / "other.prompty"
    other.write_text("user:\n{{ word }}")
    exp = pex.Experiment.load(file, prompts=["prompts/other.prompty"])
    assert [item.id for item in exp.requirements] == ["R1"]
    prompt.write_text(PROMPTY.format(id="R1", text="Is kind."))
    with pytest.raises(pex.PexError, match="two requirements are called 'R1'") as raised:
        pex.Experiment.load(file)
    assert 'in experiment.yaml "Says the word.", in echo.prompty "Is kind."' in str(raised.value)
    # Nor can one sentence have two priorities or thresholds.
    prompt.write_text(
        PROMPTY.format(id="R1", text="Says the word., priority: could, at_least: 0.9")
    )
    with pytest.raises(pex.PexError, match="two requirements are called 'R1'") as raised:
        pex.Experiment.load(file)
    assert (
        'in experiment.yaml "Says the word." (must, every case), '
        'in echo.prompty "Says the word." (could, at least 0.9)'
    ) in str(raised.value)


def test_they_are_saved_and_read_again(project: Path, lab: FaultyEndpoint) -> None:
    exp = made()
    file = exp.save(project / "experiments" / "words" / "experiment.yaml")
    loaded = pex.Experiment.load(file)
    assert [item.id for item in loaded.requirements] == ["R1", "R2", "R3"]
    assert loaded.requirements[0].at_least == 0.9
    results = loaded.run(show=False)
    assert results.requirements["state"][0] == "met"
    # The experiment in the record has them too.
    client = mlflow.MlflowClient(results.about.tracking_uri)
    text = Path(client.download_artifacts(results.run_id, "experiment.yaml")).read_text()
    assert "Is never rude." in text
    assert "checks" in text


def test_the_record_tells_what_was_changed_after_the_first_run(
    project: Path, lab: FaultyEndpoint
) -> None:
    for _ in range(2):
        first = made().run(show=False)
    assert first.about.criteria is not None
    assert (first.about.criteria.after_runs, first.about.criteria.changes) == (0, [])
    changed = [{**ASKED[0], "at_least": 0.5}, *ASKED[1:], {"id": "R4", "text": "New."}]
    later = made(changed).run(show=False)
    found = later.about.criteria
    assert found is not None
    assert [(item.what, item.how, item.after_runs) for item in found.changes] == [
        ("R1", "changed", 2),
        ("R4", "added", 2),
    ]
    assert found.after_runs == 2
    assert later.about.criteria_sha256 != first.about.criteria_sha256
    page = later.page()
    assert "R1 changed on" in page
    assert "R4 was added on" in page
    assert ", after 2 runs." in page
    # A sentence with other spaces, and who asked for it, make no other criterion.
    spaced = [{**changed[0], "text": "Says  the word. ", "source": "Sales"}, *changed[1:]]
    again = made(spaced).run(show=False).about.criteria
    assert again is not None
    assert (again.decided_at, len(again.changes)) == (found.decided_at, 2)
    scorers = [{"kind": "exact", "checks": ["R1"], "ignore_case": True}, *SCORERS[1:]]
    last = made(changed, scorers).run(show=False).about.criteria
    assert last is not None
    assert [item.what for item in last.changes] == ["R1", "R4", "scorer exact"]


def test_requirements_written_after_the_first_runs_say_so(
    project: Path, lab: FaultyEndpoint
) -> None:
    made([], ["exact"]).run(show=False)
    later = made().run(show=False)
    assert later.about.criteria is not None
    assert later.about.criteria.after_runs == 1
    assert (
        "R1, R2, R3, the scorer &#39;length&#39;, the scorer &#39;json&#39; were added on"
        in later.page()
    )


def test_what_failed_once_can_fail(project: Path, lab: FaultyEndpoint) -> None:
    asked = [ASKED[1]]
    scorers = [{"kind": "length", "max_words": 1, "checks": ["R2"]}]
    prompts = [pex.Prompt("{{ word }}", name="p"), pex.Prompt("{{ word }} ?", name="p")]
    cases = [{"word": f"w{number}"} for number in range(5)]

    def run(prompt: pex.Prompt) -> str:
        variants = pex.grid(prompt, "lab/m1")
        exp = pex.Experiment("words", variants, cases, scorers, requirements=asked)
        return str(exp.run(show=False).requirements["state"][0])

    assert run(prompts[0]) == "never failed"
    assert run(prompts[1]) == "not met"
    assert run(prompts[0]) == "met"


def test_new_scores_keep_what_is_checked(project: Path, lab: FaultyEndpoint) -> None:
    results = made().run(show=False)
    again = results.rescore(["exact", {"kind": "contains", "value": "w", "checks": ["R3"]}])
    by_id = {row["requirement"]: row for row in again.requirements.to_dict("records")}
    assert (by_id["R1"]["scores"], by_id["R3"]["scores"]) == ("exact", "contains")
    assert tags(project)["pex.requirements"].startswith("echo: 2 met, 1 never failed")
    with pytest.raises(pex.PexError, match="there is no requirement 'R8'"):
        results.rescore([{"kind": "exact", "checks": ["R8"]}])


def test_a_run_without_requirements_says_nothing_of_them(
    project: Path, lab: FaultyEndpoint
) -> None:
    results = made([], ["exact"]).run(show=False)
    assert not len(results.requirements)
    assert "Requirements" not in repr(results)
    assert 'id="requirements"' not in results.page()
    assert "pex.requirements" not in tags(project)

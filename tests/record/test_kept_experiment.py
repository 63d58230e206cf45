"""The experiment in a run's record loads from the record alone."""

from pathlib import Path

import mlflow
import pytest
import yaml

import pex
from tests.helpers.endpoint import FaultyEndpoint

pytestmark = pytest.mark.traces

SCHEMA = '{"type": "object",\r\n "required": ["%s"]}\r\n'


def test_it_loads_with_every_file_that_it_refers_to(
    lab: FaultyEndpoint, project: Path, tmp_path_factory
) -> None:
    for name in ("a", "b"):
        folder = project / "parts" / name
        folder.mkdir(parents=True)
        (folder / "schema.json").write_bytes((SCHEMA % name).encode())
    judge = "---\nname: polite\ninputs: []\n---\nIs this polite? {{ output }}\n"
    (project / "parts" / "polite.prompty").write_text(judge)

    def mine(output: str) -> bool:
        return True

    scorers = [
        {"kind": "json", "name": "first", "schema": "parts/a/schema.json"},
        {"kind": "json", "name": "second", "schema": "parts/b/schema.json"},
        {"kind": "json", "name": "inline", "schema": {"type": "object"}},
        mine,
        {"kind": "judge", "name": "polite", "prompt": "parts/polite.prompty", "model": "lab/m1"},
    ]
    cases = [{"case_id": "c", "word": "x\u2028y", "expected": "z"}]
    exp = pex.Experiment(
        "kept", pex.grid(pex.Prompt("{{ word }}", name="echo"), "lab/m1"), cases, scorers
    )
    results = exp.run(show=False, traces="none")
    folder = tmp_path_factory.mktemp("elsewhere") / "it's für ä record"
    folder.mkdir()
    client = mlflow.MlflowClient(f"sqlite:///{project}/mlruns/mlflow.db")
    client.download_artifacts(results.run_id, "", str(folder))
    (project / "parts").rename(project / "gone")
    text = (folder / "experiment.yaml").read_text()
    assert str(project) not in text
    names = [item["name"] for item in yaml.safe_load(text)["scorers"]]
    assert names == ["first", "second", "inline", "polite"]  # a notebook's function has no file
    loaded = pex.Experiment.load(folder / "experiment.yaml")
    assert [case.inputs for case in loaded.cases] == [{"word": "x\u2028y"}]
    for name, part in (("schema.json", "a"), ("schema-2.json", "b")):
        assert (folder / "schemas" / name).read_bytes().decode() == SCHEMA % part


def test_a_schema_is_found_also_if_the_cases_are_in_another_folder(
    lab: FaultyEndpoint, project: Path
) -> None:
    for name in ("data", "schemas"):
        (project / name).mkdir()
    (project / "data" / "cases.csv").write_text("word\nhello\n")
    (project / "schemas" / "s.json").write_text('{"type": "object"}')
    (project / "echo.prompty").write_text("{{ word }}")
    file = project / "experiment.yaml"
    file.write_text(
        "name: kept\ncases: data/cases.csv\nprompts: [echo.prompty]\nmodels: [lab/m1]\n"
        "scorers: [{kind: json, schema: schemas/s.json}]\n"
    )
    results = pex.Experiment.load(file).run(show=False, traces="none")
    client = mlflow.MlflowClient(f"sqlite:///{project}/mlruns/mlflow.db")
    names = [item.path for item in client.list_artifacts(results.run_id, "schemas")]
    assert names == ["schemas/s.json"]

"""Prompts of the library in an experiment's file."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

import pex
from pex.library.resolve import resolve
from pex.project.folder import load_variants
from pex.project.spec import load_spec

HI = pex.Prompt("Hi {{ name }}", name="hi")
HO = pex.Prompt("Ho {{ name }}", name="hi")


@pytest.fixture
def write(project: Path, uri: str):
    pex.library.save(HI, name="greeting", alias="champion")
    pex.library.save(HO, name="greeting")

    def written(*lines: str) -> Path:
        path = project / "experiments" / "e" / "experiment.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "cases.csv").write_text("name\nAnn\n")
        HI.save(path.parent / "hi.prompty")
        path.write_text("\n".join(["name: e", "cases: cases.csv", *lines]) + "\n")
        return path

    return written


def test_a_reference_is_the_prompt_with_the_version_that_it_is_now(write, uri: str) -> None:
    prompt = resolve("library:greeting@champion", uri)
    assert (prompt.name, prompt.origin, prompt.messages) == ("greeting", "greeting/1", HI.messages)


def test_an_experiment_takes_files_and_the_library_and_is_saved_by_version(
    write, project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write('prompts: [hi.prompty, "library:greeting@champion"]', "models: [lab/m1]")
    # The library is the project's, whatever folder the job runs in.
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    exp = pex.Experiment.load(path)
    assert [variant.name for variant in exp.variants] == ["hi", "greeting"]
    saved = exp.save(project / "experiments" / "e" / "again.yaml")
    assert YAML(typ="safe").load(saved)["prompts"] == ["hi.prompty", "library:greeting/1"]
    assert not (saved.parent / "prompts").exists()
    assert pex.Experiment.load(saved).variants == exp.variants


def test_two_versions_of_one_prompt_are_told_apart(write) -> None:
    path = write('prompts: ["library:greeting@champion", "library:greeting/2"]', "models: [lab/m1]")
    exp = pex.Experiment.load(path)
    assert [variant.name for variant in exp.variants] == ["greeting.champion", "greeting.2"]
    assert [variant.prompt.messages for variant in exp.variants] == [HI.messages, HO.messages]
    saved = exp.save(path.parent / "again.yaml")
    assert YAML(typ="safe").load(saved)["prompts"] == ["library:greeting/1", "library:greeting/2"]


def test_listed_variants_may_be_of_the_library(write) -> None:
    path = write(
        "variants:",
        '  - {name: old, prompt: "library:greeting@champion", model: lab/m1}',
        "  - {name: new, prompt: library:greeting, model: lab/m1}",
    )
    exp = pex.Experiment.load(path)
    assert {v.name: v.prompt.origin for v in exp.variants} == {
        "old": "greeting/1",
        "new": "greeting/2",
    }


def test_a_wrong_reference_is_an_error_with_the_nearest_right_name(write) -> None:
    path = write('prompts: ["library:greetin@champion"]', "models: [lab/m1]")
    with pytest.raises(pex.PexError, match="did you mean 'greeting'"):
        pex.Experiment.load(path)


def test_without_a_library_a_reference_is_an_error(write) -> None:
    path = write("prompts: [library:greeting]", "models: [lab/m1]")
    with pytest.raises(pex.PexError, match="'library:greeting'"):
        load_variants(load_spec(path), path.parent, {})

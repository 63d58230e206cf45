"""A new file names its schema, where the project has one."""

from __future__ import annotations

from pathlib import Path

import yaml

import pex
from pex.batch.new_plan import make_nightly
from pex.project.schemas import write_schemas

LINE = "# yaml-language-server: $schema=../../schemas/{}.schema.json"


def experiment() -> pex.Experiment:
    prompt = pex.Prompt("{{ word }}", name="short")
    return pex.Experiment("words", pex.grid(prompt, "local/smollm2"), [{"word": "a"}], ["length"])


def test_a_new_experiment_and_its_plan_name_their_schemas(project: Path) -> None:
    write_schemas(project)
    file = project / "experiments/words/experiment.yaml"
    experiment().save(file)
    (*_, plan) = make_nightly(file, file.with_name("plan.yaml"))
    for path, kind in ((file, "experiment"), (plan, "plan")):
        first, rest = path.read_text("utf-8").split("\n", 1)
        assert first == LINE.format(kind)
        assert (path.parent / first.rpartition("=")[2]).resolve().is_file()
        assert "schema" not in yaml.safe_load(rest)
    experiment().save(file)  # the same again is no different content
    assert make_nightly(file, plan) == [plan]
    assert plan.read_text("utf-8").count("$schema") == 1


def test_the_first_line_of_a_file_that_is_there_stays_as_it_is(project: Path) -> None:
    file = project / "experiments/words/experiment.yaml"
    experiment().save(file)
    before = file.read_bytes()
    write_schemas(project)
    experiment().save(file)
    assert file.read_bytes() == before
    own = b"# yaml-language-server: $schema=/elsewhere/experiment.json\n"
    file.write_bytes(own + before)
    experiment().save(file, overwrite=True)
    assert file.read_bytes() == own + before

"""What a file of an experiment becomes when keys of it are replaced."""

from pathlib import Path

import pytest

import pex
from pex.core.errors import PexError

FILE = """
name: replies
cases: cases.csv
variants:
  - {name: short|m1, prompt: short.prompty, model: lab/m1, params: {temperature: 0}}
  - {name: short|m2, prompt: short.prompty, model: lab/m2, params: {temperature: 0}}
  - {name: long|m1, prompt: long.prompty, model: lab/m1, params: {max_tokens: 9}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    for name in ("short", "long"):
        pex.Prompt(f"{name}: {{{{ text }}}}", name).save(tmp_path / f"{name}.prompty")
    (tmp_path / "cases.csv").write_text("text\nhello\n")
    file = tmp_path / "experiment.yaml"
    file.write_text(FILE)
    return file


def test_other_models_replace_those_of_variants_listed_one_by_one(file: Path) -> None:
    exp = pex.Experiment.load(file, models=["lab/m3"], set_params={"seed": 1})
    assert [(v.prompt.name, v.model, v.params) for v in exp.variants] == [
        ("short", "lab/m3", {"temperature": 0, "seed": 1}),
        ("long", "lab/m3", {"max_tokens": 9, "seed": 1}),
    ]
    assert not any("m1" in v.name for v in exp.variants)
    two = pex.Experiment.load(file, models=["lab/m1", "lab/m3"])
    assert [v.model for v in two.variants] == ["lab/m1", "lab/m3"] * 2


def test_the_files_own_models_change_nothing(file: Path) -> None:
    exp = pex.Experiment.load(file, models=["lab/m2", "lab/m1"])
    assert [v.name for v in exp.variants] == ["short|m1", "short|m2", "long|m1"]


def test_what_such_a_file_does_not_have_cannot_be_replaced(file: Path) -> None:
    with pytest.raises(PexError, match="'prompts' cannot be replaced"):
        pex.Experiment.load(file, prompts=["long.prompty"])
    with pytest.raises(PexError, match="'params' cannot be replaced") as raised:
        pex.Experiment.load(file, params=[{"temperature": 1}])
    assert "params.temperature=0" in str(raised.value.hint)

"""YAML and TOML: the file, the line, the key and the nearest right name."""

from pathlib import Path

import pytest

import pex
from pex.core.project import find_project
from pex.project.files import validate
from pex.project.settings import load_settings
from pex.project.spec import dump_spec, load_spec
from pex.score.kinds import KINDS

GOOD = "name: x\ncases: cases.csv\nprompts: [a.prompty]\nmodels: [local/smollm2]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "scorres: [label]\n", r"line 5: unknown key 'scorres'\n  did you mean 'scorers'"),
        (GOOD + "gate: {basline: a, metric: b, margin: 0}\n", "unknown key 'gate.basline'"),
        (GOOD + "gate: {baseline: a, metric: b, margin: -1}\n", "line 5: gate.margin: .*got -1"),
        (GOOD + "budget_usd: lots\n", "line 5: budget_usd: .*got 'lots'"),
        (GOOD + "budget_usd: -2\n", "line 5: budget_usd"),
        (GOOD + "budget_usd: .nan\n", "budget_usd"),
        (GOOD + "repeats: 0\n", "line 5: repeats"),
        (GOOD + "columns: {expcted: a}\n", "unknown key 'expcted'"),
        (GOOD + "variants: [{prompt: a}]\n", "give either 'variants'"),
        ("name: x\ncases: c.csv\n", "the key 'prompts' is missing"),
        ("name: x\nprompts: [a]\n", "the key 'cases' is missing"),
        ("name: a b\ncases: c.csv\nprompts: [a]\n", "line 1: name: .*only letters"),
        ("name: [\n", r"experiment.yaml, line \d: not valid YAML"),
        ("just text", "expected keys with values"),
    ],
)
def test_bad_experiments(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(text)
    with pytest.raises(pex.PexError, match=message):
        load_spec(path)


def test_a_missing_experiment_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "experiment.yaml").write_text(GOOD)
    with pytest.raises(pex.PexError, match=r"did you mean 'experiment\.yaml'"):
        load_spec(tmp_path / "experimnt.yaml")


def test_a_spec_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(GOOD + "scorers: [label, {kind: length, max_words: 3}]\nrepeats: 3\n")
    spec = load_spec(path)
    path.write_text(dump_spec(spec))
    assert load_spec(path) == spec


SETTINGS = """
[providers.lab]
base_url = "http://127.0.0.1:9301/v1"
api_key_env = "LAB_KEY"
max_in_flight = 64
free = false
[prices."lab/m1"]
input_usd_per_million = 1.0
output_usd_per_million = 2.0
[journal]
path = ".pex"
[record]
tracking_uri = "sqlite:///mlruns/mlflow.db"
traces = 500
[budget]
usd_per_run = 5.0
max_tokens = 1024
"""


def test_settings(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").write_text(SETTINGS)
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert find_project(tmp_path / "a" / "b") == tmp_path
    settings = load_settings(tmp_path)
    assert settings.providers["lab"].max_in_flight == 64
    assert settings.prices["lab/m1"].output_usd_per_million == 2.0
    assert load_settings(tmp_path / "a") == type(settings)()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[providers.lab]\nbase_ulr = "http://x"\n',
            r"line 2: unknown key 'providers.lab.base_ulr'\n  did you mean 'base_url'",
        ),
        ('[prices."a/b"]\ninput_usd_per_million = 1\n', "output_usd_per_million' is missing"),
        ("[budget]\nusd_per_run = -1\n", "line 2: budget.usd_per_run"),
        ('[providers.lab]\nbase_url = "ftp://lab.example"\n', "must start with http"),
        ("[bugdet]\n", r"unknown key 'bugdet'\n  did you mean 'budget'"),
        ("[budget\n", "not valid TOML"),
    ],
)
def test_bad_settings(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "pex.toml").write_text(text)
    with pytest.raises(pex.PexError, match=message):
        load_settings(tmp_path)


def test_settings_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").write_text("\ufeff# a\u2028b\n[budget]\nusd_per_rum = 1\n", "utf-8")
    with pytest.raises(pex.PexError, match="line 3: unknown key 'budget\\.usd_per_rum'"):
        load_settings(tmp_path)


def test_numbers_stay_numbers_among_parameters(tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(
        GOOD + "params: [{seed: 007, max_tokens: 010, temperature: 00.5, zip: 01067}]\n"
    )
    params = load_spec(path).params
    variant = pex.Variant(pex.Prompt("x", "p"), "lab/m", params[0])
    meant = {"seed": 7, "max_tokens": 10, "temperature": 0.5, "zip": "01067"}
    assert variant.params == meant


def test_a_key_in_the_settings_is_refused_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").write_text('[providers.lab]\napi_key_env = "sk-secret-1234567"\n')
    with pytest.raises(pex.PexError, match="never a key") as caught:
        load_settings(tmp_path)
    assert "sk-secret" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["01067", "1.10", "1_000", "0x1F", "2024-01-01", "1e5", "42", "yes"]
)
def test_text_stays_text_in_yaml(text: str, tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(
        f"name: {text}\npurpose: {text}\ncases: {text}\nprompts: [{text}]\nmodels: [{text}]\n"
        f"columns: {{id: {text}}}\nparams: [{{temperature: 0.50, stop: [{text}], seed: 1_000}}]\n"
        f"scorers: [{{kind: label, labels: [{text}, x]}}, {{kind: length, max_words: 0x10}}]\n"
    )
    spec = load_spec(path)
    assert (spec.name, spec.purpose, spec.cases.file) == (text, text, text)
    assert (spec.prompts, spec.models, spec.columns) == ([text], [text], {"id": text})
    variant = pex.Variant(pex.Prompt("x", "p"), "lab/m", spec.params[0])
    assert variant.params == {"temperature": 0.5, "stop": [text], "seed": 1000}
    options = validate(KINDS["label"], dict(spec.scorers[0]), "scorer")
    assert [str(label) for label in options.labels] == [text, "x"]
    path.write_text(dump_spec(spec))
    again = load_spec(path)
    assert again == spec
    again_options = validate(KINDS["label"], dict(again.scorers[0]), "scorer")
    assert [str(label) for label in again_options.labels] == [text, "x"]
    assert pex.Variant(pex.Prompt("x", "p"), "lab/m", again.params[0]).params == variant.params


def test_numbers_in_yaml_are_as_before(tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(
        GOOD + "repeats: 0x3\nbudget_usd: 1.50\ngate: {baseline: a, metric: b, margin: .02}\n"
    )
    spec = load_spec(path)
    assert (spec.repeats, spec.budget_usd) == (3, 1.5)
    assert spec.gate is not None
    assert spec.gate.margin == 0.02


def test_a_plan_has_numbers_and_text(tmp_path: Path) -> None:
    from pex.batch.plan import Step
    from pex.core.yamltext import load_yaml

    step = load_yaml(
        "id: a\nnotebook: n.ipynb\nparameters: {zip: 01067, t: 0.50, n: 1_000, day: 2026-01-02}\n"
        "sweep: {seed: [1, 02], t: [1.0, 0.50]}",
        "plan.yaml",
    ).data
    found = Step.model_validate(step)
    assert found.parameters == {"zip": "01067", "t": 0.5, "n": 1000, "day": "2026-01-02"}
    assert {type(value) for value in found.parameters.values()} == {str, float, int}
    assert found.sweep == {"seed": [1, "02"], "t": [1.0, 0.5]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: &a [*a]\ncases: c\n", "name"),
        ("name: _\nrepeats: _\ncases: c\nprompts: [a]", "line 2: repeats"),
        ("x" + "[" * 3000, "not valid YAML|keys with values"),
        ("name: x\n? [a]\n: b\n", "."),
        (
            "name: 2024-13-45\ncases: 12\nprompts: [1.10]\nrepeats: no",
            "line 4: repeats: .*got 'no'",
        ),
    ],
)
def test_odd_yaml_is_an_error_in_words(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(text)
    with pytest.raises(pex.PexError, match=message):
        load_spec(path)

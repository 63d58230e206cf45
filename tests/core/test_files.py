"""YAML and TOML: the file, the line, the key and the nearest right name."""

from pathlib import Path

import pytest

import pex
from pex.core.settings import find_project, load_settings
from pex.core.spec import dump_spec, load_spec

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
        ("name: [\n", r"experiment.yaml, line \d: no valid YAML"),
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
        ("[budget\n", "no valid TOML"),
    ],
)
def test_bad_settings(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "pex.toml").write_text(text)
    with pytest.raises(pex.PexError, match=message):
        load_settings(tmp_path)


def test_a_key_in_the_settings_is_refused_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").write_text('[providers.lab]\napi_key_env = "sk-secret-1234567"\n')
    with pytest.raises(pex.PexError, match="never a key") as caught:
        load_settings(tmp_path)
    assert "sk-secret" not in str(caught.value)

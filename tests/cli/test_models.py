"""`pexlab models`: what the endpoints offer, in use first, new and gone."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pex.cli.commands import app
from pex.run import models
from pex.run.kept_lists import FILE
from pex.run.providers import BUILT_IN
from tests.helpers.endpoint import FaultyEndpoint


@pytest.fixture(autouse=True)
def on_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key and no server of the machine that runs the tests."""
    for name, provider in BUILT_IN.items():
        for variable in filter(None, (provider.key_env, provider.base_url_env)):
            monkeypatch.delenv(variable, raising=False)
        if provider.free and name != "local":
            nowhere = type(provider)("http://127.0.0.1:9/v1", free=True)
            monkeypatch.setitem(BUILT_IN, name, nowhere)
    monkeypatch.setattr(models, "_failed", {})


@pytest.fixture
def shop(project: Path, lab: FaultyEndpoint) -> Path:
    folder = project / "experiments" / "a"
    folder.mkdir(parents=True)
    (folder / "experiment.yaml").write_text(
        "name: a\ncases: cases.csv\nprompts: [x.prompty]\nmodels: [lab/m2, openai/gpt-4o]\n"
    )
    return project


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["models", *arguments], catch_exceptions=False)


def document(*arguments: str) -> dict[str, Any]:
    found = json.loads(run(*arguments, "--json").stdout)
    assert isinstance(found, dict)
    return found


def of(found: dict[str, Any], ref: str) -> dict[str, Any]:
    return next(item for item in found["models"] if item["model"] == ref)


def days_ago(project: Path, days: int) -> None:
    """Make every moment in the kept lists so many days older."""
    path = project / ".pex" / FILE

    def older(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: older(item) for key, item in value.items()}
        try:
            moment = datetime.datetime.fromisoformat(value)
        except (TypeError, ValueError):
            return value
        return (moment - datetime.timedelta(days=days)).isoformat() if moment.tzinfo else value

    path.write_text(json.dumps(older(json.loads(path.read_text()))))


def test_the_table_has_those_in_use_first_and_says_what_is_unknown(
    shop: Path, lab: FaultyEndpoint
) -> None:
    day = datetime.date.today() + datetime.timedelta(days=20)
    lab.facts["m1"] = {
        "context_length": 32768, "supported_parameters": ["tools"], "shutdown_date": str(day),
    }  # fmt: skip
    said = run()
    lines = said.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [
        "lab/m2", "openai/gpt-4o", "local/smollm2", "lab/m1",
    ]  # fmt: skip
    row = {line.split()[0]: line for line in lines}
    assert row["lab/m2"].split()[1:3] == ["free", "?"]
    assert row["lab/m2"].endswith("in use: 1 prompt")
    assert row["openai/gpt-4o"].split()[1:8] == [
        "2.50",
        "10.00",
        "1.25",
        "1.25",
        "/",
        "5.00",
        "128,000",
    ]
    assert "cache write" not in lines[0], "a column of which nothing is known is not shown"
    assert "nothing is known of: cache write\n" in said.stderr
    assert f"32,768  tools     {day} (in 20 days; the endpoint's list)" in row["lab/m1"]
    assert "openai (OPENAI_API_KEY)" in said.stderr
    assert "not running on this machine: ollama, lmstudio, vllm, llamacpp" in said.stderr
    assert (said.exit_code, lab.lists, lab.calls) == (0, 1, 0)
    run()
    assert lab.lists == 1, "it is asked once a day"
    run("--refresh")
    assert lab.lists == 2


def test_what_is_new_and_what_is_gone_is_said_for_a_month(shop: Path, lab: FaultyEndpoint) -> None:
    assert [item for item in document()["models"] if item["new"]] == [], "the first look"
    days_ago(shop, 2)
    lab.models = ["m1", "m3"]
    found = document()
    assert (lab.lists, of(found, "lab/m3")["new"], of(found, "lab/m1")["new"]) == (2, True, False)
    assert [(item["model"], item["used_by"]["prompts"]) for item in found["gone"]] == [
        ("lab/m2", ["x"])
    ]
    assert of(found, "lab/m2")["listed"] is False, "in use, so it is shown"
    assert of(found, "openai/gpt-4o")["listed"] is None, "nobody was asked"
    said = run("--new")
    assert [line.split()[0] for line in said.stdout.splitlines()[1:]] == ["lab/m3", "lab/m2"]
    assert "lab/m2 is no longer listed, since " in said.stdout
    assert said.stdout.rstrip().endswith("and it is in use")
    assert "not in its endpoint's list" in run("m2").stdout
    days_ago(shop, 31)
    found = document()
    assert (of(found, "lab/m3")["new"], found["gone"]) == (False, [])


def test_a_provider_or_a_text_chooses_and_a_wrong_one_names_the_nearest(shop: Path) -> None:
    assert {item["model"] for item in document("lab")["models"]} == {"lab/m1", "lab/m2"}
    table = run("anthropic").stdout
    assert "anthropic/claude" in table
    assert "lab/" not in table
    assert {item["model"] for item in document("M2")["models"]} >= {"lab/m2"}
    done = CliRunner().invoke(app, ["models", "lba"])
    assert "no model and no provider matches 'lba'" in str(done.exception)
    assert "'lab'" in str(done.exception)


def test_an_endpoint_that_does_not_answer_is_a_line(shop: Path) -> None:
    text = (shop / "pex.toml").read_text()
    (shop / "pex.toml").write_text(
        f'{text}[providers.dead]\nbase_url = "http://127.0.0.1:9/v1"\nfree = true\n'
    )
    said = run()
    assert said.exit_code == 0
    assert (
        "dead: the provider 'dead' cannot be reached: no connection to 127.0.0.1:9" in said.stderr
    )
    assert "lab/m1" in said.stdout


def test_a_hostile_list_is_shown_harmless(shop: Path, lab: FaultyEndpoint) -> None:
    lab.models = ["m2", "\x1b[31mred\x1b[0m\nlab/fake", "x" * 400]
    lab.facts["m2"] = {
        "shutdown_date": {"a": 1}, "capabilities": ["tools", "\x1b[2J"], "context_length": -5,
        "deprecation_replacement_model": ["m1"],
    }  # fmt: skip
    said = run("lab")
    assert "\x1b" not in said.stdout + said.stderr
    assert len(said.stdout.splitlines()) == 3
    row = of(document("lab"), "lab/m2")
    assert (row["supports"], row["stops"], row["context_tokens"]) == (["tools"], None, None)


def test_a_model_that_stops_is_warned_of_with_its_prompts(shop: Path) -> None:
    with (shop / "pex.toml").open("a") as file:
        file.write('[models."lab/m2"]\nstops = 2026-01-14\n')
    said = run()
    assert "warning: 1 prompt runs on lab/m2, which stopped " in said.stderr
    assert "pexlab adopt NEW_MODEL --baseline lab/m2" in said.stderr
    assert "2026-01-14 (has stopped; pex.toml)" in said.stdout
    assert "warning" not in run("openai").stderr
    assert document()["retiring"][0]["prompts"] == ["x"]
    listed = CliRunner().invoke(app, ["library", "list"], catch_exceptions=False)
    assert "warning: 1 prompt runs on lab/m2" in listed.stderr, "its file is not saved yet"

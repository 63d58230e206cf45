"""Which models can be named, and when an endpoint is asked for its list."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

import pex
from pex.project import keys
from pex.project.settings import load_settings
from pex.run import models
from pex.run.models import Models, Offer
from pex.run.providers import BUILT_IN
from tests.helpers.endpoint import FaultyEndpoint

KEY = "open-4711-sesame-b52"


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for provider in BUILT_IN.values():
        for name in filter(None, (provider.key_env, provider.base_url_env)):
            monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("LAB_KEY", raising=False)
    monkeypatch.setattr(models, "_failed", {})


@pytest.fixture
def locked(lab: FaultyEndpoint, project: Path) -> FaultyEndpoint:
    """The lab, which takes one key only."""
    lab.key = KEY
    with (project / "pex.toml").open("a") as file:
        file.write('api_key_env = "LAB_KEY"\n')
    return lab


def of(project: Path) -> Models:
    return Models(load_settings(project), project / ".pex")


def offer(project: Path, name: str = "lab", used: tuple[str, ...] = ()) -> Offer:
    return next(item for item in of(project).offers(used) if item.provider == name)


def names(found: Offer) -> list[str]:
    return [model.name for model in found.models]


def test_without_a_key_the_table_is_offered_and_nobody_is_asked(project: Path) -> None:
    assert of(project).due() == []
    found = offer(project, "openai")
    assert (found.state, found.variable, found.key_from) == ("needs key", "OPENAI_API_KEY", "")
    prices = {model.name: (model.price, model.context) for model in found.models}
    assert prices["gpt-4.1-mini"] == ("$0.40 / $1.60 per million", 1_000_000)
    other = [name for name in prices if "embedding" in name or name in ("whisper-1", "tts-1")]
    assert not other, "models of other APIs"
    assert all(name.startswith("gem") for name in names(offer(project, "gemini")))


def test_those_that_can_be_called_come_first(project: Path, lab: FaultyEndpoint) -> None:
    found = [item.provider for item in of(project).offers()]
    assert found[:3] == ["local", "lab", "openai"]
    assert found[-4:] == ["ollama", "lmstudio", "vllm", "llamacpp"]


def test_a_configured_endpoint_is_asked_once_a_day(
    project: Path, lab: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.models = ["m2", "models/m1", "image-reader"]
    assert names(offer(project)) == []
    assert lab.lists == 0
    assert of(project).due() == ["lab"]
    of(project).ask("lab")
    assert lab.lists == 1
    found = offer(project)
    assert (found.state, found.note, names(found)) == ("ready", "", ["image-reader", "m1", "m2"])
    assert {model.price for model in found.models} == {"free"}
    assert of(project).due() == []
    file = project / ".pex" / models.FILE
    kept = json.loads(file.read_text())
    kept["lab"]["at"] = (datetime.datetime.now(datetime.UTC) - models.KEPT).isoformat()
    file.write_text(json.dumps(kept))
    assert of(project).due() == ["lab"]


def test_models_of_other_apis_are_left_out_of_the_list_of_a_known_provider(
    project: Path, lab: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "pex.toml").write_text(f'[providers.openai]\nbase_url = "{lab.url}"\n')
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    lab.models = ["gpt-4.1-2025-04-14", "text-embedding-3-large", "whisper-1", "gpt-new"]
    of(project).ask("openai")
    found = {model.name: model.price for model in offer(project, "openai").models}
    assert found == {
        "gpt-4.1-2025-04-14": "$2.00 / $8.00 per million",
        "gpt-new": "no price known",
    }


def test_a_list_of_another_address_is_not_used(project: Path, lab: FaultyEndpoint) -> None:
    of(project).ask("lab")
    assert of(project).due() == []
    text = (project / "pex.toml").read_text().replace("127.0.0.1", "localhost")
    (project / "pex.toml").write_text(text)
    assert of(project).due() == ["lab"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"lab": 3}', '{"lab": {"at": "x"}}'])
def test_a_broken_file_of_lists_is_no_list(project: Path, lab: FaultyEndpoint, text: str) -> None:
    (project / ".pex").mkdir()
    (project / ".pex" / models.FILE).write_text(text)
    assert of(project).due() == ["lab"]
    of(project).ask("lab")
    assert names(offer(project)) == ["m1", "m2"]


def test_one_that_does_not_answer_is_a_note_and_is_not_asked_at_once_again(project: Path) -> None:
    (project / "pex.toml").write_text(
        '[providers.lab]\nbase_url = "http://127.0.0.1:9/v1"\nfree = true\n'
    )
    of(project).ask("lab")
    found = offer(project, used=("lab/m7",))
    assert found.state == "unreachable"
    assert "cannot be reached: no connection to 127.0.0.1:9" in found.note
    assert names(found) == ["m7"], "what is in use can be chosen all the same"
    assert of(project).due() == []


def test_one_that_lists_nothing_says_so(project: Path, lab: FaultyEndpoint) -> None:
    lab.models = []
    of(project).ask("lab")
    found = offer(project)
    assert (found.state, found.note) == ("ready", "does not list its models: type a name")


def test_without_its_key_an_endpoint_is_not_asked(project: Path, locked: FaultyEndpoint) -> None:
    of(project).ask("lab")
    assert (of(project).due(), locked.lists) == ([], 0)
    assert offer(project).state == "needs key"
    keys.enter("LAB_KEY", KEY)
    assert of(project).due() == ["lab"]
    of(project).ask("lab")
    found = offer(project)
    assert (found.state, found.key_from) == ("ready", "was entered in this kernel")
    assert names(found) == ["m1", "m2"]


def test_a_refused_key_is_said_until_another_one_is_taken(
    project: Path, locked: FaultyEndpoint
) -> None:
    keys.enter("LAB_KEY", "wrong-4711-sesame")
    of(project).ask("lab")
    found = offer(project)
    assert found.state == "refused"
    assert found.note == (
        "refuses the key: Incorrect API key: Bearer [redacted] (LAB_KEY was entered in this kernel)"
    )
    keys.enter("LAB_KEY", KEY)
    assert offer(project).state == "ready"
    of(project).ask("lab")
    assert names(offer(project)) == ["m1", "m2"]


def test_a_key_that_a_run_found_refused_is_refused_in_the_menu(
    project: Path, locked: FaultyEndpoint
) -> None:
    keys.enter("LAB_KEY", "wrong-4711-sesame")
    variants = pex.grid([pex.Prompt("{{ a }}", "p")], "lab/m1")
    with pytest.raises(pex.PexError, match="'lab' refuses the key") as said:
        pex.Experiment("e", variants, [{"a": "1"}], []).run(record=False)
    assert "LAB_KEY was entered in this kernel" in str(said.value)
    found = offer(project)
    assert found.state == "refused"
    assert "LAB_KEY was entered in this kernel" in found.note
    assert of(project).due() == ["lab"], "it may be taken by now"


def test_a_project_that_is_not_trusted_asks_nobody(
    project: Path, locked: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_KEY", KEY)
    monkeypatch.delenv("PEX_TRUST")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(project / "config"))
    assert of(project).due() == []
    of(project).ask("lab")
    found = offer(project)
    assert (found.state, locked.lists) == ("needs trust", 0)
    assert f"pexlab trust {project}" in found.note


def test_a_command_for_a_token_is_not_run_for_a_list(project: Path, lab: FaultyEndpoint) -> None:
    with (project / "pex.toml").open("a") as file:
        file.write(f"token_command = \"touch '{project / 'ran'}'\"\n")
    assert of(project).due() == []
    of(project).ask("lab")
    assert not (project / "ran").exists()
    assert "token_command runs only" in offer(project).note


def test_a_server_of_this_machine_is_asked_only_on_request(
    project: Path, lab: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "vllm" not in of(project).due()
    assert offer(project, "vllm").state == "unasked"
    monkeypatch.setenv("VLLM_BASE_URL", lab.url)
    assert "vllm" in of(project).due()
    of(project).ask("vllm")
    assert names(offer(project, "vllm")) == ["m1", "m2"]


def test_prices_of_pex_toml_come_first_and_their_models_are_listed(
    project: Path, lab: FaultyEndpoint
) -> None:
    with (project / "pex.toml").open("a") as file:
        file.write('[prices."openai/my-tune"]\ninput_usd_per_million = 0.075\n')
        file.write("output_usd_per_million = 12\n")
    first = offer(project, "openai").models[0]
    assert (first.name, first.price) == ("my-tune", "$0.075 / $12.00 per million")

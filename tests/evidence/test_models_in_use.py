"""Which models a project uses, and the warnings before one of them stops."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import pex
from pex.cli.commands import app
from pex.evidence.models_in_use import ModelUse, models_in_use
from pex.evidence.retiring_models import RetiringModel, retiring_models
from pex.project.settings import load_settings
from pex.run.kept_lists import keep_list
from pex.run.model_list import EndpointModel
from pex.run.retirement import Retirement
from tests.helpers.endpoint import FaultyEndpoint

TODAY = datetime.date(2027, 1, 1)
DAY = datetime.date(2027, 1, 14)


@pytest.fixture
def shop(project: Path, lab: FaultyEndpoint) -> Path:
    """Two experiments, three prompt files, a judge; `lab/m1` and `lab/m2` are used."""
    write(project, "prompts/refund.prompty", "---\nname: refund\n---\nRefund {{ q }}\n")
    own = "---\nname: tone\nmodel: {id: m2, provider: lab}\n---\nTone {{ q }}\n"
    write(project, "prompts/tone.prompty", own)
    write(project, "experiments/a/cases.csv", "q\nx\n")
    write(project, "experiments/a/experiment.yaml", (
        "name: a\ncases: cases.csv\nprompts: [../../prompts/refund.prompty, own.prompty]\n"
        "models: [lab/m1]\n"
        "scorers: [{name: polite, kind: judge, prompt: judge.prompty, model: lab/m3}]\n"
    ))  # fmt: skip
    write(project, "experiments/b/experiment.yaml", (
        "name: b\ncases: cases.csv\n"
        "variants: [{prompt: ../../prompts/tone.prompty}, "
        "{prompt: ../../prompts/refund.prompty, model: lab/m4}]\n"
    ))  # fmt: skip
    write(project, "experiments/broken/experiment.yaml", "name: [\n")
    return project


def write(project: Path, name: str, text: str) -> None:
    (project / name).parent.mkdir(parents=True, exist_ok=True)
    (project / name).write_text(text)


def uses(project: Path) -> dict[str, ModelUse]:
    return models_in_use(project, load_settings(project))


def test_prompts_count_by_their_experiments_and_by_their_own_model(shop: Path) -> None:
    assert uses(shop) == {
        "lab/m1": ModelUse("lab/m1", ("own", "refund"), ("a",)),
        "lab/m2": ModelUse("lab/m2", ("tone",), ("b",)),
        "lab/m3": ModelUse("lab/m3", (), ("a",), ("polite in a",)),
        "lab/m4": ModelUse("lab/m4", ("refund",), ("b",)),
    }


def test_released_versions_count_also_under_the_alias_of_one_model(shop: Path) -> None:
    pex.library.save(pex.Prompt("Bill {{ q }}", "bill", model="lab/m5"), alias="champion")
    pex.library.save(pex.Prompt("Bill! {{ q }}", "bill", model="lab/m6"))
    pex.library.save(pex.Prompt("Bills {{ q }}", "bill"), alias="champion--m1")
    found = uses(shop)
    assert "lab/m5" not in found, "nothing is called: the registry has not been read yet"
    CliRunner().invoke(app, ["library", "list"])
    found = uses(shop)
    assert found["lab/m5"].prompts == ("bill",)
    assert found["lab/m1"].prompts == ("bill", "own", "refund")
    assert "lab/m6" not in found, "no alias names this version"


def test_a_warning_says_which_when_who_says_so_and_what_to_do(
    shop: Path, lab: FaultyEndpoint
) -> None:
    with (shop / "pex.toml").open("a") as file:
        file.write('[models."lab/m3"]\nstops = 2026-12-30\n[models."lab/m2"]\nstops = 2027-03-03\n')
    listed = [EndpointModel("m1", stops=DAY, successor="m9")]
    at = datetime.datetime(2026, 12, 31, 12).astimezone()
    keep_list(shop / ".pex", "lab", lab.url, listed, at)
    found = retiring_models(shop, load_settings(shop), today=TODAY)
    assert [(item.ref, item.days_left) for item in found] == [("lab/m3", -2), ("lab/m1", 13)]
    assert found[0].sentence == (
        "1 judge runs on lab/m3, which stopped 2 days ago (30 December 2026), according to "
        "pex.toml: polite in a."
    )
    assert found[0].advice == "Give the judge another model, and calibrate it again."
    assert found[1].sentence == (
        "2 prompts run on lab/m1, which stops in 13 days (14 January 2027), according to the "
        "endpoint's list of 31 Dec 2026: own, refund."
    )
    assert found[1].command == "pexlab adopt lab/m9 --baseline lab/m1"
    assert lab.lists == 0
    later = retiring_models(shop, load_settings(shop), today=TODAY, within=61)
    assert [item.ref for item in later] == ["lab/m3", "lab/m1", "lab/m2"]


def test_a_deprecated_model_without_a_day_comes_last_and_many_prompts_are_counted() -> None:
    use = ModelUse("openai/x", tuple(f"p{number}" for number in range(7)), (), ("j in a",))
    found = RetiringModel(use, Retirement("openai/x", None, "genai-prices"), TODAY)
    assert found.sentence == (
        "7 prompts and 1 judge run on openai/x, which is deprecated (no date is known), according "
        "to genai-prices: p0, p1, p2, p3, p4 and 3 more."
    )
    assert found.advice.endswith("pexlab adopt NEW_MODEL --baseline openai/x")
    assert found.to_json()["days_left"] is None


def test_library_list_and_the_doctor_say_it(shop: Path, lab: FaultyEndpoint) -> None:
    soon = datetime.date.today() + datetime.timedelta(days=13)
    with (shop / "pex.toml").open("a") as file:
        file.write(f'[models."lab/m1"]\nstops = {soon}\n')
    said = CliRunner().invoke(app, ["library", "list"])
    assert "warning: 2 prompts run on lab/m1, which stops in 13 days (" in said.stderr
    assert "pexlab adopt NEW_MODEL --baseline lab/m1" in said.stderr
    assert "lab/m1" not in said.stdout
    assert lab.lists == 0, "a list of the library asks no endpoint"
    rows = json.loads(CliRunner().invoke(app, ["library", "list", "--json"]).stdout)
    by_name = {row["name"]: row["retiring_models"] for row in rows}
    assert by_name["tone"] == []
    assert by_name["refund"] == [
        {"model": "lab/m1", "stops": str(soon), "days_left": 13, "source": "pex.toml"}
    ]
    other = CliRunner().invoke(app, ["library", "list", "tone"])
    assert "warning" not in other.stderr, "its prompts are not among those that are listed"
    lab.facts["m2"] = {"shutdown_date": str(soon)}
    found = json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)["findings"]
    texts = {item["what"]: item["found"] for item in found if item["state"] == "problem"}
    assert texts["lab/m1"].startswith("2 prompts run on lab/m1, which stops in 13 days")
    assert "according to the endpoint's list of" in texts["lab/m2"]


def test_a_card_says_it_with_the_date_on_the_page_and_as_text(shop: Path) -> None:
    soon = datetime.date.today() + datetime.timedelta(days=13)
    with (shop / "pex.toml").open("a") as file:
        file.write(f'[models."lab/m1"]\nstops = {soon}\n')
    line = f"lab/m1 stops on {soon.day} {soon:%B %Y}, according to pex.toml."
    card = pex.card("refund")
    assert f"<strong>Its model stops:</strong> {line}" in card.html
    assert f"**Its model stops:** {line}" in card.markdown
    assert "stops" not in pex.card("tone").markdown

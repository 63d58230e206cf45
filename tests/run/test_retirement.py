"""When a model stops: from pex.toml, from the endpoint's list, from the price table."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

import pex
from pex.project.settings import load_settings
from pex.run import retirement
from pex.run.kept_lists import FILE, keep_list, read_lists
from pex.run.model_list import EndpointModel, read_list
from pex.run.models import Models
from pex.run.retirement import Retirement, retirement_of, stops_on
from tests.helpers.endpoint import FaultyEndpoint

DAY = datetime.date(2027, 1, 14)
NOW = datetime.datetime(2026, 11, 30, 8, tzinfo=datetime.UTC)


def of(project: Path, ref: str) -> Retirement | None:
    return retirement_of(ref, load_settings(project), project / ".pex")


def add(project: Path, text: str) -> None:
    with (project / "pex.toml").open("a") as file:
        file.write(text)


@pytest.mark.parametrize("written", ["2027-01-14", '"2027-01-14"'])
def test_pex_toml_says_it_first(project: Path, lab: FaultyEndpoint, written: str) -> None:
    add(project, f'[models."lab/m1"]\nstops = {written}\n')
    lab.facts["m1"] = {"shutdown_date": "2027-06-01"}
    Models(load_settings(project), project / ".pex").ask("lab")
    assert of(project, "lab/m1") == Retirement("lab/m1", DAY, "pex.toml")
    assert stops_on("lab/m1", load_settings(project), project / ".pex") == DAY
    assert of(project, "lab/m2") is None


@pytest.mark.parametrize("written", ["20270114", '"soon"', "2027-01-14T09:00:00", "true", "[1]"])
def test_what_is_not_a_date_is_refused_with_its_line(project: Path, written: str) -> None:
    add(project, f'[models."openai/gpt-4o"]\nreasoning_tags = []\nstops = {written}\n')
    with pytest.raises(pex.PexError, match=r"pex.toml, line 3: .*stops: expected a date") as said:
        load_settings(project)
    assert "such as 2027-01-14" in said.value.message


@pytest.mark.parametrize(
    "said",
    [
        {"shutdown_date": "2027-01-14"},
        {"shutdown_date": 1799884800},
        {"shutdown_date": "1799884800"},
        {"shutdown_date": 1799884800000},
        {"shutdown_date": "soon", "deprecation": "2027-01-14T12:00:00Z"},
        {"shutdown_date": None, "expiration_date": "2027-01-14"},
    ],
)
def test_the_endpoints_list_says_it_in_several_ways(
    project: Path, lab: FaultyEndpoint, said: dict[str, object]
) -> None:
    lab.facts["m1"] = said
    Models(load_settings(project), project / ".pex").ask("lab")
    found = of(project, "lab/m1")
    assert found is not None
    assert found.day == DAY
    assert found.source.startswith("the endpoint's list of ")
    assert lab.lists == 1


@pytest.mark.parametrize("said", [None, "", 0, -5, True, [], {}, "tomorrow", 1e300, "0001-01-01"])
def test_what_cannot_be_read_is_unknown(said: object) -> None:
    assert read_list({"data": [{"id": "m", "shutdown_date": said}]})[0].stops is None


def test_a_list_of_another_address_says_nothing(project: Path, lab: FaultyEndpoint) -> None:
    keep_list(project / ".pex", "lab", "http://elsewhere/v1", [EndpointModel("m1", stops=DAY)])
    assert of(project, "lab/m1") is None


def test_a_date_holds_longer_than_the_list_is_kept(project: Path, lab: FaultyEndpoint) -> None:
    model = EndpointModel("m1", stops=DAY, successor="m9")
    keep_list(project / ".pex", "lab", lab.url, [model], NOW - datetime.timedelta(days=40))
    found = of(project, "lab/m1")
    assert found is not None
    assert (found.day, found.successor) == (DAY, "m9")


def test_the_price_table_knows_no_day(project: Path) -> None:
    from genai_prices.data_snapshot import get_snapshot

    models = {
        f"mistral/{model.id}"
        for provider in get_snapshot().providers
        for model in provider.models
        if provider.id == "mistral" and model.deprecated
    }
    assert models, "the table has no deprecated model of Mistral: choose another provider"
    found = of(project, min(models))
    assert found is not None
    assert (found.day, found.source) == (None, "genai-prices")
    assert found.is_near(NOW.date())


def test_the_warnings_begin_sixty_days_before() -> None:
    found = Retirement("lab/m1", DAY, "pex.toml")
    days = [DAY - datetime.timedelta(days=left) for left in (61, 60, 0, -100)]
    assert [found.is_near(day) for day in days] == [False, True, True, True]
    assert found.when(DAY + datetime.timedelta(days=100)) == (
        "stopped 100 days ago (14 January 2027)"
    )
    assert retirement.WARN_DAYS == 60


def test_the_first_list_has_nothing_new_and_later_ones_do(project: Path) -> None:
    state = project / ".pex"
    one, two, three = (EndpointModel(name) for name in ("m1", "m2", "m3"))
    keep_list(state, "lab", "here", [one, two], NOW)
    kept = read_lists(state)["lab"]
    assert [kept.appeared(name) for name in ("m1", "m2", "m3")] == [None, None, None]
    later = NOW + datetime.timedelta(days=1)
    keep_list(state, "lab", "here", [two, three], later)
    keep_list(state, "lab", "here", [two, three], later + datetime.timedelta(days=1))
    kept = read_lists(state)["lab"]
    assert [kept.appeared(name) for name in ("m1", "m2", "m3")] == [None, None, later]
    assert dict(kept.gone) == {"m1": later}
    back = later + datetime.timedelta(days=2)
    keep_list(state, "lab", "here", [one, two, three], back)
    kept = read_lists(state)["lab"]
    assert (kept.appeared("m1"), dict(kept.gone)) == (None, {}), "it is not new: it was there"
    keep_list(state, "lab", "elsewhere", [EndpointModel("m4")], back)
    kept = read_lists(state)["lab"]
    assert (kept.appeared("m4"), dict(kept.gone)) == (None, {}), "another endpoint begins anew"


def test_a_list_of_an_earlier_version_has_nothing_new(project: Path) -> None:
    (project / ".pex").mkdir()
    old = {"lab": {"at": NOW.isoformat(), "place": "here", "models": ["m1"]}}
    (project / ".pex" / FILE).write_text(json.dumps(old))
    later = NOW + datetime.timedelta(hours=30)
    models = [EndpointModel("m1"), EndpointModel("m2", supports=("tools",))]
    keep_list(project / ".pex", "lab", "here", models, later)
    kept = read_lists(project / ".pex")["lab"]
    assert (kept.appeared("m1"), kept.appeared("m2")) == (None, later)
    assert kept.models[1].supports == ("tools",)


def test_what_endpoints_support_is_only_what_they_say() -> None:
    listed = [
        {"id": "silent"},
        {"id": "mistral", "capabilities": {"function_calling": True, "vision": False},
         "max_context_length": 32768},
        {"id": "openrouter", "supported_parameters": ["tools", "top_k", "structured_outputs"],
         "architecture": {"input_modalities": ["text", "image"]}, "context_length": 128000,
         "top_provider": {"max_completion_tokens": 4096}},
        {"id": "anthropic", "capabilities": {"image_input": {"supported": True},
                                             "batch": {"supported": False}}},
        {"id": "odd", "capabilities": "everything", "context_window": "many", "created": "?"},
    ]  # fmt: skip
    found = {model.name: model for model in read_list({"data": listed})}
    assert found["silent"] == EndpointModel("silent")
    assert (found["mistral"].supports, found["mistral"].context) == (("tools",), 32768)
    assert found["openrouter"].supports == ("images", "JSON schema", "tools")
    assert (found["openrouter"].context, found["openrouter"].answer) == (128000, 4096)
    assert found["anthropic"].supports == ("images",)
    assert found["odd"] == EndpointModel("odd")


def test_an_entry_without_a_name_is_left_out_and_a_list_of_such_is_no_list() -> None:
    odd = ["m0", None, 7, {}, {"id": None}, {"id": 5}, {"id": " "}, {"id": "x" * 301}]
    assert [model.name for model in read_list({"data": [*odd, {"id": "m1"}]})] == ["m1"]
    assert read_list({"data": []}) == []
    for nonsense in ({"data": odd}, {"data": None}, {"data": {"id": "m1"}}, {"models": []}, []):
        with pytest.raises((KeyError, TypeError)):
            read_list(nonsense)

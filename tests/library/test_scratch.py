"""Prompts that runs registered, as earlier versions did, apart from what a person saved."""

import mlflow

import pex
from pex.library import listing, registry, scratch
from pex.library.content import encode
from pex.library.registry_api import add
from tests.helpers.registered import registered_by_a_run


def names(uri: str) -> list[str]:
    return list(pex.library.list()["name"])


def test_what_only_runs_registered_is_tagged_and_not_listed(uri: str) -> None:
    scratch._settled.clear()
    client = mlflow.MlflowClient(uri)
    for text in ("One {{ x }}", "Two {{ x }}"):
        registered_by_a_run(uri, pex.Prompt(text, "short"))
    registered_by_a_run(uri, pex.Prompt("Noted {{ x }}", "noted"), note="by hand")
    registered_by_a_run(uri, pex.Prompt("Later {{ x }}", "noted"))
    registered_by_a_run(uri, pex.Prompt("Mine {{ x }}", "chosen"))
    client.set_prompt_alias("chosen", "champion", 1)
    client.register_prompt("plain", "Hey")
    mine = pex.Prompt("Mine {{ x }}", "mine")
    add(client, uri, "mine", mine, encode(mine))  # saved by an earlier version, never run
    assert names(uri) == ["chosen", "mine", "plain"]  # by the entries alone
    registry.saved_versions(uri, [])
    assert names(uri) == ["chosen", "mine", "noted", "plain"]
    assert list(pex.library.list(scratch=True)["name"]) == [
        "chosen", "mine", "noted", "plain", "short",
    ]  # fmt: skip
    assert client.get_prompt("short").tags["pex.scratch"] == "true"
    assert client.get_prompt("mine").tags["pex.saved"] == "true"
    registered_by_a_run(uri, mine)
    assert "mine" in names(uri)  # tagged before a run linked it
    shown = {entry.name: entry.scratch for entry in listing.entries(client, uri)}
    assert [name for name, hidden in shown.items() if hidden] == ["short"]
    pex.library.save(pex.Prompt("One {{ x }}", "short"))
    assert "short" in names(uri)


def test_only_what_nobody_saved_is_deleted(uri: str) -> None:
    for text in ("One {{ x }}", "Two {{ x }}"):
        registered_by_a_run(uri, pex.Prompt(text, "short"))
    pex.library.save(pex.Prompt("Kept {{ x }}", "kept"))
    prompts = scratch.scratch_prompts(uri)
    assert [(item.name, sorted(item.versions)) for item in prompts] == [("short", [1, 2])]
    scratch.delete_prompts(uri, prompts)
    assert list(pex.library.list(scratch=True)["name"]) == ["kept"]

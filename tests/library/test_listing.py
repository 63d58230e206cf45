"""The prompts of a real registry, all at once."""

import mlflow

import pex
from pex.library.listing import editions, entries, versions_of
from pex.library.registry import link

HI = pex.Prompt("Hi {{ name }}", name="hi", description="Greets.", model="local/smollm2")
HO = pex.Prompt("Ho {{ name }}", name="hi")


def test_entries_have_the_newest_version_the_aliases_and_the_experiments(uri: str) -> None:
    pex.library.save(HO)
    pex.library.save(HI, alias="champion")
    pex.library.save(pex.Prompt("x", name="A"))
    client = mlflow.MlflowClient(uri)
    client.create_registered_model("model")
    client.create_prompt("bare")
    experiment = client.create_experiment("trial")
    link(client, client.create_run(experiment).info.run_id, [("hi", 1)])
    found = entries(client, uri)
    assert [entry.name for entry in found] == ["A", "hi"]
    assert (found[1].version, found[1].aliases) == (2, {"champion": 2})
    assert (found[1].model, found[1].experiments) == ("local/smollm2", (experiment,))


def test_more_versions_than_a_page_of_mlflow_come_newest_first(uri: str) -> None:
    client = mlflow.MlflowClient(uri)
    client.create_prompt("many")
    for number in range(103):
        client.create_prompt_version("many", f"text {number}")
    found, _, _ = editions(client, uri, "many")
    assert [item.version for item in found] == list(range(103, 0, -1))


def test_a_prompt_is_found_as_the_version_that_is_the_same(uri: str) -> None:
    pex.library.save(HI)
    pex.library.save(HO)
    client = mlflow.MlflowClient(uri)
    there = {entry.name: entry for entry in entries(client, uri)}
    other = pex.Prompt("Hey {{ name }}", name="hi")
    too_long = pex.Prompt("x" * 200_000, name="hi")
    asked = [HI, HO, other, too_long, pex.Prompt("x", name="nowhere")]
    assert versions_of(client, uri, asked, there) == [1, 2, None, None, None]

"""The index of a registry: what it holds, and that it is brought up to date by what changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

import pex
from pex.library import registry_tables
from pex.library.index import LibraryIndex
from tests.helpers.many_prompts import fill, prompt_of
from tests.helpers.mlflow_server import MlflowServer
from tests.helpers.postgres import postgres


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.postgres),
        pytest.param("server", marks=pytest.mark.slow),
    ]
)
def registry(request: pytest.FixtureRequest, uri: str, tmp_path: Path) -> Iterator[str]:
    """A registry of each kind: a file, a database server, a server of MLflow."""
    if request.param == "sqlite":
        yield uri
    elif request.param == "postgresql":
        with postgres() as address:
            yield address.replace(":", "+pg8000:", 1)
    else:
        (tmp_path / "server").mkdir()
        server = MlflowServer(tmp_path / "server")
        server.start()
        yield server.uri
        server.kill()


def save(uri: str, text: str, name: str = "refund", **options: str) -> pex.library.Version:
    front = f"---\nname: {name}\nmetadata: {{owner: ada}}\n---\n"
    prompt = pex.Prompt.parse(front + text, "made", name)
    return pex.library.save(prompt, tracking_uri=uri, **options)


def test_it_follows_the_registry(project: Path, registry: str) -> None:
    index = LibraryIndex(project, registry)
    index.refresh()
    assert index.prompts() == []
    save(registry, "Answer {{ mail }}", note="first")
    save(registry, "Reply to {{ mail }}", alias="champion")
    save(registry, "Say {{ word }}", name="other")
    mlflow.MlflowClient(registry, registry).set_prompt_tag("other", "team", "a")
    index.refresh()
    other, refund = index.prompts()
    assert (other.name, other.tags["team"], other.aliases) == ("other", "a", {})
    assert [item.version for item in refund.versions] == [2, 1]
    assert refund.aliases == {"champion": 2}
    assert refund.versions[1].note == "first"
    assert refund.text == "Reply to {{ mail }}"
    assert refund.words == {"owner": "ada"}
    assert refund.newest.sha256 is not None
    assert refund.version_with(refund.newest.sha256) == 2

    client = mlflow.MlflowClient(registry, registry)
    client.set_prompt_alias("refund", "champion", 1)
    client.delete_prompt_version("other", "1")
    client.delete_prompt("other")
    index.refresh()
    [refund] = index.prompts()
    assert refund.aliases == {"champion": 1}
    client.delete_prompt_version("refund", "2")
    index.refresh()
    assert [item.version for item in index.prompts()[0].versions] == [1]


def test_a_prompt_of_plain_mlflow_is_there_too(project: Path, uri: str) -> None:
    client = mlflow.MlflowClient(uri, uri)
    client.create_prompt("plain", description="by hand")
    client.create_prompt_version("plain", "Say {{ word }}")
    index = LibraryIndex(project, uri)
    index.refresh()
    [plain] = index.prompts()
    assert (plain.description, plain.text, plain.newest.sha256) == (
        "by hand",
        "Say {{ word }}",
        None,
    )
    assert plain.words == {}


def test_what_has_not_changed_is_not_read_again(
    project: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(uri, 30, 3)
    index = LibraryIndex(project, uri)
    index.refresh()
    assert len(index.prompts()) == 30
    read: list[str] = []
    versions = registry_tables.DatabaseTables.versions

    def counted(self: registry_tables.DatabaseTables, names: list[str]) -> object:
        read.extend(names)
        return versions(self, names)

    monkeypatch.setattr(registry_tables.DatabaseTables, "versions", counted)
    index.refresh()
    assert read == []
    pex.library.save(prompt_of(7, 4), tracking_uri=uri)
    index.refresh()
    assert read == ["prompt-0007"]
    assert index.prompts()[7].newest.version == 4


def test_bulk_filling_writes_what_saving_would(project: Path, uri: str) -> None:
    fill(uri, 1, 2)
    assert pex.library.load("prompt-0000/2", tracking_uri=uri) == prompt_of(0, 2)
    assert pex.library.save(prompt_of(0, 2), tracking_uri=uri).new is False


def test_a_damaged_index_or_one_of_another_version_is_made_again(project: Path, uri: str) -> None:
    save(uri, "Answer {{ mail }}")
    index = LibraryIndex(project, uri)
    index.refresh()
    index.path.write_bytes(b"not a database" * 100)
    index.refresh()
    assert [item.name for item in index.prompts()] == ["refund"]
    with sqlite3.connect(index.path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    index.refresh()
    assert [item.name for item in index.prompts()] == ["refund"]


def test_a_version_whose_text_was_changed_in_mlflow_says_so(project: Path, uri: str) -> None:
    save(uri, "Answer {{ mail }}")
    client = mlflow.MlflowClient(uri, uri)
    client.set_prompt_version_tag("refund", "1", "pex.text.1", "something else")
    index = LibraryIndex(project, uri)
    index.refresh()
    assert "is not the one that was saved" in index.prompts()[0].problem


def test_looking_creates_no_store(project: Path) -> None:
    index = LibraryIndex(project, f"sqlite:///{project / 'mlruns' / 'mlflow.db'}")
    index.refresh()
    assert index.prompts() == []
    assert not (project / "mlruns").exists()

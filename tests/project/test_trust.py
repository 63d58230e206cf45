"""What is trusted is kept outside the projects, for its owner alone, and for exactly that."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import pex
from pex.project.trust import (
    Part,
    TrustError,
    fingerprint,
    is_trusted,
    place,
    shown,
    trust,
    trust_places,
    trusts_place,
)

ONE = Part("providers.lab", "base_url", "LAB_KEY …", {"base_url": "https://a", "key": "LAB_KEY"})
OTHER = Part("providers.lab", "base_url", "LAB_KEY …", {"base_url": "https://b", "key": "LAB_KEY"})


@pytest.fixture(autouse=True)
def nobody_is_trusted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PEX_TRUST")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_trust_is_for_one_project_and_for_what_was_shown(tmp_path: Path) -> None:
    here, there = tmp_path / "a", tmp_path / "b"
    assert not is_trusted(here, [ONE])
    trust(here, [ONE])
    assert is_trusted(here, [ONE])
    assert is_trusted(tmp_path / "b" / ".." / "a", [ONE])
    assert not is_trusted(here, [OTHER])
    assert not is_trusted(here, [ONE, OTHER])
    assert not is_trusted(there, [ONE])
    assert is_trusted(there, []), "where nothing is directed there is nothing to trust"


def test_words_and_order_are_not_what_is_trusted() -> None:
    said = Part("providers.lab", "headers", "in other words", dict(reversed(ONE.data.items())))
    assert fingerprint([said, OTHER]) == fingerprint([OTHER, ONE])


def test_the_file_is_its_owners_and_can_be_read(tmp_path: Path) -> None:
    trust(tmp_path / "a", [ONE])
    assert place() == tmp_path / "config" / "pexlab" / "trust.json"
    assert stat.S_IMODE(place().stat().st_mode) == 0o600
    entry = json.loads(place().read_text())[str(tmp_path / "a")]
    assert entry["what"] == [ONE.text]
    assert entry["fingerprint"] == fingerprint([ONE])


def test_many_at_once_lose_nothing(tmp_path: Path) -> None:
    projects = [tmp_path / str(number) for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda project: trust(project, [ONE]), projects))
    assert all(is_trusted(project, [ONE]) for project in projects)
    assert [path.name for path in place().parent.iterdir() if path.suffix == ".tmp"] == []


@pytest.mark.parametrize(
    ("value", "one", "other"),
    [("1", True, True), ("", False, False), ("0", False, False), (fingerprint([ONE]), True, False)],
)
def test_the_environment(
    value: str, one: bool, other: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PEX_TRUST", value)
    assert is_trusted(tmp_path, [ONE]) is one
    assert is_trusted(tmp_path, [OTHER]) is other


@pytest.mark.parametrize("text", ["{", "[]", '{"/a": 1}', "\udce9"])
def test_a_file_that_cannot_be_read_is_an_error(text: str, tmp_path: Path) -> None:
    place().parent.mkdir(parents=True)
    place().write_bytes(text.encode("utf-8", "surrogateescape"))
    for act in (lambda: is_trusted(tmp_path, [ONE]), lambda: trust(tmp_path, [ONE])):
        with pytest.raises(
            pex.PexError, match=r"trust\.json: the list of trusted projects cannot be read"
        ):
            act()


def test_a_configuration_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("a file")
    with pytest.raises(pex.PexError, match="cannot be saved"):
        trust(tmp_path, [ONE])


def test_places_of_a_record(tmp_path: Path) -> None:
    trust_places(tmp_path / "mlflow.db", ["s3://bucket"])
    assert trusts_place(tmp_path / "mlflow.db", "s3://bucket")
    assert not trusts_place(tmp_path / "mlflow.db", "s3://other")
    assert not trusts_place(tmp_path / "other.db", "s3://bucket")


def test_a_refusal_says_what_where_and_how_to_allow_it() -> None:
    error = TrustError(Path("/p/my lab"), [f"/p/my lab/pex.toml, {ONE.text}"])
    assert error.exit_code == 2
    assert str(error) == (
        "/p/my lab/pex.toml, [providers.lab] base_url: LAB_KEY …: this project is not trusted on "
        "this machine\n  if you know who made it, allow it with  pexlab trust '/p/my lab'  "
        "(in CI: PEX_TRUST=1)"
    )


@pytest.mark.parametrize("text", ["\x1b[2J", "a\rb", "\u202e", "\u200b", "\x9b31m", "a\nb", "\x07"])
def test_nothing_that_is_shown_hides(text: str) -> None:
    assert shown(text).isprintable()
    assert len(shown("x" * 10_000)) < 400

"""Who saved a version and who moved an alias, in a real registry."""

import getpass
import os

import mlflow
import pytest

import pex
from pex.core.user_name import user_name
from pex.library.alias_history import moves
from pex.library.listing import editions
from pex.library.registry_api import card_of

HI = pex.Prompt("Hi {{ name }}", name="hi")
HO = pex.Prompt("Ho {{ name }}", name="hi")


def test_a_version_says_who_saved_it_and_an_alias_who_moved_it(uri: str) -> None:
    pex.library.save(HI, alias="champion")
    pex.library.save(HO, alias="candidate")
    pex.library.set_alias("hi", "champion", 2)
    found, moved, aliases = editions(mlflow.MlflowClient(uri), uri, "hi")
    assert [(item.version, item.by) for item in found] == [(2, user_name()), (1, user_name())]
    assert aliases == {"champion": 2, "candidate": 2}
    assert (moved["champion"].by, moved["champion"].before) == (user_name(), 1)
    assert moved["candidate"].before is None


def test_pointing_an_alias_where_it_points_is_no_move(uri: str) -> None:
    pex.library.save(HI, alias="champion")
    pex.library.save(HO, alias="champion")
    pex.library.set_alias("hi", "champion", 2)
    assert editions(mlflow.MlflowClient(uri), uri, "hi")[1]["champion"].before == 1


def test_a_move_by_plain_mlflow_has_no_name(uri: str) -> None:
    pex.library.save(HI, alias="champion")
    pex.library.save(HO)
    client = mlflow.MlflowClient(uri)
    client.set_prompt_alias("hi", "champion", 2)
    card = card_of(client, uri, "hi")
    assert moves(card.tags, card.aliases) == {}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"at": 1}', '{"at": "x"}', "\x00"])
def test_a_tag_that_says_something_else_is_no_move(text: str) -> None:
    assert moves({"pex.alias.a": text}, {"a": 1}) == {}


def test_a_machine_without_users_has_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    monkeypatch.delenv("JUPYTERHUB_USER", raising=False)
    assert user_name() == f"uid {os.getuid()}"

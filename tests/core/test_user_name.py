"""A user without a name, as in a container that runs under any number, can do everything."""

import getpass
import os
from pathlib import Path

import pytest

import pex
from pex.core.user_name import user_name
from tests.helpers.endpoint import FaultyEndpoint


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> str:
        raise KeyError("getpwuid(): uid not found: 54321")

    monkeypatch.setattr(getpass, "getuser", fails)
    for name in ("JUPYTERHUB_USER", "USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)


def test_the_number_stands_for_the_name(nobody: None) -> None:
    assert user_name() == f"uid {os.getuid()}"


@pytest.mark.parametrize(
    ("name", "shown"),
    [("ada", "ada"), ("Zoë", "Zoë"), ("a\udce9", "a\N{REPLACEMENT CHARACTER}"), ("  ada ", "ada")],
)
def test_the_hub_knows_the_name(name: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_USER", name)
    assert user_name() == shown


def test_a_run_is_recorded_rated_and_kept_in_the_library(
    nobody: None, lab: FaultyEndpoint, project: Path
) -> None:
    prompts = [pex.Prompt("{{ word }}", name="echo"), pex.Prompt("Say {{ word }}", name="say")]
    exp = pex.Experiment("one", pex.grid(prompts, "lab/m1"), [{"word": "x"}], ["length"])
    results = exp.run(show=False, traces="none")
    assert len(pex.load_run(results.run_id).frame) == 2
    saved = pex.library.save(prompts[0], alias="champion")
    assert saved is not None
    assert results.rate() is not None

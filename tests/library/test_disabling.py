"""A disabled version is never served again."""

import functools
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import pex
from pex.core.errors import PexError
from pex.library import registry_lock
from pex.tracking.store import connect
from tests.helpers.command import pexlab
from tests.helpers.served import forget, until

ONE, TWO, THREE = (pex.Prompt(f"{{{{ word }}}}, version {n}.", "hi") for n in (1, 2, 3))
load = functools.partial(pex.library.load, timeout_s=60.0)


@pytest.fixture(autouse=True)
def new_process() -> Iterator[None]:
    forget()
    yield
    forget()


@pytest.fixture
def saved(uri: str) -> str:
    """Three versions, each of which has been champion; the third is."""
    for prompt in (ONE, TWO, THREE):
        pex.library.save(prompt, alias="champion")
    forget()
    return uri


def test_the_version_that_the_alias_had_before_is_served_at_once(saved: str) -> None:
    assert load("hi@champion").origin == "hi/3"
    pex.library.disable("hi", 3, "it invents refunds")
    assert load("hi@champion").origin == "hi/2"
    assert load("hi").origin == "hi/2"
    pex.library.disable("hi", 2, "so does this one")
    assert load("hi@champion").origin == "hi/1"
    pex.library.enable("hi", 3)
    assert load("hi@champion").origin == "hi/3"


def test_who_when_and_why_are_said(saved: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_USER", "ada")
    pex.library.disable("hi", 3, "it invents refunds")
    with pytest.raises(PexError, match=r"version 3 was disabled by ada on 20.* UTC: it invents re"):
        load("hi/3")
    forget()
    with pytest.raises(PexError, match=r"disabled by ada on 20.*: it invents refunds"):
        load("hi/3")
    assert load("hi/3", fallback=ONE).source == "fallback"
    pex.library.save(ONE, name="one", alias="champion")
    pex.library.disable("one", 1, "no")
    with pytest.raises(PexError, match="'one@champion' is version 1, which was disabled by ada"):
        load("one@champion")


def test_elsewhere_it_is_not_served_as_last_known_good(saved: str, project: Path) -> None:
    assert load("hi@champion", ttl_s=0.5).origin == "hi/3"
    client = connect(saved)  # another machine: it does not know of this project's cache
    client.set_prompt_version_tag("hi", 3, "pex.disabled", json.dumps({"by": "bob"}))
    client.set_prompt_tag("hi", "pex.disabled", "[3]")
    until(lambda: load("hi@champion", ttl_s=0.5).origin == "hi/2")
    forget()
    Path(saved.removeprefix("sqlite:///")).unlink()
    assert (load("hi@champion").origin, load("hi@champion").source) == ("hi/2", "memory")
    with pytest.raises(PexError, match="was disabled by bob"):
        load("hi/3")


def test_a_line_that_git_brought_holds_without_a_registry(saved: str, project: Path) -> None:
    load("hi@champion")
    forget()
    Path(saved.removeprefix("sqlite:///")).unlink()
    at = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() + 5))
    line = {"prompt": "hi", "version": 3, "disabled": True, "by": "eve", "at": at, "because": "x"}
    (project / "library" / "disabled.jsonl").write_text(json.dumps(line) + "\nnot JSON\n")
    assert load("hi@champion", fallback="nothing else").source == "fallback"


def test_a_prompt_file_of_a_disabled_version_is_not_served(saved: str, project: Path) -> None:
    THREE.save(project / "prompts" / "hi.prompty")
    pex.library.save(pex.Prompt.load(project / "prompts" / "hi.prompty"), alias="champion")
    number = int(str(load("hi@champion").origin).partition("/")[2])
    pex.library.disable("hi", number, "no")
    forget()
    for path in (project / ".pex" / "prompts").glob("*"):
        path.unlink()
    Path(saved.removeprefix("sqlite:///")).unlink()
    assert load("hi@champion", fallback="x").source == "fallback"


def test_only_the_versions_tag_is_enough(saved: str) -> None:
    connect(saved).set_prompt_version_tag("hi", 3, "pex.disabled", "{}")
    assert load("hi@champion").origin == "hi/2"


def test_on_a_server_two_people_wait_for_each_other(
    saved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = connect(saved)
    monkeypatch.setattr(registry_lock, "local_folder", lambda uri: None)
    client.create_registered_model("pex-lock.hi")  # another one is at it
    thread = threading.Thread(target=pex.library.disable, args=("hi", 3, "no"))
    thread.start()
    time.sleep(0.5)
    assert "pex.disabled" not in client.get_prompt("hi").tags
    client.set_prompt_tag("hi", "pex.disabled", "[1]")
    client.delete_registered_model("pex-lock.hi")
    thread.join()
    assert client.get_prompt("hi").tags["pex.disabled"] == "[1, 3]"


def test_an_undo_that_was_stopped_half_way_can_be_made_again(saved: str) -> None:
    pex.library.disable("hi", 3, "no")
    connect(saved).delete_prompt_version_tag("hi", 3, "pex.disabled")
    with pytest.raises(PexError, match="disabled"):
        load("hi/3", ttl_s=0)
    pex.library.enable("hi", 3)
    assert load("hi/3", ttl_s=0).origin == "hi/3"
    with pytest.raises(PexError, match="is not disabled"):
        pex.library.enable("hi", 3)


def test_moves_that_cannot_be_read_do_not_hide_it(saved: str, project: Path) -> None:
    assert load("hi@champion").origin == "hi/3"
    (project / "library" / "moves.jsonl").unlink()
    (project / "library" / "moves.jsonl").mkdir()
    client = connect(saved)  # another machine
    client.set_prompt_version_tag("hi", 3, "pex.disabled", "{}")
    client.set_prompt_tag("hi", "pex.disabled", "[3]")
    assert load("hi@champion", ttl_s=0).origin == "hi/2"
    assert pex.library.status()[0].problem is None


def test_wrong_use_is_said_and_nothing_is_written(saved: str, project: Path) -> None:
    with pytest.raises(PexError, match="because: expected the reason"):
        pex.library.disable("hi", 3, "  ")
    with pytest.raises(PexError, match=r"no version 9\n.*'hi/3'"):
        pex.library.disable("hi", 9, "no")
    with pytest.raises(PexError, match="hi/3 is not disabled"):
        pex.library.enable("hi", 3)
    assert not (project / "library" / "disabled.jsonl").exists()


def test_by_command(saved: str, project: Path) -> None:
    why = ["--because", "it invents"]
    done = pexlab("library", "disable", "hi", "--version", "3", *why, folder=project)
    assert (done.returncode, done.stdout) == (0, "disabled  hi/3\n")
    assert "'champion' points to it" in done.stderr
    assert load("hi@champion").origin == "hi/2"
    done = pexlab("library", "disable", "hi", "--version", "3", "--undo", folder=project)
    assert (done.returncode, done.stdout) == (0, "enabled   hi/3\n")
    assert load("hi@champion").origin == "hi/3"
    done = pexlab("library", "disable", "hi", "--version", "3", folder=project)
    assert (done.returncode, "--because is missing" in done.stderr) == (2, True)
    lines = (project / "library" / "disabled.jsonl").read_text().splitlines()
    told = [json.loads(line) for line in lines]
    assert [(line["version"], line["disabled"], line["because"]) for line in told] == [
        (3, True, "it invents"), (3, False, ""),
    ]  # fmt: skip
    assert pex.library.status()[0].problem is None

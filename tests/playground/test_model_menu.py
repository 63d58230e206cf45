"""The menu of models without a browser: what it is sent, and that a key is in no file."""

from __future__ import annotations

from pathlib import Path

import pytest

import pex
from pex.project import keys
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.playing import View, column, entry, experiment, until

pytestmark = pytest.mark.usefixtures("new_kernel")

KEY = "open-4711-sesame-b52"
WRONG = "wrong-0815-sesame-c64"


@pytest.fixture
def locked(lab: FaultyEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch) -> FaultyEndpoint:
    """The lab, which takes one key only, and a second provider without one."""
    monkeypatch.delenv("LAB_KEY", raising=False)
    lab.key = KEY
    text = f'[providers.lab]\nbase_url = "{lab.url}"\nfree = true\napi_key_env = "LAB_KEY"\n'
    (project / "pex.toml").write_text(text)
    return lab


def opened(exp: pex.Experiment) -> tuple[pex.Playground, View]:
    play = pex.Playground(exp, name="n")
    return play, View(play._session)


def offers(view: View) -> dict[str, dict]:
    return {offer["provider"]: offer for offer in view.wait_sent("models")["offers"]}


def test_nothing_is_asked_before_the_menu_is_opened(lab: FaultyEndpoint, project: Path) -> None:
    play, view = opened(experiment())
    view.message({"kind": "ready", "view": "v"})
    play._session.check()
    assert lab.lists == 0
    view.message({"kind": "models", "view": "v"})
    until(lambda: sum(message["kind"] == "models" for message in view.sent) == 2)
    first, then = view.sent
    assert first["asking"] == ["lab"]
    assert (then["only"], then["view"]) == ("lab", "v")
    [offer] = then["offers"]
    assert offer["models"] == [["m1", "free", ""], ["m2", "free", ""]]
    assert lab.lists == 1
    view.sent.clear()
    view.message({"kind": "models", "view": "v"})
    assert offers(view)["lab"]["models"] == [["m1", "free", ""], ["m2", "free", ""]]
    assert lab.lists == 1


def test_a_key_is_entered_and_used_at_once(locked: FaultyEndpoint, project: Path) -> None:
    play, view = opened(experiment())
    play._session.check()
    [problem] = view.docs[-1]["variants"][0]["problems"]
    assert "LAB_KEY is not set" in problem["text"]
    view.message({"kind": "key", "view": "v", "provider": "lab", "text": WRONG, "keep": False})
    assert offers(view)["lab"]["state"] == "refused"
    view.message({"kind": "key", "view": "v", "provider": "lab", "text": KEY, "keep": False})
    said = view.wait_sent("key")
    assert (said["ok"], said["text"]) == (True, "LAB_KEY is used until this kernel is restarted.")
    until(lambda: not view.docs[-1]["variants"][0]["problems"])
    view.press()
    view.wait()
    assert {cell["state"] for cell in play._session.cells().values()} == {"answered"}


def test_a_key_is_in_no_file_and_nothing_that_is_shown(
    locked: FaultyEndpoint, project: Path
) -> None:
    locked.reply = lambda body, number: None
    play, view = opened(experiment(f"Say {KEY}"))  # as if somebody had pasted it there too
    view.message({"kind": "key", "view": "v", "provider": "lab", "text": KEY, "keep": False})
    said = view.wait_sent("key")
    view.press()
    view.wait()
    play._session.flush()
    view.message({"kind": "models", "view": "v"})
    shown = view.wait_sent("models")
    assert KEY not in repr([said, shown, view.session.status(), view.session.cells()])
    assert KEY not in repr(view.get_state(["_status", "_cells", "_change"]))
    for file in (project / ".pex").rglob("*"):
        if file.is_file() and file.parent.name != "drafts":  # the prompt says it
            assert KEY.encode() not in file.read_bytes(), file


def test_what_cannot_be_a_key_or_has_none_is_said(locked: FaultyEndpoint, project: Path) -> None:
    _, view = opened(experiment())
    for provider, text, expected in (
        ("lab", "two words", "a key has no space or line break in it"),
        ("ollama", KEY, "the provider 'ollama' takes no key"),
        ("nobody", KEY, "the provider 'nobody' takes no key"),
    ):
        view.message({"kind": "key", "view": "v", "provider": provider, "text": text})
        said = view.wait_sent("key")
        assert not said["ok"]
        assert expected in said["text"]
        assert text not in said["text"]


def test_a_refused_key_fails_only_its_own_cells_and_says_so_there(
    locked: FaultyEndpoint, project: Path
) -> None:
    with (project / "pex.toml").open("a") as file:
        file.write(f'[providers.open]\nbase_url = "{locked.url}"\nfree = true\n')
        file.write('api_key_env = "OPEN_KEY"\n')
    keys.enter("LAB_KEY", WRONG)
    keys.enter("OPEN_KEY", KEY)
    prompt = pex.Prompt("{{ review }}", "p")
    variants = pex.grid([prompt], ["lab/m1", "open/m1"])
    cases = [{"case_id": "c1", "review": "I love it.", "expected": "positive"}]
    play, view = opened(pex.Experiment("reviews", variants, cases, []))
    view.press()
    view.wait()
    refused = play._session.cells()[f"{column(play, 0)}|{entry(play)}"]
    assert refused["state"] == "error"
    assert "the provider 'lab' refuses the key: Incorrect API key" in refused["text"]
    assert "LAB_KEY was entered in this kernel" in refused["text"]
    assert WRONG not in refused["text"]
    assert play._session.cells()[f"{column(play, 1)}|{entry(play)}"]["state"] == "answered"
    keys.enter("LAB_KEY", KEY)
    view.press()
    view.wait()
    assert {cell["state"] for cell in play._session.cells().values()} == {"answered"}


def test_a_run_whose_only_key_is_refused_says_so_in_every_cell(
    locked: FaultyEndpoint, project: Path
) -> None:
    keys.enter("LAB_KEY", WRONG)
    play, view = opened(experiment())
    view.press()
    status = view.wait()
    assert "refuses the key" in status["error"]
    assert {cell["state"] for cell in play._session.cells().values()} == {"error"}


def test_settings_that_cannot_be_read_are_a_line_in_the_menu(
    lab: FaultyEndpoint, project: Path
) -> None:
    _, view = opened(experiment())
    (project / "pex.toml").write_text("[providers.lab]\nbase_ulr = 1\n")
    view.message({"kind": "models", "view": "v"})
    said = view.wait_sent("models")
    assert said["offers"] == []
    assert "base_ulr" in said["error"]

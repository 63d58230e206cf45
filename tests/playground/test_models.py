"""The menu of models and the window for a key in a real JupyterLab."""

import json
import stat
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, expect

from tests.helpers.browser import Lab, jupyterlab
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.notebooks import notebook
from tests.playground.test_playground import opened, playground, restart, states

pytestmark = pytest.mark.browser

KEY = "open-4711-sesame-b52"
WRONG = "wrong-0815-sesame-c64"
CELL = """import pex
prompts = [pex.Prompt("{{ a }}", "short"), pex.Prompt("Say {{ a }}", "long")]
pex.Playground(pex.Experiment("e", pex.grid(prompts, "local/smollm2"), [{"a": "hi"}], []))"""


@pytest.fixture
def locked(endpoint: FaultyEndpoint, tmp_path: Path) -> FaultyEndpoint:
    """A notebook in a project with one provider that takes one key, and one that is not there."""
    endpoint.key = KEY
    endpoint.models = ["mega-1", "mega-2", "tiny-1"]
    prices = "input_usd_per_million = 0.4\noutput_usd_per_million = 1.6\n"
    (tmp_path / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{endpoint.url}"\napi_key_env = "LAB_KEY"\n'
        '[providers.gone]\nbase_url = "http://127.0.0.1:9/v1"\nfree = true\n'
        f'[prices."lab/mega-1"]\n{prices}[prices."lab/tiny-1"]\n{prices}'
    )
    notebook(tmp_path / "play.ipynb", None, CELL)
    return endpoint


def field(play: Locator, name: str = "short") -> Locator:
    return play.get_by_role("combobox", name=f"Model of {name}")


def run_short(play: Locator) -> None:
    column = play.get_by_role("group", name="Variant short")
    column.get_by_role("button", name="Run short").click()


def option(play: Locator, text: str) -> Locator:
    return play.locator(".pex-models").get_by_role("option").filter(has_text=text)


def accessible(lab: Lab) -> None:
    """Nothing in the Playground breaks a rule; JupyterLab's own parts are not looked at."""
    found = Axe().run(lab.page, context=".pex-play").response["violations"]
    assert [(item["id"], [node["html"] for node in item["nodes"]]) for item in found] == []


def test_a_model_is_found_by_typing_and_chosen_with_the_keyboard(
    locked: FaultyEndpoint, tmp_path: Path
) -> None:
    with jupyterlab(tmp_path) as lab:
        play = opened(lab, "play.ipynb")
        model = field(play)
        assert locked.lists == 0
        model.click()
        expect(model).to_have_attribute("aria-expanded", "true")
        expect(option(play, "smollm2")).to_have_attribute("aria-selected", "true")
        gone = play.get_by_role("group", name="gone, no answer")
        expect(gone).to_contain_text("cannot be reached")
        expect(play.get_by_role("group", name="lab, needs key")).to_contain_text("mega-1")
        assert locked.lists == 0, "without its key it is not asked"
        for dark in (False, True):
            lab.theme(dark)
            model.click()
            expect(option(play, "smollm2")).to_be_visible()
            accessible(lab)
        model.press("Escape")
        expect(play.locator(".pex-models")).to_be_hidden()
        expect(model).to_have_value("local/smollm2")

        model.fill("gpt mini 4.1")
        first = option(play, "gpt-4.1-mini").first
        expect(first).to_contain_text("$0.40 / $1.60 per million")
        expect(play.get_by_role("group", name="openai, needs key")).to_be_visible()
        model.press("ArrowDown")
        model.press("ArrowDown")
        expect(first).to_have_class("pex-option pex-active")
        assert model.get_attribute("aria-activedescendant") == first.get_attribute("id")
        model.press("ArrowUp")
        model.press("ArrowUp")
        expect(play.locator(".pex-active")).to_have_count(1)

        # A name that is typed in full is chosen too, and offers its key.
        model.fill("openai/gpt-4.1-mini")
        expect(option(play, "gpt-4.1-mini").first).to_be_visible()
        model.press("Enter")
        window = lab.page.locator("dialog[open]")
        expect(window).to_contain_text("https://api.openai.com/v1")
        lab.page.keyboard.press("Escape")
        expect(window).to_have_count(0)
        expect(model).to_be_focused()

        # Any text may be typed, and what it cannot be is said as ever.
        model.fill("opneai/gpt-4.1-mini")
        model.press("Enter")
        expect(play.locator(".pex-models")).to_be_hidden()
        expect(model).to_have_value("opneai/gpt-4.1-mini")
        expect(play.locator(".pex-problems").filter(has_text="opneai")).to_contain_text(
            "did you mean 'openai'?"
        )
        expect(field(play, "long")).to_have_value("local/smollm2")


def test_a_key_typed_once_is_used_without_a_restart_and_stored_nowhere(
    locked: FaultyEndpoint, tmp_path: Path
) -> None:
    with jupyterlab(tmp_path) as lab:
        play = opened(lab, "play.ipynb")
        choose(play, "mega-1")
        window = lab.page.locator("dialog[open]")
        typed = window.get_by_label("LAB_KEY")
        expect(typed).to_be_focused()
        assert typed.get_attribute("type") == "password"
        expect(window).to_contain_text(f"It is sent to {locked.url} and nowhere else.")
        accessible(lab)
        typed.fill(WRONG)
        window.get_by_role("button", name="Use key").click()
        expect(window).to_contain_text("lab refuses the key: Incorrect API key: Bearer [redacted]")
        expect(typed).to_have_value("")
        typed.fill(KEY)
        typed.press("Enter")
        expect(window).to_contain_text("LAB_KEY is used until this kernel is restarted. 3 models.")
        expect(typed).to_have_value("")
        lab.page.keyboard.press("Enter")
        expect(window).to_have_count(0)
        expect(field(play)).to_have_value("lab/mega-1")
        run_short(play)
        states(play, "answered", 1)
        field(play).click()
        expect(play.get_by_role("group", name="lab", exact=True)).to_contain_text(
            "LAB_KEY was entered in this kernel"
        )
        expect(option(play, "tiny-1")).to_contain_text("$0.40 / $1.60 per million")
        field(play).press("Escape")
        _is_nowhere(lab, tmp_path)
        restart(lab)
        lab.run_all()
        play = playground(lab)
        expect(play.locator(".pex-problem").first).to_contain_text("LAB_KEY is not set")


def choose(play: Locator, name: str) -> None:
    field(play).fill(name)
    option(play, name).first.click()


def _is_nowhere(lab: Lab, folder: Path) -> None:
    """Neither key is in the notebook, its widgets, the browser's storage or any file."""
    lab.save()
    lab.page.wait_for_timeout(600)  # the draft is written
    book = (folder / "play.ipynb").read_text("utf-8")
    assert json.loads(book)["cells"]
    assert list((folder / ".pex" / "drafts").iterdir())
    assert (folder / ".pex" / "journal.db").is_file()
    kept = lab.page.evaluate("() => JSON.stringify({ ...localStorage, ...sessionStorage })")
    shown = lab.page.content()
    for key in (KEY, WRONG):
        assert key not in book
        assert key not in kept
        assert key not in shown
        for file in folder.rglob("*"):
            assert not file.is_file() or key.encode() not in file.read_bytes(), file


@pytest.mark.soak
def test_a_key_that_is_saved_is_there_after_a_restart(
    locked: FaultyEndpoint, tmp_path: Path
) -> None:
    with jupyterlab(tmp_path) as lab:
        play = opened(lab, "play.ipynb")
        choose(play, "tiny-1")
        window = lab.page.locator("dialog[open]")
        window.get_by_label("LAB_KEY").fill(KEY)
        window.get_by_label("Save in .pex/keys.env").check()
        window.get_by_role("button", name="Use key").click()
        expect(window).to_contain_text("LAB_KEY is saved in .pex/keys.env, which only you can read")
        window.get_by_role("button", name="Close").click()
        lab.save()
        lab.page.wait_for_timeout(600)
        restart(lab)
        lab.run_all()
        play = playground(lab)
        expect(field(play)).to_have_value("lab/tiny-1")
        run_short(play)
        states(play, "answered", 1)
    file = tmp_path / ".pex" / "keys.env"
    assert file.read_text() == f"LAB_KEY={KEY}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert KEY not in (tmp_path / "play.ipynb").read_text("utf-8")

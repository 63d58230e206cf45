"""Text composed with an input method, by Chromium's own composition: Japanese, Chinese."""

from pathlib import Path

import pytest
from playwright.sync_api import CDPSession, expect

from tests.helpers.browser import jupyterlab
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.notebooks import notebook

pytestmark = pytest.mark.browser

SETUP = """
import pex
prompt = pex.Prompt("Say {{ word }}", "say")
exp = pex.Experiment("words", pex.grid(prompt, "lab/m1"), [{"case_id": "c1", "word": "one"}])
play = pex.Playground(exp, record=False, name="composed")
play
"""
ELSEWHERE = """
column = play._session.draft.columns[0].id
play._session.edit({"act": "edit", "variant": column, "field": "message", "index": 0,
                    "value": "From another window {{ word }}"})
"""
EXECUTE = """async (code) => {
  const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
  const reply = await kernel.requestExecute({ code }).done;
  return reply.content.status;
}"""
CONFIRMED = "() => !Object.keys(localStorage).some((name) => name.startsWith('pex-draft'))"


class InputMethod:
    """Composes in the field that has the focus."""

    def __init__(self, session: CDPSession) -> None:
        self._session = session

    def compose(self, text: str) -> None:
        place = {"selectionStart": len(text), "selectionEnd": len(text)}
        self._session.send("Input.imeSetComposition", {"text": text, **place})

    def press(self, key: str) -> None:
        """A key that the input method takes for itself."""
        for kind in ("rawKeyDown", "keyUp"):
            self._session.send(
                "Input.dispatchKeyEvent",
                {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": 229},
            )

    def commit(self, text: str) -> None:
        self._session.send("Input.insertText", {"text": text})


def test_enter_chooses_a_candidate_and_the_text_comes_through_whole(
    project: Path, lab: FaultyEndpoint
) -> None:
    notebook(project / "a.ipynb", None, SETUP)
    with jupyterlab(project) as jupyter:
        page = jupyter.page
        jupyter.open("a.ipynb")
        jupyter.run_all()
        assert jupyter.errors() == []
        ime = InputMethod(page.context.new_cdp_session(page))
        play = page.locator(".pex-play")
        message = play.get_by_role("textbox", name="Message 1").first
        message.click()
        page.keyboard.press("End")
        ime.compose("にほ")
        expect(message).to_have_value("Say {{ word }}にほ")
        # The kernel knows what is being composed, and another window writes the same field.
        page.wait_for_function(CONFIRMED)
        assert page.evaluate(EXECUTE, ELSEWHERE) == "ok"
        page.wait_for_timeout(500)  # nothing may happen
        ime.compose("にほん")
        for key in ("ArrowDown", "Enter"):
            ime.press(key)
        ime.commit("日本")
        expect(message).to_have_value("Say {{ word }}日本")
        expect(message).to_be_focused()
        page.wait_for_function(CONFIRMED)
        for text in ("{{ 名 }}", "。"):
            ime.compose(text)
            ime.press("Enter")
            ime.commit(text)
        expect(message).to_have_value("Say {{ word }}日本{{ 名 }}。")
        play.get_by_role("textbox", name="名").fill("花")  # an input of the case
        page.wait_for_function(CONFIRMED)
        play.get_by_role("button", name="Chat with say").click()
        turn = play.get_by_role("textbox", name="Your next turn")
        play.get_by_role("button", name="Start", exact=True).click()
        expect(play.get_by_role("log")).to_contain_text("assistant")
        turn.click()
        ime.compose("げんき")
        ime.press("Enter")
        page.wait_for_timeout(500)  # nothing may happen
        ime.commit("元気？")
        expect(turn).to_have_value("元気？")
        assert lab.calls == 1
        page.keyboard.press("Enter")
        expect(play.get_by_role("log")).to_contain_text("元気？")
    assert lab.bodies[0]["messages"] == [{"role": "user", "content": "Say one日本花。"}]

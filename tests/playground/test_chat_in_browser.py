"""A conversation in a real JupyterLab: by keys only, with tools, saved as a case."""

import json
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.helpers.browser import jupyterlab
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.notebooks import notebook
from tests.helpers.processes import wait_for
from tests.helpers.tool_paths import playing

pytestmark = pytest.mark.browser

HOSTILE = "It comes. </textarea><img src=x onerror=window.hit=1> {{ 7 * 7 }}"
SETUP = '''
import pex
%load_ext pex
ran = []
def lookup(order_id: str) -> str:
    """The state of an order."""
    return "sent"
def refund(order_id: str) -> str:
    """Pay back."""
    ran.append(order_id)
    return "paid back"
desk = pex.Prompt(
    [{"role": "system", "content": "You are the desk of {{ shop }}."},
     {"role": "user", "content": "{{ question }}"}], "desk", tools=[lookup, refund])
refunds = {"kind": "function", "function": refund, "effects": True}
exp = pex.Experiment("desk", pex.grid(desk, "lab/m1"), [
    {"case_id": "c1", "shop": "Ada", "question": "Where is A1?"},
    {"case_id": "c2", "shop": "Bob", "question": "Where is B2?"}],
    tools={"lookup": lookup, "refund": refunds})
pex.Playground(exp, record=False, name="talk")
'''
ALONE = "%%prompt bare --chat -m lab/m1 --with shop=Ada\nsystem:\nOf {{ shop }}.\n\nuser:\n{{ q }}"
COMPOSING = """(area) => {
  area.dispatchEvent(new CompositionEvent("compositionstart", { bubbles: true }));
  area.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", isComposing: true, bubbles: true, cancelable: true }));
  area.dispatchEvent(new CompositionEvent("compositionend", { bubbles: true }));
}"""  # noqa: E501 - a script


def test_the_whole_story(project: Path, lab: FaultyEndpoint) -> None:
    endpoint = lab
    endpoint.reply = playing(
        [("lookup", {"order_id": "A1"}), ("refund", {"order_id": "A1"})],
        HOSTILE,
        "You are welcome.",
    )
    notebook(project / "a.ipynb", None, SETUP, ALONE)
    with jupyterlab(project) as jupyter:
        page, keys = jupyter.page, jupyter.page.keyboard
        page.set_viewport_size({"width": 1440, "height": 900})
        jupyter.open("a.ipynb")
        jupyter.run_all()
        play = page.locator(".pex-play").first
        chat = play.locator(".pex-chat")
        play.get_by_role("button", name="Chat with desk").press("Enter")
        box = chat.get_by_role("textbox", name="Your next turn")
        expect(box).to_be_focused()
        expect(box).to_have_value("Where is A1?")
        expect(chat.get_by_role("log")).to_contain_text("You are the desk of Ada.")
        box.evaluate(COMPOSING)  # Enter ends a composition, and sends nothing
        keys.press("End")
        keys.press("Shift+Enter")
        keys.type("Please.")
        assert endpoint.calls == 0
        keys.press("Enter")
        first = chat.get_by_role("textbox", name="Reply of lookup, call 1")
        expect(first).to_be_focused()
        expect(chat.locator(".pex-chat-user")).to_contain_text("Where is A1?\nPlease.")
        keys.type("no such order")
        chat.get_by_role("checkbox", name="as an error").first.check()
        chat.get_by_role("button", name="Reply", exact=True).first.press("Enter")
        second = chat.get_by_role("group", name="Call 2 of refund")
        expect(second.get_by_role("textbox")).to_be_focused()
        expect(second).to_contain_text("It has effects, outside of this notebook")
        for dark, width in ((True, 760), (False, 1440)):
            jupyter.theme(dark)
            page.set_viewport_size({"width": width, "height": 900})
            found = Axe().run(page, context=".pex-chat")
            assert found.violations_count == 0, found.generate_report()
        second.get_by_role("button", name="Run, with its effects").press("Enter")
        expect(chat.get_by_role("log")).to_contain_text(HOSTILE)
        assert page.evaluate("window.hit") is None
        assert [m["content"] for m in endpoint.bodies[-1]["messages"][-2:]] == [
            '{"error":"no such order"}', "paid back",
        ]  # fmt: skip
        expect(box).to_be_focused()
        keys.type("Thanks.")
        keys.press("Enter")
        expect(chat.get_by_role("log")).to_contain_text("You are welcome.")
        expect(chat).to_contain_text("In all: 30 + 6 tokens")
        # An earlier turn is edited, and undo brings back what followed.
        chat.get_by_role("button", name="Edit this turn").first.press("Enter")
        chat.get_by_role("textbox", name="Turn", exact=True).fill("Where is A2?")
        chat.locator(".pex-chat-user").get_by_role("button", name="Send").press("Enter")
        expect(chat.locator(".pex-chat-turn")).to_have_count(1)
        expect(chat.get_by_role("textbox", name="Reply of lookup")).to_be_visible()
        play.get_by_role("button", name="Undo").press("Enter")
        expect(chat.locator(".pex-chat-turn")).to_have_count(2)
        chat.get_by_role("button", name="+ expected answer").press("Enter")
        wanted = chat.get_by_role("textbox", name="Expected last answer")
        expect(wanted).to_have_value("You are welcome.")
        chat.get_by_role("button", name="Save as a case").press("Enter")
        expect(play.locator(".pex-case-cell")).to_have_count(3)
        expect(play.get_by_text("Saved as the last case")).to_be_visible()
        # After a restart of the kernel it is there. A server kills a kernel that takes seconds to
        # end, as on a busy machine, so the last act must have been saved.
        kept = project / ".pex" / "drafts" / "talk.json"
        wait_for(lambda: len(json.loads(kept.read_bytes())["draft"]["entries"]) == 3)
        page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
        )
        jupyter.ready()
        jupyter.run_all()
        expect(page.get_by_text("was restored").first).to_be_visible()
        again = page.locator(".pex-play .pex-chat").first
        expect(again.locator(".pex-chat-turn")).to_have_count(2)
        # In a cell it is alone.
        alone = page.locator(".pex-play").nth(1)
        expect(alone.locator(".pex-play-pane")).to_be_hidden()
        expect(alone.get_by_role("log")).to_contain_text("Of Ada.")
        alone.get_by_role("textbox", name="Your next turn").fill("Hi")
        alone.get_by_role("button", name="Send").press("Enter")
        expect(alone.get_by_role("group", name="Call 1 of lookup")).to_be_visible()
        alone.get_by_role("button", name="Show prompt and cases").press("Enter")
        expect(alone.locator(".pex-play-pane")).to_be_visible()

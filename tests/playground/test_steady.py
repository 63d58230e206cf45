"""Nothing moves while somebody types: room for problems is there before they come."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.helpers.browser import jupyterlab
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.notebooks import notebook
from tests.playground.test_playground import EXPERIMENT, column, opened

pytestmark = pytest.mark.browser

PLACES = """(play) => [...play.querySelectorAll(
  ".pex-play-pane :is(button, select, input, textarea, .pex-field-name, [role=separator])"
)].filter((e) => e.offsetHeight).map((e) => {
  const { x, y, width, height } = e.getBoundingClientRect();
  return [e.className, ...[x, y, width, height].map(Math.round)];
})"""


def places(play: Locator) -> list[list[Any]]:
    found = play.evaluate(PLACES)
    assert len(found) > 30
    return list(found)


def moved(play: Locator, before: list[list[Any]]) -> list[tuple[list[Any], list[Any]]]:
    """What is no longer in its place: as it was, as it is."""
    return [pair for pair in zip(before, places(play), strict=True) if pair[0] != pair[1]]


def test_a_problem_moves_nothing(lab: FaultyEndpoint, project: Path) -> None:
    notebook(project / "play.ipynb", None, EXPERIMENT.format(count=2))
    with jupyterlab(project, width=900) as browser:
        play = opened(browser, "play.ipynb")
        first = column(play, 0)
        problem = first.locator(".pex-problem")
        text = first.get_by_role("textbox", name="Message 1")
        text.fill("Say {{ n }} to {{ n }}")
        text.press("End")
        before = places(play)
        text.press("Backspace")
        expect(problem).to_contain_text("line 1")
        assert moved(play, before) == []
        text.press("}")
        expect(problem).to_have_count(0)
        assert moved(play, before) == []

        system = first.get_by_role("textbox", name="System message")
        system.fill("{{ n }")
        expect(problem).to_contain_text("line 1")
        assert moved(play, before) == []
        system.fill("")
        expect(problem).to_have_count(0)

        model = first.get_by_role("combobox", name="Model of say")
        model.fill("opneai/gpt")
        expect(problem).to_contain_text("there is no provider 'opneai'")
        browser.page.keyboard.press("Escape")
        assert moved(play, before) == []
        second = column(play, 1)
        second.get_by_label("Name of the variant").fill("say")
        expect(second.locator(".pex-problem")).to_contain_text("has the name 'say' too")
        assert moved(play, before) == []


@pytest.mark.soak
def test_a_long_problem_is_read_whole_by_pointer_and_keys(
    lab: FaultyEndpoint, project: Path
) -> None:
    notebook(project / "play.ipynb", None, EXPERIMENT.format(count=1))
    with jupyterlab(project, width=900) as browser:
        play = opened(browser, "play.ipynb")
        first = column(play, 0)
        text = first.get_by_role("textbox", name="Message 1")
        text.fill("Say {{ n }} {% if %}")
        problem = first.locator(".pex-problem")
        expect(problem).to_contain_text("line 1")
        whole = problem.inner_text()
        bubble = play.locator(".pex-problem-bubble:popover-open")
        problem.hover()
        expect(bubble).to_contain_text(whole)
        assert bubble.evaluate("e => e.scrollWidth <= e.clientWidth")
        browser.page.mouse.move(1, 1)
        expect(bubble).to_have_count(0)
        text.focus()
        browser.page.keyboard.press("Tab")
        expect(bubble).to_contain_text(whole)
        browser.page.keyboard.press("Escape")
        expect(bubble).to_have_count(0)


@pytest.mark.soak
def test_a_new_message_says_whole_what_it_is_for_and_shows_its_focus(
    lab: FaultyEndpoint, project: Path
) -> None:
    notebook(project / "play.ipynb", None, EXPERIMENT.format(count=1))
    with jupyterlab(project, width=900) as browser:
        play = opened(browser, "play.ipynb")
        first = column(play, 0)
        first.get_by_role("button", name="Add a message").click()
        area = first.get_by_role("textbox", name="Message 2")
        expect(area).to_be_focused()
        assert area.evaluate(
            """(area) => {
              const there = area.clientHeight;
              area.value = area.placeholder;
              const needs = area.scrollHeight;
              area.value = "";
              return needs <= there;
            }"""
        ), "the placeholder is cut"
        role = first.get_by_role("combobox", name="Role of message 2")
        role.focus()
        assert role.evaluate(
            """(role) => {
              const { left, top, right } = role.getBoundingClientRect();
              const ring = ["Width", "Offset"].map((part) =>
                parseFloat(getComputedStyle(role)[`outline${part}`])).reduce((a, b) => a + b);
              const box = role.closest(".pex-messages").getBoundingClientRect();
              return left - ring >= box.left && right + ring <= box.right && ring > 0;
            }"""
        ), "the ring around the role is cut"

"""A judge as a check in a real JupyterLab: added, refused, run, edited, removed, with the keys."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.helpers.browser import jupyterlab
from tests.helpers.endpoint import FaultyEndpoint, completion
from tests.helpers.judges import is_judge, verdict
from tests.helpers.notebooks import notebook

pytestmark = pytest.mark.browser


def test_a_judge_is_added_refused_run_edited_and_removed(
    lab: FaultyEndpoint, project: Path
) -> None:
    lab.reply = lambda body, number: verdict("yes") if is_judge(body) else completion("hello")
    prompt = 'pex.Prompt("Greet {{ text }}", "p", model="lab/m1")'
    call = f'pex.Playground({prompt}, cases=[{{"text": "Ann"}}], record=False)'
    notebook(project / "a.ipynb", None, "import pex", call)
    with jupyterlab(project) as room:
        page = room.page
        room.open("a.ipynb")
        room.run_all()
        play = page.locator(".pex-play")
        menu = play.get_by_role("combobox", name="Add a check")
        menu.select_option("judge")
        form = play.get_by_role("form", name="A judge")
        criteria = form.get_by_role("textbox", name="Criteria")
        expect(criteria).to_be_focused()
        criteria.fill("It greets {{ output")
        form.get_by_role("combobox", name="Model of the judge").fill("lab/m2")
        page.keyboard.press("Escape")  # the menu of models
        form.get_by_role("button", name="Add").click()
        expect(form.get_by_role("alert")).to_contain_text("the criteria, line 1")
        expect(criteria).to_be_focused()
        criteria.fill("It greets by name.")
        for dark in (False, True):
            room.theme(dark)
            for width in (900, 1440):
                page.set_viewport_size({"width": width, "height": 900})
                found = Axe().run(page, context=".pex-play")
                assert found.violations_count == 0, found.generate_report()
        form.get_by_role("textbox", name="Name").fill("greets")
        page.keyboard.press("Enter")
        expect(form).to_be_hidden()
        expect(menu).to_be_focused()
        expect(play.get_by_text("Run all: 2 answers and judgements, free")).to_be_visible()
        play.get_by_role("button", name="Run all").click()
        expect(play.locator("[data-head]").get_by_text("1/1 ✓")).to_be_visible()
        play.get_by_role("button", name="Edit prompts").click()
        edit = play.get_by_role("button", name="Edit the judge greets")
        edit.press("Enter")
        expect(criteria).to_have_value("It greets by name.")
        form.get_by_role("combobox", name="Verdict").select_option("scale")
        form.get_by_role("button", name="Change").click()
        expect(form).to_be_hidden()
        edit.click()
        expect(form.get_by_role("combobox", name="Verdict")).to_have_value("scale")
        page.keyboard.press("Escape")
        expect(form).to_be_hidden()
        play.get_by_role("button", name="Remove the check greets").click()
        expect(edit).to_have_count(0)

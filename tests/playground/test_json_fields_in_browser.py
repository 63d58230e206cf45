"""Tools and the schema of answers in a real JupyterLab: begun, mistyped, folded, removed."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.helpers.browser import jupyterlab
from tests.helpers.notebooks import notebook

pytestmark = pytest.mark.browser


def test_tools_and_a_schema_are_begun_checked_folded_and_removed(project: Path) -> None:
    prompt = 'pex.Prompt("Label {{ text }}", "p", model="local/smollm2")'
    notebook(project / "a.ipynb", None, "import pex", f"pex.Playground({prompt}, record=False)")
    with jupyterlab(project) as lab:
        page = lab.page
        lab.open("a.ipynb")
        lab.run_all()
        play = page.locator(".pex-play")
        menu = play.get_by_role("combobox", name="Add a parameter")
        menu.select_option("schema")
        schema = play.get_by_role("textbox", name="JSON Schema")
        expect(schema).to_be_focused()
        fold = play.get_by_role("button", name="Answers as JSON: 2 fields (label, reason)")
        expect(fold).to_have_attribute("aria-expanded", "true")
        # A mistake has a line; the template is sound.
        problems = play.get_by_role("group", name="JSON Schema").locator(".pex-problem")
        expect(problems).to_have_count(0)
        text = schema.input_value()
        schema.fill(text.replace('"string"', '"text"', 1))
        expect(problems).to_contain_text("line 4: properties.label.type: 'text' is not valid")
        schema.fill(text.replace(",", "", 1))
        expect(problems).to_contain_text("line 3: not valid JSON")
        schema.fill(text)
        expect(problems).to_have_count(0)
        menu.select_option("tools")
        tools = play.get_by_role("textbox", name="Tools")
        expect(tools).to_be_focused()
        expect(play.get_by_role("button", name="Tools: 1 (lookup)")).to_be_visible()
        for dark in (False, True):
            lab.theme(dark)
            for width in (900, 1440):
                page.set_viewport_size({"width": width, "height": 900})
                found = Axe().run(page, context=".pex-play")
                assert found.violations_count == 0, found.generate_report()
        # Folded, the line says what there is; the keys do it all.
        fold.press("Enter")
        expect(schema).to_be_hidden()
        expect(fold).to_have_attribute("aria-expanded", "false")
        remove = play.get_by_role("button", name="Remove Tools")
        remove.press("Enter")
        expect(tools).to_be_hidden()
        expect(menu).to_be_focused()
        expect(play.get_by_role("group", name="Tools")).to_be_hidden()
        play.get_by_role("button", name="Undo").click()
        expect(play.get_by_role("button", name="Tools: 1 (lookup)")).to_be_visible()
        # Another way to the schema, and any JSON object instead of one.
        play.get_by_role("button", name="Remove JSON Schema").click()
        menu.select_option("response_format")
        play.get_by_role("combobox", name="Kind of response").select_option("schema")
        expect(schema).to_be_visible()
        expect(play.get_by_role("combobox", name="Kind of response")).to_have_count(0)

"""The path of an answer in the opened cell, beside the one that it is compared with."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.helpers.browser import jupyterlab
from tests.helpers.lab import MADE, shown
from tests.helpers.notebooks import notebook

pytestmark = pytest.mark.browser

PATHS = """
def step(number, *tools):
    return {"step": number, "latency_s": 0.5, "prompt_tokens": 10, "completion_tokens": 2,
            "cost_usd": 0.001, "finish_reason": "stop", "tools": list(tools)}

def call(name, reply, error=None, **arguments):
    return {"id": "1", "name": name, "arguments": arguments, "reply": reply, "error": error,
            "latency_s": 0.25, "from_journal": False}

hostile = "<img src=x onerror='window.hacked=1'>\\n" * 40
looked = call("lookup", hostile, order_id="A1")
said = {**step(1), "user": True, "message": "It is A1, and hurry up."}
paths = [[step(1, looked), said, step(2, call("refund", "done", order_id="A1")), step(3)],
         [step(1, looked), step(2, call("nope", '{"error": "…"}', "unknown")), step(3)]]
results = made(2, 2)
results.frame["steps"] = [paths[name == "variant-1"] for name in results.frame["variant"]]
results.show()
"""


def test_two_paths_are_beside_each_other_and_say_where_they_part(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").touch()
    notebook(tmp_path / "paths.ipynb", None, MADE + PATHS)
    with jupyterlab(tmp_path, width=1500, height=950) as lab:
        shown(lab, "paths.ipynb")
        lab.page.locator(".pex-grid").get_by_role("gridcell").first.click()
        lab.page.keyboard.press("ArrowRight")
        reader = lab.page.locator(".pex-reader")
        expect(reader.locator(".pex-path-parting")).to_have_text(
            'Compared with variant-0: call 2 is nope() instead of refund(order_id="A1").'
        )
        one, two = reader.locator(".pex-path").all()
        assert one.locator(".pex-path-title").all_inner_texts() == [
            "Step 1", "lookup", "User", "Step 2", "refund", "Step 3",
        ]  # fmt: skip
        expect(one.locator(".pex-path-user")).to_contain_text("It is A1, and hurry up.")
        expect(two.locator(".pex-chip-bad")).to_have_text("! no such tool")
        expect(reader.get_by_text("they part here")).to_have_count(2)
        left, right = one.bounding_box(), two.bounding_box()
        assert left is not None
        assert right is not None
        assert left["x"] + left["width"] <= right["x"]
        assert left["y"] == right["y"]
        # All of a long reply, by the keyboard alone.
        more = one.get_by_role("button", name="Show all")
        more.focus()
        lab.page.keyboard.press("Enter")
        expect(one.get_by_role("button", name="Show less")).to_be_focused()
        assert lab.page.evaluate("window.hacked") is None
        for dark in (True, False):
            lab.theme(dark)
            found = Axe().run(lab.page, context=".pex-reader")
            assert found.violations_count == 0, found.generate_report()

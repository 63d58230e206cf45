"""Triage in a browser without Jupyter: the real script, the real Python behind it."""

import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect as to_be

import pex
from pex.monitoring.triage.marks import Marks
from pex.monitoring.triage.widget import TriageWidget
from tests.helpers.browser import page
from tests.helpers.deployed import bulk_traces
from tests.improvement.cases.test_review_widget import JUPYTERLAB, MODEL
from tests.monitoring.triage.test_queue import FULL, REPAIRED, SPEC, sql

HOSTILE = "<img src=x onerror=alert(1)> Where is it?\u202e"


@pytest.fixture
def widget(project, uri):
    (project / "experiment.yaml").write_text(SPEC)
    (project / "cases.csv").write_text("question,expected\nIs it red?,no\n")
    rows = [
        {"trace_id": f"tr-{n}", "request": text, "response": "No idea.", "finish_reason": "length"}
        for n, text in enumerate(["Where is my order 7?", "where is my order 8?", "Refund me now."])
    ]
    bulk_traces(uri, "app", [*rows, {"trace_id": "tr-x", "request": HOSTILE, "state": "error"}])
    return TriageWidget(pex.triage("app", to="experiment.yaml", who="Ada"))


def opened(tab, widget):
    def python(content):
        widget._on_message(None, content, [])
        return dict(widget._state)

    tab.expose_function("python", python)
    tab.set_content(
        f"<!doctype html><html lang=en><title>t</title><style>{widget._css}</style>"
        "<main><h1>Triage</h1><div id=root></div></main>"
    )
    tab.evaluate(MODEL.replace("STATE", json.dumps(dict(widget._state))))
    source = str(widget._esm).replace("export default", "window.widget =")
    start = "window.widget.render({model: window.model, el: document.getElementById('root')});"
    tab.add_script_tag(content=f"{source}\n{start}", type="module")
    tab.wait_for_selector(".pex-triage-foot button")


@pytest.mark.browser
def test_keys_only_triage_and_undo_and_it_is_accessible(widget, project, uri, tmp_path):
    before = (project / "cases.csv").read_bytes()
    with page(1440, 800) as tab:
        opened(tab, widget)
        assert Axe().run(tab).response["violations"] == []
        root, line = tab.locator(".pex-triage"), tab.locator(".pex-triage-line")
        trace = tab.locator(".pex-triage-trace")
        to_be(trace).to_contain_text("<img src=x")
        tab.screenshot(path=str(tmp_path / "wide.png"))
        root.focus()
        tab.keyboard.press("t")
        to_be(tab.get_by_label("its tool calls become expected ones")).to_be_focused()
        tab.keyboard.press("Control+Enter")
        to_be(line).to_contain_text("the trace has no tool calls")
        tab.keyboard.press("Escape")
        tab.keyboard.press("n")
        to_be(tab.locator("input")).to_be_focused()
        tab.keyboard.type("not a question")
        tab.keyboard.press("Control+Enter")
        to_be(line).to_contain_text("Decided: not ours")
        tab.keyboard.press("c")
        box = tab.locator("textarea")
        to_be(box).to_be_focused()
        to_be(box).to_have_value("No idea.")
        box.fill("It is in Bern.")
        assert Axe().run(tab).response["violations"] == []
        tab.screenshot(path=str(tmp_path / "form.png"))
        tab.keyboard.press("Control+Enter")
        to_be(line).to_contain_text("Decided: case")
        assert b"It is in Bern." in (project / "cases.csv").read_bytes()
        tab.keyboard.press("i")  # the reason was given once
        to_be(line).to_contain_text("Decided: incident")
        for left in (2, 3, 4):
            tab.keyboard.press("u")
            to_be(tab.locator(".pex-triage-count")).to_contain_text(f"{left} wait")
        tab.set_viewport_size({"width": 500, "height": 700})
        tab.evaluate("html => document.head.insertAdjacentHTML('beforeend', html)", JUPYTERLAB)
        assert Axe().run(tab).response["violations"] == []
        tab.keyboard.press("c")
        to_be(tab.get_by_role("button", name="Save")).to_be_in_viewport()
        tab.screenshot(path=str(tmp_path / "dark.png"))
        sql(uri, FULL)
        tab.keyboard.press("Control+Enter")
        to_be(line).to_contain_text("nothing was decided")
        sql(uri, REPAIRED)
        tab.keyboard.press("Control+Enter")  # what was written is still there
        to_be(line).to_contain_text("Decided: case")
        tab.keyboard.press("u")
        to_be(line).to_contain_text("Taken back")
    assert (project / "cases.csv").read_bytes() == before
    assert Marks(uri, "x").decided(["app"]) == {}


def test_what_is_left_without_a_kernel_is_escaped(widget):
    html = widget._table()
    assert "&lt;img" in html
    assert "<img" not in html
    assert "error: " in html

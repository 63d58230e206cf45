"""The review in a browser without Jupyter: the real script, the real Python behind it."""

import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect as to_be

from pex.core.case import Case
from pex.core.cases import load_cases
from pex.core.provenance import Provenance
from pex.improvement.cases.proposed import Proposals
from pex.improvement.cases.review_widget import ReviewWidget
from tests.helpers.browser import page

MODEL = """
window.handlers = {};
window.model = {
  state: STATE,
  get: (name) => window.model.state,
  on: (name, act) => { window.handlers[name] = act; },
  off: () => {},
  send: async (content) => {
    window.model.state = await window.python(content);
    window.handlers["change:_state"]();
  },
};
"""
HOSTILE = "<img src=x onerror=alert(1)> Nice.\u202e"


@pytest.fixture
def proposals(tmp_path):
    path = tmp_path / "cases.csv"
    path.write_text("review,expected\nGood.,positive\n")
    found = Proposals(tmp_path / "proposed_cases.jsonl", path)
    texts = ["Broke at once.", HOSTILE, "Works well.", "So so."]
    origin = Provenance("lab/m1", "edge", "c1")
    found.add(
        [Case(f"c{n}", {"review": t}, "negative", provenance=origin) for n, t in enumerate(texts)]
    )
    # Without an id column the ids in the file are those of the inputs.
    return found


def reviewed(proposals):
    widget = ReviewWidget(proposals)

    def python(content):
        widget._on_message(None, content, [])
        return dict(widget._state)

    return widget, python, MODEL.replace("STATE", json.dumps(dict(widget._state)))


JUPYTERLAB = """<body data-jp-theme-light="false" style="background:#111; color:#eee;
--jp-layout-color1:#111; --jp-layout-color0:#111; --jp-layout-color2:#222; --jp-ui-font-color1:#eee;
--jp-ui-font-color2:#bbb; --jp-content-font-color1:#eee; --jp-content-font-color2:#bbb;
--jp-border-color1:#555; --jp-border-color2:#555; --jp-brand-color1:#64b5f6">"""
"""What a dark theme of JupyterLab sets."""


def opened(tab, widget, python, model, dark):
    tab.expose_function("python", python)
    tab.set_content(
        f"<!doctype html><html lang=en><title>t</title><style>{widget._css}</style>"
        f"{JUPYTERLAB if dark else ''}<main><h1>Review</h1><div id=root></div></main>"
    )
    tab.evaluate(model)
    source = str(widget._esm).replace("export default", "window.widget =")
    start = "window.widget.render({model: window.model, el: document.getElementById('root')});"
    tab.add_script_tag(content=f"{source}\n{start}", type="module")
    tab.wait_for_selector(".pex-review-foot button")


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True])
def test_keys_accept_reject_edit_undo_and_it_is_accessible(proposals, dark, tmp_path):
    given = reviewed(proposals)
    with page(700, 500) as tab:
        opened(tab, *given, dark)
        assert Axe().run(tab).response["violations"] == []
        root, line = tab.locator(".pex-review"), tab.locator(".pex-review-line")
        root.focus()
        tab.keyboard.press("r")
        to_be(line).to_contain_text("Rejected: Broke at once.")
        to_be(tab.locator(".pex-review-text").first).to_contain_text("<img src=x")
        tab.keyboard.press("u")
        to_be(line).to_contain_text("taken back")
        to_be(tab.locator(".pex-review-text").first).to_have_text("Broke at once.")
        tab.keyboard.press("ArrowRight")
        to_be(tab.locator(".pex-review-text").first).to_contain_text("<img src=x")
        tab.keyboard.press("ArrowLeft")
        to_be(tab.locator(".pex-review-text").first).to_have_text("Broke at once.")
        tab.keyboard.press("e")
        box = tab.locator("textarea").first
        to_be(box).to_be_focused()
        box.fill("Broke after a week.")
        assert Axe().run(tab).response["violations"] == []
        tab.keyboard.press("Control+Enter")
        to_be(line).to_contain_text("Accepted")
        to_be(tab.locator(".pex-review-count")).to_have_text("1 of 4 decided")
        tab.screenshot(path=str(tmp_path / f"review-{dark}.png"))
        # At the end no key reaches Jupyter, which would insert a cell for an `a` too many.
        tab.evaluate(
            "() => { window.outside = []; window.onkeydown = (e) => window.outside.push(e.key); }"
        )
        for number in (2, 3, 4):
            tab.keyboard.press("r")
            to_be(tab.locator(".pex-review-count")).to_have_text(f"{number} of 4 decided")
        tab.keyboard.press("a")
        tab.keyboard.press("ArrowRight")
        assert tab.evaluate("outside") == []
        for number in (3, 2, 1):
            tab.keyboard.press("u")
            to_be(tab.locator(".pex-review-count")).to_have_text(f"{number} of 4 decided")
    added = load_cases(proposals.cases_path)[-1]
    assert added.inputs == {"review": "Broke after a week."}
    assert added.accepted
    # A restarted kernel: another widget on the same file goes on with what is open.
    assert ReviewWidget(proposals)._state["count"] == "0 of 3 decided"


def test_what_the_file_cannot_hold_is_told_and_changes_nothing(proposals):
    widget = ReviewWidget(proposals)
    proposals.cases_path.write_text("other,expected\nGood.,positive\n")
    before = proposals.path.read_bytes()
    widget._on_message(None, {"kind": "accept", "id": "c0"}, [])
    assert "no column 'review'" in widget._state["line"]
    assert widget._state["decided"] == 0
    assert proposals.path.read_bytes() == before
    widget._on_message(None, {"kind": "reject", "id": "unknown"}, [])
    widget._on_message(None, "nonsense", [])
    assert widget._state["decided"] == 0

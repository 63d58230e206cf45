"""The window *Add your data* in a real JupyterLab: paste, drop, name, and what is refused."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, expect

from tests.helpers.browser import jupyterlab
from tests.helpers.notebooks import notebook

pytestmark = pytest.mark.browser

PASTE = """([text]) => {
  const data = new DataTransfer();
  data.setData("text/plain", text);
  document.querySelector("dialog[open] textarea").dispatchEvent(
    new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
}"""
DROP = """([names, size]) => {
  const data = new DataTransfer();
  for (const name of names) {
    const content = size ? new Uint8Array(size) : "q;expected\\nW\\u00f6rter;x\\n";
    data.items.add(new File([content], name));
  }
  document.querySelector("dialog[open]").dispatchEvent(
    new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""
FOLDER = """() => {
  const event = new Event("drop", { bubbles: true, cancelable: true });
  const item = { webkitGetAsEntry: () => ({ isDirectory: true, name: "tickets" }) };
  Object.defineProperty(event, "dataTransfer", { value: { items: [item], files: [] } });
  document.querySelector("dialog[open]").dispatchEvent(event);
}"""


def _result(window: Locator, text: str) -> None:
    expect(window.locator(".pex-result")).to_contain_text(text)


def test_a_table_is_pasted_dropped_or_named(project: Path) -> None:
    (project / "odd.csv").write_bytes("q;expected\nvocê;x\nplain;y\n".encode("cp1252"))
    notebook(project / "a.ipynb", None, "import pex", "pex.Playground(record=False)")
    with jupyterlab(project) as lab:
        page = lab.page
        lab.open("a.ipynb")
        lab.run_all()
        play = page.locator(".pex-play")
        play.get_by_role("button", name="Add data…").click()
        window = page.get_by_role("dialog", name="Add your data")
        expect(window.get_by_role("textbox", name="Paste cells or drop a file")).to_be_focused()
        # What is refused says why, and nothing is sent.
        page.evaluate(FOLDER)
        _result(window, "tickets is a folder: drop one file.")
        page.evaluate(DROP, [["a.csv", "b.csv"], 0])
        _result(window, "2 files: drop one at a time.")
        page.evaluate(DROP, [["a.csv"], 40_000_000])
        _result(window, "40 MB are too many, at most 8 MB.")
        page.evaluate(PASTE, ["word " * 8_000_000])
        _result(window, "40 MB are too many, at most 8 MB.")
        page.evaluate(PASTE, ["Dear all, this is no table."])
        _result(window, "the pasted text is not a table")
        expect(window.get_by_role("button", name="Add cases")).to_be_disabled()
        # Of a file that can be read in two ways, one is chosen.
        window.get_by_label("Or a file that the kernel can read").fill("odd.csv")
        page.keyboard.press("Enter")
        window.get_by_role("button", name="encoding Windows-1252").click()
        _result(window, "Read as semicolon-separated Windows-1252; 2 rows.")
        page.evaluate(DROP, [["words.csv"], 0])
        _result(window, "Read as semicolon-separated UTF-8; 1 row.")
        # Roles and names can be changed.
        page.evaluate(PASTE, ["Text body\tKind\nIt broke.\tbad\nLovely.\tgood\n"])
        name = window.get_by_role("textbox", name="Name of Text body in a prompt")
        expect(name).to_have_value("text")
        window.get_by_role("combobox", name="Role of Kind").select_option("expected")
        expect(window.get_by_role("textbox", name="Name of Kind in a prompt")).to_be_hidden()
        for dark in (False, True):
            lab.theme(dark)
            for width in (900, 1440):
                page.set_viewport_size({"width": width, "height": 900})
                found = Axe().run(page, context="dialog[open]")
                assert found.violations_count == 0, found.generate_report()
        window.get_by_role("button", name="Add cases").click()
        expect(window).to_be_hidden()
        expect(play.locator(".pex-case-cell")).to_have_count(2)
        expect(play.get_by_text("2 cases added.")).to_be_visible()
        text = play.locator(".pex-case-cell").first.get_by_role("textbox")
        expect(text.first).to_have_value("It broke.")
        expect(text.last).to_have_value("bad")
        play.get_by_role("button", name="Undo").click()
        expect(play.locator(".pex-case-cell")).to_have_count(1)

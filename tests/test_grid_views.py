"""Views of a grid: a second one, one that is closed in mid-run, other scripts, other colours."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, expect

from tests.helpers import ROOT
from tests.helpers.browser import Lab, jupyterlab, page
from tests.helpers.lab import MADE, shown
from tests.helpers.model import share
from tests.helpers.notebooks import notebook

pytestmark = pytest.mark.browser

SHOTS = os.environ.get("PEX_SHOTS")
"""A folder for pictures, to be looked at; none are taken without it."""


def second_view(lab: Lab, cell: int = 0) -> Locator:
    """JupyterLab's "Create New View for Cell Output"; returns the view."""
    lab.page.locator(".jp-NotebookPanel .jp-CodeCell").nth(cell).locator(".jp-InputArea").click()
    lab.command("notebook:create-output-view")
    view = lab.page.locator(".jp-LinkedOutputView")
    view.locator(".pex-grid-body [role=row]").first.wait_for()
    return view


def close(lab: Lab, title: str) -> None:
    tab = lab.page.locator(".lm-TabBar-tab").filter(has_text=title)
    tab.locator(".lm-TabBar-tabCloseIcon").click()
    tab.wait_for(state="detached")


@pytest.mark.soak
def test_a_second_view_has_the_same_rows_and_a_search_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").touch()
    notebook(tmp_path / "grid.ipynb", None, MADE + "grid = made(120, 2).show()\ngrid")
    with jupyterlab(tmp_path) as lab:
        shown(lab, "grid.ipynb")
        view = second_view(lab)
        first = lab.page.locator(".jp-NotebookPanel .pex-grid")
        view.get_by_label("Search in cases").fill("119:")
        expect(view.get_by_role("status").first).to_have_text("1 of 120 rows")
        expect(first.get_by_role("status").first).to_have_text("120 rows")
        view.get_by_role("gridcell").first.click()
        window = view.get_by_role("dialog")
        window.get_by_role("heading", name="c119").wait_for()
        assert first.get_by_role("dialog").count() == 0
        lab.page.keyboard.press("Escape")
        close(lab, "Output View")
        first.get_by_role("grid").focus()
        lab.page.keyboard.press("Control+End")
        lab.page.keyboard.press("Enter")
        first.get_by_role("heading", name="c119").wait_for()


RUN = f"""import sys; sys.path.insert(0, {str(ROOT)!r})
import pex
prompt = pex.Prompt("Say something about the number {{{{ n }}}}.", name="say")
exp = pex.Experiment("views", pex.grid([prompt], "local/smollm2", [{{"max_tokens": 24}}]),
                     [{{"n": n, "expected": "x"}} for n in range(1000)], ["exact"])
results = await exp.arun(journal="off", record=False, stream=True)"""


@pytest.mark.model
def test_a_view_that_is_closed_or_reloaded_in_mid_run_catches_up(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").touch()
    notebook(tmp_path / "run.ipynb", None, RUN)
    begun = re.compile(r"^[1-9][\d,]*/1,?000 ")

    def done(line: Locator) -> int:
        return int((line.text_content() or "").partition("/")[0].replace(",", ""))

    share(tmp_path)
    with jupyterlab(tmp_path) as lab:
        lab.open("run.ipynb")
        lab.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
        line = lab.page.locator(".jp-NotebookPanel .pex-grid-line")
        expect(line).to_have_text(begun)
        view = second_view(lab)
        expect(view.locator(".pex-grid-line")).to_have_text(begun)
        close(lab, "Output View")
        lab.save()
        before = done(line)
        lab.page.reload()
        # The run goes on meanwhile; the new views show it from where it is by then.
        expect(line).to_have_text(begun)
        now = done(line)
        assert now >= before
        view = second_view(lab)
        expect(line).not_to_have_text(re.compile(f"^{now}/"))
        assert done(line) > now
        cells = view.get_by_role("gridcell")
        expect(cells.first).to_contain_text("exact")
        view.get_by_role("button", name="Stop").click()
        for grid in (lab.page.locator(".jp-NotebookPanel .pex-grid"), view):
            ended = grid.locator(".pex-grid-line")
            expect(ended).to_contain_text("interrupted")
            expect(grid.get_by_role("grid")).to_have_attribute("aria-busy", "false")
            expect(grid.get_by_role("button", name="Stop")).to_be_hidden()


SCRIPTS = """
from tests.test_grid_views import scripts
scripts().show()
"""


def scripts():
    """Results in Arabic, Hebrew and Chinese."""
    from tests.helpers.made import made

    results = made(6, 2)
    frame = results.frame
    arabic = "عاجل: أعد المبلغ من فضلك، الطلب رقم 42 لم يصل. " * 6
    chinese = "請退款給我，謝謝。商品壞了，包裝也破損，客服一直沒有回覆。" * 12
    hebrew = "החבילה הגיעה מאוחר. " * 10
    which = [int(case_id[1:]) % 3 for case_id in frame["case_id"]]
    frame["case.review"] = frame["output"] = [(arabic, chinese, hebrew)[n] for n in which]
    frame["expected"] = [("نعم", "是", "כן")[n] for n in which]
    return results


def test_right_to_left_and_chinese_texts_run_their_own_way_and_fit(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").touch()
    notebook(tmp_path / "grid.ipynb", None, MADE, SCRIPTS)
    with jupyterlab(tmp_path) as lab:
        shown(lab, "grid.ipynb")
        cells = lab.page.get_by_role("gridcell")
        ways = [
            cells.nth(n).locator(".pex-output").evaluate("e => getComputedStyle(e).direction")
            for n in (0, 2, 4)
        ]
        assert ways == ["rtl", "ltr", "rtl"]
        for width in (375, 1300):
            lab.page.set_viewport_size({"width": width, "height": 900})
            for row in range(3):
                cells.nth(2 * row).click()
                window = lab.page.get_by_role("dialog")
                window.get_by_role("heading", name=f"c{row} ·").wait_for()
                assert window.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
                window.get_by_role("button", name="Save as a new case").click()
                window.get_by_text("The case as text").wait_for()
                assert window.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
                lab.page.keyboard.press("Escape")


def test_what_papermill_has_run_is_seen_when_it_is_opened_and_exported(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").touch()
    source = notebook(tmp_path / "in.ipynb", None, MADE + "made(60, 2).show()")
    target = tmp_path / "out.ipynb"
    papermill.execute_notebook(str(source), str(target), progress_bar=False)
    for output in nbformat.read(target, 4).cells[-1].outputs:
        assert "error" not in output.output_type
    with jupyterlab(tmp_path) as lab:
        lab.open("out.ipynb")
        static = lab.page.locator(".pex-static")
        expect(static).to_be_visible()
        expect(static).to_contain_text("60 cases; the variants disagree")
        static.get_by_text("c59").first.wait_for(state="attached")
        lab.run_all()
        lab.page.locator(".pex-grid-body [role=row]").first.wait_for()
        expect(lab.page.locator(".pex-static")).to_be_hidden()
    command = ["-m", "jupyter", "nbconvert", "--to", "html", str(target)]
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    with page() as exported:
        exported.goto((tmp_path / "out.html").as_uri())
        expect(exported.locator(".pex-static")).to_contain_text("60 cases; the variants disagree")


def test_with_forced_colours_and_more_contrast_everything_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").touch()
    notebook(tmp_path / "grid.ipynb", None, MADE + "made(30, 3, hostile=True).show()")
    with jupyterlab(tmp_path) as lab:
        shown(lab, "grid.ipynb")
        grid = lab.page.get_by_role("grid")
        grid.focus()
        lab.page.keyboard.press(" ")
        lab.page.keyboard.press("ArrowDown")  # what is selected, and not what is active
        selected = lab.page.locator("[aria-selected=true]").first
        other = lab.page.locator("[role=gridcell][aria-selected=false]").nth(4)
        for media in ({"forced_colors": "active"}, {"contrast": "more"}):
            lab.page.emulate_media(**{"forced_colors": "none", "contrast": "no-preference"} | media)
            look = (
                "e => { const s = getComputedStyle(e);"
                " return s.outline + s.border + s.boxShadow + s.backgroundColor; }"
            )
            assert selected.evaluate(look) != other.evaluate(look)
            if SHOTS:
                lab.page.screenshot(path=f"{SHOTS}/{next(iter(media))}.png")
            lab.page.get_by_role("gridcell").first.click()
            window = lab.page.get_by_role("dialog")
            window.get_by_text("request key").wait_for()
            window.get_by_role("button", name="Code", exact=True).click()
            pressed = window.locator("[data-mode=code][aria-pressed=true]")
            pressed.wait_for()
            assert pressed.evaluate(look) != window.locator("[data-mode=text]").evaluate(look)
            if SHOTS:
                lab.page.screenshot(path=f"{SHOTS}/{next(iter(media))}_open.png")
            if "contrast" in media:
                found = Axe().run(lab.page, context=".pex-reader")
                assert found.violations_count == 0, found.generate_report()
            lab.page.keyboard.press("Escape")
        # Coloured code can be read in both themes.
        lab.page.emulate_media(forced_colors="none", contrast="no-preference")
        lab.page.get_by_label("Search in cases").fill("12: the")
        expect(lab.page.get_by_role("row")).to_have_count(2)
        for dark in (False, True):
            lab.theme(dark)
            lab.page.get_by_role("gridcell").nth(1).click()
            window.get_by_role("button", name="Code", exact=True).click()
            window.locator(".pex-code-tag").first.wait_for()
            found = Axe().run(lab.page, context=".pex-reader[open]")
            assert found.violations_count == 0, found.generate_report()
            if SHOTS:
                lab.page.screenshot(path=f"{SHOTS}/code_{'dark' if dark else 'light'}.png")
            lab.page.keyboard.press("Escape")

"""The result grid in a real JupyterLab: hostile texts, keys, filters, reload, without a kernel."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.helpers.browser import jupyterlab, page, run_cell
from tests.helpers.lab import MADE, shown
from tests.helpers.notebooks import notebook

pytestmark = pytest.mark.browser


def test_hostile_answers_keys_and_what_is_left_without_a_kernel(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").touch()
    code = MADE + "results = made(60, 3, hostile=True)\ngrid = results.show()\ngrid"
    notebook(tmp_path / "grid.ipynb", None, code)
    with jupyterlab(tmp_path) as lab:
        foreign = shown(lab, "grid.ipynb")
        grid = lab.page.get_by_role("grid")
        assert grid.get_attribute("aria-rowcount") == "61"
        assert lab.page.locator(".pex-static").first.is_hidden()

        # Every hostile answer, in every way of showing it, with keys only.
        grid.focus()
        lab.page.keyboard.press("ArrowRight")
        window = lab.page.get_by_role("dialog")
        for row in range(15):
            lab.page.keyboard.press("Enter")
            window.get_by_role("heading", name=f"c{row} ·").wait_for()
            for mode in ("Markdown", "JSON", "Code"):
                window.get_by_role("button", name=mode, exact=True).click()
                window.locator(f"[data-mode={mode.lower()}][aria-pressed=true]").wait_for()
            assert window.locator("img, script").count() == 0
            assert window.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
            lab.page.keyboard.press("Escape")
            lab.page.keyboard.press("ArrowDown")
        lab.page.keyboard.press("Control+End")
        assert grid.locator(".pex-active").get_attribute("aria-colindex") == "4"
        heights = grid.locator("[role=row]").evaluate_all("es => es.map(e => e.offsetHeight)")
        assert max(heights[1:]) == min(heights[1:])
        assert lab.page.evaluate("window.hacked") is None
        assert foreign == []

        lab.page.get_by_label("Search in cases").fill("billing deep")
        lab.page.wait_for_function("() => document.querySelector('.pex-grid [role=status]')"
                                   ".textContent.startsWith('1 of')")  # fmt: skip
        lab.page.get_by_label("Search in cases").fill("")
        lab.page.get_by_label("Which rows").select_option("failures")
        # Neither the rows of before, nor "searching…" in between.
        lab.page.wait_for_function(
            "() => /^(?!60)\\d+ of 60 rows$/.test("
            "document.querySelector('.pex-grid [role=status]').innerText)"
        )
        grid.focus()
        lab.page.keyboard.press("Control+Home")
        lab.page.keyboard.press(" ")
        with lab.page.expect_download() as download:
            lab.page.get_by_role("button", name=re.compile("as CSV")).click()
        assert len(download.value.path().read_text().splitlines()) == 2

        # A reload in which the kernel goes on: the view fills again.
        lab.save()
        lab.page.reload()
        lab.page.locator(".pex-grid-body [role=row]").first.wait_for()
        assert grid.get_attribute("aria-rowcount") == "61"
        lab.save()
    command = ["-m", "jupyter", "nbconvert", "--to", "html", str(tmp_path / "grid.ipynb")]
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    with page() as exported:
        exported.goto((tmp_path / "grid.html").as_uri())
        assert "60 cases; the variants disagree" in exported.locator(".pex-static").inner_text()
        assert exported.evaluate("window.hacked") is None


def test_it_is_accessible_at_every_width_in_light_and_dark(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").touch()
    notebook(tmp_path / "grid.ipynb", None, MADE + "made(60, 3, hostile=True).show()")
    with jupyterlab(tmp_path) as lab:
        shown(lab, "grid.ipynb")
        for dark in (False, True):
            lab.theme(dark)
            for width in (375, 1300, 3840):
                lab.page.set_viewport_size({"width": width, "height": 900})
                lab.page.wait_for_timeout(300)
                assert lab.page.locator(".pex-grid").evaluate("e => e.scrollWidth <= e.clientWidth")
                found = Axe().run(lab.page, context=".pex-grid")
                assert found.violations_count == 0, found.generate_report()
            lab.page.get_by_role("gridcell").first.click()
            lab.page.get_by_role("dialog").get_by_text("request key").wait_for()
            found = Axe().run(lab.page, context=".pex-reader")
            assert found.violations_count == 0, found.generate_report()
            lab.page.keyboard.press("Escape")


def test_no_case_one_variant_forty_variants_errors_everywhere(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").touch()
    cells = [f"made({size}).show()" for size in ("0, 1", "5, 1", "30, 40", "30, 2, errors=True")]
    notebook(tmp_path / "grid.ipynb", None, MADE, *cells)
    with jupyterlab(tmp_path) as lab:
        foreign = shown(lab, "grid.ipynb")
        assert foreign == []
        lab.page.get_by_text("There are no cases.").wait_for()
        counts = [
            lab.page.get_by_role("grid").nth(n).get_attribute("aria-colcount") for n in (0, 1)
        ]
        assert counts == ["2", "41"]
        assert lab.page.locator(".pex-bad-text").count() > 4


STREAM = """
import time
from pex.core.events import Delta, Queued
from pex.widgets.grid import ResultGrid
from pex.widgets.cell import Line
from pex.widgets.sheet import Sheet
names = [f"v{n}" for n in range(4)]
grid = ResultGrid(Sheet(names, [Line(f"c{n}", "text") for n in range(20)], 1))
def grow(count):
    for n in range(count):
        grid.on_event(Delta((names[n % 4], "c0", 1), f" piece{n}"))
        time.sleep(0.0005)
"""


def test_a_long_stream_leaves_nothing_behind_in_the_browser(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").touch()
    begun = "grid.on_event(Queued(tuple(names), ('c0',), 1, 80)); grow(2000)"
    notebook(tmp_path / "stream.ipynb", None, STREAM + "grid", begun, "grow(10_000)")
    with jupyterlab(tmp_path) as lab:
        lab.open("stream.ipynb")
        session = lab.page.context.new_cdp_session(lab.page)
        found = []
        for number, last in enumerate(("", "piece1999", "piece9999")):
            run_cell(lab, number)
            lab.page.wait_for_function(
                "last => document.querySelector('.pex-grid-body [aria-colindex=\"5\"]')"
                "?.innerText.includes(last)",
                arg=last,
                timeout=240_000,
            )
            session.send("HeapProfiler.collectGarbage")
            heap = session.send("Runtime.getHeapUsage")
            nodes = session.send("Memory.getDOMCounters")["nodes"]
            found.append((heap["usedSize"] + heap["backingStorageSize"], nodes))
        assert found[2][0] - found[1][0] < 2_000_000, found
        # JupyterLab makes some itself; one left by every batch would be thousands.
        assert found[2][1] - found[1][1] < 1000, found

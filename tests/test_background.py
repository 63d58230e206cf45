"""A run is never in the way: free kernel, many views, a reload, a slow browser, interrupts."""

import re
from pathlib import Path

import nbformat
import pytest

from tests.helpers.browser import Lab, jupyterlab
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.lab import EXPERIMENT
from tests.helpers.notebooks import notebook
from tests.helpers.processes import wait_for

pytestmark = pytest.mark.browser


def lines(page: Lab) -> list[str]:
    """What stands above each grid that is there."""
    return page.page.locator(".pex-grid-line").all_text_contents()


def run_cell(page: Lab, code: str) -> None:
    """Write a new last cell and run it."""
    page.page.evaluate(
        """async (code) => {
          const app = window.jupyterapp, notebook = app.shell.currentWidget.content;
          notebook.activeCellIndex = notebook.widgets.length - 1;
          await app.commands.execute("notebook:insert-cell-below");
          notebook.activeCell.model.sharedModel.setSource(code);
          app.commands.execute("notebook:run-cell");
        }""",
        code,
    )


def test_a_run_in_the_background_with_two_views_a_closed_one_and_a_reload(
    project: Path, lab: FaultyEndpoint
) -> None:
    lab.latency_s = 0.5
    begin = "run = exp.start(record=False, max_in_flight=4, limit=200)\nrun"
    notebook(project / "back.ipynb", None, EXPERIMENT, begin)
    with jupyterlab(project) as page:
        page.open("back.ipynb")
        page.begin_all()
        grids = page.page.locator(".pex-grid")
        grids.first.wait_for()
        wait_for(lambda: lab.calls >= 8)

        # The kernel is free, and a second view has what was there before it came.
        run_cell(page, "print('free', run.done)\nrun.show()")
        wait_for(lambda: "free False" in page.printed())
        grids.nth(1).wait_for()
        wait_for(lambda: len(lines(page)) == 2 and lines(page)[0] == lines(page)[1])
        answered = grids.nth(1).get_by_role("gridcell").first
        wait_for(lambda: "w0" in answered.inner_text())

        # The first is closed in the middle: the run and the second view go on.
        page.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.content.widgets"
            ".filter((cell) => cell.model.type === 'code')[2].model.clearExecution()"
        )
        wait_for(lambda: grids.count() == 1)
        before = lab.calls
        wait_for(lambda: lab.calls >= before + 8)

        # The page is loaded anew: the run goes on, and the view catches up.
        lab.latency_s = 5  # a slow browser is back before the run is over, too
        page.save()
        page.page.reload()
        grids.first.wait_for()
        wait_for(lambda: lines(page) != [] and re.match(r"\d+/200", lines(page)[0]))
        assert lab.calls < 200
        lab.latency_s = 0.1
        wait_for(lambda: lines(page)[0].startswith("200/200"))
        assert grids.get_by_role("grid").get_attribute("aria-rowcount") == "201"
        wait_for(lambda: page.page.get_by_role("button", name="Stop", exact=True).count() == 0)

        # One that comes after the end has the results, for readers without a kernel too.
        run_cell(page, "run")
        wait_for(lambda: len(lines(page)) == 2)
        wait_for(lambda: lines(page)[1].startswith("200/200"))
        static = page.page.locator(".pex-static")
        wait_for(lambda: "200 cases" in (static.last.text_content() or ""))
        page.save()
        assert page.errors() == []
    saved = nbformat.read(project / "back.ipynb", as_version=4).cells[-1].outputs
    assert "pex-static" in saved[1].data["text/html"]
    assert "200 cases" in saved[1].data["text/html"]
    assert lab.calls == 200


def test_the_end_of_a_run_in_the_background_stands_in_its_cell(
    project: Path, lab: FaultyEndpoint
) -> None:
    lab.latency_s = 0.3
    begin = "run = exp.start(record=False, limit=20)\nrun"
    notebook(project / "back.ipynb", None, EXPERIMENT, begin)
    with jupyterlab(project) as page:
        page.open("back.ipynb")
        page.begin_all()
        page.page.locator(".pex-grid").wait_for()
        wait_for(lambda: lines(page)[0].startswith("20/20"))
        page.page.wait_for_function(
            "() => document.querySelector('.pex-static')?.textContent.includes('20 cases')"
        )
        page.save()
    saved = nbformat.read(project / "back.ipynb", as_version=4).cells[-1].outputs
    assert "20 cases" in saved[1].data["text/html"]


def test_an_interrupt_while_a_cell_awaits_keeps_the_answers_and_says_so(
    project: Path, lab: FaultyEndpoint
) -> None:
    lab.latency_s = 0.3
    awaited = "await exp.arun(record=False, max_in_flight=2)"
    notebook(project / "await.ipynb", None, EXPERIMENT, awaited)
    with jupyterlab(project) as page:
        page.open("await.ipynb")
        page.begin_all()
        page.page.locator(".pex-grid").wait_for()
        wait_for(lambda: lab.calls >= 6)
        run_cell(page, "print('kept', len(exp.results), exp.results.status)")
        page.command("notebook:interrupt-kernel")
        wait_for(page.errors)
        (error,) = page.errors()
        kept = re.search(r"stopped after (\d+) of 400 answers; they are kept", error)
        assert kept is not None
        assert 4 <= int(kept[1]) < 400
        shown = page.page.locator(".jp-OutputArea-output", has_text="Interrupted: stopped")
        assert shown.inner_text().count("\n") < 3
        run_cell(page, "print('kept', len(exp.results), exp.results.status)")
        wait_for(lambda: f"kept {kept[1]} interrupted" in page.printed())
        assert "interrupted, all answers kept" in lines(page)[0]


def test_a_slow_browser_neither_slows_the_run_nor_falls_behind(
    project: Path, lab: FaultyEndpoint
) -> None:
    lab.latency_s = 0.1
    begin = (
        "big = pex.Experiment('b', pex.grid(prompt, 'lab/m1'),"
        " [{'case_id': f'c{n}', 'word': f'w{n} ' * 200} for n in range(2000)], ['length'])\n"
        "run = big.start(record=False, max_in_flight=32)\nrun"
    )
    cells = [EXPERIMENT, begin, "print('answers', len(run.wait()))"]
    notebook(project / "slow.ipynb", None, *cells)
    with jupyterlab(project) as page:
        page.open("slow.ipynb")
        slow = page.page.context.new_cdp_session(page.page)
        slow.send("Emulation.setCPUThrottlingRate", {"rate": 6})
        page.begin_all()
        page.page.locator(".pex-grid").wait_for()
        wait_for(lambda: "answers 2000" in page.printed())
        wait_for(lambda: lines(page)[0].startswith("2,000/2,000"))

"""Stop in real front ends while a cell keeps the kernel busy, with a token and a base URL."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.helpers.browser import Lab, jupyterlab, notebook7
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.lab import EXPERIMENT
from tests.helpers.notebooks import notebook
from tests.helpers.processes import wait_for

pytestmark = pytest.mark.browser

Front = Callable[..., AbstractContextManager[Lab]]


@pytest.fixture(params=[jupyterlab, notebook7], ids=["JupyterLab", "Notebook 7"])
def front(request: pytest.FixtureRequest) -> Front:
    return request.param


def test_stop_is_heard_while_the_cell_blocks_and_nothing_else_is_touched(
    front: Front, project: Path, lab: FaultyEndpoint
) -> None:
    lab.latency_s = 0.5
    cells = [
        EXPERIMENT + "order = []",
        "results = exp.run(record=False, max_in_flight=2)\n"
        "order.append(results.status)\n"
        "order.append(input('name? '))",
        "order.append('next'); print('order', order)",
    ]
    notebook(project / "stop.ipynb", None, *cells)
    with front(project, base="/user/me") as page:
        page.open("stop.ipynb")
        page.begin_all()
        stop = page.page.get_by_role("button", name="Stop", exact=True)
        stop.wait_for()
        wait_for(lambda: lab.calls >= 4)
        # The grid answers too: a cell opened while the kernel is busy, drawn anew and moved.
        cell = page.page.locator("[data-index='5'] [role=gridcell]")
        cell.hover()
        page.page.mouse.down()
        wait_for(lambda: "w5" in cell.inner_text())
        grid = page.page.locator(".pex-grid").filter(has=cell)
        grid.evaluate("grid => (grid.style.marginTop = '90px')")
        page.page.mouse.up()
        page.page.get_by_role("dialog").get_by_role("heading", name="c5 ·").wait_for()
        page.page.keyboard.press("Escape")
        stop.focus()
        page.page.keyboard.press("Enter")
        answer = page.page.locator(".jp-Stdin-input")
        answer.wait_for()
        asked = lab.calls
        line = page.page.locator(".pex-grid-line").first.text_content()
        assert line is not None
        assert "interrupted, all answers kept" in line
        assert page.page.get_by_role("button", name="Stop").count() == 0
        answer.fill("Ada")
        answer.press("Enter")
        wait_for(lambda: "order ['interrupted', 'Ada', 'next']" in page.printed())
        assert page.errors() == []
        assert lab.calls == asked < 60


def test_where_a_kernel_has_no_subshells_stop_interrupts_it(
    front: Front, project: Path, lab: FaultyEndpoint
) -> None:
    lab.latency_s = 0.5
    # As ipykernel 6 does it: the page's messages wait for the cell's end.
    deaf = "from pex.widgets import grid; grid.answer_at_once = lambda widget: None\n"
    cells = [EXPERIMENT + deaf, "exp.run(record=False, max_in_flight=2)"]
    notebook(project / "stop.ipynb", None, *cells)
    with front(project, base="/user/me") as page:
        page.open("stop.ipynb")
        page.begin_all()
        stop = page.page.get_by_role("button", name="Stop", exact=True)
        stop.wait_for()
        wait_for(lambda: lab.calls >= 4)
        stop.click()
        wait_for(page.errors)
        (error,) = page.errors()
        assert error.startswith("Interrupted: stopped after ")
        assert "of 400 answers; they are kept in the experiment's .results" in error
        line = page.page.locator(".pex-grid-line").first.text_content()
        assert line is not None
        assert "interrupted, all answers kept" in line

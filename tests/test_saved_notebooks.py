"""Notebooks with widgets as others read them: the state's keys, tables, text, exported pages.

GitHub refuses a notebook whose `metadata.widgets` has no `state`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import nh3
import pytest
from playwright.sync_api import expect

from tests.helpers.browser import jupyterlab, notebook7, page
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.every_widget import CELLS, every_widget

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
LARGEST = 1_000_000
"""Bytes of one static table."""


def by_nbclient(path: Path) -> Any:
    from nbclient import NotebookClient

    content = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(path.parent)}}
    NotebookClient(content, timeout=600, kernel_name="python3", resources=where).execute()
    return content


def by_papermill(path: Path) -> Any:
    import papermill

    done = path.with_name("done.ipynb")
    papermill.execute_notebook(path, done, cwd=path.parent, progress_bar=False)
    return nbformat.read(done, as_version=4)


def state_of(content: Any) -> Any:
    """The widgets that are kept in a notebook, after the rules of those who read it."""
    nbformat.validate(content)
    kept = content.metadata["widgets"][STATE]
    assert set(kept) == {"state", "version_major", "version_minor"}
    return kept["state"]


def each_widget_left_a_table(content: Any) -> None:
    cells = [cell for cell in content.cells if cell.cell_type == "code"][1:]
    for (source, words), cell in zip(CELLS.values(), cells, strict=True):
        assert cell.source == source
        data = [output["data"] for output in cell.outputs if "data" in output]
        assert VIEW in data[0], source
        assert "object at 0x" not in data[0]["text/plain"]
        html, text = data[-1]["text/html"], data[-1]["text/plain"]
        assert VIEW not in data[-1]
        assert words in text, source
        assert "<script" not in html
        assert len(html) < LARGEST
        # What a code host lets through: no style, script or attribute that pex needs.
        host = nh3.clean(html)
        assert words in nh3.clean(host, tags=set()).replace("&lt;", "<").replace("&gt;", ">")


@pytest.mark.slow
@pytest.mark.parametrize(
    "execute", [pytest.param(by_nbclient, marks=pytest.mark.soak), by_papermill]
)
def test_without_a_display_state_and_tables_are_kept(
    execute: Callable[[Path], Any],
    project: Path,
    lab: FaultyEndpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    content = execute(every_widget(project / "all.ipynb"))
    assert sum("_esm" in model["state"] for model in state_of(content).values()) == len(CELLS)
    each_widget_left_a_table(content)


@pytest.mark.browser
@pytest.mark.parametrize("app", [jupyterlab, notebook7])
def test_saved_with_its_widgets_it_is_whole_and_readable_as_a_page(
    app: Any, project: Path, lab: FaultyEndpoint
) -> None:
    from nbconvert import HTMLExporter

    path = every_widget(project / "all.ipynb")
    with app(project) as jupyter:
        jupyter.open(path.name)
        jupyter.save()
        assert "widgets" not in nbformat.read(path, as_version=4).metadata
        jupyter.command("@jupyter-widgets/jupyterlab-manager:saveWidgetState")
        jupyter.run_all()
        assert jupyter.errors() == []
        for selector in CELLS:
            expect(jupyter.page.locator(selector).first).to_be_visible()
        for selector in (".pex-triage", ".pex-review"):
            jupyter.page.locator(selector).focus()
            for key in "xm":  # the notebook would cut the cell, or make it Markdown
                jupyter.page.keyboard.press(key)
        jupyter.save()
    content = nbformat.read(path, as_version=4)
    assert state_of(content)
    each_widget_left_a_table(content)
    exported, _ = HTMLExporter().from_notebook_node(content)
    with page() as tab:
        tab.context.set_offline(True)
        tab.set_content(exported, wait_until="domcontentloaded")
        for number, (_, words) in enumerate(CELLS.values()):
            expect(tab.locator(".pex-static").nth(number)).to_contain_text(words)
            expect(tab.locator(".pex-static").nth(number)).to_be_visible()

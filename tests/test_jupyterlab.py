"""Notebook 01 in a real JupyterLab in a real browser, and what is left of it without a kernel."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT
from tests.helpers.browser import jupyterlab, page
from tests.helpers.model import share
from tests.helpers.notebooks import notebook

pytestmark = [pytest.mark.browser, pytest.mark.model]


def test_notebook_01(tmp_path: Path) -> None:
    project = tmp_path / "mein Projekt ü"
    project.mkdir()
    (project / "pex.toml").touch()
    ignore = shutil.ignore_patterns("outputs")
    for name in ("notebooks", "experiments"):
        shutil.copytree(ROOT / name, project / name, ignore=ignore)
    share(project)
    with jupyterlab(project) as lab:
        lab.open("notebooks/01_compare_prompts.ipynb")
        lab.run_all()
        assert lab.errors() == []
        grid = lab.page.locator(".pex-grid").first
        grid.scroll_into_view_if_needed()
        line = grid.locator(".pex-grid-line").text_content()
        assert line is not None
        assert line.startswith("60/60")
        assert grid.get_by_role("grid").get_attribute("aria-rowcount") == "31"
        assert grid.get_by_role("gridcell").count() > 8
        # The static table stands behind the widget and is not seen twice.
        assert lab.page.locator(".pex-static").first.is_hidden()
        for dark in (True, False):
            lab.theme(dark)
            colours = grid.evaluate(
                "e => [getComputedStyle(e.querySelector('.pex-output')).color,"
                " getComputedStyle(e.querySelector('[role=grid]')).backgroundColor]"
            )
            assert colours[0] != colours[1]
        lab.save()
    exported = project / "01.html"
    subprocess.run(
        [
            sys.executable, "-m", "jupyter", "nbconvert", "--to", "html",
            "--output", str(exported), str(project / "notebooks/01_compare_prompts.ipynb"),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    with page() as browser_page:
        browser_page.goto(exported.as_uri())
        static = browser_page.locator(".pex-static").first
        assert static.is_visible()
        assert "30 cases; the variants disagree on" in static.inner_text()


def test_the_stop_button_while_a_cell_awaits(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").touch()
    code = (
        "import pex\n"
        "prompt = pex.Prompt('Tell me a story about the number {{ n }}.', name='story')\n"
        "params = {'temperature': 0, 'max_tokens': 60}\n"
        "cases = [{'n': n} for n in range(100)]\n"
        "exp = pex.Experiment('s', pex.grid(prompt, 'local/smollm2', params), cases, ['length'])\n"
        "results = await exp.arun(record=False)"
    )
    notebook(tmp_path / "stop.ipynb", None, code, "print('status:', results.status)")
    share(tmp_path)
    with jupyterlab(tmp_path) as lab:
        lab.open("stop.ipynb")
        lab.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
        button = lab.page.get_by_role("button", name="Stop", exact=True).first
        button.wait_for()
        lab.page.wait_for_function(
            "() => document.querySelector('.pex-grid progress').value >= 2", timeout=240_000
        )
        button.click()
        lab.page.get_by_text("status: interrupted").wait_for()
        line = lab.page.locator(".pex-grid-line").first.text_content()
        assert line is not None
        assert "interrupted" in line
        assert button.is_hidden()

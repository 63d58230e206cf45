"""Notebook 7 with the built-in model: a run in a blocking cell, Stop, dark, without a kernel."""

from pathlib import Path

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.helpers.browser import notebook7
from tests.helpers.lab import START
from tests.helpers.model import share
from tests.helpers.notebooks import notebook
from tests.helpers.processes import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.model]


def test_a_run_that_is_watched_stopped_and_read_again(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").touch()
    code = START + (
        "prompt = pex.Prompt('Tell me a story about the number {{ n }}.', name='story')\n"
        "cases = [{'case_id': f'c{n}', 'n': n} for n in range(60)]\n"
        "grid = pex.grid(prompt, 'local/smollm2', {'temperature': 0, 'max_tokens': 60})\n"
        "results = pex.Experiment('s', grid, cases, ['length']).run(record=False, stream=True)"
    )
    notebook(tmp_path / "story.ipynb", None, code, "print('status:', results.status)")
    share(tmp_path)
    with notebook7(tmp_path) as page:
        page.open("story.ipynb")
        page.begin_all()
        stop = page.page.get_by_role("button", name="Stop", exact=True)
        stop.wait_for()
        cells = page.page.get_by_role("gridcell")
        wait_for(lambda: "number" in cells.first.inner_text())
        assert page.page.locator(".pex-static").first.is_hidden()
        page.page.wait_for_function(
            "() => document.querySelector('.pex-grid progress').value >= 2", timeout=240_000
        )
        cells.first.click()
        page.page.get_by_role("dialog").get_by_role("heading", name="c0 ·").wait_for()
        page.page.keyboard.press("Escape")
        stop.click()
        wait_for(lambda: "status: interrupted" in page.printed())
        line = page.page.locator(".pex-grid-line").first.text_content()
        assert line is not None
        assert "interrupted, all answers kept" in line
        assert stop.count() == 0
        for dark in (True, False):
            page.theme(dark)
            found = Axe().run(page.page, context=".pex-grid")
            assert found.violations_count == 0, found.generate_report()
        page.save()
    outputs = nbformat.read(tmp_path / "story.ipynb", as_version=4).cells[-2].outputs
    assert "pex-static" in outputs[1].data["text/html"]


def test_the_playground_and_a_rating_work_there_too(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").touch()
    play = START + (
        "prompts = [pex.Prompt(text + ' {{ word }}', text) for text in ('Say', 'Shout')]\n"
        "cases = [{'word': word} for word in ('yes', 'no', 'why')]\n"
        "variants = pex.grid(prompts, 'local/smollm2', {'max_tokens': 12})\n"
        "exp = pex.Experiment('words', variants, cases)\n"
        "pex.Playground(exp)"
    )
    notebook(tmp_path / "play.ipynb", None, play, "exp.run(show=False).rate(rater='me')")
    share(tmp_path)
    with notebook7(tmp_path) as page:
        page.open("play.ipynb")
        page.run_all()
        assert page.errors() == []
        box, keys = page.page.locator(".pex-play"), page.page.keyboard
        box.locator(".pex-variant").nth(1).wait_for()
        box.get_by_role("textbox", name="Message 1").first.focus()
        keys.press("Control+Shift+Enter")
        expect(box.locator("[data-state=answered]")).to_have_count(6)
        page.page.locator(".pex-rating-pair").wait_for()
        page.page.get_by_role("button", name="Enable keyboard shortcuts").click()
        for number in (1, 2):
            page.page.get_by_text(f"Pair {number} of").wait_for()
            keys.press(str(number))
        page.page.get_by_text("2 rated by me").wait_for()
        for dark in (True, False):
            page.theme(dark)
            for part in (".pex-play", ".pex-rating"):
                found = Axe().run(page.page, context=part)
                assert found.violations_count == 0, found.generate_report()

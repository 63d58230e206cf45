"""The page of a night in a real browser: wide, narrow, dark, by keys, printed, in JupyterLab."""

import datetime
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from pex.batch.night.night import JudgedNight
from pex.batch.night.nights import Night
from pex.batch.night.write_page import page
from tests.helpers import ROOT
from tests.helpers.browser import jupyterlab
from tests.helpers.browser import page as opened
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.night_pages import AT, judged_night
from tests.helpers.notebooks import notebook

pytestmark = pytest.mark.browser


def states(project: Path) -> Iterator[tuple[str, JudgedNight]]:
    """Nights that are hard to show."""
    yield "hostile", judged_night(project, 40, 2, hostile=True)
    yield "one case", judged_night(project, 1, 2)
    yield "many variants", judged_night(project, 6, 20)
    large = judged_night(project, 12, 2)
    for recorded in (large.subjects[0].now, large.subjects[0].last):
        assert recorded is not None
        recorded.frame["output"] = ["x" * 1_000_000, "عاجل: أعد المبلغ من فضلك"] * 12
        recorded.frame["case.review"] = "y" * 5000
    yield "wide texts", large
    late = judged_night(project, 12, 2)
    days = [AT - datetime.timedelta(days=day) for day in range(60, 0, -1) if day not in (7, 8)]
    late.nights = [
        Night(f"night-{number}", day, ("done", "failed", "not finished")[number % 3])
        for number, day in enumerate(days)
    ]
    late.problems.append("The run of compare cannot be read: " + "word" * 100)
    yield "sixty nights", late
    nothing = judged_night(project, 1, 1)
    nothing.subjects = []
    nothing.batch.results[0].status = "timeout"
    yield "nothing ran", nothing


def overflow(tab: Page) -> int:
    return int(tab.evaluate("document.documentElement.scrollWidth - innerWidth"))


def test_every_state_fits_from_a_phone_to_a_wall_and_axe_finds_nothing(
    project: Path, lab: FaultyEndpoint
) -> None:
    path = project / "night.html"
    found = [(name, page(night)) for name, night in states(project)]
    with opened() as tab:
        tab.add_init_script("window.hacked = undefined")
        for name, text in found:
            path.write_text(text)
            tab.goto(path.as_uri())
            for width in (375, 1280, 3840):
                tab.set_viewport_size({"width": width, "height": 900})
                assert overflow(tab) <= 0, (name, width)
            for scheme, width in (("light", 375), ("dark", 1280)):
                tab.set_viewport_size({"width": width, "height": 900})
                tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                tab.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
                said = Axe().run(tab)
                assert said.violations_count == 0, (name, scheme, said.generate_report())
            assert tab.evaluate("window.hacked") is None


def test_all_can_be_reached_by_keys_and_is_open_in_print(
    project: Path, lab: FaultyEndpoint
) -> None:
    path = project / "night.html"
    path.write_text(page(judged_night(project, 200, 4)))
    with opened() as tab:
        tab.goto(path.as_uri())
        closed = tab.locator("details.work:not([open])")
        before = closed.count()
        assert before == 3
        tab.locator("summary").nth(0).focus()
        while not tab.evaluate("document.activeElement.parentElement.matches('.work:not([open])')"):
            tab.keyboard.press("Tab")
        tab.keyboard.press("Enter")
        assert closed.count() == before - 1
        outline = tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        tab.pdf(path=project / "night.pdf")
        assert tab.locator("details:not([open])").count() == 0


@pytest.mark.soak
def test_without_colours_the_marks_still_tell(project: Path, lab: FaultyEndpoint) -> None:
    path = project / "night.html"
    path.write_text(page(judged_night(project, 60, 2)))
    with opened() as tab:
        tab.emulate_media(forced_colors="active")
        tab.goto(path.as_uri())
        tab.get_by_text("✗ wrong").first.wait_for()
        for tag, line in (("del", "line-through"), ("ins", "underline")):
            style = tab.locator(tag).first.evaluate("e => getComputedStyle(e).textDecorationLine")
            assert style == line


@pytest.mark.soak
def test_in_jupyterlab_it_is_a_part_of_the_notebook_also_of_one_that_is_not_trusted(
    project: Path, lab: FaultyEndpoint
) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom pathlib import Path\n"
        "from pex.batch.night.read_back import ReadNight\n"
        "from tests.helpers.night_pages import judged_night\n"
        f"ReadNight.of(judged_night(Path({str(project)!r}), 40, 2, hostile=True))"
    )
    notebook(project / "page.ipynb", None, code)
    with jupyterlab(project) as there:
        there.open("page.ipynb")
        there.run_all()
        assert there.errors() == []
        shown = there.page.locator(".pex-night")
        for dark in (False, True):
            there.theme(dark)
            found = Axe().run(there.page, context=".pex-night")
            assert found.violations_count == 0, found.generate_report()
        # JupyterLab's own rules for definition lists put a value upon its name.
        name, value = (shown.locator(f".facts {tag}").first.bounding_box() for tag in ("dt", "dd"))
        assert name is not None
        assert value is not None
        assert name["y"] + name["height"] <= value["y"]
        assert shown.evaluate("e => e.scrollWidth <= e.clientWidth")
        there.save()
        saved = json.loads((project / "page.ipynb").read_text())
        for cell in saved["cells"]:
            cell["source"] = "# nobody has run this"
            cell["metadata"] = {}
        (project / "copy.ipynb").write_text(json.dumps(saved))
        there.open("copy.ipynb")
        trusted = "jupyterapp.shell.currentWidget.content.model.cells.get(0).trusted"
        assert there.page.evaluate(trusted) is False
        output = there.page.locator(".jp-OutputArea").first
        output.get_by_text("8 cases are worse than the baseline").wait_for()
        assert output.locator("del").count() > 0
        assert output.locator("script, iframe, img").count() == 0
        assert there.page.evaluate("window.hacked") is None

"""How a grid is shown: rows by their content, columns as a person wants them, an opened cell."""

import os
import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.helpers.browser import Lab, jupyterlab
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.lab import MADE, shown
from tests.helpers.notebooks import notebook

pytestmark = pytest.mark.browser

WORDS = "from tests.test_grid_layouts import words\n"


def words(cases: int, variants: int):
    """Results of one word each, with a score of three parts; every fifth answer is cut off."""
    from tests.helpers.made import made

    results = made(cases, variants)
    frame = results.frame
    places = zip(frame["case_id"], frame["variant"], strict=True)
    numbers = [
        int(case[1:]) * variants + int(name.removeprefix("variant-")) for case, name in places
    ]
    frame["output"] = ["positive" if n % 3 else "negative" for n in numbers]
    frame["score.label"] = [float(n % 3 > 0) for n in numbers]
    for part, step in (("name", 2), ("order", 5)):
        frame[f"score.fields.{part}"] = [float(n % step > 0) for n in numbers]
    frame["score.fields"] = (frame["score.fields.name"] + frame["score.fields.order"]) / 2
    for name in ("fields", "fields.name", "fields.order"):
        frame[f"reason.{name}"] = frame[f"score_error.{name}"] = None
    frame["finish_reason"] = ["length" if n % 5 == 0 else "stop" for n in numbers]
    return results


def rows_in_sight(grid: Locator) -> int:
    """The rows that are seen whole, in the grid and on the screen."""
    return int(
        grid.evaluate(
            """grid => {
              const box = grid.querySelector(".pex-grid-scroll").getBoundingClientRect();
              const top = grid.querySelector(".pex-grid-head").getBoundingClientRect().bottom;
              const end = Math.min(box.bottom, window.innerHeight);
              return [...grid.querySelectorAll(".pex-grid-body [role=row]")].filter((row) => {
                const place = row.getBoundingClientRect();
                return place.top >= top - 1 && place.bottom <= end + 1;
              }).length;
            }"""
        )
    )


def test_rows_are_as_high_as_what_is_in_them_and_the_choice_is_kept(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").touch()
    notebook(tmp_path / "grid.ipynb", None, MADE + WORDS + "words(60, 3).show()")
    with jupyterlab(tmp_path, width=1440, height=900) as lab:
        shown(lab, "grid.ipynb")
        grid = lab.page.locator(".pex-grid")
        grid.evaluate("e => e.scrollIntoView({block: 'start'})")
        rows = grid.get_by_label("Rows", exact=True)
        expect(rows).to_have_value("compact")  # one word each
        assert rows_in_sight(grid) >= 15
        signs = grid.locator("[data-index='0'] [role=gridcell]").nth(1).locator(".pex-chip")
        expect(signs.first).to_have_text("✓")
        rows.select_option("lines")
        cell = grid.locator("[data-index='0'] [role=gridcell]").first
        expect(cell.locator(".pex-chip")).to_have_text(["cut off", "label ✗", "name ✗", "order ✗"])
        assert cell.get_attribute("data-verdict") == "bad"
        expect(cell).to_have_attribute("title", re.compile(r"^[\d.]+ m?s · \$0.0012$"))
        # The same rows, wherever one scrolls, are neither over each other nor apart.
        for place in ("e.scrollHeight / 2", "e.scrollHeight", "0"):
            grid.get_by_role("grid").evaluate(f"e => {{ e.scrollTop = {place}; }}")
            lab.page.wait_for_function(
                """() => {
                  const rows = [...document.querySelectorAll(".pex-grid-body [role=row]")]
                    .map((row) => row.getBoundingClientRect()).sort((a, b) => a.top - b.top);
                  return rows.length > 4 && rows.slice(1)
                    .every((row, n) => Math.abs(row.top - rows[n].bottom) < 1);
                }"""
            )
        rows.select_option("map")
        squares = grid.locator("[data-index='0'] [role=gridcell]")
        expect(squares).to_have_text(["✗", "✓", "✓"])
        assert rows_in_sight(grid) >= 20
        lab.save()
        lab.page.reload()
        lab.page.locator(".pex-grid-body [role=row]").first.wait_for()
        expect(rows).to_have_value("map")


def test_a_cut_answer_is_marked_counted_and_found(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").touch()
    notebook(tmp_path / "grid.ipynb", None, MADE + WORDS + "words(60, 3).show()")
    with jupyterlab(tmp_path, width=1440, height=900) as lab:
        shown(lab, "grid.ipynb")
        grid = lab.page.locator(".pex-grid")
        status = grid.get_by_role("status").first
        grid.get_by_role("button", name="12 cut off").first.click()
        expect(status).to_have_text("36 of 60 rows")
        expect(grid.get_by_label("Which rows")).to_have_value("cut_off")
        grid.get_by_label("Which rows").select_option("all")
        # Any score of any variant is a filter, and an order.
        grid.get_by_role("button", name="Filter", exact=True).click()
        grid.get_by_label("Answer of").select_option(label="variant-1")
        grid.get_by_label("Condition").select_option("below:fields")
        grid.get_by_label("Value").fill("0.5")
        grid.get_by_role("button", name="Add", exact=True).click()
        expect(status).to_have_text("6 of 60 rows")
        grid.get_by_role("button", name="Remove the filter variant-1: fields < 0.5").click()
        expect(status).to_have_text("60 rows")
        score = grid.get_by_role("columnheader", name="variant-2").get_by_role(
            "button", name="fields"
        )
        score.click()
        expect(grid.get_by_role("columnheader", name="variant-2")).to_have_attribute(
            "aria-sort", "ascending"
        )
        expect(grid.locator("[data-index='0'] .pex-id")).not_to_have_text("c0")
        assert grid.locator(".pex-grid-part").count() == 0
        grid.get_by_role("button", name="+ 2 parts").click()
        expect(grid.locator(".pex-grid-part")).to_have_count(6)


RUN = (
    "import pex\n"
    "exp = pex.Experiment('linked', pex.grid([pex.Prompt('{{ w }}', name='p')], 'lab/m1'),\n"
    "    [{'w': f'w{n}', 'expected': f'w{n}'} for n in range(3)], ['exact'])\n"
    "results = exp.run()"
)


def test_the_line_below_a_run_opens_it_in_mlflow(project: Path, lab: FaultyEndpoint) -> None:
    notebook(project / "grid.ipynb", None, RUN)
    with jupyterlab(project, width=1440, height=900) as page_of:
        page_of.open("grid.ipynb")
        page_of.run_all()
        line = page_of.page.locator(".pex-recorded")
        expect(line).to_contain_text("Recorded: ")
        line.get_by_role("button", name="Open in MLflow").click()
        link = line.get_by_role("link", name="open in MLflow")
        link.wait_for()
        # The link has a token: it is in no state that is saved.
        assert "?token=" in (link.get_attribute("href") or "")
        page_of.save()
        assert "?token=" not in (project / "grid.ipynb").read_text()
        with page_of.page.context.expect_page() as opened:
            link.click()
        tab = opened.value
        tab.get_by_text(re.compile(r"1 prompt × 3")).first.wait_for()
        assert "token" not in tab.url
        # MLflow's assistant does not open by itself.
        assert tab.get_by_placeholder("Ask a question").count() == 0


def dragged(lab: Lab, node: Locator, other: Locator) -> None:
    """Drag one thing on another, as a hand does: a drag begins only once the mouse has moved."""
    start, end = node.bounding_box(), other.bounding_box()
    assert start is not None
    assert end is not None
    mouse = lab.page.mouse
    mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    mouse.down()
    mouse.move(start["x"], start["y"] + 4, steps=5)
    mouse.move(end["x"] + end["width"] / 2, end["y"] + end["height"] / 2, steps=10)
    mouse.move(end["x"] + end["width"] / 2 + 1, end["y"] + end["height"] / 2)
    mouse.up()


def test_columns_are_hidden_moved_and_made_wider_and_stay_so(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").touch()
    notebook(tmp_path / "grid.ipynb", None, MADE + WORDS + "words(60, 12).show()")
    with jupyterlab(tmp_path, width=1440, height=900) as lab:
        shown(lab, "grid.ipynb")
        grid = lab.page.locator(".pex-grid")
        heads = grid.locator(".pex-grid-name")
        more = grid.get_by_role("button", name="more →")
        expect(more).to_have_text("7 more →")
        more.click()
        expect(more).to_have_text(re.compile(r"^[12] more →$"))
        case = grid.locator(".pex-grid-head .pex-cell").first  # it stays when columns move on
        assert case.evaluate("e => e.getBoundingClientRect().left") == grid.get_by_role(
            "grid"
        ).evaluate("e => e.getBoundingClientRect().left + e.clientLeft")
        names = [f"variant-{n}" for n in range(12)]
        grid.get_by_role("button", name="Columns", exact=True).click()
        menu = grid.get_by_role("group", name="Columns")
        menu.get_by_role("checkbox", name="variant-1", exact=True).uncheck()
        menu.get_by_role("button", name="Move to the left: variant-2", exact=True).click()
        menu.get_by_role("button", name="Move to the left: variant-2", exact=True).press("Enter")
        expect(heads).to_have_text(["variant-2", "variant-0", *names[3:]])
        lab.page.keyboard.press("Escape")
        # What is drawn belongs to its column: the answers are those of the third variant.
        grid.get_by_role("grid").evaluate("e => { e.scrollLeft = 0; }")
        expect(grid.locator("[data-index='0'] [role=gridcell]").first).to_contain_text("positive")
        grid.get_by_role("grid").focus()
        lab.page.keyboard.press("Control+Home")
        lab.page.keyboard.press("Enter")
        grid.get_by_role("heading", name="c0 · variant-2").wait_for()
        lab.page.keyboard.press("Escape")
        edge = grid.locator(".pex-grid-title").nth(1).locator(".pex-grid-grip")
        before = grid.locator(".pex-grid-title").nth(1).evaluate("e => e.offsetWidth")
        place = edge.bounding_box()
        assert place is not None
        lab.page.mouse.move(place["x"] + 3, place["y"] + 5)
        lab.page.mouse.down()
        lab.page.mouse.move(place["x"] + 103, place["y"] + 5, steps=4)
        lab.page.mouse.up()
        wide = "e => e.offsetWidth"
        assert abs(grid.locator(".pex-grid-title").nth(1).evaluate(wide) - before - 100) <= 2
        dragged(lab, heads.nth(3), heads.nth(1))
        expect(heads).to_have_text(["variant-2", "variant-4", "variant-0", "variant-3", *names[5:]])
        lab.save()
        lab.page.reload()
        expect(heads).to_have_text(["variant-2", "variant-4", "variant-0", "variant-3", *names[5:]])
        assert abs(grid.locator(".pex-grid-title").nth(1).evaluate(wide) - before - 100) <= 2
        grid.get_by_role("button", name="Columns (1 hidden)").click()
        grid.get_by_role("button", name="Reset columns").click()
        expect(heads).to_have_text(names)


def test_while_the_kernel_is_busy_the_pane_is_of_the_cell_that_was_asked_for(
    tmp_path: Path,
) -> None:
    (tmp_path / "pex.toml").touch()
    code = "import os, pathlib\npathlib.Path('pid').write_text(str(os.getpid()))\n"
    notebook(tmp_path / "grid.ipynb", None, MADE + code + "made(60, 3).show()")
    with jupyterlab(tmp_path, width=1440, height=900) as lab:
        shown(lab, "grid.ipynb")
        grid = lab.page.locator(".pex-grid")
        window = grid.get_by_role("dialog")
        grid.get_by_role("gridcell").nth(1).click()
        window.get_by_role("heading", name="Answer").wait_for()
        kernel = int((tmp_path / "pid").read_text())
        os.kill(kernel, signal.SIGSTOP)
        try:
            lab.page.keyboard.press("ArrowDown")
            heading(window, "c1 · variant-1")
            expect(window).to_contain_text("when the kernel is free")
            expect(window.get_by_role("heading", name="Answer")).to_be_hidden()
            lab.page.keyboard.press("ArrowRight")
            heading(window, "c1 · variant-2")
        finally:
            os.kill(kernel, signal.SIGCONT)
        window.get_by_role("heading", name="Answer").wait_for()
        heading(window, "c1 · variant-2")
        expect(window).not_to_contain_text("when the kernel is free")


def test_arrows_go_through_opened_cells_and_the_rows_stay_in_sight(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").touch()
    code = "results = made(60, 3)\nf = results.frame\n"
    code += "f['case.review'] = 'A line.\\n' * 40\nf['output'] = 'word ' * 500\nresults.show()"
    notebook(tmp_path / "grid.ipynb", None, MADE + code)
    with jupyterlab(tmp_path, width=1440, height=900) as lab:
        shown(lab, "grid.ipynb")
        grid = lab.page.locator(".pex-grid")
        grid.evaluate("e => e.scrollIntoView({block: 'start'})")
        window = grid.get_by_role("dialog")
        # From the grid, which keeps the focus after a click.
        grid.get_by_role("gridcell").nth(1).click()
        heading(window, "c0 · variant-1")
        assert rows_in_sight(grid) >= 2
        assert beside(grid)
        lab.page.keyboard.press("ArrowDown")
        heading(window, "c1 · variant-1")
        # From the window, where Enter leads.
        lab.page.keyboard.press("Enter")
        lab.page.keyboard.press("ArrowRight")
        heading(window, "c1 · variant-2")
        lab.page.keyboard.press("ArrowUp")
        heading(window, "c0 · variant-2")
        window.get_by_role("tab", name="variant-0").click()
        heading(window, "c0 · variant-0")
        lab.page.keyboard.press("ArrowRight")
        heading(window, "c0 · variant-1")
        # The answer and its scores are first, and what is long is folded.
        sections = window.get_by_role("heading", level=3).all_text_contents()
        assert sections[:3] == ["Answer", "Scores", "Expected"]
        folded = window.locator(".pex-folded").filter(has_text="A line.").first
        tall = folded.evaluate("e => e.offsetHeight")
        folded.get_by_role("button", name="Show all").click()
        assert folded.evaluate("e => e.offsetHeight") > 3 * tall
        window.get_by_text("Response as recorded").click()
        expect(window.get_by_label("Response as recorded", exact=True)).to_contain_text('"output"')
        lab.page.keyboard.press("Escape")
        expect(window).to_be_hidden()
        expect(grid.get_by_role("grid")).to_be_focused()
        # In full, an answer is not cut to what came with its row.
        grid.get_by_label("Rows", exact=True).select_option("full")
        text = grid.locator("[data-index='0'] [role=gridcell]").first.locator(".pex-output")
        lab.page.wait_for_function(
            "() => document.querySelector('.pex-grid-body [role=gridcell]').textContent.length"
            " > 2400"
        )
        assert (text.text_content() or "").count("word") == 500


def heading(window: Locator, name: str) -> None:
    """Wait until a cell is the opened one."""
    window.get_by_role("heading", name=name, exact=True).wait_for()


def beside(grid: Locator) -> bool:
    """Whether the opened cell covers nothing of the rows."""
    return bool(
        grid.evaluate(
            "e => e.querySelector('.pex-grid-scroll').getBoundingClientRect().right"
            " <= e.querySelector('.pex-reader').getBoundingClientRect().left"
        )
    )


def skipped(lab: Lab) -> None:
    """Scroll to the end and wait until JupyterLab's page skips the layout of the first cell."""
    lab.page.locator(".jp-Cell").last.evaluate("e => e.scrollIntoView()")
    lab.page.wait_for_function(
        "() => !document.querySelector('.pex-grid-body [role=row]')"
        ".checkVisibility({contentVisibilityAuto: true})"
    )


@pytest.mark.soak
def test_rows_that_lost_their_layout_out_of_sight_are_drawn_anew(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").touch()
    cells = [MADE + "results = made(60, 3)\nresults.show()"]
    cells += ["from IPython.display import HTML\nHTML('<div style=height:3000px></div>')", "1"]
    notebook(tmp_path / "grid.ipynb", None, *cells)
    with jupyterlab(tmp_path) as lab:
        shown(lab, "grid.ipynb")
        skipped(lab)
        # What was seen once in ten times: rows with their text, and without any size.
        lab.page.locator(".pex-grid-body [role=row]").evaluate_all(
            "rows => rows.forEach((row) => (row.style.display = 'none'))"
        )
        lab.page.locator(".pex-grid").evaluate("e => e.scrollIntoView({block: 'start'})")
        lab.page.wait_for_function(
            """() => {
              const rows = [...document.querySelectorAll(".pex-grid-body [role=row]")];
              return rows.length > 3 && rows.every((row) => row.getBoundingClientRect().height > 20
                && row.querySelector("[role=gridcell]").textContent);
            }"""
        )


@pytest.mark.soak
def test_a_grid_that_fills_out_of_sight_has_its_rows_when_one_comes_to_it(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").touch()
    gap = "from IPython.display import HTML\nHTML('<div style=height:3000px></div>')"
    grow = "import time\nfor n in range(40):\n"
    grow += "    grid.on_event(Delta((names[n % 4], f'c{n % 20}', 1), f'piece {n} ' * 30))\n"
    grow += "    time.sleep(0.02)\ngrid.close_run()"
    start = (
        "from pex.core.events import Delta, Queued\nfrom pex.widgets.grid import ResultGrid\n"
        "from pex.widgets.cell import Line\nfrom pex.widgets.sheet import Sheet\n"
        "names = [f'v{n}' for n in range(4)]\n"
        "grid = ResultGrid(Sheet(names, [Line(f'c{n}', 'text') for n in range(20)], 1))\n"
        "grid.on_event(Queued(tuple(names), ('c0',), 1, 80))"
    )
    notebook(tmp_path / "grid.ipynb", None, MADE + start, gap, "grid", grow)
    with jupyterlab(tmp_path) as lab:
        lab.open("grid.ipynb")
        lab.begin_all()
        last = "() => window.jupyterapp.shell.currentWidget.content.model.cells.get(3)"
        lab.page.wait_for_function(f"{last}.executionCount !== null")
        lab.page.locator(".jp-Cell").first.evaluate("e => e.scrollIntoView()")
        lab.page.locator(".pex-grid").evaluate("e => e.scrollIntoView({block: 'start'})")
        lab.page.wait_for_function(
            """() => {
              const rows = [...document.querySelectorAll(".pex-grid-body [role=row]")];
              return rows.length > 3 && rows.every((row) => row.getBoundingClientRect().height > 20)
                && rows[0].textContent.includes("piece");
            }"""
        )


@pytest.mark.soak
def test_rows_stay_when_the_theme_changes(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").touch()
    notebook(tmp_path / "grid.ipynb", None, MADE + "made(40, 5).show()")
    with jupyterlab(tmp_path) as lab:
        shown(lab, "grid.ipynb")
        rows = lab.page.locator(".pex-grid-body [role=row]")
        lab.page.get_by_label("Which rows").select_option("failures")
        for dark in (True, False, True):
            lab.theme(dark)
            # A theme takes the page's styles away for a moment, and with them all room.
            lab.page.wait_for_function(
                """() => new Promise((settled) => {
                  const room = () => document.querySelector(".pex-grid-scroll").clientHeight > 0;
                  requestAnimationFrame(() => requestAnimationFrame(() => settled(room())));
                })"""
            )
            expect(rows.first).to_be_in_viewport()
        assert rows_in_sight(lab.page.locator(".pex-grid")) > 3

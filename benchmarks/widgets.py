"""How fast the result grid is in JupyterLab and headless Chromium, between two other tables.

The fastest is `floor.py`, virtual rows without any feature; the slowest is a static HTML table.

First paint and all rows: seconds from running the cell until the first row is painted, and until
every row is in the page; the results and the widget's imports are there before. Part of that is
Playwright, which sees every message. Heap is what JavaScript holds after a garbage collection,
beyond JupyterLab's own, including the bytes of the rows. Frames are the times
between two frames while a wheel turns (120 pixels a frame), and while every frame shows other
rows. Lateness is the time from a piece of text until it is painted, with eight answers growing by
50 pieces a second each.

Run: python benchmarks/widgets.py [--cases 10000] [--variants 8] [--static 2000]
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from figures import figure

from tests.helpers.browser import Lab, jupyterlab, run_cell
from tests.helpers.notebooks import notebook

ROOT = Path(__file__).parent.parent
SETUP = (
    f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
    "from tests.helpers.made import made\nimport pex.widgets.grid\n"
    "from benchmarks.floor import Floor, floor\n"
)
SHOWN = {"grid": ".pex-grid-body .pex-clamp", "floor": ".floor-row"}
WHOLE = {"grid": "[role=grid][aria-busy=false]", "floor": ".floor[data-rows='{cases}']"}
BOX = {"grid": "[role=grid]", "floor": ".floor"}
CELL = {"grid": ".pex-grid-body [role=gridcell] .pex-output", "floor": ".floor-row :nth-child(2)"}
SHOW = {"grid": "results.show()", "floor": "floor(results.frame)"}
FLOOR_STREAM = """
import threading, time
grid = Floor([[""] * 9 for _ in range(20)])
ended = []
def work():
    grid.shown.wait()
    begun = time.time()
    for step in range(300):
        for n in range(8):
            grid.grow(0, n + 1, f" {time.time() * 1000:.0f}")
        time.sleep(max(0, begun + (step + 1) / 50 - time.time()))
    ended.append(True)
display(grid)
threading.Thread(target=work, daemon=True).start()
threading.Thread(target=grid.follow, args=(lambda: bool(ended),), daemon=True).start()
"""
STREAM = """
import threading, time
from IPython.display import display
from pex.core.events import Delta, Queued
from pex.widgets.grid import ResultGrid
from pex.widgets.cell import Line
from pex.widgets.sheet import Sheet
names = [f"v{n}" for n in range(8)]
grid = ResultGrid(Sheet(names, [Line(f"c{n}", "text") for n in range(20)], 1))
display(grid)
def work():
    grid.on_event(Queued(tuple(names), ("c0",), 1, 8))
    begun = time.time()
    for step in range(300):
        for name in names:
            grid.on_event(Delta((name, "c0", 1), f" {time.time() * 1000:.0f}"))
        time.sleep(max(0, begun + (step + 1) / 50 - time.time()))
    grid.close_run()
threading.Thread(target=work, daemon=True).start()
"""
STREAMS = {"grid": STREAM, "floor": FLOOR_STREAM}
WATCH = """(cell) => {
  window.late = []; window.paints = [];
  const see = () => {
    const words = document.querySelector(cell)?.textContent.trim().split(" ") ?? [];
    const made = Number(words.at(-1));
    if (made > 1e12 && made !== window.lastMade) {
      window.lastMade = made;
      window.late.push(Date.now() - made);
      window.paints.push(performance.now());
    }
    requestAnimationFrame(see);
  };
  see();
}"""
SCROLL = """async ([box, jump]) => {
  const grid = document.querySelector(box);
  const frames = [];
  let last = await new Promise(requestAnimationFrame);
  for (let step = 1; step <= 90; step++) {
    grid.scrollTop = jump ? ((step * 37) % 91) * grid.scrollHeight / 91 : grid.scrollTop + 120;
    const now = await new Promise(requestAnimationFrame);
    frames.push(now - last);
    last = now;
  }
  return frames;
}"""


def heap(lab: Lab) -> float:
    session = lab.page.context.new_cdp_session(lab.page)
    session.send("HeapProfiler.collectGarbage")
    found = session.send("Runtime.getHeapUsage")
    return float(found["usedSize"] + found["backingStorageSize"]) / 1e6


def until(lab: Lab, condition: str, timeout_s: float = 90) -> float:
    begun = time.perf_counter()
    lab.page.wait_for_function(condition, timeout=timeout_s * 1000, polling="raf")
    return time.perf_counter() - begun


def wait_for_element(lab: Lab, selector: str) -> None:
    until(lab, f'() => document.querySelector("{selector}")')


def idle(lab: Lab) -> None:
    until(
        lab,
        "() => { const w = window.jupyterapp.shell.currentWidget;"
        " return w.sessionContext.session?.kernel?.status === 'idle'"
        " && w.content.activeCell.model.executionCount !== null; }",
    )


def size(folder: Path, cases: int, variants: int, which: str) -> list[float]:
    """First paint, all rows, heap and frames of the grid or the floor; the first three."""
    name = f"{which}.ipynb"
    results = f"{SETUP}results = made({cases}, {variants})\nresults.summary()"
    notebook(folder / name, None, results, SHOW[which])
    with jupyterlab(folder) as lab:
        received: list[int] = []
        lab.page.on("websocket", lambda s: s.on("framereceived", lambda d: received.append(len(d))))
        lab.open(name)
        run_cell(lab, 0)
        idle(lab)
        before, marks = heap(lab), sum(received)
        begun = time.perf_counter()
        run_cell(lab, 1)
        wait_for_element(lab, SHOWN[which])
        first = time.perf_counter() - begun
        wait_for_element(lab, WHOLE[which].format(cases=cases))
        whole = time.perf_counter() - begun
        lab.page.wait_for_timeout(1000)
        used = heap(lab) - before
        lab.page.locator(BOX[which]).evaluate("e => e.scrollIntoView()")
        wheel: list[float] = lab.page.evaluate(SCROLL, [BOX[which], False])
        jumps: list[float] = lab.page.evaluate(SCROLL, [BOX[which], True])
        print(
            f"{which} {cases:,} x {variants}: first paint {first:.2f} s, all rows {whole:.2f} s, "
            f"heap +{used:.1f} MB, {(sum(received) - marks) / 1e6:.1f} MB received; frames of a "
            f"wheel: median {median(wheel):.0f} ms, longest {max(wheel):.0f}; of jumps to other "
            f"rows: {median(jumps):.0f}, {max(jumps):.0f}"
        )
        return [first, whole, used]


def static(folder: Path, cases: int, variants: int) -> float:
    """The same rows as one HTML table of pandas."""
    code = f"{SETUP}frame = made({cases}, {variants}).frame"
    table = (
        "from IPython.display import HTML\n"
        "wide = frame.pivot(index='case_id', columns='variant', values='output')\n"
        "HTML(wide.to_html(max_rows=None))"
    )
    notebook(folder / "static.ipynb", None, code, table)
    with jupyterlab(folder) as lab:
        lab.open("static.ipynb")
        run_cell(lab, 0)
        idle(lab)
        before = heap(lab)
        begun = time.perf_counter()
        run_cell(lab, 1)
        until(lab, f"() => document.querySelectorAll('.jp-OutputArea table tr').length > {cases}")
        took = time.perf_counter() - begun
        used = heap(lab) - before
        print(f"static {cases:,} x {variants}: all rows {took:.2f} s, heap +{used:.1f} MB")
        return took


def stream(folder: Path, meanwhile: str, which: str) -> float:
    """How late growing text is painted while the next cell is running."""
    notebook(folder / "stream.ipynb", None, f"{SETUP}{STREAMS[which]}", meanwhile)
    with jupyterlab(folder) as lab:
        lab.open("stream.ipynb")
        lab.page.evaluate(WATCH, CELL[which])
        lab.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
        until(lab, "() => window.late.length > 50")
        lab.page.wait_for_timeout(6000)
        late: list[float] = lab.page.evaluate("window.late")
        paints: list[float] = lab.page.evaluate("window.paints")
        gaps = [after - before for before, after in itertools.pairwise(paints)]
        ordered = sorted(late)
        print(
            f"{which}: stream beside '{meanwhile[:24]}': late by {median(late):.0f} ms (median), "
            f"{ordered[int(len(late) * 0.95)]:.0f} (95 %), last {late[-1]:.0f}; "
            f"longest gap {max(gaps):.0f} ms"
        )
        return float(median(late))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--variants", type=int, default=8)
    parser.add_argument("--static", type=int, default=2_000)
    asked: Any = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "pex.toml").touch()
        found = {}
        for which in ("floor", "grid"):
            found[which] = size(folder, asked.cases, asked.variants, which)
            stream(folder, "import time; time.sleep(3)", which)
            late = stream(folder, "sum(n * n for n in range(30_000_000)) and None", which)
            found[which].append(late)
        name = f"{asked.cases:,} x {asked.variants}"
        for what, unit, least, value in zip(
            (f"first paint, {name}", f"all rows, {name}", f"memory, {name}",
             "text in a stream while a cell computes is late by"),
            ("s", "s", "MB", "ms"), *found.values(), strict=True,
        ):  # fmt: skip
            figure(what, value, unit, floor=least, floor_name="bare virtual rows")
        one = static(folder, asked.static, asked.variants)
        figure(f"one HTML table of pandas, {asked.static:,} x {asked.variants}", one, "s")


if __name__ == "__main__":
    main()

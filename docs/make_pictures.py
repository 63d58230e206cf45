"""Take the screenshots again: `make pictures`.

Runs the demo's experiment in a temporary project, then opens JupyterLab, MLflow's pages and the
report in headless Chromium. The nights are real ones of a provider that changes on demand. All
screenshots are in outputs/pictures, to be looked at; those that the documentation shows are copied
to docs/pictures.
"""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import pex  # noqa: E402
from pex import local  # noqa: E402
from tests.helpers.browser import Lab, free_port, jupyterlab, page, serving  # noqa: E402
from tests.helpers.endpoint import FaultyEndpoint  # noqa: E402
from tests.helpers.lab_nights import (  # noqa: E402
    UNHAPPY,
    Model,
    lay_out,
    night,
    pexlab,
)
from tests.helpers.notebooks import notebook as notebook_of  # noqa: E402

PICTURES = ROOT / "outputs" / "pictures"
SHOWN = ROOT / "docs" / "pictures"


def main() -> None:
    """Make all pictures."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / "pex.toml").touch()
        for name in ("notebooks", "experiments"):
            shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("outputs"))
        try:
            notebook(project)
            magics(project)
            playground(project)
            run_id = report(project)
            record(project, run_id)
            grid(project, run_id)
            rating(project, run_id)
            browser(project)
        finally:
            local.stop(project / ".pex")
    with tempfile.TemporaryDirectory() as folder:
        nights(Path(folder))
    for name in referenced():
        shutil.copyfile(PICTURES / name, SHOWN / name)


def referenced() -> set[str]:
    """The screenshots that README and documentation show."""
    texts = [path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))]
    return set(re.findall(r"pictures/([\w-]+\.png)", "".join(texts)))


def notebook(project: Path) -> None:
    """JupyterLab with notebook 01, light and dark."""
    with jupyterlab(project, width=1280, height=860) as lab:
        lab.open("notebooks/01_compare_prompts.ipynb")
        lab.command("application:toggle-left-area")
        lab.run_all()
        for dark in (False, True):
            lab.theme(dark)
            name = "dark" if dark else "light"
            picture(lab, ".pex-grid", f"notebook-run-{name}.png")
            picture(lab, ".js-plotly-plot", f"notebook-plot-{name}.png")
            picture(lab, ".pex-verdicts", f"notebook-verdict-{name}.png")


def magics(project: Path) -> None:
    """A prompt as a cell with its answer, and the project at a glance, light and dark."""
    import nbformat

    texts = (
        "%load_ext pex",
        "%%prompt plain --run --cases review-sentiment --case 2 --fresh\nReview: {{ review }}\n"
        "Is this review positive or negative? Answer with one word.",
        "%pex",
    )
    cells = [nbformat.v4.new_code_cell(text) for text in texts]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    content = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(content, project / "cells.ipynb")
    with jupyterlab(project, width=1280, height=620) as lab:
        lab.open("cells.ipynb")
        lab.command("application:toggle-left-area")
        lab.run_all()
        for dark in (False, True):
            lab.theme(dark)
            name = "dark" if dark else "light"
            picture(lab, ".pex-prompt-answer", f"cell-answer-{name}.png")


def browser(project: Path) -> None:
    """The library browser on two recorded versions of a prompt, light and dark."""
    code = """import pex
experiment = "experiments/review-sentiment/experiment.yaml"
file = "experiments/review-sentiment/prompts/short.prompty"
first = open(file).read()
for text in (first, first.replace("Answer with one word.", "Say only the word.")):
    open(file, "w").write(text)
    pex.Experiment.load(experiment).run(limit=20, show=False)
    pex.library.save(pex.Prompt.load(file))
open(file, "w").write(first + "One word.\\n")
moved = pex.library.set_alias("short", "champion", 1)"""
    notebook_of(project / "browse.ipynb", None, code, "pex.browse('short')")
    with jupyterlab(project, width=1280, height=860) as lab:
        lab.open("browse.ipynb")
        lab.command("application:toggle-left-area")
        lab.run_all()
        box = lab.page.locator(".pex-browser")
        for dark in (False, True):
            lab.theme(dark)
            for tab in ("Difference", "Scores"):
                box.get_by_role("tab", name=tab).click()
                name = f"browse-{tab.lower()}-{'dark' if dark else 'light'}.png"
                picture(lab, ".pex-browser", name)


def playground(project: Path) -> None:
    """The Playground when it is new, with answers, differences, a problem, and narrow."""
    code = 'import pex\npex.Playground("review-sentiment")'
    made = notebook_of(project / "notebooks" / "playground.ipynb", None, code, "pex.Playground()")
    with jupyterlab(project, width=1280, height=960) as lab:
        lab.open(f"notebooks/{made.name}")
        lab.command("application:toggle-left-area")
        lab.run_all()
        both(lab, ".pex-play >> nth=1", "playground-empty")
        play = lab.page.locator(".pex-play").first
        play.get_by_role("button", name="Run all").click()
        lab.page.get_by_text("Recorded: ").first.wait_for(timeout=300_000)
        both(lab, ".pex-play", "playground-answers")
        play.get_by_role("button", name="Show differences").click()
        both(lab, ".pex-play", "playground-differences")
        play.get_by_role("button", name="Show differences").click()
        play.get_by_role("button", name="Edit prompts").click()
        text = play.get_by_role("textbox", name="Message 1").first
        text.press("Control+End")
        text.press_sequentially("\nThe product: {{ product")
        play.locator(".pex-problem").first.wait_for()
        both(lab, ".pex-play", "playground-problem")
        text.press_sequentially(" }}")
        play.get_by_role("button", name="Save…").click()
        both(lab, ".pex-play", "playground-save")
        lab.page.keyboard.press("Escape")
        lab.page.set_viewport_size({"width": 430, "height": 960})
        both(lab, ".pex-play", "playground-narrow")


def picture(lab: Lab, selector: str, name: str) -> None:
    """A screenshot with the first element of a selector in its middle."""
    found = lab.page.locator(selector).first
    found.evaluate("e => e.scrollIntoView({block: 'center'})")
    lab.page.wait_for_timeout(1500)
    lab.page.screenshot(path=PICTURES / name)


def report(project: Path) -> str:
    """The report of the demo's experiment, light and dark; returns the id of its run."""
    command = [sys.executable, "-m", "pex.cli", "run", "--limit", "40"]
    command.append("experiments/review-sentiment/experiment.yaml")
    subprocess.run(command, cwd=project, check=True)
    subprocess.run([sys.executable, "-m", "pex.cli", "report", "latest"], cwd=project, check=True)
    for dark in (False, True):
        with page(width=1200, height=1000, dark=dark) as browser_page:
            browser_page.goto((project / "report.html").as_uri())
            name = "dark" if dark else "light"
            browser_page.screenshot(path=PICTURES / f"report-{name}.png")
            browser_page.locator("#cases").evaluate("e => e.scrollIntoView()")
            browser_page.screenshot(path=PICTURES / f"report-cases-{name}.png")
    from pex.record.search import latest
    from pex.record.traces import complete

    uri = f"sqlite:///{project}/mlruns/mlflow.db"
    complete(uri, str(latest(uri)[0]["run_id"]), 500)
    return str(latest(f"sqlite:///{project}/mlruns/mlflow.db")[0]["run_id"])


def grid(project: Path, run_id: str) -> None:
    """The result grid: a run in progress, failures, an opened cell, a correction, narrow."""
    live = (
        "import pex\n"
        "exp = pex.Experiment.load('experiments/review-sentiment/experiment.yaml')\n"
        "handle = exp.start(journal='off', limit=40)\nhandle"
    )
    code = f"import pex\nresults = pex.load_run({run_id!r})\nresults.show()"
    notebook_of(project / "live.ipynb", None, live)
    notebook_of(project / "grid.ipynb", None, code)
    with jupyterlab(project, width=1280, height=860) as lab:
        lab.open("live.ipynb")
        lab.command("application:toggle-left-area")
        lab.begin_all()
        lab.page.locator(".pex-grid").get_by_text("12/").first.wait_for(timeout=120_000)
        both(lab, ".pex-grid", "grid-live")
        lab.page.get_by_role("button", name="Stop").click()
    with jupyterlab(project, width=1280, height=860) as lab:
        lab.open("grid.ipynb")
        lab.command("application:toggle-left-area")
        lab.run_all()
        lab.page.get_by_label("Which rows").select_option("disagreements")
        both(lab, ".pex-grid", "grid-disagreements")
        lab.page.get_by_role("gridcell").nth(2).click()
        lab.page.get_by_role("dialog").get_by_text("request key").wait_for()
        both(lab, ".pex-grid", "grid-opened")
        button = lab.page.get_by_role("button", name="Correct the expected answer")
        button.click()
        button.evaluate("e => e.scrollIntoView({block: 'center'})")
        both(lab, ".pex-grid", "grid-correct")
        lab.page.keyboard.press("Escape")
        lab.page.set_viewport_size({"width": 430, "height": 860})
        both(lab, ".pex-grid", "grid-narrow")


def rating(project: Path, run_id: str) -> None:
    """A blind rating in progress, and its result, light and dark."""
    code = f"import pex\nresults = pex.load_run({run_id!r})\nresults.rate(rater='ada')"
    notebook_of(project / "rate.ipynb", None, code)
    with jupyterlab(project, width=1280, height=760) as lab:
        lab.open("rate.ipynb")
        lab.command("application:toggle-left-area")
        lab.run_all()
        lab.page.locator(".pex-rating-pair").wait_for()
        lab.page.get_by_role("button", name="Enable keyboard shortcuts").click()
        for key in "c1f2a01b1c":
            lab.page.keyboard.press(key)
            lab.page.wait_for_timeout(300)
        both(lab, ".pex-rating", "rating")
        keys = itertools.cycle("12110")
        while not lab.page.locator(".pex-rating-result").count():
            lab.page.keyboard.press(next(keys))
            lab.page.wait_for_timeout(300)
        both(lab, ".pex-rating-end", "rating-result")


def nights(project: Path) -> None:
    """The page of a night in which a prompt was changed, and of one with another model."""
    pages = project / "pages"
    pages.mkdir()
    endpoint = FaultyEndpoint()
    with endpoint.running():
        (project / "pex.toml").write_text(
            f'[providers.lab]\nbase_url = "{endpoint.url}"\n[prices."lab/m1"]\n'
            "input_usd_per_million = 100.0\noutput_usd_per_million = 200.0\n"
        )
        model = Model(endpoint)
        plan = lay_out(project)
        prompt = plan.parent / "prompts/short.prompty"
        before = prompt.read_text()
        for name in ("night-1", "night-2", "night-3", "night-4"):
            if name == "night-3":
                prompt.write_text(before.replace("?", "? Answer briefly."))
            if name == "night-4":
                prompt.write_text(before)
                model.name, model.polite, model.wrong = "m1-2026-03", "Hi!", set(UNHAPPY[:8])
            night(plan, name, "--report", str(pages / f"{name}.html"))
            if name == "night-1":
                accepted = pexlab(
                    "batch", "accept", name, "--why", "read by hand", "--who", "Ada",
                    folder=plan.parent,
                )  # fmt: skip
                assert accepted.returncode == 0, accepted.stderr
    for number, what in (("night-3", "prompt"), ("night-4", "model")):
        for dark in (False, True):
            with page(width=1200, height=1000, dark=dark) as tab:
                tab.goto((pages / f"{number}.html").as_uri())
                name = "dark" if dark else "light"
                tab.screenshot(path=PICTURES / f"night-{what}-{name}.png")
                if what == "prompt":
                    heading = tab.get_by_role("heading", name="Scores, cost and time")
                    heading.evaluate("e => e.scrollIntoView()")
                    tab.screenshot(path=PICTURES / f"night-trend-{name}.png")
    with page(width=794, height=1123) as tab:  # A4 at 96 dots an inch
        tab.emulate_media(media="print")
        tab.goto((pages / "night-3.html").as_uri())
        tab.add_style_tag(content="body { padding: 53px }")  # the margins of a sheet
        tab.screenshot(path=PICTURES / "night-printed.png")


def both(lab: Lab, selector: str, name: str) -> None:
    """One picture in the light and one in the dark."""
    for dark in (False, True):
        lab.theme(dark)
        picture(lab, selector, f"{name}-{'dark' if dark else 'light'}.png")


def record(project: Path, run_id: str) -> None:
    """MLflow's own pages on the same run."""
    uri = f"sqlite:///{project}/mlruns/mlflow.db"
    experiment = pex.load_run(run_id, uri).about["name"]
    import mlflow

    from pex.record.search import children

    client = mlflow.MlflowClient(uri)
    number = client.get_experiment_by_name(experiment).experiment_id
    runs = children(client, number, run_id)
    pair = f"selectedRunUuid={runs['strict']}&compareToRunUuid={runs['short']}"
    url = f"http://127.0.0.1:{free_port()}"
    command = ["mlflow", "ui", "--backend-store-uri", uri, "--port", url.rpartition(":")[2]]
    with serving(command, project, f"{url}/health"), page(width=1400, height=860) as browser_page:
        for path, name in (
            ("evaluation-runs?workflowType=genai", "mlflow-runs.png"),
            (f"runs/{run_id}", "mlflow-run.png"),
            (f"runs/{run_id}/artifacts", "mlflow-table.png"),
            (f"evaluation-runs?{pair}&workflowType=genai", "mlflow-compare.png"),
        ):
            browser_page.goto(f"{url}/#/experiments/{number}/{path}")
            browser_page.wait_for_timeout(5000)
            close = browser_page.get_by_role("button", name="Close").first
            if close.is_visible():
                close.click()
            if name == "mlflow-table.png":
                browser_page.get_by_text("results.json").first.click()
                browser_page.wait_for_timeout(4000)
            browser_page.screenshot(path=PICTURES / name)


if __name__ == "__main__":
    main()

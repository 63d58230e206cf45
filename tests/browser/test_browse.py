"""The library browser on a real registry, and in a real JupyterLab."""

import re
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from axe_playwright_python.sync_playwright import Axe

import pex
from pex.browser.browser import LibrarySource, _open_in_playground
from pex.browser.widget import LibraryBrowser
from tests.helpers.browser import Lab, jupyterlab, page
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.lab import START
from tests.helpers.made import HOSTILE
from tests.helpers.notebooks import notebook
from tests.helpers.registered import registered_by_a_run

ASK = pex.Prompt("Review: {{ review }}\nIs it good or bad?", "ask", description="Asks plainly.")
SHORT = pex.Prompt("Review: {{ review }}\nGood or bad?", "ask", params={"temperature": 0})


def library(project: Path) -> LibrarySource:
    return LibrarySource(project, f"sqlite:///{project}/mlruns/mlflow.db")


def states(project: Path) -> dict[str, list[str]]:
    return {row.name: list(row.states) for row in library(project).listing().rows}


@pytest.mark.soak
def test_files_say_how_they_stand_to_the_library(project: Path, lab: FaultyEndpoint) -> None:
    pex.library.save(ASK, alias="champion")
    pex.library.save(SHORT)
    ASK.save(project / "experiments/trial/prompts/ask.prompty")
    pex.Prompt("New {{ x }}", "new").save(project / "prompts/new.prompty")
    (project / "prompts/broken.prompty").write_text("---\nmodel: [x]\n---\nx")
    assert states(project) == {
        "ask": ["file is version 1"], "broken": ["file cannot be read"], "new": ["file only"],
    }  # fmt: skip
    SHORT.save(project / "experiments/trial/prompts/ask.prompty")
    assert states(project)["ask"] == []
    pex.Prompt("Other", "ask").save(project / "experiments/trial/prompts/ask.prompty")
    assert states(project)["ask"] == ["file differs from version 2"]
    shelf = library(project)
    row = next(row for row in shelf.listing().rows if row.name == "ask")
    assert (row.version, row.aliases, row.used) == (2, {"champion": 1}, ["trial"])
    keys = [version.key for version in shelf.versions("ask")]
    assert keys == ["file:experiments/trial/prompts/ask.prompty", "2", "1"]
    assert shelf.prompt("ask", keys[0]).text == "Other"
    with pytest.raises(pex.PexError, match="model: expected keys with values"):
        shelf.prompt("broken", "file:prompts/broken.prompty")
    said = shelf.save_to_library(shelf.prompt("ask", keys[0]))
    assert said == "Saved as version 3 of ask."
    assert states(project)["ask"] == []


def test_scores_come_with_the_versions_that_made_them(project: Path, lab: FaultyEndpoint) -> None:
    rows = [{"review": f"r{n}", "expected": "x"} for n in range(4)]
    for prompt in (ASK, SHORT):
        pex.Experiment("trial", pex.grid([prompt], "lab/m1"), rows, ["exact"]).run(show=False)
    shelf = library(project)
    assert shelf.listing().rows == []  # a run saves nothing here
    for prompt in (ASK, SHORT):  # saved when it was seen to be good
        pex.library.save(prompt)
    pex.Experiment("trial", pex.grid([SHORT], "lab/m1"), rows[:3], ["exact"]).run(show=False)
    assert shelf.listing().rows[0].used == ["trial"]
    assert [(item.version, item.n) for item in shelf.scores("ask")] == [(2, 3), (2, 4), (1, 4)]


def test_what_runs_registered_before_is_hidden_and_no_file_is_compared_with_it(
    project: Path, lab: FaultyEndpoint
) -> None:
    uri = f"sqlite:///{project}/mlruns/mlflow.db"
    pex.library.save(ASK)
    registered_by_a_run(uri, pex.Prompt("Old {{ x }}", "old"))
    registered_by_a_run(uri, pex.Prompt("Of another experiment {{ x }}", "system"))
    pex.Prompt("System {{ x }}", "system").save(project / "prompts/system.prompty")
    rows = {row.name: row for row in library(project).listing().rows}
    assert [name for name, row in rows.items() if row.scratch] == ["old"]
    assert (rows["system"].version, rows["system"].states) == (None, ["file only"])
    browser = pex.browse()
    browser._wait(60)
    assert "1 that only runs registered is not shown" in browser.html
    assert ">old<" not in browser.html


def test_an_alias_that_was_moved_meanwhile_is_not_moved(project: Path, lab: FaultyEndpoint) -> None:
    for prompt in (ASK, SHORT):
        pex.library.save(prompt, alias="champion")
    shelf = library(project)
    with pytest.raises(pex.PexError, match=r"somebody else meanwhile.*now points to version 2"):
        shelf.set_alias("ask", "champion", 1, seen=1)
    assert shelf.set_alias("ask", "champion", 1, seen=2) == (
        "champion moved from version 2 to version 1 of ask."
    )
    assert shelf.set_alias("ask", "candidate", 2, seen=None) == (
        "candidate now points to version 2 of ask."
    )
    assert pex.library.load("ask@champion").text == ASK.text


def test_a_file_that_has_another_content_is_not_replaced(
    project: Path, lab: FaultyEndpoint
) -> None:
    shelf = library(project)
    assert shelf.save_file(ASK) == "Saved as prompts/ask.prompty."
    assert shelf.save_file(ASK) == "prompts/ask.prompty already has this prompt."
    with pytest.raises(pex.PexError, match=r"prompts/ask\.prompty: a file with different content"):
        shelf.save_file(SHORT)


def test_a_store_that_does_not_answer_leaves_the_files(project: Path) -> None:
    ASK.save(project / "prompts/ask.prompty")
    (project / "mlruns").write_text("a file, where a folder should be")
    found = library(project).listing()
    assert [(row.name, list(row.states)) for row in found.rows] == [("ask", ["file"])]
    assert "mlflow.db" in found.problem
    browser = pex.browse("ask")
    assert browser.selected == ASK


def test_it_begins_with_what_is_asked_for(project: Path, lab: FaultyEndpoint) -> None:
    pex.library.save(ASK, alias="champion")
    pex.library.save(SHORT)
    chosen = [pex.browse(name).selected for name in (None, "ask", "ask@champion", "ask/1")]
    assert [prompt.origin if prompt else None for prompt in chosen] == [
        None, "ask/2", "ask/1", "ask/1",
    ]  # fmt: skip
    with pytest.raises(pex.PexError, match=r"there is no prompt 'aks'.*\n  did you mean 'ask'"):
        pex.browse("aks")
    with pytest.raises(pex.PexError, match="no alias 'champoin'\n  did you mean 'champion'"):
        pex.browse("ask@champoin")


def test_a_prompt_opens_in_a_playground_with_the_cases_of_its_experiment(
    project: Path, lab: FaultyEndpoint
) -> None:
    alone = _open_in_playground(ASK)
    assert repr(alone) == "Playground: 1 variant (ask) x 1 case"
    cases = [{"review": "Nice."}, {"review": "Bad."}]
    folder = project / "experiments/reviews"
    pex.Experiment("reviews", pex.grid([SHORT.called("ask", None)], "lab/m1"), cases).save(
        folder / "experiment.yaml"
    )
    other = pex.Prompt(f"{ASK.text} Think first.", "ask")
    found = _open_in_playground(other)
    assert repr(found) == "Playground: 1 variant (ask) x 2 cases"
    assert found.experiment.variants[0].model == "lab/m1"
    assert found.experiment.variants[0].prompt.text == other.text


def test_the_code_loads_what_is_shown(
    project: Path, lab: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    pex.library.save(ASK, alias="champion")
    pex.library.save(SHORT)
    ASK.save(project / "prompts/it's ask.prompty")
    (project / "notebooks").mkdir()
    monkeypatch.chdir(project / "notebooks")
    shelf = library(project)
    shelf.listing()
    codes = [shelf.code("ask", version) for version in shelf.versions("ask")]
    assert codes[1:] == ['pex.library.load("ask/2")', 'pex.library.load("ask@champion")']
    assert [eval(code).text for code in codes] == [ASK.text, SHORT.text, ASK.text]


def shown(lab: Lab, name: str) -> list[str]:
    """Open a notebook and run it; returns what its pages ask other hosts for, as it goes on."""
    foreign = lab.foreign()
    lab.open(name)
    lab.command("application:toggle-left-area")
    lab.run_all()
    assert lab.errors() == []
    lab.page.locator(".pex-browser").wait_for()
    lab.page.locator(".pex-browser").evaluate("e => e.scrollIntoView({block: 'start'})")
    return foreign


def seed(project: Path) -> None:
    """Three versions of `ask` with scores of two, and hostile prompts."""
    rows = [{"review": f"r{n}", "expected": "x"} for n in range(4)]
    for prompt in (ASK, SHORT):
        pex.library.save(prompt)
        pex.Experiment("trial", pex.grid([prompt], "lab/m1"), rows, ["exact"]).run(show=False)
    pex.library.save(pex.Prompt("Bad or good: {{ review }}", "ask"), note=HOSTILE[0])
    pex.library.set_alias("ask", "champion", 1)
    for number, text in enumerate(HOSTILE):
        if text.strip() and "\ud800" not in text and len(text) < 100_000:
            raw = "{% raw %}" + text + "{% endraw %}"
            pex.library.save(pex.Prompt(raw, f"hostile-{number:02}", description=text))
    long = pex.Prompt("long " * 100_000, "long-file")
    long.save(project / "experiments/trial/prompts/long.prompty")
    (project / "experiments/trial/prompts/<img src=x onerror=window.hacked=1>.prompty").write_text(
        "Hi"
    )


@pytest.mark.browser
def test_search_versions_difference_alias_and_file_with_keys_only(
    project: Path, lab: FaultyEndpoint
) -> None:
    seed(project)
    notebook(project / "b.ipynb", None, START + "browser = pex.browse()\nbrowser",)  # fmt: skip
    uri = f"sqlite:///{project}/mlruns/mlflow.db"
    with jupyterlab(project) as opened:
        foreign = shown(opened, "b.ipynb")
        keys, box = opened.page.keyboard, opened.page.locator(".pex-browser")
        assert opened.page.locator(".pex-static").first.is_hidden()

        # Every hostile prompt, one after another.
        box.get_by_role("searchbox").fill("hostile")
        names = box.get_by_role("option").filter(has_text="hostile").all_inner_texts()
        keys.press("ArrowDown")
        for text in names:
            keys.press("Enter")
            box.get_by_role("heading", name=text.split()[0]).wait_for()
            keys.press("ArrowDown")
        assert box.locator("img, script").count() == 0

        keys.press("/")
        opened.page.keyboard.type("champ")
        assert box.get_by_role("option").all_inner_texts()[0].split()[0] == "ask"
        box.get_by_role("status").filter(has_text=re.compile("^1 of ")).wait_for()
        keys.press("Enter")
        box.get_by_role("heading", name="ask · version 3").wait_for()
        assert box.locator("mark").all_inner_texts() == ["{{ review }}"]

        box.get_by_role("tab", name="Text").focus()
        keys.press("ArrowRight")
        box.locator(".pex-long ins").first.wait_for()
        assert "Bad or good:" in " ".join(box.locator("ins").all_inner_texts())
        box.get_by_label("Compare with").select_option("version 1")
        box.locator("del", has_text="Is it good or bad?").wait_for()
        box.get_by_role("tab", name="Scores (2)").wait_for()
        box.get_by_role("tab", name="Difference").focus()
        keys.press("ArrowRight")
        scores = box.get_by_role("region", name="Scores of the versions in runs of trial")
        assert scores.locator("tbody tr").count() == 2
        assert box.get_by_role("heading", name="trial", exact=True).count() == 1
        assert box.get_by_role("img", name="exact, lab/m1, in trial: version 1").count()

        # An alias: what is to move is said, a mistake is said in the window.
        box.get_by_role("button", name="Set alias…").focus()
        keys.press("Enter")
        window = opened.page.get_by_role("dialog")
        keys.type("v2")
        keys.press("Enter")
        window.get_by_role("alert").filter(has_text="MLflow reserves this name").wait_for()
        window.get_by_role("combobox").fill("champion")
        window.get_by_text("champion will move from version 1 to version 3.").wait_for()
        keys.press("Enter")
        box.get_by_text("champion moved from version 1 to version 3 of ask.").wait_for()
        assert mlflow.MlflowClient(uri).get_prompt_version("ask", "champion").version == 3
        box.get_by_role("option").filter(has_text="champion → 3").wait_for()

        box.get_by_role("button", name="Save to file").press("Enter")
        box.get_by_text("Saved as prompts/ask.prompty.").wait_for()
        assert pex.Prompt.load(project / "prompts/ask.prompty") == pex.library.load("ask/3")
        box.get_by_role("button", name="version 2").press("Enter")
        box.get_by_role("heading", name="ask · version 2").wait_for()
        box.get_by_role("button", name="Save to file").press("Enter")
        box.get_by_text("a file with different content already exists").wait_for()

        # A reload in which the kernel goes on: the same prompt is shown.
        opened.save()
        opened.page.reload()
        box.get_by_role("heading", name="ask · version 2").wait_for()
        box.get_by_role("button", name="version 1").click()
        box.get_by_role("heading", name="ask · version 1").wait_for()
        box.get_by_role("searchbox").fill("img-src")
        keys.press("Enter")
        box.get_by_role("heading", name="img-src-x-onerror-window.hacked-1").wait_for()
        assert opened.page.evaluate("window.hacked") is None
        assert foreign == []
        opened.save()
    command = ["-m", "jupyter", "nbconvert", "--to", "html", str(project / "b.ipynb")]
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    with page() as exported:
        exported.goto((project / "b.html").as_uri())
        assert "champion → 3" in exported.locator(".pex-static").inner_text()
        assert exported.evaluate("window.hacked") is None


@pytest.mark.browser
def test_it_is_accessible_in_light_and_dark_narrow_and_wide(
    project: Path, lab: FaultyEndpoint
) -> None:
    seed(project)
    code = START + "browser = pex.browse('ask')\nbrowser"
    notebook(project / "b.ipynb", None, code)
    with jupyterlab(project) as opened:
        shown(opened, "b.ipynb")
        box = opened.page.locator(".pex-browser")
        box.get_by_role("tab", name="Scores (2)").wait_for()
        for dark in (False, True):
            opened.theme(dark)
            for width in (375, 1300):
                opened.page.set_viewport_size({"width": width, "height": 900})
                opened.page.wait_for_timeout(300)  # until JupyterLab has laid itself out
                for tab in ("Text", "Difference", "Scores", "Card"):
                    box.get_by_role("tab", name=tab).click()
                    if tab == "Card":
                        box.get_by_role("heading", name="Intended use").wait_for()
                    assert box.evaluate("e => e.scrollWidth <= e.clientWidth")
                    found = Axe().run(opened.page, context=".pex-browser")
                    assert found.violations_count == 0, found.generate_report()
            box.get_by_role("button", name="Set alias…").click()
            found = Axe().run(opened.page, context=".pex-dialog")
            assert found.violations_count == 0, found.generate_report()
            opened.page.keyboard.press("Escape")


@pytest.mark.browser
def test_an_empty_library_teaches_and_what_is_opened_appears_below(
    project: Path, lab: FaultyEndpoint
) -> None:
    notebook(project / "b.ipynb", None, START + "pex.browse()")
    with jupyterlab(project) as opened:
        shown(opened, "b.ipynb")
        box = opened.page.locator(".pex-browser")
        box.get_by_role("heading", name="No prompts yet").wait_for()
        ASK.save(project / "prompts/ask.prompty")
        box.get_by_role("button", name="Refresh").click()
        box.get_by_role("option", name="file only").click()
        box.get_by_role("button", name="Save to the library").click()
        box.get_by_text("Saved as version 1 of ask.").wait_for()
        box.get_by_role("button", name="version 1").click()
        box.get_by_role("button", name="Open in the Playground").click()
        text = opened.page.locator(".pex-play").get_by_role("textbox", name="Message 1")
        text.wait_for()
        assert text.input_value().startswith("Review: {{ review }}")
        (project / "mlruns").rename(project / "away")
        (project / "mlruns").write_text("a file, where a folder should be")
        box.get_by_role("button", name="Refresh").click()
        box.get_by_role("alert").filter(has_text="The library cannot be read.").wait_for()
        assert box.get_by_role("option").count() == 1


def test_a_browser_says_what_it_is(project: Path, lab: FaultyEndpoint) -> None:
    browser = pex.browse()
    assert isinstance(browser, LibraryBrowser)
    assert browser.selected is None
    assert repr(browser) == "Library browser: 0 prompts"

"""From a Playground to a night: an experiment with a plan that runs."""

import json
import shlex
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

import pex
from pex.batch.plan import load_plan
from tests.helpers.browser import jupyterlab
from tests.helpers.command import pexlab
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.model import share
from tests.helpers.notebooks import notebook
from tests.helpers.playing import CASES, View, experiment, typed

pytestmark = pytest.mark.usefixtures("new_kernel")


def save(view: View, path: str = "", *, overwrite: bool = False) -> dict:
    content = {"to": "nightly", "path": path, "overwrite": overwrite}
    view.message({"kind": "save", "view": "v", **content})
    return view.wait_sent("saved")


def test_the_experiment_and_its_plan_are_written_and_the_commands_are_said(
    lab: FaultyEndpoint, project: Path
) -> None:
    play = pex.Playground(experiment("a {{ review }}"), record=False)
    view = View(play._session)
    answer = save(view, "experiments/two words/experiment.yaml")
    assert answer["ok"], answer["text"]
    assert answer["text"].splitlines() == [
        "Saved as experiments/two words/experiment.yaml, with plan.yaml",
        "Run it now:",
        "$ pexlab batch 'experiments/two words/plan.yaml' --batch-id first",
        "Make its answers the baseline of the nights to come:",
        "$ pexlab batch accept first",
        "Run it every night at 2:",
        "$ pexlab schedule 'experiments/two words/plan.yaml' --cron \"0 2 * * *\" --install",
    ]
    plan = load_plan(Path("experiments/two words/plan.yaml"))
    assert plan.name == "reviews-nightly"
    assert (project / "notebooks/compare.ipynb").is_file()
    assert plan.gate is not None
    assert plan.gate.metric == "label"
    # The same once more is no loss; something else is asked about.
    assert save(view, "experiments/two words/experiment.yaml")["ok"]
    file = Path("experiments/two words/plan.yaml")
    mine = file.read_text().replace("margin: 0.1", "margin: 0.3")
    file.write_text(mine)
    answer = save(view, "experiments/two words/experiment.yaml")
    assert not answer["ok"]
    assert "plan.yaml exists already, with different content (tick overwrite" in answer["text"]
    assert file.read_text() == mine
    assert save(view, "experiments/two words/experiment.yaml", overwrite=True)["ok"]
    assert file.read_text() != mine
    # A changed prompt in the saved folder is asked about before anything is written.
    before = file.read_bytes()
    typed(play, "other {{ review }}")
    view.do("add_check", check="json", taken=["label"])
    assert not save(view, "experiments/two words/experiment.yaml")["ok"]
    assert file.read_bytes() == before


def test_a_judge_is_not_what_decides_a_night(lab: FaultyEndpoint) -> None:
    prompt = pex.Prompt("a {{ review }}", "p", model="lab/m1")
    play = pex.Playground(prompt, cases=[{"review": "Nice."}], record=False)
    view = View(play._session)
    view.do("add_check", check="judge", value="Polite?", model="lab/m1", name="polite")
    view.do("add_check", check="contains", value="ok")
    assert save(view)["ok"]
    plan = load_plan(Path("experiments/playground/plan.yaml"))
    assert plan.gate is not None
    assert plan.gate.metric == "contains-ok"


@pytest.mark.model
def test_the_written_plan_runs_on_the_built_in_model(project: Path) -> None:
    share(project)
    prompt = pex.Prompt(
        "Is this positive or negative? {{ review }}", "p", model="local/smollm2",
        params={"max_tokens": 4, "temperature": 0},
    )  # fmt: skip
    play = pex.Playground(prompt, cases=CASES, record=False)
    view = View(play._session)
    view.do("add_check", check="length", value="8")
    text = save(view)["text"]
    command = next(line for line in text.splitlines() if line.startswith("$ pexlab batch"))
    words = shlex.split(command.removeprefix("$ pexlab "))
    done = pexlab(*words, "--json", folder=project)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["gate"]) == 1  # no baseline yet
    accepted = pexlab("batch", "accept", "first", folder=project)
    assert accepted.returncode == 0, accepted.stderr
    scheduled = pexlab("schedule", words[1], "--cron", "0 2 * * *", folder=project)
    assert scheduled.returncode == 0, scheduled.stderr
    assert "plan.yaml" in scheduled.stdout


@pytest.mark.browser
def test_the_window_says_the_commands_and_asks_before_it_overwrites(project: Path) -> None:
    prompt = 'pex.Prompt("Label {{ text }}", "p", model="local/smollm2")'
    call = f'pex.Playground({prompt}, cases=[{{"text": "a", "expected": "b"}}], record=False)'
    notebook(project / "a.ipynb", None, "import pex", call)
    with jupyterlab(project) as room:
        page = room.page
        room.open("a.ipynb")
        room.run_all()
        page.get_by_role("button", name="Save…").click()
        window = page.get_by_role("dialog", name="Save")
        window.get_by_role("button", name="Nightly").press("Enter")
        save_button = window.get_by_role("button", name="Save", exact=True)
        window.get_by_role("textbox", name="Path").press("Enter")
        said = window.locator(".pex-command")
        expect(said).to_have_text([
            "pexlab batch experiments/playground/plan.yaml --batch-id first",
            "pexlab batch accept first",
            'pexlab schedule experiments/playground/plan.yaml --cron "0 2 * * *" --install',
        ])  # fmt: skip
        for dark in (False, True):
            room.theme(dark)
            for width in (900, 1440):
                page.set_viewport_size({"width": width, "height": 900})
                found = Axe().run(page, context="dialog[open]")
                assert found.violations_count == 0, found.generate_report()
        plan = project / "experiments/playground/plan.yaml"
        plan.write_text(f"{plan.read_text()}# mine\n")
        save_button.click()
        expect(window.get_by_role("status")).to_contain_text("exists already, with different")
        window.get_by_role("checkbox", name="Overwrite the existing file").check()
        save_button.click()
        expect(said).to_have_count(3)
        assert "# mine" not in plan.read_text()

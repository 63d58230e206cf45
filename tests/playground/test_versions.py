"""Versions of a prompt in the editor: what there is, the difference, and the way back."""

import shutil
from pathlib import Path

import mlflow
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

import pex
from pex.core.errors import PexError
from tests.helpers.browser import jupyterlab
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.notebooks import notebook
from tests.helpers.playing import View, column, experiment, typed
from tests.playground.test_playground import column as column_at
from tests.playground.test_playground import opened

pytestmark = pytest.mark.usefixtures("new_kernel")


def versions(play: pex.Playground) -> dict:
    view = View(play._session)
    view.message({"kind": "versions", "view": "v", "variant": column(play)})
    return view.wait_sent("versions")


def restore(play: pex.Playground, key: str) -> None:
    play._session.restore({"act": "restore", "variant": column(play), "key": key})


def test_versions_are_shown_with_their_difference_and_one_is_restored_in_one_step(
    lab: FaultyEndpoint,
) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    first = pex.Prompt("Is {{ review }} good?", "p0", params={"seed": 3}, tools=[tool])
    pex.library.save(first, alias="champion", note="the first one")
    pex.library.save(pex.Prompt("Is {{ review }} bad?", "p0"), note="turned round")
    play = pex.Playground(experiment("Is {{ review }} bad?"), record=False)
    View(play._session).do(
        "edit", variant=column(play), field="params", index="temperature", value="0.5"
    )
    found = versions(play)
    assert (found["ok"], found["name"], found["problem"]) == (True, "p0", "")
    newest, oldest = found["items"]
    assert (newest["label"], newest["note"], newest["same"]) == ("Version 2", "turned round", True)
    assert newest["difference"] == "The text is the same."
    assert (oldest["label"], oldest["aliases"]) == ("Version 1", ["champion"])
    assert oldest["difference"] == [
        ("same", "Is {{ review }} "), ("gone", "bad?"), ("new", "good?"),
    ]  # fmt: skip
    assert (oldest["same"], oldest["also"]) == (False, ["tools"])
    assert oldest["when"] <= newest["when"]
    assert oldest["by"]

    restore(play, oldest["key"])
    now = play._session.draft.columns[0]
    assert (now.name, now.model, now.messages[0].text) == ("p0", "lab/m1", "Is {{ review }} good?")
    assert now.params == {"seed": 3, "temperature": 0.5}
    assert now.prompt.tools == [tool]
    assert play._session.document()["variants"][0]["origin"] == "p0/1"
    play._session.undo()
    now = play._session.draft.columns[0]
    assert now.messages[0].text == "Is {{ review }} bad?"
    assert (dict(now.params), now.tools) == ({"temperature": 0.5}, "")


def test_a_renamed_variant_finds_the_versions_of_where_it_came_from(lab: FaultyEndpoint) -> None:
    pex.library.save(pex.Prompt("one {{ review }}", "mine"))
    play = pex.Playground(pex.library.load("mine"), record=False)
    View(play._session).do("edit", variant=column(play), field="name", value="other")
    typed(play, "typed {{ review }}")
    assert [item["key"] for item in versions(play)["items"]] == ["library:mine/1"]


def test_prompt_files_are_versions_too_and_no_other_file_is_read(
    lab: FaultyEndpoint, project: Path
) -> None:
    shutil.rmtree(project / "mlruns")
    pex.Prompt("of the file {{ review }}", "p0").save("prompts/p0.prompty")
    play = pex.Playground(experiment("{{ review }}"), record=False)
    [item] = versions(play)["items"]
    assert (item["key"], item["label"]) == ("file:prompts/p0.prompty", "prompts/p0.prompty")
    assert not (project / "mlruns").exists(), "looking creates no record"
    restore(play, item["key"])
    assert play._session.draft.columns[0].messages[0].text == "of the file {{ review }}"
    pex.Prompt("elsewhere {{ review }}", "p0").save("elsewhere/p0.prompty")
    for key in ("file:elsewhere/p0.prompty", "file:../p0.prompty", "library:none/1", ""):
        with pytest.raises(PexError):
            restore(play, key)


def test_a_version_that_cannot_be_read_says_so(lab: FaultyEndpoint) -> None:
    version = pex.library.save(pex.Prompt("one {{ review }}", "p0"))
    client = mlflow.MlflowClient(pex.library.registry._store(None))
    client.set_prompt_version_tag("p0", version.version, "pex.text.1", "changed by hand")
    play = pex.Playground(experiment("{{ review }}"), record=False)
    [item] = versions(play)["items"]
    assert "is not the one that was saved" in item["problem"]


def test_without_a_version_and_without_a_variant(lab: FaultyEndpoint) -> None:
    play = pex.Playground(experiment("{{ review }}"), record=False)
    assert versions(play)["items"] == []
    view = View(play._session)
    view.message({"kind": "versions", "view": "v", "variant": "gone"})
    assert view.wait_sent("versions")["text"] == "this variant is no longer there"


@pytest.mark.browser
def test_a_version_is_restored_with_keys_only(lab: FaultyEndpoint, project: Path) -> None:
    source = (
        "import pex\n"
        'pex.library.save(pex.Prompt("Say {{ n }} loudly.", "say"), alias="loud", note="louder")\n'
        'say = pex.Prompt("Say {{ n }} in two words.", "say")\n'
        "pex.library.save(say)\n"
        'none = pex.Prompt("{{ n }}", "none")\n'
        'pex.Playground(pex.Experiment("v", pex.grid([say, none], "lab/m1"), [{"n": 1}]))'
    )
    notebook(project / "play.ipynb", None, source)
    with jupyterlab(project, width=1440) as browser:
        play = opened(browser, "play.ipynb")
        text = column_at(play, 0).get_by_role("textbox", name="Message 1")
        play.get_by_role("button", name="Versions of say").focus()
        browser.page.keyboard.press("Enter")
        window = browser.page.get_by_role("dialog", name="Versions")
        radios = window.get_by_role("radio")
        expect(radios).to_have_count(2)
        expect(radios.nth(1)).to_be_focused()  # the first that differs from the present text
        expect(window.locator("ins")).to_have_text("loudly.")
        expect(window.locator("del")).to_have_text("in two words.")
        expect(window.get_by_text("@loud")).to_be_visible()
        for dark in (False, True):
            browser.theme(dark)
            found = Axe().run(browser.page, context=".pex-dialog[open]")
            assert found.violations_count == 0, found.generate_report()
        browser.page.keyboard.press("ArrowUp")
        expect(window.get_by_role("button", name="Same as now")).to_be_disabled()
        browser.page.keyboard.press("ArrowDown")
        window.get_by_role("button", name="Restore").press("Enter")
        expect(window).to_be_hidden()
        expect(text).to_have_value("Say {{ n }} loudly.")
        expect(column_at(play, 0).locator(".pex-origin")).to_have_text("from say/1")
        play.get_by_role("button", name="Undo").click()
        expect(text).to_have_value("Say {{ n }} in two words.")

        play.get_by_role("button", name="Versions of none").click()
        expect(window).to_contain_text("No version has been saved under this name yet.")
        browser.page.keyboard.press("Escape")
        expect(window).to_be_hidden()

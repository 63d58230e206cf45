"""Thumbs and notes on answers: kept with the draft, with the text, and in MLflow."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

import pex
from pex.core.errors import PexError
from pex.playground.draft_files import forget
from pex.playground.feedback import MOST, FeedbackBook
from pex.playground.mlflow_feedback import NAME
from pex.record import assessments
from tests.helpers.browser import jupyterlab
from tests.helpers.endpoint import FaultyEndpoint, completion
from tests.helpers.notebooks import notebook
from tests.helpers.playing import View, column, entry, experiment, restarted, typed, until
from tests.playground.test_playground import EXPERIMENT, opened, states

pytestmark = [pytest.mark.traces, pytest.mark.usefixtures("new_kernel")]


def said(play: pex.Playground, key: str) -> tuple[str, str]:
    cell = play._session.cells()[key]
    return cell["thumb"], cell["note"]


def rate(view: View, play: pex.Playground, key: str, **rest: str) -> None:
    view.do("feedback", cell=key, id=play._session.cells()[key]["id"], **rest)


def test_feedback_belongs_to_the_text_and_is_there_again_after_a_restart(
    lab: FaultyEndpoint,
) -> None:
    play = pex.Playground(experiment("a {{ review }}"), name="mine", record=False)
    view, key = View(play._session), f"{column(play)}|{entry(play)}"
    view.press()
    view.wait()
    rate(view, play, key, thumb="up")
    rate(view, play, key, note="concise \ud800")
    assert said(play, key) == ("up", "concise �")
    assert said(play, f"{column(play)}|{entry(play, 1)}") == ("", "")

    typed(play, "another {{ review }}")
    assert said(play, key) == ("up", "concise �"), "the answer is still the one that was rated"
    view.press()
    view.wait()
    assert said(play, key) == ("", ""), "another answer begins without"
    rate(view, play, key, thumb="down")
    typed(play, "a {{ review }}")
    view.press()
    view.wait()
    assert said(play, key) == ("up", "concise �"), "it is the very text that was rated"

    restarted()
    again = pex.Playground(experiment("a {{ review }}"), name="mine", record=False)
    assert said(again, key) == ("up", "concise �")
    view = View(again._session)
    view.do("feedback", cell=key, id=again._session.cells()[key]["id"], thumb="")
    assert said(again, key) == ("", "concise �")


def test_what_is_no_feedback_is_refused(lab: FaultyEndpoint) -> None:
    book = FeedbackBook()
    answer = {"cell": "v|c", "id": "1f"}
    for act, problem in (
        (answer | {"thumb": "sideways"}, "'up', 'down' or ''"),
        (answer | {"note": 3}, "expected a string, got int"),
        (answer | {"note": "x" * 4001}, "4,001 characters is too long"),
        ({"cell": "v|c", "id": "", "thumb": "up"}, "no answer"),
    ):
        with pytest.raises(PexError, match=problem):
            book.put(act)
    for number in range(MOST + 1):
        book.put({"cell": "v|c", "id": f"{number}", "thumb": "up"})
    assert len(book.to_json()) == MOST
    assert book.of("v|c", "0").thumb == ""


def test_feedback_on_a_deleted_case_is_deleted(lab: FaultyEndpoint) -> None:
    play = pex.Playground(experiment("a {{ review }}"), name="mine", record=False)
    view = View(play._session)
    view.press()
    view.wait()
    for number in (0, 1):
        rate(view, play, f"{column(play)}|{entry(play, number)}", note="about this customer")
    restarted()
    folder = Path(".pex/drafts")
    assert forget(folder, "c1", None, delete=True) == 1
    kept = json.loads((folder / "mine.json").read_text())["feedback"]
    assert [name.split("|")[1] for name in kept] == [entry(play, 1)]


def test_a_recorded_run_has_it_on_the_answers_traces(lab: FaultyEndpoint, project: Path) -> None:
    play = pex.Playground(experiment("a {{ review }}"))
    view, key = View(play._session), f"{column(play)}|{entry(play)}"
    view.press()
    view.wait()
    assert play.results is not None
    uri, run_id = str(play.results.about.tracking_uri), str(play.results.run_id)

    def there() -> list[tuple[str, bool, str]]:
        found = assessments.read(uri, [run_id])
        found = found[found["name"] == NAME]
        return list(zip(found["case_id"], found["value"], found["rationale"], strict=True))

    rate(view, play, key, thumb="up")
    rate(view, play, key, note="concise")
    until(lambda: there() == [("c1", True, "concise")])
    rate(view, play, key, thumb="down")
    until(lambda: there() == [("c1", False, "concise")])
    rate(view, play, key, thumb="")
    until(lambda: there() == [])
    # Rated before it was recorded: the run that has the same answer gets it at its end.
    rate(view, play, key, thumb="up")
    view.press()
    view.wait()
    until(lambda: str(play.results.run_id) != run_id)  # type: ignore[union-attr]
    run_id = str(play.results.run_id)
    until(lambda: there() == [("c1", True, "concise")])


@pytest.mark.browser
def test_thumbs_and_notes_by_mouse_and_keys(lab: FaultyEndpoint, project: Path) -> None:
    lab.reply = lambda body, number: completion(body["messages"][-1]["content"])
    notebook(project / "play.ipynb", None, EXPERIMENT.format(count=2))
    with jupyterlab(project) as browser:
        play = opened(browser, "play.ipynb")
        play.get_by_role("button", name="Run all").click()
        states(play, "answered", 4)
        first, second = play.locator(".pex-answer").nth(0), play.locator(".pex-answer").nth(2)
        good = first.get_by_role("button", name="Good answer of say")
        expect(good).to_have_attribute("aria-pressed", "false")
        good.click()
        expect(good).to_have_attribute("aria-pressed", "true")
        expect(first.locator(".pex-said")).to_have_text("good")
        second.focus()
        browser.page.keyboard.press("-")
        expect(second.locator(".pex-said")).to_have_text("bad")
        head = play.locator(".pex-title-totals .pex-thumbs-chip").first
        expect(head).to_have_text("1 good · 1 bad")
        expect(head).to_have_attribute("title", "Your ratings: 1 good, 1 bad")
        browser.page.keyboard.press("n")
        note = second.get_by_role("textbox", name="Note on this answer of say")
        expect(note).to_be_focused()
        browser.page.keyboard.type("too +short-, n")
        browser.page.keyboard.press("Escape")
        expect(second).to_be_focused()
        expect(second.locator(".pex-said")).to_contain_text("too +short-, n")
        browser.page.keyboard.press("-")
        expect(second.locator(".pex-said .pex-chip")).to_have_count(0)
        expect(head).to_have_text("1 good")

        # Another answer begins without.
        lab.reply = lambda body, number: completion("another answer")
        play.get_by_label("Ask for new answers").check()
        play.get_by_role("button", name="Run all").click()
        expect(play.locator(".pex-answer-text").first).to_have_text("another answer")
        states(play, "answered", 4)
        expect(first.get_by_role("button", name="Good answer of say")).to_have_attribute(
            "aria-pressed", "false"
        )
        expect(play.locator(".pex-said:visible")).to_have_count(0)
        expect(play.locator(".pex-thumbs-chip:visible")).to_have_count(0)

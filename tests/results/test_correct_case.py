"""From an opened cell into the file of cases, in a real JupyterLab and without one."""

import dataclasses
import json
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect as to_be

import pex
from pex.core.cases import Case, load_cases
from pex.results.correct_case import case_in, expect, row_text
from tests.helpers import ROOT
from tests.helpers.browser import jupyterlab
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.lab import shown
from tests.helpers.made import made
from tests.helpers.notebooks import notebook

pytestmark = pytest.mark.traces

CASES = (
    "case_id,review,expected,group,tags\nr1,Nice.,positive,g1,short;easy\nr2,Bad.,positive,g1,\n"
)


def experiment(path: Path, **options: object) -> pex.Experiment:
    prompt = pex.Prompt("Is this positive? {{ review }}", name="short")
    return pex.Experiment("edited", pex.grid([prompt], "lab/m1"), path, ["exact"], **options)


@pytest.fixture
def cases(lab: FaultyEndpoint, project: Path) -> Path:
    path = project / "cases.csv"
    path.write_text(CASES)
    return path


class View:
    """What a browser would be told."""

    def __init__(self, results: pex.Results, monkeypatch: pytest.MonkeyPatch) -> None:
        from pex.widgets.grid import ResultGrid

        self.sent: list[dict] = []
        monkeypatch.setattr(
            ResultGrid, "send", lambda _, content, buffers=None: self.sent.append(content)
        )
        self.grid = results.show()

    def ask(self, kind: str, what: str, row: int = 0, **more: object) -> dict:
        self.sent.clear()
        content = {"kind": kind, "view": "v", "row": row, "column": 0, "what": what, **more}
        self.grid._on_message(self.grid, content, [])
        return next(item for item in self.sent if item["kind"] == kind)


def test_a_correction_is_in_the_file_the_grid_the_frame_new_scores_and_the_next_run(
    cases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exp = experiment(cases)
    results = exp.run(show=False)
    answer = results.frame["output"].iloc[1]
    view = View(results, monkeypatch)
    form = view.ask("edit", "correct", 1)
    assert (form["before"], form["file"], form["long"]) == ("positive", "cases.csv", False)
    done = view.ask("keep", "correct", 1, text=answer)
    assert done["code"] == ["results = results.rescore(['exact'])", "results = exp.run()"]
    assert done["expected"] == answer
    assert cases.read_text() == CASES.replace("Bad.,positive", f"Bad.,{answer}")
    assert {"kind": "rows", "chunks": [0]} in view.sent
    assert results.frame["expected"].tolist() == ["positive", answer]
    assert results.frame["score.exact"].tolist() == [0.0, 0.0]
    assert eval(done["code"][0].removeprefix("results = ")).frame["score.exact"].tolist() == [0, 1]
    with pytest.warns(UserWarning, match="1 with a changed expected answer"):
        again = exp.run(show=False)
    assert again.frame["score.exact"].tolist() == [0.0, 1.0]
    assert again.frame["from_journal"].all()


def test_a_recorded_run_finds_the_file_again(cases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = experiment(cases, columns={"group": "group"}).run(show=False)
    loaded = pex.load_run(str(results.run_id))
    view = View(loaded, monkeypatch)
    form = view.ask("edit", "new")
    assert (form["id"], form["tags"], form["text"]) == (
        "r1-2", "short; easy", results.frame["output"].iloc[0]
    )  # fmt: skip
    done = view.ask("keep", "new", text="neither", id="r1-2", tags="hard")
    assert "as case 'r1-2'" in done["done"]
    assert cases.read_text() == CASES + "r1-2,Nice.,neither,g1,hard\n"
    assert "already has a case 'r1-2'" in view.ask("keep", "new", text="x", id="r1-2")["problem"]
    assert loaded.frame["case_id"].tolist() == ["r1", "r2"]
    assert loaded.trace_url("tr-1") is None
    loaded.about = dataclasses.replace(loaded.about, tracking_uri="https://me:pw@host/")
    number = results.about["experiment_id"]
    page = f"https://host/#/experiments/{number}/traces?selectedEvaluationId=tr-1"
    assert loaded.trace_url("tr-1") == page


def test_what_differs_in_the_file_is_shown_and_somebody_chooses(
    cases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = View(experiment(cases).run(show=False), monkeypatch)
    theirs = CASES.replace("Nice.,positive", "Nice.,mixed")
    cases.write_text(theirs)
    differs = view.ask("keep", "correct", text="mine")
    assert (differs["there"], differs["shown"]) == ("mixed", "positive")
    assert cases.read_text() == theirs
    taken = view.ask("keep", "correct", text="mine", take=True, seen=differs["seen"])
    assert taken["expected"] == "mixed"
    assert cases.read_text() == theirs
    view.ask("keep", "correct", text="mine")
    assert cases.read_text() == CASES.replace("Nice.,positive", "Nice.,mine")


def test_cases_without_a_file_say_so_and_are_given_as_text(
    lab: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = pex.Prompt("{{ q }}", name="p")
    given = [{"q": "x", "expected": "y"}]
    exp = pex.Experiment("memory", pex.grid([prompt], "lab/m1"), given, ["exact"])
    view = View(exp.run(show=False), monkeypatch)
    for what in ("correct", "new"):
        form = view.ask("edit", what)
        assert "created in Python" in form["problem"]
        assert json.loads(form["copy"])["q"] == "x"
    answer = json.loads(view.ask("edit", "new")["copy"])["expected"]
    assert answer == view.grid._frame["output"].iloc[0]


def test_a_file_that_has_gone_says_so(cases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = View(experiment(cases).run(show=False), monkeypatch)
    cases.unlink()
    form = view.ask("edit", "correct")
    assert form["problem"] == "cases.csv no longer exists."
    assert json.loads(form["copy"])["case_id"] == "r1"


def test_hostile_answers_are_saved_as_they_are(
    cases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exp = experiment(cases)
    results = exp.run(show=False)
    texts = ['<script>x</script>,\r\n"a"\x00\x1b[31m \u2028', "=1+1\n"]
    results.frame["output"] = texts
    view = View(results, monkeypatch)
    for row, text in enumerate(texts):
        form = view.ask("edit", "new", row)
        assert "\x1b" not in form["text"]
        view.ask("keep", "new", row, text=None, id=f"n{row}", tags=None)
        assert load_cases(cases)[-1].expected == text
    assert cases.read_bytes().startswith(CASES.encode())


def test_a_run_says_when_its_cases_changed_and_keeps_what_was_changed_in_python(
    cases: Path,
) -> None:
    exp = experiment(cases)
    cases.write_text(CASES + "r3,So so.,mixed,,\n")
    with pytest.warns(
        UserWarning, match=r"changed since it was read \(1 added\); the new version is used"
    ):
        assert exp.preview().calls == 3
    exp.cases = exp.cases[:1]
    cases.write_text(CASES)
    with pytest.warns(UserWarning, match=r"\(1 removed\); exp.cases was changed too"):
        assert exp.preview().calls == 1
    cases.touch()
    exp.preview()  # another time and the same cases: nothing to say


def test_a_frame_takes_expected_answers_of_every_type() -> None:
    results = made(3, 1)
    case = case_in(results.frame, "c1")
    assert case.inputs["review"].startswith("1:")
    kind = results.frame["expected"].dtype
    for value in ("other", None):
        expect(results.frame, Case("c1", {}, value))
        assert case_in(results.frame, "c1").expected == value
        assert results.frame["expected"].dtype == kind
    expect(results.frame, Case("c1", {}, {"n": 1}))
    assert case_in(results.frame, "c1").expected == {"n": 1}
    assert row_text(None, case).startswith('{"case_id":"c1"')


@pytest.mark.browser
def test_a_case_is_corrected_and_saved_with_keys_only_and_a_draft_is_not_lost(
    cases: Path, project: Path
) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from tests.results.test_correct_case import experiment, Path\n"
        "exp = experiment(Path('cases.csv'))\nresults = exp.run()"
    )
    notebook(project / "edit.ipynb", None, code, "results.show()")
    with jupyterlab(project) as lab:
        shown(lab, "edit.ipynb")
        page, grid = lab.page, lab.page.locator(".pex-grid").nth(1)
        grid.get_by_role("grid").focus()
        page.keyboard.press("Enter")
        window = page.get_by_role("dialog")
        window.get_by_role("button", name="Correct the expected answer").focus()
        page.keyboard.press("Enter")
        text = window.get_by_role("textbox")
        to_be(text).to_be_focused()
        page.keyboard.press("Control+a")
        page.keyboard.type("neg, or so")
        for width, dark in ((375, True), (1300, False)):
            page.set_viewport_size({"width": width, "height": 900})
            lab.theme(dark)
            assert window.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
            found = Axe().run(page, context=".pex-reader[open]")
            assert found.violations_count == 0, found.generate_report()
        window.get_by_role("button", name="Next row").click()
        window.get_by_role("heading", name="r2").wait_for()
        assert window.get_by_role("textbox").count() == 0
        window.get_by_role("button", name="Previous row").click()
        to_be(text).to_have_value("neg, or so")
        text.press("Control+Enter")
        to_be(window.get_by_role("status")).to_contain_text("Saved in cases.csv")
        to_be(window.locator(".pex-code").first).to_contain_text("results.rescore(['exact'])")
        assert cases.read_text() == CASES.replace("Nice.,positive", 'Nice.,"neg, or so"')
        to_be(grid.get_by_text("→ neg, or so")).to_be_visible()

        window.get_by_role("button", name="Save as a new case").click()
        to_be(window.get_by_label("ID of the new case")).to_have_value("r1-2")
        window.get_by_label("ID of the new case").fill("r2")
        window.get_by_role("button", name="Save", exact=True).click()
        to_be(window.get_by_role("alert")).to_contain_text("already has a case 'r2'")
        window.get_by_label("ID of the new case").fill("new")
        window.get_by_label("Tags").fill("short; from the grid")
        window.get_by_role("button", name="Save", exact=True).click()
        to_be(window.get_by_role("status")).to_contain_text("as case 'new'")
        assert load_cases(cases)[2].tags == ("short", "from the grid")
        page.keyboard.press("Escape")
        to_be(window).to_be_hidden()


def test_a_correction_while_the_run_goes_on_is_in_its_results(
    cases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pex.core.events import Answered
    from pex.widgets.grid import ResultGrid

    monkeypatch.setattr("pex.widgets.in_notebook", lambda: True)
    sent: list[dict] = []
    monkeypatch.setattr(ResultGrid, "send", lambda _, content, buffers=None: sent.append(content))
    take = ResultGrid.on_event

    def take_and_correct(grid: ResultGrid, event: object) -> None:
        take(grid, event)
        if isinstance(event, Answered) and event.place[1] == "r2":
            asked = {"kind": "keep", "what": "correct", "text": "negative", "row": 1, "column": 0}
            grid._on_message(grid, {**asked, "view": "v"}, [])

    monkeypatch.setattr(ResultGrid, "on_event", take_and_correct)
    results = experiment(cases).run()
    assert results.frame["expected"].tolist() == ["positive", "negative"]
    assert load_cases(cases)[1].expected == "negative"
    (kept,) = [content for content in sent if content["kind"] == "keep"]
    assert kept["code"][0] == "results = results.rescore(['exact'])"

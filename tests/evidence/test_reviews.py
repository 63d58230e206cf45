"""A second person decides: by command, in a notebook, or by the form on the page."""

import json
import os
import re
import threading
from pathlib import Path
from typing import Any

import mlflow
import pytest
from axe_playwright_python.sync_playwright import Axe

import pex
from pex.evidence.promotion.alias_state import AliasState
from pex.evidence.promotion.result import IN_REVIEW, MOVED
from pex.evidence.review.page import difference_html
from pex.evidence.review.reviews import accept, refuse, reviews
from pex.library.moves import read_history
from tests.helpers.browser import page as opened
from tests.helpers.command import pexlab
from tests.helpers.endpoint import FaultyEndpoint, completion
from tests.helpers.promoting import BAD, GOOD, aliases, answer, run, shelve

HOSTILE = "<script>window.hacked = 1</script>"


def as_user(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("JUPYTERHUB_USER", name)


@pytest.fixture
def asked(team: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of ada's request to move the champion to version 2; bo looks at it."""
    as_user(monkeypatch, "ada")
    shelve(BAD, GOOD)
    run()
    found = pex.promote("ask", review=True)
    assert (found.outcome, found.exit_code, aliases(team)) == (IN_REVIEW, 0, {"champion": 1})
    as_user(monkeypatch, "bo")
    return found.review


def test_a_request_is_a_file_and_a_page_and_another_person_accepts_it(
    team: Path, asked: str
) -> None:
    folder = team / "library" / "reviews" / asked
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-ask-2", asked)
    request = json.loads((folder / "request.json").read_text())
    assert (request["by"], request["from"], request["to"], request["enough"]) == ("ada", 1, 2, True)
    page = (folder / "request.html").read_text()
    assert "<del>BAD</del><ins>GOOD</ins> {{ q }}" in page
    assert "41 of 41 cases." in page
    assert str(pex.review(asked)).startswith(
        f"{asked}: ada asks to move champion of ask from version 1 to 2: open."
    )
    found = accept(asked, because="looks right")
    assert (found.outcome, aliases(team)) == (MOVED, {"champion": 2})
    move = read_history(team).lines[-1].move
    assert (move.by, move.review, move.verdict, move.because) == ("bo", asked, "better", "")
    assert move.sentence.endswith("Note: asked by ada, accepted by bo: looks right")
    assert [item.state for item in reviews()[0]] == ["accepted"]
    with pytest.raises(pex.PexError, match=r"is decided already: .* accepted by bo: looks right"):
        accept(asked)


def test_nobody_accepts_their_own(team: Path, asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    as_user(monkeypatch, "ada")
    with pytest.raises(pex.PexError, match="ada asked for it and cannot accept it"):
        accept(asked)
    assert aliases(team) == {"champion": 1}
    assert refuse(asked, because="never mind").state == "refused"


def test_a_refusal_has_a_reason_and_moves_nothing(team: Path, asked: str) -> None:
    with pytest.raises(pex.PexError, match="a refusal needs a reason"):
        refuse(asked)
    found = refuse(asked, because="too curt")
    assert found.sentence.endswith("refused by bo: too curt.")
    assert aliases(team) == {"champion": 1}


def test_what_has_changed_meanwhile_is_said(team: Path, asked: str, lab: FaultyEndpoint) -> None:
    path = team / "experiments" / "sums" / "cases.csv"
    before = path.read_text()
    path.write_text(before + "y,is 3,yes\n")
    with pytest.raises(pex.PexError, match="no longer enough: the run used other cases"):
        accept(asked)
    path.write_text(before)
    lab.reply = lambda body, number: completion("yes")
    run(journal="fresh")
    with pytest.raises(pex.PexError, match="no longer enough: a newer run"):
        accept(asked)
    lab.reply = answer
    run(journal="fresh")
    pex.library.set_alias("ask", "champion", 2)
    pex.library.save(pex.Prompt("GOOD  {{ q }}", name="ask"), alias="champion")
    with pytest.raises(pex.PexError, match="has moved since: it points to version 3"):
        accept(asked)


def test_a_decision_that_was_not_written_is_known_by_its_move(team: Path, asked: str) -> None:
    accept(asked)
    (team / "library" / "reviews" / asked / "decision.json").unlink()
    assert pex.review(asked).state == "accepted"


def test_damaged_and_unknown_requests_are_named(team: Path, asked: str) -> None:
    with pytest.raises(pex.PexError, match=r"there is no review '\.\./x' in library/reviews"):
        pex.review("../x")
    with pytest.raises(pex.PexError) as error:
        pex.review(asked[:-1] + "3")
    assert f"did you mean '{asked}'?" in str(error.value)
    path = team / "library" / "reviews" / asked / "request.json"
    path.write_text("<<<<<<< HEAD\n" + path.read_text())
    with pytest.raises(pex.PexError, match=f"{asked}/request.json: not valid JSON"):
        pex.review(asked)
    listed = pexlab("library", "review", "list", folder=team)
    assert (listed.returncode, listed.stdout) == (0, "")
    assert f"{asked}/request.json: not valid JSON" in listed.stderr


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"general": "canary"}, "it names two aliases, 'champion' and 'canary'"),
        ({"model": "lab/m1"}, "it names two aliases, 'champion' and 'champion--m1'"),
        ({"enough": None}, "request.json: 'enough' is missing"),
        ({"missing": None}, "request.json: 'missing' is missing"),
        ({"sentence": None}, "request.json: 'sentence' is missing"),
    ],
)
def test_a_changed_request_moves_nothing(
    team: Path, asked: str, changed: dict[str, str | None], said: str
) -> None:
    path = team / "library" / "reviews" / asked / "request.json"
    data = {**json.loads(path.read_text()), **changed}
    path.write_text(json.dumps({k: v for k, v in data.items() if v is not None or k == "model"}))
    with pytest.raises(pex.PexError, match=said):
        accept(asked)
    assert aliases(team) == {"champion": 1}


def test_too_little_evidence_needs_the_reason_of_the_request(
    team: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_user(monkeypatch, "ada")
    shelve(BAD, GOOD)
    asked = pex.promote("ask", review=True, because="the law changed").review
    path = team / "library" / "reviews" / asked / "request.json"
    path.write_text(path.read_text().replace("the law changed", " "))
    as_user(monkeypatch, "bo")
    with pytest.raises(pex.PexError, match="not enough, and no reason was given: no finished run"):
        accept(asked)
    assert aliases(team) == {"champion": 1}


def test_a_refusal_waits_for_a_move_that_is_under_way(
    team: Path, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def refused() -> None:
        try:
            refuse(asked, because="too late")
        except pex.PexError as error:
            said.append(error.message)

    plain = AliasState.move
    thread = threading.Thread(target=refused)

    def move(*args: Any, **options: Any) -> Any:
        thread.start()
        thread.join(0.2)  # time enough for a refusal that does not wait
        return plain(*args, **options)

    monkeypatch.setattr(AliasState, "move", move)
    accept(asked)
    thread.join()
    assert said == [f"review {asked} is decided already: {pex.review(asked).sentence}"]
    assert (pex.review(asked).state, aliases(team)) == ("accepted", {"champion": 2})


def test_a_change_at_the_end_of_a_long_prompt_is_shown() -> None:
    start = "".join(f"Rule {number}. " for number in range(8_000))
    old, new = (pex.Prompt(f"{start}{end}", name="ask") for end in ("Be kind.", "Be curt."))
    html = difference_html(new, old)
    assert "<del>kind.</del><ins>curt.</ins>" in html
    assert "Long parts that stay as they are have been left out." in html
    assert re.search(r"\[… [\d,]+ characters, not changed …\]", html)
    assert len(html) < 10_000
    html = difference_html(new, None)
    assert re.search(r"The last [\d,]+ characters are not shown", html)
    assert len(html) < 50_000


def test_private_cases_are_counted_and_not_shown(
    team: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_user(monkeypatch, "ada")
    (team / "experiments/sums/cases.csv").write_text(
        "case_id,q,expected,tags\n1,is 1234,yes,private\n2,is 5678,yes,Private;x\n3,is 99,yes,x\n"
    )
    shelve(BAD, GOOD)
    run()
    asked = pex.promote("ask", review=True, because="few cases").review
    page = pex.review(asked).page.read_text()
    assert "is 99" in page
    assert "is 1234" not in page
    assert "is 5678" not in page
    assert "3 of 3 cases. 2 of them marked private: not shown." in page


def test_a_request_without_evidence_has_its_reason(
    team: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_user(monkeypatch, "ada")
    shelve(BAD, GOOD)
    assert pex.promote("ask", review=True).outcome == "refused"
    asked = pex.promote("ask", review=True, because="the law changed").review
    as_user(monkeypatch, "bo")
    assert accept(asked).because == "the law changed"
    assert read_history(team).lines[-1].move.because == "the law changed"


def test_the_buttons_in_a_notebook_decide(team: Path, asked: str) -> None:
    because, row, said = pex.review(asked).buttons().children
    accepted, refused = row.children
    refused.click()
    assert "a refusal needs a reason" in said.value
    because.value = "fine"
    accepted.click()
    assert "moved from version 1 to 2" in said.value
    assert aliases(team) == {"champion": 2}
    assert accepted.disabled


def test_a_notebook_shows_what_changes(
    team: Path, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from IPython import display

    shown: list[object] = []
    monkeypatch.setattr(display, "display", shown.append)
    page = team / "library" / "reviews" / asked / "request.html"
    page.write_text("<script>tampered</script>")
    pex.review(asked)._ipython_display_()
    html, buttons = shown
    assert "<del>BAD</del><ins>GOOD</ins>" in html.data  # type: ignore[attr-defined]
    assert "tampered" not in html.data  # type: ignore[attr-defined]
    assert len(buttons.children) == 3  # type: ignore[attr-defined]


def test_the_commands(team: Path, asked: str) -> None:
    listed = pexlab("library", "review", "list", folder=team)
    assert listed.stdout.startswith(f"{asked}: ada asks to move champion of ask")
    shown = pexlab("library", "review", "show", asked, "--json", folder=team)
    assert json.loads(shown.stdout)["state"] == "open"
    refused = pexlab("library", "review", "refuse", asked, folder=team)
    assert (refused.returncode, "needs a reason" in refused.stderr) == (2, True)
    done = pexlab("library", "review", "accept", asked, folder=team)
    assert done.stdout.startswith("champion of ask moved from version 1 to 2"), done.stderr


@pytest.mark.browser
def test_the_page_works_from_a_file_and_its_answer_comes_back(
    team: Path, lab: FaultyEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_user(monkeypatch, "ada")
    lab.reply = lambda body, number: (
        completion(f"yes {HOSTILE}")
        if body["messages"][-1]["content"].startswith("GOOD")
        else completion("no")
    )
    shelve(BAD, pex.Prompt(f"GOOD {{{{ q }}}} {HOSTILE}", name="ask"))
    run()
    asked = pex.promote("ask", review=True, because=HOSTILE).review
    page = team / "library" / "reviews" / asked / "request.html"
    with opened() as tab:
        requested: list[str] = []
        problems: list[str] = []
        tab.on("request", lambda request: requested.append(request.url))
        tab.on("console", lambda message: problems.append(message.text))
        tab.goto(page.as_uri())
        for width in (375, 1300):
            tab.set_viewport_size({"width": width, "height": 900})
            assert tab.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, width
        for scheme, width in (("light", 375), ("dark", 1300)):
            tab.set_viewport_size({"width": width, "height": 900})
            tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            found = Axe().run(tab)
            assert found.violations_count == 0, (scheme, found.generate_report())
            if shots := os.environ.get("PEX_SHOTS"):
                tab.screenshot(path=f"{shots}/review-{scheme}-{width}.png", full_page=True)
        tab.get_by_label("Your name").focus()
        tab.keyboard.type("Chris")
        tab.keyboard.press("Tab")
        tab.keyboard.press("Space")
        tab.keyboard.press("Tab")
        tab.keyboard.type("Says it better.")
        tab.keyboard.press("Tab")
        with tab.expect_download() as download:
            tab.keyboard.press("Enter")
        assert download.value.suggested_filename == f"{asked}.answer.json"
        file = tmp_path / "answer.json"
        download.value.save_as(file)
        assert "Saved as" in tab.locator("#said").inner_text()
        assert tab.evaluate("window.hacked") is None
        assert [url for url in requested if not url.startswith("blob:")] == [page.as_uri()]
        assert problems == []
    with pytest.raises(pex.PexError, match="the decision in it is 'accept'"):
        refuse(asked, file=file)
    found = accept(asked, file=file)
    assert found.outcome == MOVED
    decision = json.loads((page.parent / "decision.json").read_text())
    assert (decision["by"], decision["because"], decision["entered_by"]) == (
        "Chris", "Says it better.", "ada",
    )  # fmt: skip


def test_a_form_of_another_request_or_by_the_requester_is_refused(
    team: Path, asked: str, tmp_path: Path
) -> None:
    found = pex.review(asked)
    good = {
        "format": "pex review 1", "review": asked, "request": found.digest,
        "decision": "accept", "by": "Chris", "because": "",
    }  # fmt: skip
    file = tmp_path / "answer.json"
    for changed, said in (
        ({"format": "x"}, "not the file of a review's form"),
        ({"review": "other"}, "it is about review 'other'"),
        ({"request": "0"}, "its page showed another state"),
        ({"by": "ada"}, "ada asked for it and cannot accept it"),
        ({"by": " "}, "the name is missing"),
    ):
        file.write_text(json.dumps({**good, **changed}))
        with pytest.raises(pex.PexError, match=said):
            accept(asked, file=file)
    assert aliases(team) == {"champion": 1}
    client = mlflow.MlflowClient(f"sqlite:///{team / 'mlruns' / 'mlflow.db'}")
    client.set_prompt_tag("ask", "pex.disabled", "[2]")
    file.write_text(json.dumps(good))
    with pytest.raises(pex.PexError, match="version 2 of 'ask' is disabled"):
        accept(asked, file=file)

"""Rating blind: the door, a real JupyterLab by keys only, and the page without Jupyter."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

import pex
from pex.rating.rating import REASONS, Rating
from tests.helpers.browser import Lab, jupyterlab, page
from tests.helpers.lab import MADE
from tests.helpers.made import made
from tests.helpers.notebooks import notebook


def saved_file(rating: Rating, path: Path, **changes: object) -> Path:
    """A file as the page saves it, of one rater who finds A better three times."""
    ratings = [
        {"pair": pair.id, "swapped": bool(n % 2), "second_look": False, "choice": "left",
         "reasons": ["clear"], "note": "so", "at": f"2026-01-01T10:0{n}:00Z"}
        for n, pair in enumerate(rating._pairs.different[:3])
    ]  # fmt: skip
    file = {"format": "pex ratings 1", "experiment": "made", "run_id": None, "rater": "bo"}
    path.write_text(json.dumps({**file, "ratings": ratings, **changes}))
    return path


def test_a_file_of_ratings_is_taken_in_once(project: Path) -> None:
    rating = made(12, 2).rate()
    file = saved_file(rating, project / "bo.json")
    assert rating.add(file) == 3
    assert rating.add(file) == 0
    frame = rating.frame
    assert list(frame.columns) == [
        "case_id", "repeat", "rater", "left", "right", "choice", "winner", "reasons", "note",
        "at", "second_look",
    ]  # fmt: skip
    assert frame["winner"].tolist() == ["variant-0", "variant-1", "variant-0"]
    assert str(frame["at"].dt.tz) == "UTC"
    assert made(12, 2).rate(["variant-1", "variant-0"]).summary().loc[0, "wins"] == 1


def test_the_explanation_is_rendered_and_not_quoted(project: Path) -> None:
    text = made(12, 2).rate().explain()
    assert repr(text) == str(text)
    assert "<p" in text._repr_html_()  # type: ignore[attr-defined]


def test_a_file_that_does_not_belong_here_is_refused_whole(project: Path) -> None:
    rating, other = made(12, 2).rate(), made(12, 3).rate(["variant-0", "variant-2"])
    strange = saved_file(other, project / "other.json", run_id="1234")
    with pytest.raises(pex.PexError, match=r"3 of 3 ratings are for other answers.*run 1234"):
        rating.add(strange)
    for changes, said in (
        ({"format": "else"}, "is not a file of ratings"),
        ({"rater": ""}, "a rater's name has 1 to 80"),
        ({"ratings": {}}, "a list of 'ratings'"),
        ({"ratings": ["x"]}, "1 of 1 ratings are for other answers"),
    ):
        with pytest.raises(pex.PexError, match=said):
            rating.add(saved_file(rating, project / "bad.json", **changes))
    items = json.loads(saved_file(rating, project / "bad.json").read_text())["ratings"]
    for change, said in (
        ({"choice": "A"}, r"bad\.json, rating 3: choice is 'A'"),
        ({"swapped": 1}, "'swapped' and 'second_look' as true or false"),
        ({"left": 1, "extra": 1}, "unknown key 'extra'"),
    ):
        changed = [*items[:2], {**items[2], **change}]
        with pytest.raises(pex.PexError, match=said):
            rating.add(saved_file(rating, project / "bad.json", ratings=changed))
    (project / "bad.json").write_text("not JSON")
    with pytest.raises(pex.PexError, match="is not a file of ratings"):
        rating.add(project / "bad.json")
    assert len(rating.frame) == 0


def test_wrong_options_are_said_before_anything_is_shown(project: Path) -> None:
    results = made(3, 3)
    for options, said in (
        ({"variants": ["variant-0", "variant-9"]}, "no variant 'variant-9'"),
        ({"precision": 10}, "precision=10: expected a number between 0 and 0.5"),
        ({"confidence": 95}, "confidence=95"),
        ({"reasons": list("abcdefg")}, "at most 6 short strings"),
        ({"rater": ""}, "a rater's name"),
    ):
        with pytest.raises(pex.PexError, match=said):
            results.rate(**options)
    assert len(results.rate().variants) == 2
    assert results.rate(reasons=[])._reasons == ()
    assert results.rate()._reasons == REASONS
    assert not (project / ".pex").exists()


def count(where: Page) -> str:
    return where.locator(".pex-rating-count").inner_text()


def at_pair(where: Page, number: int, of: int = 22) -> None:
    expect(where.locator(".pex-rating-count")).to_have_text(f"Pair {number} of {of}")
    expect(where.locator(".pex-rating-pair.pex-waiting")).to_have_count(0)


def wait_for(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def last_of(path: Path) -> tuple[str, str]:
    last = json.loads(path.read_text().splitlines()[-1])
    return last["choice"], last["note"]


def accessible(where: Page) -> None:
    root = where.locator(".pex-rating").first
    assert root.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
    found = Axe().run(where, context=".pex-rating")
    assert found.violations_count == 0, found.generate_report()


def shown(lab: Lab, code: str, folder: Path) -> list[str]:
    """Run the code in a notebook; returns what its page asks other hosts for."""
    (folder / "pex.toml").touch()
    notebook(folder / "rate.ipynb", None, MADE + code)
    foreign = lab.foreign()
    lab.open("rate.ipynb")
    lab.command("application:toggle-left-area")
    lab.run_all()
    assert lab.errors() == []
    lab.page.locator(".pex-rating").first.wait_for()
    return foreign


@pytest.mark.browser
def test_rating_by_keys_only_with_a_reload_in_the_middle(tmp_path: Path) -> None:
    with jupyterlab(tmp_path) as lab:
        foreign = shown(lab, "rating = made(20, 2, hostile=True).rate()\nrating", tmp_path)
        keys = lab.page.keyboard
        name = lab.page.get_by_label("Your name")
        name.focus()
        keys.press("Control+a")
        keys.type("ada")
        keys.press("Enter")
        at_pair(lab.page, 1)
        for number, key in enumerate("1" * 5 + "2" * 4 + "0" + "9", 1):
            at_pair(lab.page, number)
            assert lab.page.locator(".pex-rating").locator("img, script").count() == 0
            keys.press("c")
            keys.press(key)
        # Back to the first, where the choice and its reason are; another choice, and a note.
        for _ in range(11):
            keys.press("ArrowLeft")
        at_pair(lab.page, 1)
        pressed = lab.page.locator(".pex-rating [aria-pressed=true]")
        expect(pressed).to_have_text(["1 A is better", "c clear"])
        keys.press("n")
        keys.type("a note 12 n")
        keys.press("Enter")
        keys.press("2")
        at_pair(lab.page, 2)
        keys.press("x")
        expect(lab.page.locator(".pex-rating-expected")).to_have_text("billing")
        keys.press("ArrowLeft")
        expect(lab.page.locator(".pex-rating-note")).to_have_value("a note 12 n")
        path = next((tmp_path / ".pex/ratings").glob("*.jsonl"))
        wait_for(lambda: last_of(path) == ("right", "a note 12 n"))

        # The page goes, the kernel goes on: one is where one stopped.
        lab.save()
        lab.page.reload()
        lab.page.locator(".pex-rating-count").wait_for()
        at_pair(lab.page, 12)
        # Keys would act on the notebook now, which is said.
        on = lab.page.get_by_role("button", name="Enable keyboard shortcuts")
        on.focus()
        expect(on).to_be_hidden()
        assert lab.page.locator(".pex-rating").get_by_text("variant-").count() == 0
        # Too early to know: asked once more before the names are shown.
        reveal = lab.page.get_by_role("button", name="Reveal")
        reveal.focus()
        keys.press("Enter")
        lab.page.get_by_role("button", name="Show the variants now?").wait_for()
        lab.page.locator(".pex-rating-text").first.focus()
        for number in range(12, 23):
            at_pair(lab.page, number)
            keys.press("1")
        lab.page.get_by_text("All pairs are rated.").wait_for()
        result = lab.page.locator(".pex-rating-result").first
        result.get_by_text("Details").click()
        result.get_by_text("over 20 cases").wait_for()
        result.get_by_text("This run is not in MLflow").wait_for()
        assert "2 pairs that were shown a second time" in result.inner_text()
        # A mind can be changed at the end, too.
        keys.press("ArrowLeft")
        at_pair(lab.page, 22)
        keys.press("9")
        lab.page.get_by_text("All pairs are rated.").wait_for()
        assert lab.page.evaluate("window.hacked") is None
        assert foreign == []
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    newest = {(row["pair"], row["second_look"]): row for row in rows}
    assert len(newest) == 22
    assert len(rows) >= 24
    assert {row["rater"] for row in rows} == {"ada"}


@pytest.mark.browser
def test_it_is_accessible_at_every_width_in_light_and_dark(tmp_path: Path) -> None:
    with jupyterlab(tmp_path) as lab:
        shown(lab, "made(20, 2, hostile=True).rate()", tmp_path)
        for dark in (False, True):
            lab.theme(dark)
            for width in (375, 1300):
                lab.page.set_viewport_size({"width": width, "height": 900})
                accessible(lab.page)
        lab.page.get_by_role("button", name="Start", exact=True).click()
        for dark in (False, True):
            lab.theme(dark)
            for width in (375, 1300, 3840):
                lab.page.set_viewport_size({"width": width, "height": 900})
                at_pair(lab.page, 1)
                accessible(lab.page)
        lab.page.keyboard.press("x")
        lab.page.keyboard.press("a")
        lab.page.keyboard.press("1")
        lab.page.get_by_role("button", name="Reveal").click()
        lab.page.get_by_role("button", name="Show the variants now?").click()
        lab.page.locator(".pex-rating-result").first.wait_for()
        for dark in (False, True):
            lab.theme(dark)
            for width in (375, 1300):
                lab.page.set_viewport_size({"width": width, "height": 900})
                accessible(lab.page)


@pytest.mark.browser
def test_the_page_works_without_a_network_and_its_file_comes_back(project: Path) -> None:
    rating = made(20, 2, hostile=True).rate()
    address = rating.to_html(project / "out" / "rate.html").as_uri()
    with page(width=375) as phone:
        errors: list[str] = []
        phone.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        phone.on("pageerror", lambda error: errors.append(str(error)))
        asked: list[str] = []
        phone.on("request", lambda r: asked.append(r.url))
        phone.goto(address)
        accessible(phone)
        phone.get_by_label("Your name").fill("Bo <b>")
        phone.keyboard.press("Enter")
        for number in range(1, 9):
            at_pair(phone, number)
            phone.keyboard.press("b")
            phone.keyboard.press("1")
        accessible(phone)
        # Half way is a file too.
        with phone.expect_download() as download:
            phone.get_by_role("button", name="Save my ratings").click()
        assert download.value.suggested_filename == "ratings-Bo-b-.json"
        assert rating.add(download.value.path()) == 8
        phone.reload()
        at_pair(phone, 9)
        phone.keyboard.press("ArrowLeft")
        at_pair(phone, 8)
        phone.keyboard.press("0")
        for number in range(9, 23):
            at_pair(phone, number)
            phone.keyboard.press("1")
        phone.get_by_text("All pairs are rated.").wait_for()
        accessible(phone)
        with phone.expect_download() as download:
            phone.get_by_role("button", name="Save my ratings").last.click()
        path = download.value.path()
        assert rating.add(path) == 15
        assert rating.add(path) == 0
        # Somebody else at the same computer.
        phone.get_by_role("button", name="Another rater").click()
        phone.get_by_label("Your name").fill("Cy")
        phone.keyboard.press("Enter")
        at_pair(phone, 1)
        assert phone.evaluate("window.hacked") is None
        assert errors == []
        assert [url for url in asked if not url.startswith(("file:", "blob:"))] == []
    frame = rating.frame
    assert len(frame) == 22
    assert set(frame["rater"]) == {"Bo <b>"}
    assert frame["second_look"].sum() == 2
    # The position was drawn: left is now one variant, now the other.
    assert set(frame["left"]) == {"variant-0", "variant-1"}
    assert re.search(r"2 pairs that were shown a second time", rating.explain())


def at_answer(where: Page, number: int, of: int) -> None:
    expect(where.locator(".pex-rating-count")).to_have_text(f"Answer {number} of {of}")
    expect(where.locator(".pex-rating-pair.pex-waiting")).to_have_count(0)


@pytest.mark.soak
@pytest.mark.browser
def test_answers_alone_are_rated_on_a_scale_by_keys_in_a_notebook(tmp_path: Path) -> None:
    code = "rating = made(10, 2, hostile=True).rate(scale=5, rater='ada')\nrating"
    with jupyterlab(tmp_path) as lab:
        shown(lab, code, tmp_path)
        keys = lab.page.keyboard
        at_answer(lab.page, 1, 22)
        root = lab.page.locator(".pex-rating").first
        expect(root.locator(".pex-rating-answer:visible")).to_have_count(1)
        expect(root.get_by_role("group", name="How good is the answer")).to_be_visible()
        choices = root.locator(".pex-rating-choices button")
        expect(choices).to_have_text(["1 1", "2 2", "3 3", "4 4", "5 5"])
        for dark in (False, True):
            lab.theme(dark)
            for width in (375, 1300):
                lab.page.set_viewport_size({"width": width, "height": 900})
                accessible(lab.page)
        root.locator(".pex-rating-text").first.focus()
        for number, key in enumerate("54321" * 4 + "55", 1):
            at_answer(lab.page, number, 22)
            if number == 1:
                keys.press("9")  # not on the scale
                keys.press("c")
            keys.press(key)
        lab.page.get_by_text("All answers are rated.").wait_for()
        result = lab.page.locator(".pex-rating-result").first
        result.get_by_text("on a scale from 1 to 5").first.wait_for()
        expect(result.get_by_role("columnheader")).to_contain_text(["variant", "mean"])
        accessible(lab.page)
        assert lab.page.evaluate("window.hacked") is None
    path = next((tmp_path / ".pex/ratings").glob("*.jsonl"))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(rows) == 22
    assert rows[0]["choice"] == "5"
    assert rows[0]["reasons"] == ["clear"]


@pytest.mark.browser
@pytest.mark.parametrize("kind", ["categories", "tournament"])
def test_the_page_for_others_has_every_kind_of_rating(kind: str, project: Path) -> None:
    results = made(6, 3, hostile=True)
    options = {"categories": ["good", "minor <b>", "bad"]} if kind == "categories" else {}
    names = ["all"] if kind == "tournament" else ["variant-0", "variant-1"]
    rating = results.rate(*names, **options)
    address = rating.to_html(project / "rate.html").as_uri()
    total = len(rating._open_session("bo"))
    at = at_answer if kind == "categories" else at_pair
    with page(width=375) as phone:
        errors: list[str] = []
        phone.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        phone.on("pageerror", lambda error: errors.append(str(error)))
        phone.goto(address)
        accessible(phone)
        phone.get_by_label("Your name").fill("bo")
        phone.keyboard.press("Enter")
        for number in range(1, total + 1):
            at(phone, number, total)
            if number == 2:
                accessible(phone)
                phone.reload()
                at(phone, number, total)
            phone.keyboard.press("12"[number % 2])
        phone.get_by_text(
            f"All {'answers' if kind == 'categories' else 'pairs'} are rated."
        ).wait_for()
        with phone.expect_download() as download:
            phone.get_by_role("button", name="Save my ratings").last.click()
        assert rating.add(download.value.path()) == total
        assert errors == []
    assert len(rating.frame[~rating.frame["second_look"]]) >= total - 2
    if kind == "categories":
        assert set(rating.frame["choice"]) == {"good", "minor <b>"}
    assert "bo" in rating.summary()["rater"].tolist()


@pytest.mark.soak
@pytest.mark.browser
def test_the_page_is_accessible_in_the_dark(project: Path) -> None:
    address = made(20, 2, hostile=True).rate().to_html(project / "rate.html").as_uri()
    with page(dark=True) as wide:
        wide.goto(address)
        wide.get_by_label("Your name").fill("Bo")
        wide.keyboard.press("Enter")
        at_pair(wide, 1)
        wide.keyboard.press("x")
        accessible(wide)

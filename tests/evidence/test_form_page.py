"""A form in a real browser: filled in with the keyboard, kept, saved, and read back."""

import json
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

import pex
from pex.evidence.form.table import Column, Form, read_form, write_form
from tests.helpers.browser import page as opened
from tests.helpers.made_results import HOSTILE

pytestmark = pytest.mark.browser

COLUMNS = [
    Column("input", lines=True),
    Column("what must hold", True, help="One sentence.", lines=True),
    Column("priority", True, ("must", "should", "could")),
    Column("who asked", True),
]
ROWS = [
    {"key": "R1-abc", "title": "R1", "input": HOSTILE, "what must hold": "Be kind.",
     "priority": "should"},
    {"key": "R2-def", "input": "عاجل: أعد المبلغ", "what must hold": HOSTILE},
]  # fmt: skip
FORM = Form(
    "requirements", f"x: what must hold? {HOSTILE}", f"Say what must hold.\n\n{HOSTILE}",
    "requirement", COLUMNS, ROWS, "words", empty=3,
)  # fmt: skip


def test_what_is_typed_is_kept_saved_and_read_back(tmp_path: Path) -> None:
    path = write_form(FORM, tmp_path / "form.html")
    with opened() as tab:
        asked: list[str] = []
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(path.as_uri())
        tab.get_by_label("Your name").fill("Ada Ö")
        first = tab.get_by_role("group", name=re.compile("^R1"))
        assert first.get_by_label("priority").input_value() == "should"
        first.get_by_label("what must hold").fill("Be very kind.")
        new = tab.get_by_role("group", name="New requirement")
        new.get_by_label("what must hold").fill("Be brief.")
        new.get_by_label("priority").select_option("could")
        assert "1 of 2 requirements filled in or changed, 1 new." in tab.inner_text("[role=status]")
        tab.reload()
        assert first.get_by_label("what must hold").input_value() == "Be very kind."
        assert new.get_by_label("what must hold").input_value() == "Be brief."
        with tab.expect_download() as waiting:
            tab.get_by_role("button", name="Save as a file").click()
        assert waiting.value.suggested_filename == "requirements-words-Ada-Ö.json"
        saved = tmp_path / "saved.json"
        waiting.value.save_as(saved)
        assert tab.evaluate("window.hacked") is None
        assert not [url for url in asked if url.startswith("http")]
    form = read_form(saved)
    assert (form.kind, form.experiment, form.by) == ("requirements", "words", "Ada Ö")
    assert [row.key for row in form.rows] == ["R1-abc", "R2-def", ""]
    assert form.rows[0].values["what must hold"] == "Be very kind."
    assert form.rows[1].values["what must hold"] == HOSTILE
    assert form.rows[2].values == {"what must hold": "Be brief.", "priority": "could"}
    assert "input" not in form.titles  # only what is filled in comes back


def test_a_row_is_added_and_filled_in_with_the_keyboard(tmp_path: Path) -> None:
    path = write_form(FORM, tmp_path / "form.html")
    with opened() as tab:
        tab.goto(path.as_uri())
        tab.get_by_role("button", name="Add a requirement").press("Enter")
        tab.keyboard.type("Be on time.")
        tab.keyboard.press("Tab")
        tab.keyboard.type("must")
        news = tab.get_by_role("group", name="New requirement")
        assert news.count() == 2
        last = news.last
        assert last.get_by_label("what must hold").input_value() == "Be on time."
        assert last.get_by_label("priority").input_value() == "must"


def test_it_fits_and_is_accessible_from_a_phone_to_a_desk_in_light_and_dark(
    tmp_path: Path,
) -> None:
    path = write_form(FORM, tmp_path / "form.html")
    with opened() as tab:
        tab.goto(path.as_uri())
        for width in (375, 1300):
            tab.set_viewport_size({"width": width, "height": 900})
            beyond = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert beyond <= 0, width
            for scheme in ("light", "dark"):
                tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                found = Axe().run(tab)
                assert found.violations_count == 0, (scheme, width, found.generate_report())


def test_a_file_that_a_form_did_not_save_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    for text, said in (
        ("{", "not valid JSON"),
        ('{"format": "other"}', "not a file that a form saved"),
        (json.dumps({"format": "pex form 1"}), "'rows' is missing"),
        (json.dumps({"format": "pex form 1", "rows": [{"values": {"a": 1}}]}), "row 1"),
    ):
        path.write_text(text)
        with pytest.raises(pex.PexError, match=said):
            read_form(path)

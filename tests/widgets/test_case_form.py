"""Edits from an opened cell: what is asked of the callbacks, and what a conflict shows."""

import dataclasses
from typing import Any

import pytest

from pex.cases.edits import DiffersError, Draft
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.widgets.case_form import Editing, apply_edit, edit_form
from pex.widgets.cell import Cell
from pex.widgets.cell_details import MAX_CHARS

CASE = Case("c1", {"q": "why"}, "old")
CELL = Cell("answered", "the answer")


class File:
    """A file of cases in memory, with the calls that reached it."""

    def __init__(self, case: Case = CASE) -> None:
        self.case = case
        self.calls: list[tuple[Any, ...]] = []
        self.raises: Exception | None = None

    def check(self) -> None:
        if self.raises is not None:
            raise self.raises

    def draft(self, case: Case) -> Draft:
        self.check()
        return Draft(f"{case.id}-2", "t1")

    def correct(self, case: Case, text: str | None, seen: str | None) -> Case:
        self.check()
        self.calls.append((text, seen))
        return dataclasses.replace(case, expected="theirs" if text is None else text)

    def save(self, case: Case, text: str, new_id: str, tags: str | None) -> Case:
        self.check()
        self.calls.append((text, new_id, tags))
        return dataclasses.replace(case, id=new_id, expected=text)

    @property
    def editing(self) -> Editing:
        return Editing(
            "cases.csv", lambda case_id: self.case, self.check, self.draft, self.correct, self.save,
            lambda case: f"row of {case.id}: {case.expected}", lambda: ["rescore()"],
        )  # fmt: skip


@pytest.fixture
def file() -> File:
    return File()


def test_a_correction_begins_with_what_is_expected_and_a_new_case_with_the_answer(
    file: File,
) -> None:
    correct = edit_form(file.editing, "c1", CELL, "correct")
    assert (correct["text"], correct["before"], correct["long"]) == ("old", "old", False)
    new = edit_form(file.editing, "c1", CELL, "new")
    assert (new["text"], new["id"], new["tags"]) == ("the answer", "c1-2", "t1")


def test_an_error_is_no_answer_to_save(file: File) -> None:
    for cell in (None, Cell("error", "server: no")):
        assert edit_form(file.editing, "c1", cell, "new")["text"] == ""


@pytest.mark.parametrize("error", [PexError("it is gone", hint="look"), OSError("no rights")])
def test_a_file_that_cannot_be_changed_is_said_with_the_row_to_copy(
    file: File, error: Exception
) -> None:
    file.raises = error
    assert edit_form(file.editing, "c1", CELL, "correct")["copy"] == "row of c1: old"
    found = edit_form(file.editing, "c1", CELL, "new")
    assert found["copy"] == "row of c1: the answer"
    assert found["problem"] in ("it is gone.", "no rights.")


def test_a_long_text_is_cut_in_the_form_and_whole_in_the_file() -> None:
    whole = "x" * (MAX_CHARS + 1)
    file = File(dataclasses.replace(CASE, expected=whole))
    form = edit_form(file.editing, "c1", CELL, "correct")
    assert (len(form["text"]), form["long"]) == (MAX_CHARS, True)
    # None: it was not edited.
    apply_edit(file.editing, "c1", CELL, {"what": "correct", "text": None})
    assert file.calls == [(whole, None)]


def test_a_correction_reaches_the_file_and_comes_back(file: File) -> None:
    shown, case = apply_edit(file.editing, "c1", CELL, {"what": "correct", "text": "new"})
    assert file.calls == [("new", None)]
    assert case is not None
    assert case.expected == shown["expected"] == "new"
    assert shown["code"][0] == "rescore()"


def test_a_correction_that_changes_nothing_asks_for_no_new_scores(file: File) -> None:
    shown, _ = apply_edit(file.editing, "c1", CELL, {"what": "correct", "text": "old"})
    assert (shown["code"], shown["expected"]) == ([], None)


def test_a_conflict_shows_both_sides_and_takes_either(file: File) -> None:
    theirs = dataclasses.replace(CASE, expected="theirs\x1b")
    file.raises = DiffersError("the file differs", theirs, "digest")
    shown, case = apply_edit(file.editing, "c1", CELL, {"what": "correct", "text": "mine"})
    assert case is None
    assert shown == {
        "differs": "the file differs", "there": "theirs␛", "shown": "old", "seen": "digest",
    }  # fmt: skip
    file.raises = None
    mine = {"what": "correct", "text": "mine", "seen": "digest"}
    assert apply_edit(file.editing, "c1", CELL, mine)[0]["expected"] == "mine"
    assert apply_edit(file.editing, "c1", CELL, {**mine, "take": True})[0]["expected"] == "theirs"
    assert file.calls == [("mine", "digest"), (None, "digest")]


def test_a_new_case_has_the_answer_the_id_and_the_tags(file: File) -> None:
    shown, case = apply_edit(
        file.editing, "c1", CELL, {"what": "new", "id": "c9", "tags": "a", "text": None}
    )
    assert file.calls == [("the answer", "c9", "a")]
    assert case is None  # the grid's own case has not changed
    assert "'c9'" in shown["done"]
    apply_edit(file.editing, "c1", CELL, {"what": "new", "id": "c8", "text": "typed"})
    assert file.calls[1] == ("typed", "c8", None)


def test_a_new_case_that_cannot_be_saved_is_given_to_copy(file: File) -> None:
    file.raises = PexError("there is a case 'c9' already", hint="choose another id")
    shown, case = apply_edit(file.editing, "c1", CELL, {"what": "new", "id": "c9", "text": "typed"})
    assert case is None
    assert shown == {
        "problem": "there is a case 'c9' already.", "hint": "choose another id",
        "copy": "row of c9: typed",
    }  # fmt: skip

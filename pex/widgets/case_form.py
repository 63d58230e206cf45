"""Editing from an opened cell: correct the expected answer, or save the answer as a new case.

The result is plain data for a view; the work is done by callbacks, which raise a `PexError` with
the reason if it is not possible.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from pex.cases.edits import DiffersError, Draft
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.core.safe_text import clean
from pex.core.text import value_text
from pex.widgets.cell import Cell
from pex.widgets.cell_details import MAX_CHARS

CORRECT, NEW = "correct", "new"


@dataclasses.dataclass(frozen=True, slots=True)
class Editing:
    """The callbacks of a grid's opened cells.

    Args:
        file: the name of the file of cases; empty if there is none.
        case_of: the case of an id, as it is shown.
        check: raises if the file cannot be changed.
        draft: suggests an id and tags for a new case with the same inputs.
        on_correct: writes another expected answer (None: takes the file's), given what was seen.
        on_save: writes a new case with an expected answer, an id and tags.
        row: a case as text to copy.
        again: the code that recalculates the scores.
    """

    file: str
    case_of: Callable[[str], Case]
    check: Callable[[], None]
    draft: Callable[[Case], Draft]
    on_correct: Callable[[Case, str | None, str | None], Case]
    on_save: Callable[[Case, str, str, str | None], Case]
    row: Callable[[Case], str]
    again: Callable[[], list[str]]


def edit_form(editing: Editing, case_id: str, cell: Cell | None, what: str) -> dict[str, Any]:
    """The form to edit, or the reason why editing is not possible, with a text to copy.

    Args:
        editing: the callbacks.
        case_id: the case.
        cell: its answer.
        what: `correct` or `new`.
    """
    case = editing.case_of(case_id)
    before = _text(case.expected)
    text = before if what == CORRECT else _answer(cell)
    shown = {"what": what, "file": clean(editing.file), "text": clean(text[:MAX_CHARS])}
    try:
        if what == CORRECT:
            editing.check()
            return {**shown, "before": clean(before[:MAX_CHARS]), "long": len(text) > MAX_CHARS}
        draft = editing.draft(case)
        return {
            **shown,
            "id": clean(draft.new_id),
            "tags": None if draft.tags is None else clean(draft.tags),
            "long": len(text) > MAX_CHARS,
        }
    except (PexError, OSError) as error:
        new = dataclasses.replace(case, expected=text or None)
        return {"what": what, **_problem(error, editing.row(case if what == CORRECT else new))}


def apply_edit(
    editing: Editing, case_id: str, cell: Cell | None, content: Mapping[str, Any]
) -> tuple[dict[str, Any], Case | None]:
    """Apply an edit of a view.

    Args:
        editing: the callbacks.
        case_id: the case.
        cell: its answer.
        content: `what`; `text`, None if it was not edited; `id`, `tags`; `seen` and `take`
            after the file was found to differ.

    Returns:
        The outcome for the view, and the corrected case, if it was corrected.
    """
    case = editing.case_of(case_id)
    text = content.get("text")
    correct = content.get("what") == CORRECT
    whole = str(text) if text is not None else _text(case.expected) if correct else _answer(cell)
    try:
        if correct:
            wanted = None if content.get("take") else whole
            new = editing.on_correct(case, wanted, content.get("seen"))
            return _corrected(editing, case, new), new
        tags = content.get("tags")
        new = editing.on_save(
            case, whole, str(content.get("id") or ""), None if tags is None else str(tags)
        )
        return {
            "done": f"Saved in {clean(editing.file)} as case '{clean(new.id)}'. "
            "The next run includes it.",
            "code": ["results = exp.run()"],
        }, None
    except DiffersError as error:
        there = _text(error.there.expected)
        return {
            "differs": clean(error.message),
            "there": clean(there[:MAX_CHARS]),
            "shown": clean(_text(case.expected)[:MAX_CHARS]),
            "seen": error.seen,
        }, None
    except PexError as error:
        new = dataclasses.replace(case, id=str(content.get("id") or case.id), expected=whole)
        return _problem(error, editing.row(new)), None


def _corrected(editing: Editing, before: Case, after: Case) -> dict[str, Any]:
    if after.expected == before.expected:
        return {"done": "The file already has this answer.", "code": [], "expected": None}
    return {
        "done": f"Saved in {clean(editing.file)}. The scores here do not change by themselves: "
        "the first line rescores these answers, the second is a new run, which reuses "
        "them.",
        "code": [*editing.again(), "results = exp.run()"],
        "expected": clean(_text(after.expected)[:MAX_CHARS]),
    }


def _problem(error: PexError | OSError, row: str) -> dict[str, Any]:
    said = (error.message, error.hint) if isinstance(error, PexError) else (str(error), None)
    return {
        "problem": clean(f"{said[0]}."),
        "hint": clean(said[1] or ""),
        "copy": clean(row),
    }


def _text(expected: Any) -> str:
    return "" if expected is None else value_text(expected)


def _answer(cell: Cell | None) -> str:
    return "" if cell is None or cell.state == "error" else cell.text

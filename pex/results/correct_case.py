"""Correcting a run's cases from an opened cell: in their file, and in the results shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.cases.edits import Edits
from pex.core.about import About
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.core.reading import Reading
from pex.core.values import to_json_value

if TYPE_CHECKING:
    import pandas as pd

    from pex.widgets.case_form import Editing


def edits_in(about: About, project: Path, state: Path) -> Edits | None:
    """The file that the cases of a recorded run came from, None if it is not known.

    Args:
        about: the run's description.
        project: the folder that the paths of a record start from.
        state: the project's `.pex/`.
    """
    source = about.cases_file
    if source is None:
        return None
    reading = Reading(**source.reading)
    return Edits(project / source.path, source.columns, state, reading)


def editing(
    edits: Edits | None,
    case_of: Callable[[str], Case],
    on_corrected: Callable[[Case], None],
    again: Callable[[], list[str]],
) -> Editing:
    """The edits that the opened cells of a grid can make to their cases.

    Args:
        edits: edits of the file of cases; None if there is none.
        case_of: returns the case of an id, as shown.
        on_corrected: called with every case that gets a new expected answer.
        again: the code that recalculates the scores.
    """
    from pex.widgets.case_form import Editing

    def file() -> Edits:
        if edits is None:
            raise PexError(
                "these cases were created in Python; there is no file to edit",
                hint="save the text below as cases.jsonl, or save the experiment with exp.save()",
            )
        return edits

    def correct(case: Case, text: str | None, seen: str | None) -> Case:
        new = file().correct(case, text, seen)
        on_corrected(new)
        return new

    return Editing(
        file=edits.name if edits else "",
        case_of=case_of,
        check=lambda: file().check(),
        draft=lambda case: file().draft(case),
        on_correct=correct,
        on_save=lambda case, text, new_id, tags: file().save(case, text, new_id, tags),
        row=lambda case: row_text(edits, case),
        again=again,
    )


def row_text(edits: Edits | None, case: Case) -> str:
    """A case as text to paste into its file; as JSONL if there is no readable file."""
    from pex.project.folder import cases_text

    if edits is not None:
        try:
            return edits.row(case)
        except (PexError, OSError):  # deleted, or with other columns
            pass
    return cases_text([case]).rstrip("\n")


def case_in(frame: pd.DataFrame, case_id: str) -> Case:
    """Return a case from a long frame."""
    row = frame[frame["case_id"] == case_id].iloc[0].to_dict()
    values = {
        str(name)[5:]: to_json_value(row[name]) for name in row if str(name).startswith("case.")
    }
    return Case(
        id=case_id,
        inputs=values,
        expected=to_json_value(row["expected"]),
        group=to_json_value(row["group"]),
        tags=tuple(to_json_value(row["tags"]) or ()),
    )


def expect(frame: pd.DataFrame, case: Case) -> None:
    """Set a case's expected answer in a long frame; scores stay unchanged."""
    import pandas as pd

    values = [None if to_json_value(value) is None else value for value in frame["expected"]]
    there = frame["case_id"] == case.id
    values = [case.expected if found else value for value, found in zip(values, there, strict=True)]
    text = all(value is None or isinstance(value, str) for value in values)
    kind = frame["expected"].dtype if text else object
    frame["expected"] = pd.Series(values, index=frame.index, dtype=kind)


def rescoring_code(scorer_items: Sequence[Any] | None) -> list[str]:
    """The line of code that rescores a run's answers, if its scorers can be written as code."""
    if not scorer_items:
        return ["results = results.rescore(…)  # the scorers of the experiment"]
    return [f"results = results.rescore({list(scorer_items)!r})"]

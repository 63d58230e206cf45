"""The long frame of a run as plain CSV: one row for each variant, case and repeat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pex.core.spreadsheet import table_text
from pex.exporters.exported import Exported
from pex.importers.imported import Note

if TYPE_CHECKING:
    from pex.results.results import Results


def long_csv(results: Results) -> Exported:
    """All columns of `results.frame`; lists and objects as JSON."""
    frame = results.frame
    nested = [
        name for name in frame if any(isinstance(v, list | dict | tuple) for v in frame[name])
    ]
    notes = [Note("rows", "taken over", count=len(frame))]
    notes += [Note(f"column {name}", "changed", "lists and objects are JSON") for name in nested]
    formulas = "text that a spreadsheet would run as a formula begins with an apostrophe"
    notes.append(Note("text", "changed", formulas))
    return Exported(
        "CSV",
        results.about.name,
        {"results.csv": table_text(frame)},
        notes,
        "`results.csv` has a row for each variant, case and repeat. Scores are 1 for yes and 0 for "
        "no; empty means not scored.",
    )

"""The fields of structured answers as a user sees them: which fail, and what comes instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pex.compare.field_table import FieldTable
from pex.core.errors import PexError, nearest
from pex.core.safe_text import clean
from pex.report.fields import fields_html, fields_text

if TYPE_CHECKING:
    import pandas as pd


class FieldsView:
    """Which fields of structured answers fail: `str()` and a notebook show it as a table.

    Args:
        found: what `pex.compare.field_table` found.
    """

    def __init__(self, found: FieldTable) -> None:
        self._found = found

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each scorer, variant and field: share with its interval, and counts.

        `share` is the mean over the cases, `lo` and `hi` the ends of its 95 % interval, `cases` the
        number of cases; `right`, `wrong`, `missing` and `too_much` count answers, or the records of
        answers.
        """
        return self._found.table.copy()

    @property
    def notes(self) -> list[str]:
        """What else a reader should know, such as answers that could not be read."""
        return self._found.notes()

    def confusion(self, field: str | None = None, variant: str | None = None) -> pd.DataFrame:
        """What comes instead of what is expected: pairs of values, the most frequent first.

        Args:
            field: only of this field.
            variant: only of this variant.

        Raises:
            PexError: the field or variant does not exist.
        """
        found = self._found.confusion
        for name, given in (("field", field), ("variant", variant)):
            if given is None:
                continue
            known = list(dict.fromkeys(self._found.table[name]))
            if given not in known:
                raise PexError(f"there is no {name} '{given}'", hint=nearest(given, known))
            found = found[found[name] == given]
        return found.reset_index(drop=True)

    def __repr__(self) -> str:
        return clean(fields_text(self._found))

    def _repr_html_(self) -> str:
        from pex.report.tables import fragment

        return fragment(fields_html(self._found))

"""Tables for spreadsheets: text from models and files never becomes a formula."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pex.core.safe_text import clean
from pex.core.text import value_text

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = re.compile(r"""[\s"'\u200b\u2060\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20\u2212]|[\t\r]""")
"""The first characters of formulas, also in the wide forms of East Asian keyboards; some
spreadsheets recognise a formula even after spaces, invisible characters and quotes."""
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


def inert(value: Any) -> Any:
    """A value that no spreadsheet reads as a formula: lookalikes get a leading apostrophe.

    Numbers stay numbers, also if they are written as strings. For files that people open in a
    spreadsheet; a case file, which is read back, is written unchanged.

    Source: OWASP, CSV Injection.

    Example:
        >>> inert("=1+1"), inert("-5 degrees"), inert("-5"), inert(-5), inert(["a"])
        ("'=1+1", "'-5 degrees", '-5', -5, '["a"]')
    """
    if isinstance(value, list | dict | tuple):
        value = value_text(value)
    if not isinstance(value, str):
        return value
    if _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        value = f"'{value}"
    return clean(value)


def table_text(frame: pd.DataFrame, separator: str = ",") -> str:
    """A frame as CSV, or with tabs for pasting into a spreadsheet.

    Args:
        frame: the rows.
        separator: the column separator.
    """
    safe = frame.rename(columns=inert)
    for place, kind in enumerate(frame.dtypes):
        if kind.kind not in "biufM":
            safe.isetitem(place, [inert(value) for value in frame.iloc[:, place]])
    return safe.to_csv(index=False, sep=separator)

"""Rows as text for other programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pex.widgets.kit import clean

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def inert(value: Any) -> Any:
    """A value that no spreadsheet takes for a formula: an apostrophe before what looks like one.

    Source: OWASP, CSV Injection.

    Example:
        >>> inert("=1+1"), inert("-5 degrees"), inert(-5), inert(["a"])
        ("'=1+1", "'-5 degrees", -5, '["a"]')
    """
    if isinstance(value, list | dict | tuple):
        value = json.dumps(value, ensure_ascii=False, default=str)
    if not isinstance(value, str):
        return value
    # Spaces before it do not keep a spreadsheet from taking it for one.
    text = f"'{value}" if value.lstrip(" \n").startswith(_FORMULA) else value
    return clean(text)


def table_text(frame: pd.DataFrame, separator: str = ",") -> str:
    """A frame as CSV, or with tabs for pasting into a spreadsheet.

    Args:
        frame: the rows.
        separator: between columns.
    """
    safe = frame.rename(columns=inert)
    for name in safe.columns:
        if safe[name].dtype.kind not in "biufM":
            safe[name] = safe[name].map(inert)
    return safe.to_csv(index=False, sep=separator)

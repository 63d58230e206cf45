"""Answers that arrived but are incomplete: cut off, empty, partly filtered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

UNUSUAL = {"cut_off": "cut off", "empty": "empty", "filtered": "filtered"}
"""The columns of a summary that count unusual answers, and their names."""


def unusual(frame: pd.DataFrame) -> dict[str, pd.Series[bool]]:
    """Masks of the rows of a long frame with an unusual answer; a row with an error has none.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"error": [None], "output": [" "], "finish_reason": ["length"]})
        >>> {name: int(rows.sum()) for name, rows in unusual(frame).items()}
        {'cut_off': 1, 'empty': 1, 'filtered': 0}
    """
    import pandas as pd

    nothing = pd.Series(None, index=frame.index, dtype=object)
    ended, remarks, output, calls = (
        frame.get(name, nothing) for name in ("finish_reason", "remarks", "output", "tool_calls")
    )
    answered = frame["error"].isna() if "error" in frame.columns else nothing.isna()
    blank = output.map(_is_blank) if "output" in frame.columns else nothing.notna()
    found = {
        "cut_off": (ended == "length") | remarks.map(lambda words: _has(words, "cut_off")),
        "empty": blank & ~calls.map(lambda value: isinstance(value, list) and bool(value)),
        "filtered": (ended == "content_filter")
        | remarks.map(lambda words: _has(words, "filtered")),
    }
    return {name: (rows & answered).astype(bool) for name, rows in found.items()}


def remarks_of(row: Mapping[str, Any]) -> list[str]:
    """The remarks on one row of a long frame, except for an empty answer, which is visible.

    Example:
        >>> remarks_of({"output": "Once upon", "finish_reason": "length"})
        ['cut off']
    """
    words, ended = row.get("remarks"), row.get("finish_reason")
    found = {
        "cut_off": ended == "length" or _has(words, "cut_off"),
        "filtered": ended == "content_filter" or _has(words, "filtered"),
    }
    return [UNUSUAL[name] for name, there in found.items() if there]


def _is_blank(text: Any) -> bool:
    return not isinstance(text, str) or not text.strip()


def _has(words: Any, word: str) -> bool:
    return isinstance(words, list | tuple) and word in words


def counts(record: dict[Any, Any]) -> list[str]:
    """The counts of unusual answers in a row of a summary, in words.

    Example:
        >>> counts({"variant": "short", "cut_off": 2, "empty": 0})
        ['2 cut off']
    """
    return [f"{record[name]} {word}" for name, word in UNUSUAL.items() if record.get(name)]


def columns(summary: pd.DataFrame) -> list[str]:
    """The columns of a summary that have such counts above zero."""
    return [name for name in UNUSUAL if name in summary.columns and (summary[name] > 0).any()]

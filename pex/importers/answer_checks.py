"""Checks of answers against several right ones, as columns with patterns that `regex` reads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from pex.core.case import Case
from pex.core.text import value_text

Where = Literal["all", "anywhere", "begin", "end"]
_PUNCTUATION = r"[\W_]*"


def pattern_of(values: Sequence[str], where: Where, ignore_case: bool) -> str:
    r"""A pattern that an answer matches if it is, has, begins or ends with one of the values.

    Args:
        values: the right answers.
        where: in which part of the answer; white space around the answer does not count.
        ignore_case: upper and lower case are the same.

    Example:
        >>> import re
        >>> pattern = pattern_of(["Paris", "Rome"], "end", ignore_case=True)
        >>> [bool(re.search(pattern, text)) for text in ("It is rome.", "Rome it is")]
        [True, False]
    """
    flags = "(?is)" if ignore_case else "(?s)"
    any_of = "(?:" + "|".join(re.escape(value.strip()) for value in values) + ")"
    return (
        flags
        + {
            "all": rf"\A\s*{any_of}\s*\Z",
            "anywhere": any_of,
            "begin": rf"\A\s*{any_of}",
            "end": rf"{any_of}{_PUNCTUATION}\Z",
        }[where]
    )


def check_of(
    name: str, cases: Sequence[Case], where: Where, ignore_case: bool
) -> tuple[dict[str, Any], bool]:
    """A scorer that compares answers with each case's expected one, or any of several.

    With one right answer in every case it is `exact` or `contains`; else the cases get a column
    with a pattern.

    Args:
        name: the score's name.
        cases: the cases; they get the column.
        where: in which part of the answer.
        ignore_case: upper and lower case are the same.

    Returns:
        The scorer as in `experiment.yaml`, and whether it reads a column of patterns.
    """
    several = any(isinstance(case.expected, list) for case in cases)
    if not several and where in ("all", "anywhere"):
        kind = "exact" if where == "all" else "contains"
        return {"kind": kind, "name": name, "ignore_case": ignore_case}, False
    column = f"{name}_pattern".replace("-", "_").replace(".", "_")
    for case in cases:
        given = case.expected if isinstance(case.expected, list) else [case.expected]
        values = [value_text(value) for value in given if value not in (None, "")]
        if values:
            case.inputs[column] = pattern_of(values, where, ignore_case)
    return {"kind": "regex", "name": name, "column": column}, True

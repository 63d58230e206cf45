"""Guesses which column is the id and which has the expected answers, by their names."""

from __future__ import annotations

import re

from pex.core.case_table import CaseTable

_EXPECTED = {
    "label", "labels", "category", "class", "target", "answer", "gold", "ideal", "reference",
    "truth", "completion", "output", "expectedoutput", "expectedanswer", "expectedlabel",
    "groundtruth", "goldlabel", "correctanswer",
}  # fmt: skip
_ID = {"id", "nr", "no", "number", "key", "index", "#"}


def guessed_roles(table: CaseTable) -> dict[str, list[str]]:
    """The columns that seem to have a role, for the roles that no column has yet.

    A column is an id by its name if its values are all there and all different, and has the
    expected answers by its name. At least one column stays an input.

    Args:
        table: cases read without these roles.

    Returns:
        For each role the columns that may have it: only one id, but all for expected answers.

    Example:
        >>> from pex.core.cases import read_cases
        >>> rows = [{"Ticket ID": str(n), "body": "Hi", "Category": "a"} for n in range(3)]
        >>> guessed_roles(read_cases(rows))
        {'id': ['Ticket ID'], 'expected': ['Category']}
    """
    taken = {role for column in table.columns for role in column.role.split(", ")}
    inputs = [column.name for column in table.columns if "input" in column.role]
    found: dict[str, list[str]] = {}
    ids = [name for name in inputs if _is_id(name) and _are_unique(table, name)]
    if ids and "id" not in taken:
        found["id"] = [next((name for name in ids if _plain(name) in _ID), ids[0])]
    answers = [name for name in inputs if _plain(name) in _EXPECTED]
    if answers and "expected" not in taken:
        found["expected"] = answers
    left = [name for name in inputs if not any(name in names for names in found.values())]
    return found if left else {}


def _plain(name: str) -> str:
    return re.sub(r"[\s_.-]+", "", name.casefold())


def _is_id(name: str) -> bool:
    return _plain(name) in _ID or re.search(r"(?i)[\s_.-]id$|[a-z](?-i:I[Dd])$", name) is not None


def _are_unique(table: CaseTable, name: str) -> bool:
    values = [case.inputs.get(name) for case in table.cases]
    texts = {str(value) for value in values if value not in (None, "")}
    return len(texts) == len(values)

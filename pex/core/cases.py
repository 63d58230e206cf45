"""Cases: the rows that every variant answers."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.core.canonical_json import digest
from pex.core.case_files import case_file_bytes, check_columns, rows_of, whole_numbers
from pex.core.errors import PexError, nearest
from pex.core.text import whole_text
from pex.core.values import is_json_value, to_json_value

if TYPE_CHECKING:
    import pandas as pd

ROLES = {"id": "case_id", "expected": "expected", "group": "group", "tags": "tags"}
"""The roles of columns, and their default names, which `columns` overrides."""


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """One row of inputs.

    `inputs` are the values for a prompt's variables. `group` marks rows that belong together, for
    example one customer's; `tags` name slices.
    """

    id: str
    inputs: dict[str, Any]
    expected: Any = None
    group: str | None = None
    tags: tuple[str, ...] = ()

    def __hash__(self) -> int:
        return hash(self.id)


def load_cases(
    source: str | Path | Sequence[Mapping[str, Any]] | Sequence[Case] | pd.DataFrame,
    columns: Mapping[str, str] | None = None,
    base: Path | None = None,
) -> list[Case]:
    """Read cases from a CSV, JSONL or Parquet file, a DataFrame or a list of dicts.

    Args:
        source: the file or the rows; `Case` objects are used as they are.
        columns: the `id`, `expected`, `group` or `tags` columns, if they are not called
            `case_id`, `expected`, `group` and `tags`. A group column with another name is also
            an input.
        base: the folder that a relative path starts from.

    Returns:
        At least one case. In a DataFrame column with gaps whose numbers are all whole, they
        become integers: pandas turns 7 into 7.0 if a value is missing.
        Without an id column, a case's id is the first 12 hex digits of SHA-256 over its inputs.

    Raises:
        PexError: a missing file or column, an unreadable row, no rows, two equal rows.

    Example:
        >>> load_cases([{"review": "Nice.", "expected": "positive"}])[0].inputs
        {'review': 'Nice.'}
    """
    if isinstance(source, str | Path):
        path = Path(base or ".") / source
        return parse_cases(case_file_bytes(path), path, columns)
    where = "cases"
    if hasattr(source, "columns"):  # a DataFrame
        check_columns(list(map(str, source.columns)), where)
        records = records_of(source)
        rows = [(f"row {i}", _mapping(row, i)) for i, row in enumerate(records, 1)]
    elif isinstance(source, Iterable):
        given = list(source)  # also of an iterator, which yields each row only once
        if given and all(isinstance(item, Case) for item in given):
            return [_plain_case(item) for item in given if isinstance(item, Case)]
        rows = [(f"row {i}", _mapping(row, i)) for i, row in enumerate(given, 1)]
    else:
        raise PexError(f"cases: expected a file or rows, got {type(source).__name__}")
    return _cases_in(rows, where, columns or {})


def parse_cases(data: bytes, path: Path, columns: Mapping[str, str] | None = None) -> list[Case]:
    """The cases in the bytes of a file, as `load_cases` reads them.

    Args:
        data: the file's content.
        path: its name; the extension determines the format.
        columns: as in `load_cases`.

    Raises:
        PexError: a missing column, an unreadable row, no rows, two equal rows.
    """
    return _cases_in(list(rows_of(data, path)), path.name, columns or {})


def roles_of(names: Sequence[str], columns: Mapping[str, str], where: str) -> dict[str, str]:
    """A file's columns by role: id, expected answer, group and tags, as far as it has them.

    Args:
        names: the column names.
        columns: the column mapping.
        where: the file's name, for errors.

    Raises:
        PexError: an unknown key, or a column that the file does not have.

    Example:
        >>> roles_of(["n", "review", "expected"], {"id": "n"}, "cases.csv")
        {'id': 'n', 'expected': 'expected'}
    """
    for role in columns:
        if role not in ROLES:
            raise PexError(f"columns: unknown key '{role}'", hint=nearest(role, ROLES))
    roles = {}
    for role, default in ROLES.items():
        name = columns.get(role, default)
        if name in names:
            roles[role] = name
        elif role in columns:
            raise PexError(
                f"{where}: there is no column '{name}' (columns: {role}: {name})",
                hint=nearest(name, names),
            )
    return roles


def select(
    cases: Sequence[Case],
    *,
    limit: int | None = None,
    ids: Sequence[str] | None = None,
    tags: Sequence[str] | str | None = None,
) -> list[Case]:
    """Take a part of the cases: by id, by tag (any of them), then the first `limit`.

    Raises:
        PexError: an id or a tag that no case has, a limit below 1, or no cases left.
    """
    chosen = list(cases)
    if ids is not None:
        wanted = [ids] if isinstance(ids, str) else [str(item) for item in ids]
        known = {case.id: case for case in cases}
        for item in wanted:
            if item not in known:
                raise PexError(f"no case has the id '{item}'", hint=nearest(item, known))
        chosen = [known[item] for item in dict.fromkeys(wanted)]
    if tags is not None:
        asked = {tags} if isinstance(tags, str) else set(tags)
        there = {tag for case in cases for tag in case.tags}
        for tag in sorted(asked - there):
            raise PexError(f"no case has the tag '{tag}'", hint=nearest(tag, sorted(there)))
        chosen = [case for case in chosen if asked & set(case.tags)]
    if limit is not None:
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise PexError(f"limit: expected a whole number of at least 1, got {limit!r}")
        chosen = chosen[:limit]
    if not chosen:
        raise PexError("no case matches these ids, tags and limit")
    return chosen


def records_of(frame: Any) -> list[dict[str, Any]]:
    """The rows of a DataFrame; integers stay integers in columns with gaps.

    A float column with gaps becomes integers if all its numbers are whole and small enough for a
    float to represent exactly; a column with 2.5 in it, or without gaps, is not changed.

    Example:
        >>> import pandas as pd
        >>> records_of(pd.DataFrame({"n": [7, None], "x": [1.0, 2.0], "y": [0.5, None]}))
        [{'n': 7, 'x': 1.0, 'y': 0.5}, {'n': None, 'x': 2.0, 'y': nan}]
    """
    columns = {
        str(name): list(frame[name]) if _is_float(frame, name) else None
        for name in dict.fromkeys(frame.columns)
    }
    rows = [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]
    for name, values in columns.items():
        for row, number in zip(rows, whole_numbers(values) if values else (), strict=False):
            row[name] = number
    return rows


def _is_float(frame: Any, name: Any) -> bool:
    return getattr(frame.dtypes.get(name), "kind", "") == "f"


def _mapping(row: Any, number: int) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise PexError(f"cases, row {number}: expected a dict, got {type(row).__name__}")
    return {str(key): value for key, value in row.items()}


def _cases_in(
    rows: list[tuple[str, dict[str, Any]]], where: str, columns: Mapping[str, str]
) -> list[Case]:
    if not rows:
        raise PexError(f"{where}: it has no cases")
    names = list(dict.fromkeys(str(key) for _, row in rows for key in row))
    for name in names:
        whole_text(name, f"{where}: the name of a column")
    return _build(where, rows, names, roles_of(names, columns, where))


def _build(
    where: str,
    rows: list[tuple[str, dict[str, Any]]],
    names: list[str],
    roles: dict[str, str],
) -> list[Case]:
    left_out = {roles.get(role) for role in ("id", "expected", "tags")}
    # A column called `group` describes only the row; one called `product` is also an input.
    left_out |= {name for name in (roles.get("group"),) if name == ROLES["group"]}
    inputs = [name for name in names if name not in left_out]
    if not inputs:
        raise PexError(f"{where}: every column is an id, an expected answer, a group or tags")
    cases: list[Case] = []
    seen: dict[str, str] = {}
    for place, row in rows:
        given = {name: _value(row, name, f"{where}, {place}") for name in names if name in row}
        values = {name: given.get(name) for name in inputs}
        case_id = _case_id(given, roles.get("id"), values, f"{where}, {place}")
        if case_id in seen:
            same = f"the id '{case_id}'" if "id" in roles else "the same inputs"
            raise PexError(
                f"{where}: {seen[case_id]} and {place} have {same}",
                hint="drop one of them, or use repeats= to run a case more than once"
                if "id" not in roles
                else "each case needs its own id",
            )
        seen[case_id] = place
        group = given.get(roles.get("group", ""))
        cases.append(
            Case(
                id=case_id,
                inputs=values,
                expected=given.get(roles["expected"]) if "expected" in roles else None,
                group=None if group is None else str(group),
                tags=_tags(given.get(roles["tags"])) if "tags" in roles else (),
            )
        )
    return cases


def _value(row: Mapping[str, Any], name: str, where: str) -> Any:
    """The value of a column as plain data.

    Raises:
        PexError: it has no JSON form, or contains half a character; the row and the column are
            named.
    """
    try:
        value = to_json_value(row[name])
    except PexError as error:
        raise PexError(f"{where}, column '{name}': {error.message}", hint=error.hint) from None
    return whole_text(value, f"{where}, column '{name}'")


def _plain_case(case: Case) -> Case:
    """A case created in Python, with values that can be sent and stored."""
    where = f"case '{case.id}'"
    inputs: Any = case.inputs
    expected: Any = case.expected
    if not (is_json_value(inputs) and is_json_value(expected)):
        inputs = {str(name): _value(inputs, name, where) for name in inputs}
        expected = _value({"expected": expected}, "expected", where)
    return dataclasses.replace(
        case,
        id=whole_text(case.id, where),
        inputs=whole_text(inputs, f"{where}, inputs"),
        expected=whole_text(expected, f"{where}, expected"),
        group=whole_text(case.group, f"{where}, group"),
        tags=tuple(whole_text(tag, f"{where}, tags") for tag in case.tags),
    )


def _case_id(row: dict[str, Any], column: str | None, values: dict[str, Any], where: str) -> str:
    if column is None:
        return digest(values)
    given = row.get(column)
    if given is None or given == "":
        raise PexError(f"{where}: the id column '{column}' is empty")
    return str(given)


def _tags(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    parts = re.split(r"[;,]", value) if isinstance(value, str) else value
    parts = parts if isinstance(parts, list) else [parts]
    return tuple(dict.fromkeys(tag for tag in (str(part).strip() for part in parts) if tag))

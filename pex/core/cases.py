"""Cases: the rows that every variant answers."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.canonical_json import digest
from pex.core.case import Case as Case  # noqa: PLC0414 - where everyone looks for it
from pex.core.case_files import case_file_bytes, check_columns, read_rows, whole_numbers
from pex.core.case_table import CaseTable, Tally, describe
from pex.core.columns import aliases, check_variables, variable
from pex.core.errors import PexError, nearest
from pex.core.given_documents import given_bytes
from pex.core.provenance import columns_in, provenance_of
from pex.core.reading import Reading
from pex.core.text import whole_text
from pex.core.values import is_json_value, to_json_value

ROLES = {"id": "case_id", "expected": "expected", "group": "group", "tags": "tags"}
"""The roles of columns, and their default names, which `columns` overrides."""


Source = str | Path | Mapping[str, Any] | Sequence[Mapping[str, Any]] | Sequence[Case] | Any
"""Where cases come from: a file, `{"file": …, "delimiter": …}`, rows, or a DataFrame."""


def load_cases(
    source: Source, columns: Mapping[str, str] | None = None, base: Path | None = None
) -> list[Case]:
    """Read cases from a file (CSV, TSV, JSONL, Parquet, Excel), a DataFrame or a list of dicts.

    Args:
        source: the file or the rows; `Case` objects are used as they are. A dict with the key
            `file` says how to read it: `{"file": "a.csv", "delimiter": ";", "encoding": "cp1252"}`.
        columns: the `id`, `expected`, `group` or `tags` columns, if they are not called
            `case_id`, `expected`, `group` and `tags`. A group column with another name is also
            an input. Any other key is a name of your own for a column: `{"text": "Text body"}`.
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
    return read_cases(source, columns, base).cases


def read_cases(
    source: Source, columns: Mapping[str, str] | None = None, base: Path | None = None
) -> CaseTable:
    """Read cases as `load_cases` does, and tell how they were read and what each column is.

    Raises:
        AmbiguousError: a file can be read in several ways; the error shows them.
        PexError: as in `load_cases`.

    Example:
        >>> print(read_cases([{"Text body": "Nice.", "expected": "positive"}]))
        1 case
        column     role      in a prompt      example   empty
        Text body  input     {{ Text_body }}  Nice.     0 %
        expected   expected                   positive  0 %
    """
    if isinstance(source, CaseTable):
        return source
    columns = columns or {}
    file = file_of(source)
    if file is not None:
        path = Path(base or ".") / file[0]
        return parse_table(case_file_bytes(path), path, columns, file[1])
    where = "cases"
    if hasattr(source, "columns"):  # a DataFrame
        check_columns(list(map(str, source.columns)), where)
        records = records_of(source)
        rows = [(f"row {i}", _mapping(row, i)) for i, row in enumerate(records, 1)]
    elif isinstance(source, Iterable) and not isinstance(source, bytes | Mapping):
        given = list(source)  # also of an iterator, which yields each row only once
        if given and all(isinstance(item, Case) for item in given):
            return CaseTable([_plain_case(item) for item in given if isinstance(item, Case)])
        rows = [(f"row {i}", _mapping(row, i)) for i, row in enumerate(given, 1)]
    else:
        raise PexError(f"cases: expected a file or rows, got {type(source).__name__}")
    return _table_of(rows, where, columns, Reading(), (), "")


def file_of(source: Source) -> tuple[Path, Reading] | None:
    """The file that a source names, and what it says of how to read it; None if it is data.

    Raises:
        PexError: an unknown key.

    Example:
        >>> file_of({"file": "a.csv", "delimiter": ";"})
        (PosixPath('a.csv'), Reading(delimiter=';', encoding=None, decimal=None, sheet=None))
    """
    if isinstance(source, str | Path):
        return Path(source), Reading()
    if not isinstance(source, Mapping):
        return None
    known = ["file", *(field.name for field in dataclasses.fields(Reading))]
    for key, value in source.items():
        if key not in known:
            raise PexError(f"cases: unknown key '{key}'", hint=nearest(str(key), known))
        if not isinstance(value, str | Path | None):
            raise PexError(f"cases: {key}: expected a string, got {value!r}")
    if not source.get("file"):
        raise PexError("cases: the key 'file' is missing", hint='{"file": "cases.csv", …}')
    return Path(source["file"]), Reading(**{k: v for k, v in source.items() if k != "file"})


def parse_cases(
    data: bytes,
    path: Path,
    columns: Mapping[str, str] | None = None,
    reading: Reading | None = None,
) -> list[Case]:
    """The cases in the bytes of a file, as `load_cases` reads them.

    Args:
        data: the file's content.
        path: its name; the extension determines the format.
        columns: as in `load_cases`.
        reading: what is known of how to read it.

    Raises:
        PexError: a missing column, an unreadable row, no rows, two equal rows.
    """
    return parse_table(data, path, columns or {}, reading or Reading()).cases


def parse_table(data: bytes, path: Path, columns: Mapping[str, str], reading: Reading) -> CaseTable:
    """The cases in the bytes of a file, as `read_cases` reads them."""
    expected = columns.get("expected", ROLES["expected"])
    found = read_rows(data, path, reading, expected)
    return _table_of(list(found.rows), path.name, columns, found.reading, found.notes, path.name)


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
        check_key(role)
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


def check_key(key: str) -> None:
    """Check a key of `columns`: a role, or a name of the user's own for a column.

    Raises:
        PexError: it is nearly a role, or cannot be the name of a variable.
    """
    if key in ROLES:
        return
    near = difflib.get_close_matches(key.casefold(), ROLES, n=1, cutoff=0.75)
    if near:
        raise PexError(f"columns: unknown key '{key}'", hint=f"did you mean '{near[0]}'?")
    if not key.isidentifier():
        raise PexError(
            f"columns: '{key}' cannot be the name of a variable",
            hint=f'the name comes first: columns: {{{variable(key) or "text"}: "{key}"}}',
        )


def renamed_in(columns: Mapping[str, str]) -> dict[str, str]:
    """The names of the user's own in `columns`."""
    return {name: column for name, column in columns.items() if name not in ROLES}


def known_variables(cases: Iterable[Case]) -> dict[str, str]:
    """The names that prompts can have for the columns of these cases, with the columns.

    Example:
        >>> known_variables([Case("1", {"Text body": "Hi"})])
        {'Text body': 'Text body', 'Text_body': 'Text body'}
    """
    cases = list(cases)
    columns = list(dict.fromkeys(name for case in cases for name in case.inputs))
    mappings = {id(case.renamed): case.renamed for case in cases}.values()  # often one for all
    renamed = {name: column for mapping in mappings for name, column in mapping.items()}
    return {**{name: name for name in columns}, **dict(aliases(tuple(columns))), **renamed}


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


def _table_of(
    rows: list[tuple[str, dict[str, Any]]],
    where: str,
    columns: Mapping[str, str],
    reading: Reading,
    notes: tuple[str, ...],
    file: str,
) -> CaseTable:
    if not rows:
        raise PexError(f"{where}: it has no cases")
    names = list(dict.fromkeys(str(key) for _, row in rows for key in row))
    for name in names:
        whole_text(name, f"{where}: the name of a column")
    roles, renamed = roles_of(names, columns, where), renamed_in(columns)
    tally = Tally()
    cases = _build(where, rows, names, roles, renamed, reading.decimal or "", tally)
    infos = describe(names, tally, roles, renamed, cases[0].inputs)
    return CaseTable(cases, infos, reading, notes, file)


def _build(
    where: str,
    rows: list[tuple[str, dict[str, Any]]],
    names: list[str],
    roles: dict[str, str],
    renamed: dict[str, str],
    decimal: str,
    tally: Tally,
) -> list[Case]:
    left_out = {roles.get(role) for role in ("id", "expected", "tags")}
    # A column called `group` describes only the row; one called `product` is also an input.
    left_out |= {name for name in (roles.get("group"),) if name == ROLES["group"]}
    left_out |= columns_in(names)
    inputs = [name for name in names if name not in left_out]
    if not inputs:
        raise PexError(f"{where}: every column is an id, an expected answer, a group or tags")
    check_variables(inputs, renamed, where, names)
    cases: list[Case] = []
    seen: dict[str, str] = {}
    for place, row in rows:
        given = {name: _value(row, name, f"{where}, {place}") for name in names if name in row}
        tally.add(given)
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
                renamed=renamed,
                decimal=decimal,
                provenance=provenance_of(given, names),
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
        value = row[name]
        if isinstance(value, bytes | bytearray | memoryview):
            value = given_bytes(bytes(value))
        value = to_json_value(value)
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

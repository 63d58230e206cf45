"""Cases: the rows that every variant answers."""

from __future__ import annotations

import collections
import csv
import dataclasses
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from pex.core import jsontext
from pex.core.canonical_json import digest
from pex.core.errors import PexError, nearest
from pex.core.parquet import read_table
from pex.core.text import whole_text
from pex.core.textfile import decoded, read_bytes
from pex.core.values import is_json_value, missing, to_json_value

if TYPE_CHECKING:
    import pandas as pd

ROLES = {"id": "case_id", "expected": "expected", "group": "group", "tags": "tags"}
"""What a column can be for, and the name it has unless `columns` says otherwise."""


LARGEST_MB = 1000
"""Of a file of cases: what is read of it takes some ten times its size."""
_MOST_COLUMNS = 10_000
_LONG = re.compile(r"\d{19}")
_EXACT = 2.0**53
"""From here on a float does not hold every whole number."""


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """One row of inputs.

    `inputs` is what a prompt's variables see. `group` says which rows belong together, for
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
        source: the file or the rows; cases that are already such are taken as they are.
        columns: which column is the `id`, `expected`, `group` or `tags`, where they are not
            called `case_id`, `expected`, `group` and `tags`. A group column under a name of its
            own remains an input too.
        base: the folder that a relative path starts from.

    Returns:
        At least one case. In a column of a DataFrame that has gaps, numbers that are all whole
        are whole numbers: pandas makes 7.0 of a 7 where a value is missing.
        Without an id column, a case's id is the first 12 hex digits of SHA-256 over its inputs.

    Raises:
        PexError: a missing file or column, an unreadable row, no rows, two equal rows.

    Example:
        >>> load_cases([{"review": "Nice.", "expected": "positive"}])[0].inputs
        {'review': 'Nice.'}
    """
    if isinstance(source, str | Path):
        path = Path(base or ".") / source
        return parse_cases(_file_bytes(path), path, columns)
    where = "cases"
    if hasattr(source, "columns"):  # a DataFrame
        _check_columns(list(map(str, source.columns)), where)
        records = records_of(source)
        rows = [(f"row {i}", _mapping(row, i)) for i, row in enumerate(records, 1)]
    elif isinstance(source, Iterable):
        given = list(source)  # of an iterator, too, which gives each row once
        if given and all(isinstance(item, Case) for item in given):
            return [_plain_case(item) for item in given if isinstance(item, Case)]
        rows = [(f"row {i}", _mapping(row, i)) for i, row in enumerate(given, 1)]
    else:
        raise PexError(f"cases: expected a file or rows, got {type(source).__name__}")
    return _cases_in(rows, where, columns or {})


def parse_cases(data: bytes, path: Path, columns: Mapping[str, str] | None = None) -> list[Case]:
    """The cases in the bytes of a file, as `load_cases` reads them.

    Args:
        data: what is in the file.
        path: its name, whose ending says how it is read.
        columns: as in `load_cases`.

    Raises:
        PexError: a missing column, an unreadable row, no rows, two equal rows.
    """
    return _cases_in(list(rows_of(data, path)), path.name, columns or {})


def rows_of(data: bytes, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows in the bytes of a file of cases, each with where it stands; blank ones left out.

    Raises:
        PexError: an ending that cannot be read, an unreadable row.
    """
    return _reader(path)(data, path)


def roles_of(names: Sequence[str], columns: Mapping[str, str], where: str) -> dict[str, str]:
    """Which of a file's columns is the id, expected answer, group and tags, where there is one.

    Args:
        names: of the columns.
        columns: what `columns` says.
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
        PexError: an id or a tag that no case has, a limit below 1, or nothing left.
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
            raise PexError(f"limit: expected a whole number of cases from 1, got {limit!r}")
        chosen = chosen[:limit]
    if not chosen:
        raise PexError("no cases are left by this choice of ids, tags and limit")
    return chosen


def records_of(frame: Any) -> list[dict[str, Any]]:
    """The rows of a DataFrame; whole numbers stay whole where a column has gaps.

    Such a column of floats is one of whole numbers where all its numbers are whole and small
    enough for a float to hold them exactly; a column with 2.5 in it, or without gaps, stays.

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


def whole_numbers(values: Sequence[Any]) -> list[Any]:
    """The values of a column of floats; whole ones as whole numbers where the column has gaps."""
    there = [value for value in values if not missing(value)]
    gaps = len(there) < len(values)
    if gaps and all(abs(value) < _EXACT and value == int(value) for value in there):
        return [None if missing(value) else int(value) for value in values]
    return list(values)


def _mapping(row: Any, number: int) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise PexError(f"cases, row {number}: expected a dict, got {type(row).__name__}")
    return {str(key): value for key, value in row.items()}


def _cases_in(
    rows: list[tuple[str, dict[str, Any]]], where: str, columns: Mapping[str, str]
) -> list[Case]:
    if not rows:
        raise PexError(f"{where}: there are no cases in it")
    names = list(dict.fromkeys(str(key) for _, row in rows for key in row))
    for name in names:
        whole_text(name, f"{where}: the name of a column")
    return _build(where, rows, names, roles_of(names, columns, where), columns)


def _build(
    where: str,
    rows: list[tuple[str, dict[str, Any]]],
    names: list[str],
    roles: dict[str, str],
    columns: Mapping[str, str],
) -> list[Case]:
    left_out = {roles.get(role) for role in ("id", "expected", "tags")}
    # A column called just `group` is about the row; one called `product` is an input too.
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
                hint="drop one of them, or ask more than once with repeats="
                if "id" not in roles
                else "each case needs an id of its own",
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
        PexError: it has no form in JSON, or half a character in it; the row and the column are
            named.
    """
    try:
        value = to_json_value(row[name])
    except PexError as error:
        raise PexError(f"{where}, column '{name}': {error.message}", hint=error.hint) from None
    return whole_text(value, f"{where}, column '{name}'")


def _plain_case(case: Case) -> Case:
    """A case that was made in Python, with values that can be sent and stored."""
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


def _reader(path: Path) -> Callable[[bytes, Path], Iterator[tuple[str, dict[str, Any]]]]:
    readers = {".csv": _read_csv, ".jsonl": _read_jsonl, ".parquet": _read_parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise PexError(
            f"cases file {path.name}: cannot read '{path.suffix or 'no ending'}'",
            hint="use .csv, .jsonl or .parquet",
        )
    return reader


def _file_bytes(path: Path) -> bytes:
    _reader(path)
    return read_bytes(path, "cases file", LARGEST_MB)


def _read_csv(data: bytes, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise PexError(f"cases file {path}: this is UTF-16", hint="save it as 'CSV UTF-8'")
    text = decoded(data, path, "cases file").removeprefix("\ufeff")
    reader = csv_reader(text, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if not any(header):
            said = "its first line is empty" if text.strip() else "it is empty"
            raise PexError(f"cases file {path}: {said}", hint="it begins with the columns' names")
        for mark, what in ((";", "semicolons"), ("\t", "tabs")):
            if len(header) == 1 and mark in header[0]:
                raise PexError(
                    f"cases file {path}: its columns are separated by {what}",
                    hint="save it with commas (in a spreadsheet: CSV UTF-8, comma delimited)",
                )
        _check_columns([name for name in header if name], f"cases file {path}")
        if len(header) > _MOST_COLUMNS:
            raise PexError(
                f"cases file {path}: {len(header):,} columns; at most {_MOST_COLUMNS:,} are read",
                hint="is it a file of cases? Its first line names the columns",
            )
        start = reader.line_num + 1
        for row in reader:
            place = f"line {start}"
            start = reader.line_num + 1
            if not any(row):
                continue
            yield place, _csv_row(header, row, f"cases file {path}, {place}")
    except csv.Error as error:
        raise PexError(f"cases file {path}, line {reader.line_num}: {error}") from None


def _check_columns(names: Sequence[str], where: str) -> None:
    twice = sorted(name for name, times in collections.Counter(names).items() if times > 1)
    if twice:
        raise PexError(f"{where}: two columns are called '{twice[0]}'")


def csv_reader(text: str, *, strict: bool = False) -> Any:
    """The rows of a CSV; a cell may be as long as it likes.

    Python's own limit of 131,072 characters is one for the whole process, and is only ever raised.
    """
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
    return csv.reader(io.StringIO(text, newline=""), strict=strict)


_LONGEST_CELL = 2**31 - 1
"""Characters: what a C long holds on every system."""


def _csv_row(header: Sequence[str], row: Sequence[str], where: str) -> dict[str, Any]:
    """The values of a row by their columns.

    Spreadsheets end lines with commas where a column was emptied: cells without a name and without
    a value are left out.
    """
    cells = list(zip([*header, *[""] * (len(row) - len(header))], row, strict=False))
    extra = next((n for n, (name, value) in enumerate(cells) if value and not name), None)
    filled = max((n for n, name in enumerate(header, 1) if name), default=0)
    if len(row) < filled or (extra is not None and extra >= len(header)):
        raise PexError(
            f"{where}: {len(row)} values for {filled} columns",
            hint='a value with a comma or a line break must stand in "quotes"',
        )
    if extra is not None:
        raise PexError(
            f"{where}: column {extra + 1} has a value and no name in the first line",
            hint="give the column a name there, or empty it (pandas: to_csv(…, index=False))",
        )
    return {name: value or None for name, value in cells if name}


def _read_jsonl(data: bytes, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    # Not `splitlines`: a JSON text may have other marks in it that end a line elsewhere.
    lines = re.split(r"\r\n|\n|\r", decoded(data, path, "cases file").removeprefix("\ufeff"))
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
            if _LONG.search(line):  # orjson makes a float of a whole number of over 64 bits
                row = jsontext.loads(line)
            jsontext.check_depth(row, line)
        except ValueError as error:
            own = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            said = jsontext.why(line, own)
            raise PexError(
                f"cases file {path}, line {number}: not valid JSON: {said}",
                hint='one JSON object a line, such as {"review": "Nice."}',
            ) from None
        if not isinstance(row, dict):
            raise PexError(f"cases file {path}, line {number}: expected a JSON object")
        yield f"line {number}", row


def _read_parquet(data: bytes, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    # Not through pandas: with a gap in their column it makes 7.0 of a 7, and loses digits.
    table = read_table(data, f"cases file {path}")
    index = (table.schema.pandas_metadata or {}).get("index_columns", [])
    table = table.drop_columns([name for name in index if name in table.column_names])
    _check_columns(table.column_names, f"cases file {path}")
    columns = {
        str(field.name): whole_numbers(column.to_pylist())
        if str(field.type) in ("double", "float", "halffloat")
        else column.to_pylist()
        for field, column in zip(table.schema, table.columns, strict=True)
    }
    for number, values in enumerate(zip(*columns.values(), strict=True), 1):
        yield f"row {number}", dict(zip(columns, values, strict=True))

"""The rows of a case file: CSV, JSONL or Parquet."""

from __future__ import annotations

import collections
import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from pex.core import jsontext
from pex.core.errors import PexError
from pex.core.parquet import read_table
from pex.core.textfile import decoded, read_bytes
from pex.core.values import missing

LARGEST_MB = 1000
"""The largest case file; in memory, its rows take about ten times its size."""
_MOST_COLUMNS = 10_000
_LONG = re.compile(r"\d{19}")
_EXACT = 2.0**53
"""From here on, a float cannot represent every integer."""


def rows_of(data: bytes, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows in the bytes of a case file, each with its place; blank rows are skipped.

    Raises:
        PexError: an unsupported file extension, an unreadable row.
    """
    return _reader(path)(data, path)


def whole_numbers(values: Sequence[Any]) -> list[Any]:
    """The values of a float column; if it has gaps and all numbers are whole, as integers."""
    there = [value for value in values if not missing(value)]
    gaps = len(there) < len(values)
    if gaps and all(abs(value) < _EXACT and value == int(value) for value in there):
        return [None if missing(value) else int(value) for value in values]
    return list(values)


def _reader(path: Path) -> Callable[[bytes, Path], Iterator[tuple[str, dict[str, Any]]]]:
    readers = {".csv": _read_csv, ".jsonl": _read_jsonl, ".parquet": _read_parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise PexError(
            f"cases file {path.name}: cannot read '{path.suffix or 'no extension'}'",
            hint="use .csv, .jsonl or .parquet",
        )
    return reader


def case_file_bytes(path: Path) -> bytes:
    """The bytes of a case file; a `PexError` if the file or its extension cannot be read."""
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
            raise PexError(
                f"cases file {path}: {said}",
                hint="its first line must have the names of the columns",
            )
        for mark, what in ((";", "semicolons"), ("\t", "tabs")):
            if len(header) == 1 and mark in header[0]:
                raise PexError(
                    f"cases file {path}: its columns are separated by {what}",
                    hint="save it with commas (in a spreadsheet: CSV UTF-8, comma delimited)",
                )
        check_columns([name for name in header if name], f"cases file {path}")
        if len(header) > _MOST_COLUMNS:
            raise PexError(
                f"cases file {path}: {len(header):,} columns; at most {_MOST_COLUMNS:,} are read",
                hint="is this a file of cases? Its first line has the names of the columns",
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


def check_columns(names: Sequence[str], where: str) -> None:
    """Raise a `PexError` if two columns have the same name."""
    twice = sorted(name for name, times in collections.Counter(names).items() if times > 1)
    if twice:
        raise PexError(f"{where}: two columns are called '{twice[0]}'")


def csv_reader(text: str, *, strict: bool = False) -> Any:
    """The rows of a CSV; cells can have any length.

    Python's own limit of 131,072 characters holds for the whole process, and is only ever raised.
    """
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
    return csv.reader(io.StringIO(text, newline=""), strict=strict)


_LONGEST_CELL = 2**31 - 1
"""Characters: the maximum of a C long on every system."""


def _csv_row(header: Sequence[str], row: Sequence[str], where: str) -> dict[str, Any]:
    """The values of a row by column.

    Spreadsheets leave trailing commas after a column is emptied: cells with neither a name nor a
    value are skipped.
    """
    cells = list(zip([*header, *[""] * (len(row) - len(header))], row, strict=False))
    extra = next((n for n, (name, value) in enumerate(cells) if value and not name), None)
    filled = max((n for n, name in enumerate(header, 1) if name), default=0)
    if len(row) < filled or (extra is not None and extra >= len(header)):
        raise PexError(
            f"{where}: {len(row)} values for {filled} columns",
            hint='a value with a comma or a line break must be in "quotes"',
        )
    if extra is not None:
        raise PexError(
            f"{where}: column {extra + 1} has a value and no name in the first line",
            hint="name the column there, or empty it (pandas: to_csv(…, index=False))",
        )
    return {name: value or None for name, value in cells if name}


def _read_jsonl(data: bytes, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    # Not `splitlines`: JSON can contain other characters that it treats as line ends.
    lines = re.split(r"\r\n|\n|\r", decoded(data, path, "cases file").removeprefix("\ufeff"))
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
            if _LONG.search(line):  # orjson turns integers over 64 bits into floats
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
    # Not through pandas: if a column has gaps, it turns 7 into 7.0 and loses digits.
    table = read_table(data, f"cases file {path}")
    index = (table.schema.pandas_metadata or {}).get("index_columns", [])
    table = table.drop_columns([name for name in index if name in table.column_names])
    check_columns(table.column_names, f"cases file {path}")
    columns = {
        str(field.name): whole_numbers(column.to_pylist())
        if str(field.type) in ("double", "float", "halffloat")
        else column.to_pylist()
        for field, column in zip(table.schema, table.columns, strict=True)
    }
    for number, values in enumerate(zip(*columns.values(), strict=True), 1):
        yield f"row {number}", dict(zip(columns, values, strict=True))

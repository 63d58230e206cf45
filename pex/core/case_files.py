"""The rows of a case file: CSV, TSV, JSONL, Parquet or Excel."""

from __future__ import annotations

import collections
import csv
import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from pex.core import jsontext, xlsx
from pex.core.errors import PexError
from pex.core.parquet import read_table
from pex.core.reading import (
    DELIMITERS,
    AmbiguousError,
    Reading,
    complete,
    csv_reader,
    text_of,
)
from pex.core.textfile import read_bytes
from pex.core.values import missing

LARGEST_MB = 1000
"""The largest case file; in memory, its rows take about ten times its size."""
_MOST_COLUMNS = 10_000
_NAMED = 4
_LONG = re.compile(r"\d{19}")
_EXACT = 2.0**53
"""From here on, a float cannot represent every integer."""


@dataclasses.dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a file, each with its place; how they were read, and sentences about them."""

    rows: Iterable[tuple[str, dict[str, Any]]]
    reading: Reading
    notes: tuple[str, ...] = ()


def rows_of(
    data: bytes, path: Path, reading: Reading | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows in the bytes of a case file, each with its place; blank rows are skipped.

    Raises:
        PexError: an unsupported file extension, an unreadable row, several readings that fit.
    """
    return iter(read_rows(data, path, reading or Reading()).rows)


def read_rows(data: bytes, path: Path, reading: Reading, expected: str | None = None) -> Rows:
    """The rows in the bytes of a case file, and how they were read.

    Args:
        data: the file's content.
        path: its name; the extension determines the format.
        reading: what is known of how to read it; the rest is found out.
        expected: the column of expected answers, whose decimal sign matters.

    Raises:
        AmbiguousError: several readings fit.
        PexError: an unsupported file extension; an unreadable row, when it is reached.
    """
    reader = _reader(path)
    return reader(data, path, complete(data, path, reading, expected))


def whole_numbers(values: Sequence[Any]) -> list[Any]:
    """The values of a float column; if it has gaps and all numbers are whole, as integers."""
    there = [value for value in values if not missing(value)]
    gaps = len(there) < len(values)
    if gaps and all(abs(value) < _EXACT and value == int(value) for value in there):
        return [None if missing(value) else int(value) for value in values]
    return list(values)


def _reader(path: Path) -> Callable[[bytes, Path, Reading], Rows]:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        others = {".xls", ".xlsm", ".xlsb", ".ods", ".numbers"}
        raise PexError(
            f"cases file {path.name}: cannot read '{path.suffix or 'no extension'}'",
            hint="save it as .xlsx or CSV"
            if path.suffix.lower() in others
            else "use .csv, .tsv, .jsonl, .parquet or .xlsx",
        )
    return reader


def case_file_bytes(path: Path) -> bytes:
    """The bytes of a case file; a `PexError` if the file or its extension cannot be read."""
    if not path.is_dir():
        _reader(path)
    return read_bytes(path, "cases file", LARGEST_MB)


def _read_csv(data: bytes, path: Path, reading: Reading) -> Rows:
    text = text_of(data, path, reading).removeprefix("\ufeff")
    return Rows(_csv_rows(text, reading.delimiter or ",", path), reading)


def _csv_rows(text: str, delimiter: str, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    reader = csv_reader(text, delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if not any(header):
            said = "its first line is empty" if text.strip() else "it is empty"
            raise PexError(
                f"cases file {path}: {said}",
                hint="its first line must have the names of the columns",
            )
        check_columns([name for name in header if name], f"cases file {path}")
        _check_width(len(header), path)
        start = reader.line_num + 1
        for row in reader:
            place = f"line {start}"
            start = reader.line_num + 1
            if not any(row):
                continue
            yield place, _csv_row(header, row, f"cases file {path}, {place}", delimiter)
    except csv.Error as error:
        raise PexError(f"cases file {path}, line {reader.line_num}: {error}") from None


def _check_width(columns: int, path: Path) -> None:
    if columns > _MOST_COLUMNS:
        raise PexError(
            f"cases file {path}: {columns:,} columns; at most {_MOST_COLUMNS:,} are read",
            hint="is this a file of cases? Its first line has the names of the columns",
        )


def check_columns(names: Sequence[str], where: str) -> None:
    """Raise a `PexError` if two columns have the same name."""
    twice = sorted(name for name, times in collections.Counter(names).items() if times > 1)
    if twice:
        raise PexError(f"{where}: two columns are called '{twice[0]}'")


def _csv_row(
    header: Sequence[str], row: Sequence[str], where: str, delimiter: str
) -> dict[str, Any]:
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
            hint=f"a value with a {DELIMITERS.get(delimiter, delimiter)} or a line break must be "
            'in "quotes"',
        )
    if extra is not None:
        raise PexError(
            f"{where}: column {extra + 1} has a value and no name in the first line",
            hint="name the column there, or empty it (pandas: to_csv(…, index=False))",
        )
    return {name: value or None for name, value in cells if name}


def _read_jsonl(data: bytes, path: Path, reading: Reading) -> Rows:
    text = text_of(data, path, reading).removeprefix("\ufeff")
    return Rows(_json_rows(text, path), reading)


def _json_rows(text: str, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    # Not `splitlines`: JSON can contain other characters that it treats as line ends.
    lines = re.split(r"\r\n|\n|\r", text)
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


def _read_parquet(data: bytes, path: Path, reading: Reading) -> Rows:
    return Rows(_parquet_rows(data, path), reading)


def _parquet_rows(data: bytes, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
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


def _read_xlsx(data: bytes, path: Path, reading: Reading) -> Rows:
    where = f"cases file {path}"
    names = [reading.sheet] if reading.sheet is not None else xlsx.sheets_in(data, where)
    if not names:
        raise PexError(f"{where}: it has no cells")
    sheets = [xlsx.read_sheet(data, name, where, _MOST_COLUMNS) for name in names]
    if len(sheets) > 1:
        choices = [(dataclasses.replace(reading, sheet=one.name), _about(one)) for one in sheets]
        raise AmbiguousError(path, "sheet", choices)
    return Rows(_sheet_rows(sheets[0], where), reading, sheets[0].notes)


def _about(sheet: xlsx.Sheet) -> str:
    _, header = sheet.rows[0]
    names = [name for name in header if name]
    more = ", …" if len(names) > _NAMED else ""
    return f"{len(sheet.rows) - 1:,} rows of {', '.join(names[:_NAMED])}{more}"


def _sheet_rows(sheet: xlsx.Sheet, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if not sheet.rows:
        raise PexError(f"{where}: sheet '{sheet.name}' has no cells")
    header = [(name or "").strip() for name in sheet.rows[0][1]]
    check_columns([name for name in header if name], where)
    for number, cells in sheet.rows[1:]:
        row = [cell or "" for cell in cells] + [""] * (len(header) - len(cells))
        place = f"row {number}"
        if any(row):
            yield place, _csv_row(header, row, f"{where}, {place}", "comma")


_READERS = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
    ".xlsx": _read_xlsx,
}
FORMATS = tuple(_READERS)
"""The extensions of files of cases."""

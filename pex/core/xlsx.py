"""Rows of an Excel sheet as text: as a person sees them, in the form that a CSV would have.

Dates are ISO 8601, whole numbers have no `.0`, and a number shown with leading zeros keeps them.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

from pex.core.errors import PexError, nearest

_ALWAYS_BYTES = 1024**3
_TIMES = 20
"""The most a file may unpack to: a gigabyte, or twenty times its size if that is more."""

_LONGEST_WHOLE = 1e21
"""From here on, a number is written with an exponent."""

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_ZEROS = re.compile(r"0{2,}")
_FORMULA = re.compile(rb"<f[ >/]")
_SHOWN = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Sheet:
    """The cells of a sheet, row by row; None is an empty cell. `notes` are sentences about them."""

    name: str
    rows: Sequence[tuple[int, Sequence[str | None]]]
    notes: tuple[str, ...]


def sheets_in(data: bytes, where: str) -> list[str]:
    """The names of the visible sheets that have cells.

    Raises:
        PexError: it is not a readable .xlsx file.
    """
    book = _book(data, where)
    shown = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
    return [sheet.title for sheet in shown if _has_cells(sheet, where)]


def read_sheet(data: bytes, name: str, where: str, most_columns: int) -> Sheet:
    """The cells of a sheet.

    Args:
        data: the file's content.
        name: the sheet's.
        where: the file's name, for errors.
        most_columns: a wider row is an error.

    Raises:
        PexError: there is no such sheet, or a formula has no value.
    """
    book = _book(data, where)
    names = [sheet.title for sheet in book.worksheets]
    if name not in names:
        raise PexError(f"{where}: there is no sheet '{name}'", hint=nearest(name, names))
    formulas = _formulas(data, name, where) if _has_formulas(data) else {}
    rows: list[tuple[int, list[str | None]]] = []
    errors: list[str] = []
    for number, cells in _cells(book[name], where):
        if len(cells) > most_columns:
            raise PexError(f"{where}: {len(cells):,} columns; at most {most_columns:,} are read")
        texts: list[str | None] = []
        for cell in cells:
            place = getattr(cell, "coordinate", "")
            if cell.value is None and place in formulas:
                raise PexError(
                    f"{where}: {place} is a formula without a value ({formulas[place][:60]})",
                    hint="open the file in a spreadsheet program and save it: that stores values",
                )
            texts.append(_text(cell.value, str(cell.number_format or "")))
            if cell.data_type == "e":
                errors.append(f"{place} is {cell.value}")
        rows.append((number, texts))
    notes = []
    if formulas:
        some = ", ".join(list(formulas)[:_SHOWN]) + (", …" if len(formulas) > _SHOWN else "")
        count = f"{len(formulas):,} formula{'s' * (len(formulas) != 1)}"
        notes.append(f"{count} ({some}) read as their last calculated values")
    if errors:
        count = f"{len(errors):,} cell{'s' * (len(errors) != 1)}"
        notes.append(f"{count} with an error of the spreadsheet: {', '.join(errors[:_SHOWN])}")
    return Sheet(name, rows, tuple(notes))


def _book(data: bytes, where: str, *, values: bool = True) -> Any:
    _check(data, where)
    import openpyxl

    try:
        return openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=values)
    except Exception as error:  # noqa: BLE001 - a broken file can fail anywhere in the reader
        raise _broken(where, error) from None


def _check(data: bytes, where: str) -> None:
    if data[:8] == _OLE:
        if _ENCRYPTED in data:
            raise PexError(
                f"{where}: it is protected with a password",
                hint="save a copy without a password, or save the sheet as CSV",
            )
        raise PexError(f"{where}: this is an old .xls file", hint="save it as .xlsx or CSV")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(item.file_size for item in archive.infolist())
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _broken(where, error) from None
    most = max(_ALWAYS_BYTES, _TIMES * len(data))
    if unpacked > most:
        raise PexError(f"{where}: it unpacks to more than {most // 1024**2:,} MB")
    if "[Content_Types].xml" not in names:
        raise PexError(f"{where}: a zip archive, but not an .xlsx file")


def _broken(where: str, error: Exception) -> PexError:
    said = " ".join(str(error).split())[:200] or type(error).__name__
    return PexError(
        f"{where}: not a readable .xlsx file: {said}",
        hint="open it in a spreadsheet program and save it again, or save it as CSV",
    )


def _cells(sheet: Any, where: str) -> Iterator[tuple[int, Sequence[Any]]]:
    """The rows that have a value, each up to its last one, with their numbers in the sheet."""
    sheet.reset_dimensions()  # a sheet can state any size
    try:
        for number, cells in enumerate(sheet.iter_rows(), 1):
            filled = max((at for at, cell in enumerate(cells, 1) if _is_filled(cell)), default=0)
            if filled:
                yield number, cells[:filled]
    except Exception as error:  # noqa: BLE001 - a broken file can fail anywhere in the reader
        raise _broken(where, error) from None


def _is_filled(cell: Any) -> bool:
    return cell.value is not None or cell.data_type == "f" or type(cell).__name__ != "EmptyCell"


def _has_cells(sheet: Any, where: str) -> bool:
    return any(any(cell.value is not None for cell in cells) for _, cells in _cells(sheet, where))


def _has_formulas(data: bytes) -> bool:
    """Whether a sheet has formulas; without them, the file is read only once."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for item in archive.namelist():
            if item.startswith("xl/worksheets/") and _FORMULA.search(archive.read(item)):
                return True
    return False


def _formulas(data: bytes, name: str, where: str) -> dict[str, str]:
    """The formulas of a sheet by their cells."""
    found: dict[str, str] = {}
    for _, cells in _cells(_book(data, where, values=False)[name], where):
        for cell in cells:
            if cell.data_type == "f":
                text = getattr(cell.value, "text", cell.value)  # an array formula is an object
                found[cell.coordinate] = str(text)
    return found


def _text(value: Any, number_format: str) -> str | None:
    """A value as text.

    Example:
        >>> _text(7.0, "General"), _text(7, "00000"), _text(True, ""), _text(0.1, "")
        ('7', '00007', 'TRUE', '0.1')
        >>> _text(datetime.datetime(2026, 1, 2), ""), _text(datetime.datetime(2026, 1, 2, 9, 5), "")
        ('2026-01-02', '2026-01-02T09:05:00')
    """
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return _number(value, number_format)
    if isinstance(value, datetime.datetime):
        day = value.time() == datetime.time()
        return value.date().isoformat() if day else value.isoformat()
    if isinstance(value, datetime.timedelta):
        seconds = round(value.total_seconds())
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value)


def _number(value: float, number_format: str) -> str:
    if isinstance(value, int) or (value.is_integer() and abs(value) < _LONGEST_WHOLE):
        # Of a float, the digits that it was written with: int() would invent more.
        digits = f"{decimal.Decimal(repr(abs(value))):.0f}"
        if _ZEROS.fullmatch(number_format):
            digits = digits.zfill(len(number_format))
        return f"-{digits}" if value < 0 else digits
    return repr(value)

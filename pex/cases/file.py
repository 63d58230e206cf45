"""Changes one place in a case file: every other byte of a CSV, TSV or JSONL is kept.

`correct` and `add` take the file's content and return the new content, which they have read back
and checked. Parquet and Excel files are only read.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.case_files import rows_of
from pex.core.cases import ROLES, Case, parse_cases, roles_of
from pex.core.encodings import called
from pex.core.errors import PexError, nearest
from pex.core.paths import PATH_COLUMNS
from pex.core.provenance import ALL_COLUMNS
from pex.core.reading import Reading, complete, csv_reader, text_of
from pex.core.text import value_text
from pex.core.values import to_json_value

_TABLES = (".csv", ".tsv")
EDITABLE = (*_TABLES, ".jsonl")
"""The extensions of files that are edited in place."""

_LINE = re.compile(r"[^\r\n]+")
_SPACE = re.compile(r"\s*")


def correct(
    data: bytes,
    path: Path,
    columns: Mapping[str, str],
    case_id: str,
    expected: Any,
    reading: Reading | None = None,
) -> bytes:
    r"""The file with a different expected answer in one row.

    Args:
        data: the file's content.
        path: its name.
        columns: the column mapping, as in an experiment.
        case_id: the id of the row.
        expected: the answer; None for none.
        reading: what is known of how to read it.

    Raises:
        PexError: there is no row with this id or no column of expected answers, or the file cannot
            hold this answer.

    Example:
        >>> correct(b"n,q,expected\r\n1,a,x\r\n2,b,y\r\n", Path("c.csv"), {"id": "n"}, "2", "a, z")
        b'n,q,expected\r\n1,a,x\r\n2,b,"a, z"\r\n'
    """
    reading = _complete(data, path, reading)
    cases = parse_cases(data, path, columns, reading)
    number = place_of(cases, case_id, path)
    name = _roles(data, path, columns, reading).get("expected")
    if name is None:
        wanted = columns.get("expected", ROLES["expected"])
        raise PexError(f"{path.name} has no column '{wanted}' for expected answers")
    text = text_of(data, path, reading)
    if path.suffix.lower() in _TABLES:
        changed = _correct_csv(text, number, name, expected, reading.delimiter or ",")
        expected = None if expected == "" else expected  # a CSV cannot distinguish the two
    else:
        changed = _correct_jsonl(text, number, name, expected)
    cases[number] = dataclasses.replace(cases[number], expected=to_json_value(expected))
    return _checked(_encoded(changed, path, reading), path, columns, cases, reading)


def add(
    data: bytes,
    path: Path,
    columns: Mapping[str, str],
    case: Case,
    reading: Reading | None = None,
) -> bytes:
    r"""The file with one more row.

    Args:
        data: the file's content.
        path: its name.
        columns: the column mapping, as in an experiment.
        case: the row; without an id column, its id must be the one derived from its inputs.
        reading: what is known of how to read it.

    Raises:
        PexError: the id or the inputs already exist, or the file has no column for a value.

    Example:
        >>> add(b"q,expected\na,x", Path("c.csv"), {}, Case("", {"q": "b"}, "y"))
        b'q,expected\na,x\nb,y'
    """
    reading = _complete(data, path, reading)
    cases = parse_cases(data, path, columns, reading)
    roles = _roles(data, path, columns, reading)
    rows = [row for _, row in rows_of(data, path, reading)]
    row = _row(case, roles, rows, path)
    text = text_of(data, path, reading)
    line, end = line_of(data, path, row, reading), _line_end(text)
    closed = text.endswith(("\n", "\r"))
    changed = _encoded(text + (line + end if closed else end + line), path, reading)
    new = parse_cases(changed, path, columns, reading)[-1]
    same = dataclasses.replace(case, id=new.id if "id" not in roles else case.id)
    # A new column of a JSONL file is empty in the rows before; without ids, it would change theirs.
    added = {name: None for name in case.inputs if cases and name not in cases[0].inputs}
    if added:
        cases = [dataclasses.replace(one, inputs={**one.inputs, **added}) for one in cases]
    return _checked(changed, path, columns, [*cases, same], reading)


def row_text(
    data: bytes,
    path: Path,
    columns: Mapping[str, str],
    case: Case,
    reading: Reading | None = None,
) -> str:
    """A case as a row of this file, as text to paste; for Parquet as JSON, for Excel with tabs.

    Raises:
        PexError: the file cannot be read, or has no column for a value.
    """
    reading = complete(data, path, reading or Reading())
    rows = [row for _, row in rows_of(data, path, reading)]
    row = _row(case, _roles(data, path, columns, reading), rows, path)
    return line_of(data, path, row, reading)


def check_editable(path: Path) -> None:
    """Raise a `PexError` if files of this kind are only read."""
    if path.suffix.lower() not in EDITABLE:
        kind = {".xlsx": "an Excel", ".parquet": "a Parquet"}.get(path.suffix.lower(), "such a")
        raise PexError(
            f"{path.name}: {kind} file is only read",
            hint="change it in the program that made it, or save its cases as CSV",
        )


def place_of(cases: Sequence[Case], case_id: str, path: Path) -> int:
    """The index of the case with this id.

    Raises:
        PexError: no case has it.
    """
    ids = [case.id for case in cases]
    if case_id not in ids:
        raise PexError(f"{path.name} no longer has a case '{case_id}'", hint=nearest(case_id, ids))
    return ids.index(case_id)


def line_of(data: bytes, path: Path, row: Mapping[str, Any], reading: Reading | None = None) -> str:
    """A row as a line in the file's style: quoting, spaces, column order."""
    suffix = path.suffix.lower()
    if suffix == ".xlsx":
        return "\t".join(_csv_field(_csv_text(value), False, "\t") for value in row.values())
    reading = complete(data, path, reading or Reading())
    if suffix in _TABLES:
        text, delimiter = text_of(data, path, reading), reading.delimiter or ","
        header, _ = next(records(text, delimiter))
        quoted = all(text[start : start + 1] == '"' for start, _ in header)
        names = _header(text, header, delimiter)
        fields = (_csv_field(_csv_text(row.get(name)), quoted, delimiter) for name in names)
        return delimiter.join(fields)
    spaced = True
    if suffix == ".jsonl":
        text = text_of(data, path, reading).removeprefix("\ufeff")
        spaced = _is_spaced(next(lines(text))[0])
    marks = (", ", ": ") if spaced else (",", ":")
    return json.dumps(dict(row), ensure_ascii=False, separators=marks)


def write(path: Path, data: bytes, seen: os.stat_result) -> None:
    """Replace a file's content atomically; its mode is kept.

    Args:
        path: the file.
        data: its new content.
        seen: the result of `path.stat()` when the old content was read.

    Raises:
        PexError: somebody else has written to it since.
        OSError: it cannot be written.
    """
    path = path.resolve()  # a link stays a link
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            part.chmod(stat.S_IMODE(seen.st_mode))
            if hasattr(os, "chown"):
                with contextlib.suppress(OSError):  # only root can change the owner
                    os.chown(part, seen.st_uid, seen.st_gid)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if stamp(path.stat()) != stamp(seen):
            raise PexError(f"{path.name} was just changed by somebody else", hint="try again")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not every system can open a folder
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def stamp(info: os.stat_result) -> tuple[int, int, int]:
    """A value that changes with every change of a file."""
    return (info.st_mtime_ns, info.st_size, info.st_ino)


def _complete(data: bytes, path: Path, reading: Reading | None) -> Reading:
    check_editable(path)
    return complete(data, path, reading or Reading())


def _roles(data: bytes, path: Path, columns: Mapping[str, str], reading: Reading) -> dict[str, str]:
    names = dict.fromkeys(str(key) for _, row in rows_of(data, path, reading) for key in row)
    return roles_of(list(names), columns, path.name)


def _encoded(text: str, path: Path, reading: Reading) -> bytes:
    try:
        return text.encode(reading.encoding or "utf-8")
    except UnicodeEncodeError as error:
        raise PexError(
            f"{path.name} is in {called(reading.encoding or 'utf-8')}, which has no "
            f"'{text[error.start]}'",
            hint="save the file as UTF-8 first",
        ) from None


def _checked(
    data: bytes, path: Path, columns: Mapping[str, str], meant: Sequence[Case], reading: Reading
) -> bytes:
    """The new content, after checking that it reads back as intended."""
    there = parse_cases(data, path, columns, reading)
    if there == list(meant):
        return data
    twice = [case.id for case in there] != [case.id for case in meant]
    raise PexError(
        f"{path.name} cannot hold this {'row' if twice else 'value'}: "
        "it would be read back differently"
    )


def _row(
    case: Case, roles: Mapping[str, str], rows: Sequence[Mapping[str, Any]], path: Path
) -> dict[str, Any]:
    """A case as column values, in the order and with the types of the file's other rows."""
    row = dict(case.inputs)
    given = {"id": case.id, "expected": case.expected, "group": case.group}
    for role, value in given.items():
        name = roles.get(role)
        if name is not None and name not in row:
            row[name] = _like(value, name, rows) if role != "expected" else value
        elif name is None and role != "id" and value is not None:
            raise PexError(f"{path.name} has no column for {_CALLED[role]}")
    if case.tags:
        name = roles.get("tags")
        if name is None and path.suffix.lower() != ".jsonl":
            raise PexError(f"{path.name} has no column for tags")
        name = name or ROLES["tags"]
        lists = any(isinstance(to_json_value(other.get(name)), list) for other in rows)
        missing = name not in roles.values()
        row[name] = list(case.tags) if lists or missing else "; ".join(case.tags)
    names = list(dict.fromkeys(str(key) for other in rows for key in other))
    free = [ROLES["tags"], *(PATH_COLUMNS if path.suffix.lower() == ".jsonl" else ())]
    if case.provenance is not None:
        row |= case.provenance.row()
        free += ALL_COLUMNS if path.suffix.lower() == ".jsonl" else ()
    unknown = [name for name in row if name not in names and name not in free]
    if unknown:
        raise PexError(f"{path.name} has no column '{unknown[0]}'", hint=nearest(unknown[0], names))
    return {name: row[name] for name in [*names, *free] if name in row}


_CALLED = {"expected": "expected answers", "group": "groups"}


def _like(value: Any, name: str, rows: Sequence[Mapping[str, Any]]) -> Any:
    """A string as an integer, if the column has integers."""
    found = [other for row in rows if (other := to_json_value(row.get(name))) is not None]
    whole = found and all(isinstance(other, int) for other in found)
    return int(value) if whole and isinstance(value, str) and value.isdecimal() else value


@functools.cache
def _patterns(delimiter: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """A field, and what ends it."""
    mark = re.escape(delimiter)
    field = re.compile(rf'"[^"]*(?:""[^"]*)*"|[^{mark}\r\n]*')
    return field, re.compile(rf"{mark}|\r\n|\r|\n|\Z")


def records(text: str, delimiter: str) -> Iterator[tuple[list[tuple[int, int]], str]]:
    """The rows of a CSV: the span of each value in the text, and the row's line ending."""
    field_of, end_of = _patterns(delimiter)
    at = 1 if text.startswith("\ufeff") else 0
    spans: list[tuple[int, int]] = []
    while at < len(text) or spans:
        field = field_of.match(text, at)
        end = end_of.match(text, field.end()) if field else None
        if field is None or end is None:  # the reader has already rejected such a file
            raise PexError(f"not valid CSV at character {at + 1}")
        spans.append(field.span())
        at = end.end()
        if end[0] != delimiter:
            yield spans, end[0]
            spans = []


def _header(text: str, spans: Sequence[tuple[int, int]], delimiter: str) -> list[str]:
    line = text[spans[0][0] : spans[-1][1]]
    return [name.strip() for name in next(csv_reader(line, delimiter=delimiter))]


def _csv_text(value: Any) -> str:
    value = to_json_value(value)
    if value is None:
        return ""
    return value_text(value)


def _csv_field(value: str, quoted: bool, delimiter: str) -> str:
    if quoted or any(mark in value for mark in (delimiter, '"', "\r", "\n")):
        return '"' + value.replace('"', '""') + '"'
    return value


def _correct_csv(text: str, number: int, name: str, expected: Any, delimiter: str) -> str:
    found = records(text, delimiter)
    column = _header(text, next(found)[0], delimiter).index(name)
    rows = (
        spans
        for spans, _ in found
        if any(text[start:end] not in ("", '""') for start, end in spans)
    )
    for _ in range(number):
        next(rows)
    start, end = next(rows)[column]
    field = _csv_field(_csv_text(expected), text[start:end].startswith('"'), delimiter)
    return text[:start] + field + text[end:]


def lines(text: str) -> Iterator[tuple[str, int]]:
    """The non-blank lines of a JSONL, and the position of each."""
    for found in _LINE.finditer(text):
        if found[0].strip():
            yield found[0], found.start()


def _line_end(text: str) -> str:
    found = re.search(r"\r\n|\n|\r", text)
    return found[0] if found else "\n"


def _values(line: str) -> dict[str, tuple[int, int]]:
    """The span of each value in a JSON object."""
    decoder = json.JSONDecoder()
    found: dict[str, tuple[int, int]] = {}

    def after_space(at: int) -> int:
        space = _SPACE.match(line, at)
        return space.end() if space else at

    at = after_space(line.index("{") + 1)
    while line[at] != "}":
        key, at = decoder.raw_decode(line, at)
        start = after_space(line.index(":", at) + 1)
        _, end = decoder.raw_decode(line, start)
        found[key] = (start, end)
        at = after_space(end)
        if line[at] == ",":
            at = after_space(at + 1)
    return found


def _is_spaced(line: str) -> bool:
    starts = [start for start, _ in _values(line).values()]
    return not starts or line[starts[0] - 1].isspace()


def _correct_jsonl(text: str, number: int, name: str, expected: Any) -> str:
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    text = text.removeprefix(mark)
    line, begin = list(lines(text))[number]
    places = _values(line)
    value = json.dumps(expected, ensure_ascii=False)
    if name in places:
        start, end = places[name]
    else:
        start = end = max((end for _, end in places.values()), default=line.index("{") + 1)
        comma, colon = (", ", ": ") if _is_spaced(line) else (",", ":")
        value = f"{comma if places else ''}{json.dumps(name)}{colon}{value}"
    return mark + text[: begin + start] + value + text[begin + end :]

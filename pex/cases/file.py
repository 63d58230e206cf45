"""Changes one place in a case file: every other byte of a CSV or JSONL is kept.

`correct` and `add` take the file's content and return the new content, which they have read back
and checked. Of a Parquet file, the columns, types and metadata are kept, not the bytes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.case_files import csv_reader, rows_of
from pex.core.cases import ROLES, Case, parse_cases, roles_of
from pex.core.errors import PexError, nearest
from pex.core.parquet import read_table
from pex.core.text import value_text
from pex.core.textfile import decoded
from pex.core.values import to_json_value

_FIELD = re.compile(r'"[^"]*(?:""[^"]*)*"|[^,\r\n]*')
_END = re.compile(r",|\r\n|\r|\n|\Z")
_LINE = re.compile(r"[^\r\n]+")
_SPACE = re.compile(r"\s*")


def correct(
    data: bytes, path: Path, columns: Mapping[str, str], case_id: str, expected: Any
) -> bytes:
    r"""The file with a different expected answer in one row.

    Args:
        data: the file's content.
        path: its name.
        columns: the column mapping, as in an experiment.
        case_id: the id of the row.
        expected: the answer; None for none.

    Raises:
        PexError: there is no row with this id or no column of expected answers, or the file cannot
            hold this answer.

    Example:
        >>> correct(b"n,q,expected\r\n1,a,x\r\n2,b,y\r\n", Path("c.csv"), {"id": "n"}, "2", "a, z")
        b'n,q,expected\r\n1,a,x\r\n2,b,"a, z"\r\n'
    """
    cases = parse_cases(data, path, columns)
    number = place_of(cases, case_id, path)
    name = _roles(data, path, columns).get("expected")
    if name is None:
        wanted = columns.get("expected", ROLES["expected"])
        raise PexError(f"{path.name} has no column '{wanted}' for expected answers")
    edit = {".csv": _correct_csv, ".jsonl": _correct_jsonl, ".parquet": _correct_parquet}
    changed = edit[path.suffix.lower()](data, number, name, expected)
    if path.suffix.lower() == ".csv" and expected == "":
        expected = None  # a CSV cannot distinguish the two
    cases[number] = dataclasses.replace(cases[number], expected=to_json_value(expected))
    return _checked(changed, path, columns, cases)


def add(data: bytes, path: Path, columns: Mapping[str, str], case: Case) -> bytes:
    r"""The file with one more row.

    Args:
        data: the file's content.
        path: its name.
        columns: the column mapping, as in an experiment.
        case: the row; without an id column, its id must be the one derived from its inputs.

    Raises:
        PexError: the id or the inputs already exist, or the file has no column for a value.

    Example:
        >>> add(b"q,expected\na,x", Path("c.csv"), {}, Case("", {"q": "b"}, "y"))
        b'q,expected\na,x\nb,y'
    """
    cases = parse_cases(data, path, columns)
    roles = _roles(data, path, columns)
    rows = [row for _, row in rows_of(data, path)]
    row = _row(case, roles, rows, path)
    if path.suffix.lower() == ".parquet":
        changed = _add_parquet(data, row, path)
    else:
        text = decoded(data, path, "cases file")
        line, end = line_of(data, path, row), _line_end(text)
        closed = text.endswith(("\n", "\r"))
        changed = (text + (line + end if closed else end + line)).encode()
    new = parse_cases(changed, path, columns)[-1]
    same = dataclasses.replace(case, id=new.id if "id" not in roles else case.id)
    return _checked(changed, path, columns, [*cases, same])


def row_text(data: bytes, path: Path, columns: Mapping[str, str], case: Case) -> str:
    """A case as a row of this file, as text to paste; for a Parquet file, as JSON.

    Raises:
        PexError: the file cannot be read, or has no column for a value.
    """
    rows = [row for _, row in rows_of(data, path)]
    return line_of(data, path, _row(case, _roles(data, path, columns), rows, path))


def place_of(cases: Sequence[Case], case_id: str, path: Path) -> int:
    """The index of the case with this id.

    Raises:
        PexError: no case has it.
    """
    ids = [case.id for case in cases]
    if case_id not in ids:
        raise PexError(f"{path.name} no longer has a case '{case_id}'", hint=nearest(case_id, ids))
    return ids.index(case_id)


def line_of(data: bytes, path: Path, row: Mapping[str, Any]) -> str:
    """A row as a line in the file's style: quoting, spaces, column order."""
    if path.suffix.lower() == ".csv":
        text = decoded(data, path, "cases file")
        header, _ = next(_records(text))
        quoted = all(text[start : start + 1] == '"' for start, _ in header)
        names = _header(text, header)
        return ",".join(_csv_field(_csv_text(row.get(name)), quoted) for name in names)
    spaced = True
    if path.suffix.lower() == ".jsonl":
        text = decoded(data, path, "cases file").removeprefix("\ufeff")
        spaced = _is_spaced(next(_lines(text))[0])
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


def _roles(data: bytes, path: Path, columns: Mapping[str, str]) -> dict[str, str]:
    names = dict.fromkeys(str(key) for _, row in rows_of(data, path) for key in row)
    return roles_of(list(names), columns, path.name)


def _checked(data: bytes, path: Path, columns: Mapping[str, str], meant: Sequence[Case]) -> bytes:
    """The new content, after checking that it reads back as intended."""
    there = parse_cases(data, path, columns)
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
    unknown = [name for name in row if name not in names and name != ROLES["tags"]]
    if unknown:
        raise PexError(f"{path.name} has no column '{unknown[0]}'", hint=nearest(unknown[0], names))
    return {name: row[name] for name in [*names, ROLES["tags"]] if name in row}


_CALLED = {"expected": "expected answers", "group": "groups"}


def _like(value: Any, name: str, rows: Sequence[Mapping[str, Any]]) -> Any:
    """A string as an integer, if the column has integers."""
    found = [other for row in rows if (other := to_json_value(row.get(name))) is not None]
    whole = found and all(isinstance(other, int) for other in found)
    return int(value) if whole and isinstance(value, str) and value.isdecimal() else value


def _records(text: str) -> Iterator[tuple[list[tuple[int, int]], str]]:
    """The rows of a CSV: the span of each value in the text, and the row's line ending."""
    at = 1 if text.startswith("\ufeff") else 0
    spans: list[tuple[int, int]] = []
    while at < len(text) or spans:
        field = _FIELD.match(text, at)
        end = _END.match(text, field.end()) if field else None
        if field is None or end is None:  # the reader has already rejected such a file
            raise PexError(f"not valid CSV at character {at + 1}")
        spans.append(field.span())
        at = end.end()
        if end[0] != ",":
            yield spans, end[0]
            spans = []


def _header(text: str, spans: Sequence[tuple[int, int]]) -> list[str]:
    line = text[spans[0][0] : spans[-1][1]]
    return [name.strip() for name in next(csv_reader(line))]


def _csv_text(value: Any) -> str:
    value = to_json_value(value)
    if value is None:
        return ""
    return value_text(value)


def _csv_field(value: str, quoted: bool) -> str:
    if quoted or any(mark in value for mark in ',"\r\n'):
        return '"' + value.replace('"', '""') + '"'
    return value


def _correct_csv(data: bytes, number: int, name: str, expected: Any) -> bytes:
    text = data.decode()
    records = _records(text)
    column = _header(text, next(records)[0]).index(name)
    rows = (
        spans
        for spans, _ in records
        if any(text[start:end] not in ("", '""') for start, end in spans)
    )
    for _ in range(number):
        next(rows)
    start, end = next(rows)[column]
    field = _csv_field(_csv_text(expected), text[start:end].startswith('"'))
    return (text[:start] + field + text[end:]).encode()


def _lines(text: str) -> Iterator[tuple[str, int]]:
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


def _correct_jsonl(data: bytes, number: int, name: str, expected: Any) -> bytes:
    text = data.decode()
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    text = text.removeprefix(mark)
    line, begin = list(_lines(text))[number]
    places = _values(line)
    value = json.dumps(expected, ensure_ascii=False)
    if name in places:
        start, end = places[name]
    else:
        start = end = max((end for _, end in places.values()), default=line.index("{") + 1)
        comma, colon = (", ", ": ") if _is_spaced(line) else (",", ":")
        value = f"{comma if places else ''}{json.dumps(name)}{colon}{value}"
    return (mark + text[: begin + start] + value + text[begin + end :]).encode()


def _correct_parquet(data: bytes, number: int, name: str, expected: Any) -> bytes:
    import pyarrow as pa

    table = _table(data)
    at = table.schema.get_field_index(name)
    values = table.column(at).to_pylist()
    values[number] = expected
    field = table.schema.field(at)
    try:
        column = pa.array(values, type=field.type)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise PexError(f"column '{name}' holds {field.type}: {error}") from None
    return _parquet(data, table.set_column(at, field, column))


def _add_parquet(data: bytes, row: Mapping[str, Any], path: Path) -> bytes:
    import pyarrow as pa

    table = _table(data)
    try:
        new = pa.Table.from_pylist([dict(row)], schema=table.schema)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise PexError(f"{path.name} cannot hold this row: {error}") from None
    return _parquet(data, pa.concat_tables([table, new]))


def _table(data: bytes) -> Any:
    return read_table(data, "the cases file")


def _parquet(old: bytes, table: Any) -> bytes:
    import pyarrow.parquet as pq

    about = pq.ParquetFile(io.BytesIO(old)).metadata
    # One compression for all columns: files with several are not made by hand.
    packed = about.row_group(0).column(0).compression if about.num_row_groups else "SNAPPY"
    out = io.BytesIO()
    pq.write_table(table, out, compression="NONE" if packed == "UNCOMPRESSED" else packed)
    return out.getvalue()

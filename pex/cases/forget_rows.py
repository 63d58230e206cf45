"""Takes the rows that were made from some deployed traces out of a project's files of cases."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pex.cases import file as case_file
from pex.core.case_files import rows_of
from pex.core.cases import parse_cases
from pex.core.errors import PexError
from pex.core.project import led_outside
from pex.core.reading import Reading, complete, text_of
from pex.project.folder import declared_beside

Goes = Callable[[str, str], bool]
"""Whether a row goes, by its `origin_trace` and `origin_user`."""
_NOT_SEARCHED = frozenset({"mlruns", "node_modules", "__pycache__"})
_SUFFIXES = (*case_file.EDITABLE, ".parquet", ".xlsx")
_MARKS = tuple("origin_trace".encode(name) for name in ("utf-8", "utf-16-le", "utf-16-be"))


@dataclasses.dataclass(frozen=True, slots=True)
class CaseRows:
    """Rows of a file of cases: their ids. A file of a kind that is only read is not `editable`."""

    path: Path
    case_ids: tuple[str, ...]
    editable: bool


def project_files(project: Path, artifacts: Path | None = None) -> Iterator[Path]:
    """The files of a project, without hidden folders and MLflow's; links are not followed out.

    Args:
        project: the project's folder.
        artifacts: the folder with the files of MLflow's runs, if the store is local.
    """
    for folder, names, files in os.walk(project):
        names[:] = sorted(n for n in names if not n.startswith(".") and n not in _NOT_SEARCHED)
        if artifacts is not None:
            names[:] = [name for name in names if Path(folder, name) != artifacts]
        for name in sorted(files):
            path = Path(folder, name)
            if path.is_file() and not led_outside(path, project):
                yield path


def find_rows(files: Iterable[Path], goes: Goes) -> list[CaseRows]:
    """The files of cases with rows that go.

    Args:
        files: the files of the project.
        goes: which rows, by the columns `origin_trace` and `origin_user`.

    Raises:
        PexError: a file with these columns cannot be read.
    """
    found = []
    for path in files:
        suffix = path.suffix.lower()
        if suffix not in _SUFFIXES or _is_of_export(path):
            continue
        data = path.read_bytes()
        if suffix != ".xlsx" and not any(mark in data for mark in _MARKS):
            continue
        numbers = _numbers(data, path, goes)
        if numbers:
            columns, reading = declared_beside(path)
            cases = parse_cases(data, path, columns, reading)
            ids = tuple(cases[number].id for number in numbers)
            found.append(CaseRows(path, ids, suffix in case_file.EDITABLE))
    return found


def _is_of_export(path: Path) -> bool:
    """Whether a file says where the rows of the exported training data beside it are from."""
    return path.name == "rows.jsonl" and (path.parent / "export.json").is_file()


def forget_rows(path: Path, goes: Goes) -> None:
    """Take the rows out of a CSV, TSV or JSONL; every other byte is kept.

    Raises:
        PexError: the file cannot be read, or somebody else has just changed it.
    """
    seen, data = path.stat(), path.read_bytes()
    numbers = set(_numbers(data, path, goes))
    if numbers:
        case_file.write(path, without_rows(data, path, numbers), seen)


def without_rows(
    data: bytes, path: Path, numbers: set[int], reading: Reading | None = None
) -> bytes:
    r"""The content of a file without some rows, counted from 0 without the header.

    Args:
        data: the file's content.
        path: its name.
        numbers: the rows.
        reading: what is known of how to read it.

    Raises:
        PexError: the rest would be read otherwise than before.

    Example:
        >>> without_rows(b'q,a\r\n"x\r\ny",1\r\nz,2\r\n', Path("c.csv"), {0})
        b'q,a\r\nz,2\r\n'
    """
    reading = complete(data, path, reading or declared_beside(path)[1])
    before = [row for _, row in rows_of(data, path, reading)]
    text = text_of(data, path, reading)
    spans = _spans(text, path, reading)
    parts, at = [], 0
    for number, (start, end) in enumerate(spans):
        if number in numbers:
            parts.append(text[at:start])
            at = end
    changed = "".join([*parts, text[at:]]).encode(reading.encoding or "utf-8")
    left = [row for number, row in enumerate(before) if number not in numbers]
    empty = not left and path.suffix.lower() == ".jsonl"
    if not empty and [row for _, row in rows_of(changed, path, reading)] != left:
        raise PexError(
            f"{path}: its other rows would be read otherwise without those of the user",
            hint="take the rows out by hand: their column origin_trace or origin_user names them",
        )
    return changed


def _numbers(data: bytes, path: Path, goes: Goes) -> list[int]:
    try:
        rows = [row for _, row in rows_of(data, path, declared_beside(path)[1])]
    except PexError:
        if path.suffix.lower() == ".xlsx":  # any workbook: it need not be one of cases
            return []
        raise
    return [
        number
        for number, row in enumerate(rows)
        if goes(str(row.get("origin_trace") or ""), str(row.get("origin_user") or ""))
    ]


def _spans(text: str, path: Path, reading: Reading) -> list[tuple[int, int]]:
    """Where each row begins and ends, with its line ending, as the reader counts them."""
    if path.suffix.lower() == ".jsonl":
        mark = len(text) - len(text.removeprefix("\ufeff"))
        found = []
        for line, start in case_file.lines(text[mark:]):
            start += mark
            found.append((start, _after_end(text, start + len(line))))
        return found
    rows = case_file.records(text, reading.delimiter or ",")
    next(rows)
    return [
        (spans[0][0], spans[-1][1] + len(end))
        for spans, end in rows
        if any(text[start:stop] not in ("", '""') for start, stop in spans)
    ]


def _after_end(text: str, at: int) -> int:
    end = text[at : at + 2]
    return at + (2 if end == "\r\n" else 1 if end[:1] in ("\r", "\n") and end else 0)

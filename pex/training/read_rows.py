"""Rows of a file of training data, one at a time: JSON Lines, a JSON list, Parquet.

Memory does not grow with the file: one row is held, or a row group of Parquet's batches.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import orjson

from pex.core import jsontext
from pex.core.encodings import called, candidates
from pex.core.errors import PexError
from pex.training.finding import Findings

_SAMPLE = 262_144
_BATCH = 256
_BOMS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""UTF-32 before UTF-16: the one begins like the other."""
_LIST_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},\n"]', re.DOTALL)
_PIECE = 1_048_576
LONGEST_ROW = 100_000_000
"""Characters; a JSON list whose row is longer is not closed where its author thinks."""


def rows(path: Path, findings: Findings, *, lines_only: bool = False) -> Iterator[tuple[int, Any]]:
    """The line (in Parquet the row) and value of each row that can be read.

    Args:
        path: the file.
        findings: takes what is wrong with the file as text: byte order mark, encoding, blank
            lines, lines that are not JSON.
        lines_only: a JSON list is an error, for formats that are uploaded as JSON Lines.

    Raises:
        PexError: the file cannot be opened, or is neither JSON nor Parquet.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_SAMPLE)
            if start[:4] == b"PAR1":
                yield from _parquet_rows(path)
                return
            if not start:
                findings.add("empty", 0, "", "the file is empty", "write one JSON object per line")
                return
            file.seek(0)
            encoding = _encoding(start, findings)
            first = _without_bom(start).lstrip()[:1]
            if encoding == "utf-8" and first != b"[":
                yield from _lines(file, findings)
                return
            text = io.TextIOWrapper(file, encoding, errors="replace", newline="\n")
            if start.decode(encoding, "ignore").lstrip("\ufeff \t\r\n")[:1] != "[":
                for number, line in enumerate(iter(text.readline, ""), 1):
                    yield from _row(
                        line.lstrip("\ufeff") if number == 1 else line, number, findings
                    )
                return
            if lines_only:
                findings.add(
                    "list", 1, "", "the file is one JSON list, expected JSON Lines",
                    "write each row as one line, without the brackets and commas between rows",
                )  # fmt: skip
            yield from _listed(text, findings)
    except OSError as error:
        raise PexError(f"{path}: cannot be read: {error.strerror}") from None


def _without_bom(start: bytes) -> bytes:
    return start.removeprefix(codecs.BOM_UTF8)


def _encoding(start: bytes, findings: Findings) -> str:
    """The encoding of a file, with a finding if it is not plain UTF-8."""
    for mark, encoding in _BOMS.items():
        if start.startswith(mark):
            name = called(encoding)
            findings.add(
                "bom", 1, "",
                f"the file begins with a byte order mark ({name}), which is not valid JSON",
                "save it as UTF-8 without BOM, for example "
                'open(path, "w", encoding="utf-8") of what was read as "utf-8-sig"'
                if encoding == "utf-8"
                else "save it as UTF-8 without BOM",
            )  # fmt: skip
            return encoding
    found = candidates(start)
    if found and found[0].startswith("utf-16"):
        findings.add(
            "encoding", 0, "", f"the file is {called(found[0])}, expected UTF-8",
            "save it as UTF-8 without BOM",
        )  # fmt: skip
        return found[0]
    return "utf-8"


def _lines(file: IO[bytes], findings: Findings) -> Iterator[tuple[int, Any]]:
    for number, raw in enumerate(file, 1):
        line = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError:
            yield from _row(_decoded(line, number, findings), number, findings)
        else:
            yield number, value


def _decoded(line: bytes, number: int, findings: Findings) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        found = candidates(line)
        guess = f"; it looks like {called(found[0])}" if found else ""
        findings.add(
            "encoding", number, "",
            f"byte {error.start + 1} of the line is not valid UTF-8{guess}",
            "save the file as UTF-8",
        )  # fmt: skip
        return line.decode(found[0] if found else "utf-8", "replace")


def _row(line: str, number: int, findings: Findings) -> Iterator[tuple[int, Any]]:
    """The row in a line that the fast reader refused: why, or the row if it is readable."""
    if not line.strip():
        findings.add("blank", number, "", "a blank line", "delete it; every line is one row")
        return
    try:
        yield number, orjson.loads(line)
        return
    except ValueError:
        pass
    try:
        value = jsontext.loads(line)
        orjson.dumps(value)
    except TypeError:
        findings.add(
            "half", number, "", "half of a character (a lone surrogate escape such as \\ud83d)",
            "write the whole character; text was cut between its two halves",
        )  # fmt: skip
        return
    except ValueError as error:
        column = getattr(error, "colno", 0)
        where = f" at column {column:,}" if column else ""
        said = getattr(error, "msg", str(error))
        text = line.strip()
        fix = "each line is one JSON object; json.dumps(row) writes it on one line"
        if text[:1] == "{" and text.endswith(","):
            fix = "delete the comma at the end of the line"
        elif text[:1] == "{" and "'" in text[:3]:
            fix = "JSON wants double quotes: write it with json.dumps(row), not str(row)"
        findings.add("json", number, "", f"not valid JSON{where}: {said}", fix)
        return
    if re.search(r"\b(?:NaN|Infinity)\b", line) and _has_nan(value):
        findings.add(
            "nan", number, "", "NaN or Infinity is not valid JSON", "use null or leave the key out"
        )
    yield number, value


def _has_nan(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_nan, value.values()))
    if isinstance(value, list):
        return any(map(_has_nan, value))
    return isinstance(value, float) and (value != value or value in (float("inf"), -float("inf")))


def _listed(text: IO[str], findings: Findings) -> Iterator[tuple[int, Any]]:
    """The elements of a JSON list, with the line that each begins on."""
    depth, line, begin_line, at = 0, 1, 1, 0
    buffer, ended = "", False
    while not ended and len(buffer) < LONGEST_ROW:
        piece = text.read(_PIECE)
        ended = not piece
        buffer += piece
        begin = 0
        for token in _LIST_TOKEN.finditer(buffer, at):
            mark = token[0]
            if mark == '"':  # a string that goes on in the next piece
                at = token.start()
                break
            at = token.end()
            line += mark.count("\n")
            if mark in ("[", "{"):
                depth += 1
                if depth == 1:
                    begin, begin_line = at, line
            elif mark in ("]", "}", ","):
                depth -= mark != ","
                if depth == 0 or (depth == 1 and mark == ","):
                    element = buffer[begin : token.start()]
                    before = element[: len(element) - len(element.lstrip())]
                    if element.strip():
                        yield from _row(element, begin_line + before.count("\n"), findings)
                    begin, begin_line = at, line
                    if depth == 0:
                        return
        else:
            at = len(buffer)
        buffer, at = buffer[begin:], at - begin
    findings.add(
        "json", line, "", "the JSON list is not closed", "it ends with ']'; was the file cut off?"
    )


def _parquet_rows(path: Path) -> Iterator[tuple[int, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except pa.ArrowException as error:
        raise PexError(f"{path}: cannot be read as Parquet: {error}") from None

"""Rows of JSON, JSON Lines and CSV files of other tools, with the line of each."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from pex.core import jsontext
from pex.core.textfile import read_text
from pex.importers.imported import unreadable


def read_json(path: Path, tool: str) -> Any:
    """The value in a JSON file; of JSON Lines, a list.

    Raises:
        PexError: it cannot be read, or is neither.
    """
    text = read_text(path, "file").removeprefix("\ufeff")
    try:
        return jsontext.loads(text)
    except ValueError as error:
        if path.suffix.lower() not in (".jsonl", ".ndjson") and "\n{" not in text:
            raise unreadable(path, f"not valid JSON: {error}", tool) from None
    return json_lines(path, text, tool)


def json_lines(path: Path, text: str, tool: str) -> list[Any]:
    """The values of JSON Lines.

    Raises:
        PexError: a line is not valid JSON, or the file is a pointer of Git LFS.
    """
    if text.startswith("version https://git-lfs"):
        raise unreadable(
            path, "a pointer of Git LFS, not the data", tool, "fetch it: git lfs pull, then import"
        )
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            rows.append(jsontext.loads(line))
        except ValueError as error:
            raise unreadable(path, f"line {number}: not valid JSON: {error}", tool) from None
    return rows


def csv_rows(text: str) -> list[dict[str, Any]]:
    """The rows of a CSV; a cell that is an object or a list of JSON is read as such."""
    reader = csv.DictReader(io.StringIO(text, newline=""))
    return [
        {str(key): _cell(value) for key, value in row.items() if key is not None} for row in reader
    ]


def _cell(text: Any) -> Any:
    if not isinstance(text, str) or text == "":
        return None
    if text[:1] in '{["' or text == "null":
        try:
            return jsontext.loads(text)
        except ValueError:
            return text
    return text

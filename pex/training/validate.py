"""Checks any file of training data before it is uploaded: file, line, field and the fix."""

from __future__ import annotations

import array
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from pex.core.errors import PexError, nearest
from pex.training.arrow_shapes import ArrowShapes
from pex.training.check_row import check_row
from pex.training.finding import Finding, Findings, Level
from pex.training.formats import FORMATS, KEYS, OPENAI, Format, check_format, format_of
from pex.training.plain_rows import is_plain
from pex.training.read_rows import rows

FEWEST_ROWS = 10
"""OpenAI and Azure refuse a file with fewer rows."""


def check_file(path: str | Path, format: str | None = None) -> list[Finding]:  # noqa: A002
    """Check a file of training data, whoever wrote it.

    The file is read once, row by row: JSON Lines, a JSON list (Alpaca and ShareGPT are often
    written so) or Parquet. Of each kind of finding the first twenty are listed and the rest
    counted.

    Args:
        path: the file.
        format: its format; without it, what the first readable row looks like. Rows with
            `messages` are then checked as `openai-chat`, which is stricter than `trl-messages`.

    Returns:
        The findings; none if the file is right. Those of the level `warning` are accepted by some
        providers or trainers and not by others.

    Raises:
        PexError: the file cannot be read, or there is no such format.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "train.jsonl"
        >>> _ = path.write_text('{"messages": [{"role": "user", "content": "Hi"}]}')
        >>> for finding in check_file(path):
        ...     print(f"{finding.line} {finding.field} {finding.message}")
        0  1 row: at least 10 are needed
        1 messages[0] the last message is of the user
    """
    return FileCheck(Path(path), format).run()


def detect_format(path: str | Path) -> Format:
    """The format of a file, by its first readable row.

    Args:
        path: the file.

    Raises:
        PexError: the file cannot be read, or its first row is in no known format.
    """
    path = Path(path)
    for line, row in rows(path, Findings(str(path))):
        found = format_of(row) if isinstance(row, Mapping) else None
        if found is None:
            message, fix = _unknown(row)
            raise PexError(f"{path}:{line}: {message}", hint=fix)
        return found
    raise PexError(f"{path}: no row can be read", hint="pexlab finetune check names the lines")


def _unknown(row: Any) -> tuple[str, str]:
    """Why a row is in no format, and the nearest key."""
    if not isinstance(row, Mapping):
        return "the row is not a JSON object", "each row is one object: {…}"
    keys = {key for needed, _ in KEYS.values() for key in needed}
    close = [
        hint for key in row if key not in keys
        if (hint := nearest(str(key), sorted(keys))).startswith("did you")
    ]  # fmt: skip
    shown = ", ".join(f"'{key}'" for key in list(row)[:6]) or "no keys"
    hint = close[0] if close else f"name it: format is one of {', '.join(FORMATS)}"
    return f"in no known format: it has {shown}", hint


class FileCheck:
    """The check of one file, for a caller that has its rows at hand.

    Args:
        path: the file, for messages.
        format_name: its format; None: what its first row looks like.

    Example:
        >>> check = FileCheck(Path("a.jsonl"), "trl-messages")
        >>> _ = check.see(1, {"messages": []})
        >>> print(check.end()[0])
        a.jsonl:1: messages: no message
          delete the row, or add its messages
    """

    def __init__(self, path: Path, format_name: str | None) -> None:
        self._path = path
        self._format = None if format_name is None else check_format(format_name)
        self._findings = Findings(str(path))
        self._shapes = ArrowShapes()
        self._seen = array.array("Q")
        self._lines = array.array("Q")
        self._count = 0
        self._plain_seen = False

    def run(self) -> list[Finding]:
        """Read the file once."""
        lines_only = self._format in OPENAI
        for line, row in rows(self._path, self._findings, lines_only=lines_only):
            if not self.see(line, row):
                return self._findings.list()
        return self.end()

    def end(self) -> list[Finding]:
        """What was found, with what only all rows together show."""
        count = self._count
        if self._format in OPENAI and count < FEWEST_ROWS:
            shown = "1 row" if count == 1 else f"{count} rows"
            self._findings.add(
                "few", 0, "", f"{shown}: at least {FEWEST_ROWS} are needed",
                "add rows; OpenAI recommends 50 to 100 to begin with",
            )  # fmt: skip
        self._duplicates()
        self._shapes.end(self._findings)
        return self._findings.list()

    def see(self, line: int, row: Any) -> bool:
        """Check a row; whether the rest of the file can be checked.

        Args:
            line: its line.
            row: the row.
        """
        self._count += 1
        if self._format is None:
            self._format = format_of(row) if isinstance(row, Mapping) else None
            if self._format is None:
                message, fix = _unknown(row)
                self._findings.add("format", line, "", message, fix)
                return False
            if self._format in OPENAI and self._is_list():
                self._findings.add(
                    "list", 1, "", "the file is one JSON list, expected JSON Lines",
                    "write each row as one line, without the brackets and commas between rows",
                )  # fmt: skip

        plain = is_plain(row, self._format)
        if not plain:
            self._check(line, row, self._format)
        if isinstance(row, Mapping):
            # A second plain row has the shape of the first.
            if self._format not in OPENAI and not (plain and self._plain_seen):
                self._shapes.see(line, row, self._findings)
                self._plain_seen = self._plain_seen or plain
            self._remember(line, row)
        return True

    def _check(self, line: int, row: Any, format_name: Format) -> None:
        def add(kind: str, field: str, message: str, fix: str, level: Level = "error") -> None:
            self._findings.add(kind, line, field, message, fix, level)

        check_row(row, format_name, add)

    def _is_list(self) -> bool:
        with self._path.open("rb") as file:
            return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"["

    def _remember(self, line: int, row: Mapping[str, Any]) -> None:
        text = orjson.dumps(row, option=orjson.OPT_SORT_KEYS, default=str)
        self._seen.append(int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big"))
        self._lines.append(line)

    def _duplicates(self) -> None:
        """Rows that are the same, by a hash of 64 bits: 16 bytes a row are kept."""
        import numpy as np

        if len(self._seen) < 2:
            return
        seen = np.frombuffer(self._seen, dtype=np.uint64)
        order = np.argsort(seen, kind="stable")
        same = np.flatnonzero(seen[order][1:] == seen[order][:-1]) + 1
        first_of: dict[int, int] = {}
        for at in same:
            line, before = self._lines[int(order[at])], self._lines[int(order[at - 1])]
            first = first_of.get(before, before)
            first_of[line] = first
            self._findings.add(
                "duplicate", line, "", f"the same row as on line {first}",
                "delete it: repeated rows weigh more than others", "warning",
            )  # fmt: skip

"""How a file of cases is read: delimiter, encoding, decimal sign, sheet; and what fits a file."""

from __future__ import annotations

import codecs
import csv
import dataclasses
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core import encodings
from pex.core.errors import PexError, nearest

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
"""The delimiters that are recognised, as in "comma-separated"."""

_SAMPLE_CHARS = 1_000_000
_SAMPLE_ROWS = 500
_LONGEST_CELL = 2**31 - 1
"""Characters: the maximum of a C long on every system."""

_TEXT = (".csv", ".tsv", ".jsonl")
_KEYS = {
    ".csv": ("delimiter", "encoding", "decimal"),
    ".tsv": ("delimiter", "encoding", "decimal"),
    ".jsonl": ("encoding", "decimal"),
    ".parquet": ("decimal",),
    ".xlsx": ("sheet", "decimal"),
}

_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+,\d+|0,\d+|\d+,(\d{1,2}|\d{4,}))")
_POINT = re.compile(r"[+-]?(\d{1,3}(,\d{3})+\.\d+|0\.\d+|\d+\.(\d{1,2}|\d{4,}))")
_EITHER = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")
_WHOLE = re.compile(r"[+-]?\d+")


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """How a file is read; what is None is found out from the file.

    `decimal` is the decimal sign of numbers that scorers compare; values stay the text they are.
    """

    delimiter: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    sheet: str | None = None

    def given(self) -> dict[str, str]:
        """What is not None, by name."""
        found = dataclasses.asdict(self)
        return {name: value for name, value in found.items() if value is not None}

    def differs(self) -> dict[str, str]:
        """What is worth writing down: all that a program would not assume.

        Example:
            >>> Reading(",", "utf-8").differs(), Reading(";", "cp1252", ",").differs()
            ({}, {'delimiter': ';', 'encoding': 'cp1252', 'decimal': ','})
        """
        assumed = {"delimiter": ",", "encoding": "utf-8"}
        return {name: value for name, value in self.given().items() if assumed.get(name) != value}

    def __str__(self) -> str:
        parts = []
        if self.delimiter is not None:
            name = DELIMITERS.get(self.delimiter, f"'{self.delimiter}'")
            parts.append(f"{name}-separated")
        if self.encoding is not None:
            parts.append(encodings.called(self.encoding))
        if self.decimal == ",":
            parts.append("with decimal commas")
        if self.sheet is not None:
            parts.append(f"sheet '{self.sheet}'")
        return " ".join(parts)


class AmbiguousError(PexError):
    """Several readings of a file fit; `choices` has each of them, and what it makes of the file.

    `path` is the file, and `key` says what the readings differ in.
    """

    def __init__(self, path: Path, key: str, choices: Sequence[tuple[Reading, str]]) -> None:
        self.path, self.key, self.choices = path, key, tuple(choices)
        lines = [
            f'{key}: "{_shown(getattr(reading, key))}" gives {row}' for reading, row in choices
        ]
        first = choices[0][0]
        lines.append(f"choose one, for example: {line_to_add(path.name, first)}")
        lines.append(f"in Python: cases={ {'file': path.name, **first.given()}!r}")
        super().__init__(
            f"cases file {path.name}: {_COUNTS.get(len(choices), len(choices))} readings fit",
            hint="\n  ".join(lines),
        )


_COUNTS = {2: "two", 3: "three"}


def line_to_add(file: str, reading: Reading) -> str:
    r"""The line of an experiment that says how its file is read.

    Example:
        >>> line_to_add("a.csv", Reading(delimiter="\t"))
        'cases: {file: a.csv, delimiter: "\\t"}'
    """
    name = file if re.fullmatch(r"[\w./-]+", file) else f'"{file}"'
    parts = [f"file: {name}"]
    parts += [
        f"{key}: {value if key == 'encoding' else _quoted(value)}"
        for key, value in reading.given().items()
    ]
    return f"cases: {{{', '.join(parts)}}}"


def complete(data: bytes, path: Path, reading: Reading, expected: str | None = None) -> Reading:
    """A reading with everything that the file's format needs.

    Args:
        data: the file's content.
        path: its name.
        reading: what is known; it is not questioned.
        expected: the column of expected answers, whose decimal sign matters.

    Raises:
        AmbiguousError: several readings fit.
        PexError: none fits, or one that was given does not exist.
    """
    suffix = path.suffix.lower()
    _check(reading, path)
    if suffix not in _TEXT:
        return reading
    reading = dataclasses.replace(reading, encoding=_encoding(data, path, reading))
    if suffix == ".jsonl":
        return reading
    text = text_of(data, path, reading)
    reading = dataclasses.replace(reading, delimiter=_delimiter(text, path, reading))
    if reading.decimal is None and reading.delimiter != ",":
        reading = dataclasses.replace(reading, decimal=_decimal(text, path, reading, expected))
    return reading


def text_of(data: bytes, path: Path, reading: Reading) -> str:
    """The text of a file whose encoding is known, with a byte order mark if it has one.

    Raises:
        PexError: it is not in this encoding.
    """
    encoding = reading.encoding or "utf-8"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PexError(
            f"cases file {path}: not {encodings.called(encoding)} "
            f"(byte {error.start}, line {line})",
            hint="leave 'encoding' out, or name the right one"
            if encoding != "utf-8"
            else "save the file as UTF-8, or name its encoding: "
            + line_to_add(path.name, Reading(encoding="cp1252")),
        ) from None


def csv_reader(text: str, *, delimiter: str = ",", strict: bool = False) -> Any:
    """The rows of a CSV; cells can have any length.

    Python's own limit of 131,072 characters holds for the whole process, and is only ever raised.
    """
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
    return csv.reader(io.StringIO(text, newline=""), strict=strict, delimiter=delimiter)


def _check(reading: Reading, path: Path) -> None:
    known = _KEYS.get(path.suffix.lower(), ())
    for key, value in reading.given().items():
        if key not in known:
            kind = path.suffix.lower().removeprefix(".") or "such a"
            raise PexError(f"cases file {path.name}: '{key}' does not apply to a {kind} file")
        if key == "encoding" and not encodings.is_known(value):
            raise PexError(
                f"cases file {path.name}: unknown encoding '{value}'",
                hint=nearest(value, encodings.NAMES),
            )
        if key == "delimiter" and (len(value) != 1 or value in '"\r\n'):
            raise PexError(
                f"cases file {path.name}: delimiter: expected one character, got '{value}'"
            )
        if key == "decimal" and value not in (",", "."):
            raise PexError(f"cases file {path.name}: decimal: expected ',' or '.', got '{value}'")


def _encoding(data: bytes, path: Path, reading: Reading) -> str:
    if reading.encoding is not None:
        name = codecs.lookup(reading.encoding).name
        if name == "utf-16":
            return "utf-16-be" if data[:2] == b"\xfe\xff" else "utf-16-le"
        return {"utf-8-sig": "utf-8"}.get(name, name)
    found = encodings.candidates(data)
    if not found:
        with_name = line_to_add(path.name, Reading(encoding="cp1252"))
        raise PexError(
            f"cases file {path}: not UTF-8 (byte {_first_bad(data)}), and no other encoding fits",
            hint=f"save it as UTF-8, or name its encoding: {with_name}",
        )
    if len(found) > 1:
        choices = [
            (dataclasses.replace(reading, encoding=name), _odd_words(data.decode(name)))
            for name in found
        ]
        raise AmbiguousError(path, "encoding", choices)
    return found[0]


def _first_bad(data: bytes) -> int:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _odd_words(text: str) -> str:
    """The words that tell encodings apart."""
    words = (word for word in re.findall(r"\S+", text) if not word.isascii())
    found = list(dict.fromkeys(re.split(r"[,;\t|\"]", word)[0][:30] or word[:30] for word in words))
    odd = [word for word in found if not word.isascii()] or found
    return ", ".join(odd[:4])


def _delimiter(text: str, path: Path, reading: Reading) -> str:
    if reading.delimiter is not None:
        return reading.delimiter
    head, whole = _sample(text)
    fitting = {mark: row for mark in DELIMITERS if (row := _fits(head, mark, whole)) is not None}
    if path.suffix.lower() == ".tsv" and "\t" in fitting:
        return "\t"
    if len(fitting) > 1:
        choices = [
            (dataclasses.replace(reading, delimiter=mark), _row(row))
            for mark, row in fitting.items()
        ]
        raise AmbiguousError(path, "delimiter", choices)
    if fitting:
        return next(iter(fitting))
    # Nothing fits: the error is that of the delimiter with the most columns.
    counts = {mark: _width(head, mark) for mark in DELIMITERS}
    return max(counts, key=lambda mark: counts[mark])


def _sample(text: str) -> tuple[str, bool]:
    """The start of a text, and whether it is all of it."""
    text = text.removeprefix("\ufeff")
    return text[:_SAMPLE_CHARS], len(text) <= _SAMPLE_CHARS


def _fits(head: str, mark: str, whole: bool) -> dict[str, str] | None:
    """The first row if all rows of a sample have a value for each of two or more names."""
    try:
        rows = list(_rows(head, mark, whole))
    except csv.Error:
        return None
    if not rows:
        return None
    header = [name.strip() for name in rows[0]]
    filled = max((at for at, name in enumerate(header, 1) if name), default=0)
    names = [name for name in header if name]
    if len(names) < 2 or len(set(names)) < len(names):
        return None
    for row in rows[1:]:
        unnamed = [v for name, v in itertools.zip_longest(header, row, fillvalue="") if not name]
        if any(row) and (len(row) < filled or any(unnamed)):
            return None
    first = next((row for row in rows[1:] if any(row)), [])
    return dict(zip(header, first, strict=False))


def _rows(head: str, mark: str, whole: bool) -> Iterator[list[str]]:
    rows = list(itertools.islice(csv_reader(head, delimiter=mark, strict=whole), _SAMPLE_ROWS + 1))
    cut = not whole and len(rows) <= _SAMPLE_ROWS  # the last row ends with the sample
    yield from rows[:-1] if cut else rows


def _width(head: str, mark: str) -> int:
    try:
        return len(next(csv_reader(head, delimiter=mark), []))
    except csv.Error:
        return 0


def _decimal(text: str, path: Path, reading: Reading, expected: str | None) -> str | None:
    """The decimal sign of a file's numbers, None if it has no numbers with one.

    Raises:
        AmbiguousError: it matters, and either fits.
    """
    delimiter = reading.delimiter or ","
    head, whole = _sample(text)
    try:
        rows = list(_rows(head, delimiter, whole))
    except csv.Error:
        return None  # the reader names the line
    header = [name.strip() for name in rows[0]] if rows else []
    found: Counter[str] = Counter()
    unclear = ""
    for at, name in enumerate(header):
        values = [row[at].strip() for row in rows[1:] if len(row) > at and row[at].strip()]
        kinds = [_kind(value) for value in values]
        if not values or "" in kinds:
            continue
        found.update(kind for kind in kinds if kind in (",", "."))
        if name == expected and "?" in kinds:
            unclear = values[kinds.index("?")]
    if found[","] and found["."]:
        return None
    if found:
        return max(found, key=lambda sign: found[sign])
    if unclear:
        plain = unclear.replace(",", ".")
        thousands = plain.replace(".", "")
        comma = "," in unclear
        choices = [
            (dataclasses.replace(reading, decimal=","),
             f"{unclear} = {plain if comma else thousands}"),
            (dataclasses.replace(reading, decimal="."),
             f"{unclear} = {thousands if comma else plain}"),
        ]  # fmt: skip
        raise AmbiguousError(path, "decimal", choices)
    return None


def _kind(value: str) -> str:
    """The decimal sign of a number: "?" if it is unclear, "0" if there is none, "" if no number."""
    if _COMMA.fullmatch(value):
        return ","
    if _POINT.fullmatch(value):
        return "."
    if _EITHER.fullmatch(value):
        return "?"
    return "0" if _WHOLE.fullmatch(value) else ""


def _row(row: Mapping[str, str]) -> str:
    parts = [f"{name[:24]}={value[:24]!r}" for name, value in itertools.islice(row.items(), 3)]
    return ", ".join(parts) + (", …" if len(row) > 3 else "")


def _shown(value: str) -> str:
    return value.replace("\t", "\\t")


def _quoted(value: str) -> str:
    return '"' + _shown(value).replace('"', '\\"') + '"'

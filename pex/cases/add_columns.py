"""More columns in a file of cases; every other byte stays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pex.cases.file import check_editable, records
from pex.core.errors import PexError
from pex.core.reading import Reading, complete, csv_reader, text_of


def add_columns(
    data: bytes, path: Path, names: Sequence[str], reading: Reading | None = None
) -> bytes:
    r"""The file with these columns at the end, empty in every row; those it has are left.

    A JSONL file needs no columns beforehand: it stays as it is.

    Args:
        data: the file's content.
        path: its name.
        names: the columns.
        reading: what is known of how to read it.

    Raises:
        PexError: files of this kind are only read.

    Example:
        >>> add_columns(b"q,expected\na,x\r\n\"b,\",y", Path("c.csv"), ["expected", "origin"])
        b'q,expected,origin\na,x,\r\n"b,",y,'
    """
    check_editable(path)
    if path.suffix.lower() == ".jsonl":
        return data
    reading = complete(data, path, reading or Reading())
    text, delimiter = text_of(data, path, reading), reading.delimiter or ","
    rows = list(records(text, delimiter))
    if not rows:
        raise PexError(f"{path.name}: it has no cases")
    start, end = rows[0][0][0][0], rows[0][0][-1][1]
    header = [name.strip() for name in next(csv_reader(text[start:end], delimiter=delimiter))]
    new = [name for name in names if name not in header]
    parts, at = [], 0
    for number, (spans, _) in enumerate(rows):
        end = spans[-1][1]
        if number == 0:
            added = "".join(delimiter + name for name in new)
        else:  # a short row gets the values that it lacks too; a blank line stays blank
            blank = len(spans) == 1 and spans[0][0] == spans[0][1]
            added = "" if blank else delimiter * (len(header) - len(spans) + len(new))
        parts += [text[at:end], added]
        at = end
    return ("".join(parts) + text[at:]).encode(reading.encoding or "utf-8")

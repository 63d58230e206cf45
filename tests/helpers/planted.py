"""A key planted in the environment, and every byte where it could have ended up."""

from __future__ import annotations

import base64
import gzip
import secrets
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet


class Planted:
    """A key whose letters no encoding leaves alone, but for three runs that most of them do.

    Finding none of the runs, and nothing of what base64 or hexadecimal digits make of the key, is
    more than not finding the key: half of it counts too.
    """

    def __init__(self) -> None:
        self.runs = [secrets.token_hex(9) for _ in range(3)]
        self.value = "{}+/=\"'{}&<\\{}".format(*self.runs)

    def found(self, data: bytes) -> list[str]:
        """What of it is in there."""
        forms = {run: run.encode() for run in self.runs}
        for user in ("", "a", "ab"):  # base64 looks different at each place of a group of three
            coded = base64.b64encode((user + self.value).encode())[4:60]
            forms[f"base64 behind {user!r}"] = coded
            forms[f"urlsafe base64 behind {user!r}"] = coded.translate(
                bytes.maketrans(b"+/", b"-_")
            )
        forms["hexadecimal"] = self.value.encode().hex().encode()
        return [name for name, form in forms.items() if form in data]

    def places(self, folder: Path) -> list[str]:
        """Every file below a folder that has something of it, or is named so."""
        bad = []
        for file in sorted(folder.rglob("*")):
            if self.found(str(file).encode()):
                bad.append(f"{file}: its name")
            if file.is_file():
                found = {form for data in _contents(file) for form in self.found(data)}
                bad += [f"{file}: {form}" for form in sorted(found)]
        return bad


def _contents(file: Path) -> Iterator[bytes]:
    """What a file holds, as it is and unpacked."""
    data = file.read_bytes()
    yield data
    if file.suffix == ".parquet":
        table = pyarrow.parquet.read_table(file)
        yield repr(table.to_pydict()).encode("utf-8", "replace")
        yield repr(table.schema.metadata).encode()
    if data[:2] == b"\x1f\x8b":
        yield gzip.decompress(data)
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as packed:
            yield from (packed.read(name) for name in packed.namelist())

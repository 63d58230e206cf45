"""The files of an export while they are written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from pex.run.request import BYTES_PER_TOKEN


class OutputFiles:
    """The open files of an export: bytes go straight to disk."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder = folder
        self._names = list(dict.fromkeys(names))
        self._open: dict[str, IO[bytes]] = {}
        self._facts: dict[str, dict[str, Any]] = {}
        self._hashes = {name: hashlib.sha256() for name in self._names}

    def __enter__(self) -> OutputFiles:
        for name in self._names:
            self._open[name] = (self._folder / name).open("wb")
            self._facts[name] = {"rows": 0, "bytes": 0}
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._open.values():
            file.flush()
            os.fsync(file.fileno())
            file.close()

    def add(self, name: str, data: bytes) -> int:
        """Write a line; its number."""
        line = data + b"\n"
        self._open[name].write(line)
        self._hashes[name].update(line)
        self._facts[name]["rows"] += 1
        self._facts[name]["bytes"] += len(line)
        return int(self._facts[name]["rows"])

    def facts(self, name: str) -> dict[str, Any]:
        """Rows, bytes, estimated tokens and the hash of a file."""
        facts = self._facts[name]
        tokens = round(facts["bytes"] / BYTES_PER_TOKEN)
        return {**facts, "tokens": tokens, "sha256": self._hashes[name].hexdigest()}

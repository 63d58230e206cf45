"""Takes the rows that were made from some deployed traces out of exported training data."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from pex.cases.file import write
from pex.core import jsonl
from pex.core.errors import PexError
from pex.run.request import BYTES_PER_TOKEN
from pex.training.card import card_text
from pex.training.export import CARD, MANIFEST, ROWS

Goes = Callable[[str, str], bool]
"""Whether a row goes, by the id of its trace and the digest of its user."""
_COUNTED = {"source": "sources", "origin": "origins", "licence": "licences", "raters": "raters"}


@dataclasses.dataclass(frozen=True, slots=True)
class ExportedRows:
    """Rows of an export that go."""

    folder: Path
    rows: int


def find_exports(files: Iterable[Path], goes: Goes) -> list[ExportedRows]:
    """The exports with rows that go, by the `rows.jsonl` beside their manifest.

    Args:
        files: the files of the project.
        goes: which rows.
    """
    found = []
    for path in files:
        if path.name == MANIFEST and (path.parent / ROWS).is_file():
            count = sum(_goes(row, goes) for row in _abouts(path.parent))
            if count:
                found.append(ExportedRows(path.parent, count))
    return found


def forget_exported(folder: Path, goes: Goes) -> None:
    """Rewrite an export without the rows that go: its files, manifest and card.

    The manifest says how many rows were deleted. `rows.jsonl` is written last: as long as it has
    the rows, the same call finds them again.

    Args:
        folder: the export.
        goes: which rows.

    Raises:
        PexError: a file was changed after the export and the rows cannot be found in it, or the
            manifest cannot be read.
    """
    seen = (folder / ROWS).stat()
    abouts = _abouts(folder)
    gone = [row for row in abouts if _goes(row, goes)]
    if not gone:
        return
    manifest = folder / MANIFEST
    facts = _facts(manifest)
    names = list(dict.fromkeys(str(row.get("file")) for row in gone))
    for name in names:
        if name not in facts["files"]:
            raise PexError(f"{folder / ROWS} names '{name}', which {MANIFEST} does not have")
        hashes = {str(row.get("sha256")) for row in gone if row.get("file") == name}
        facts["files"][name] = _without(folder / name, hashes, facts["files"][name])
    left = _renumbered([row for row in abouts if not _goes(row, goes)])
    for key, counts in _COUNTED.items():
        values = (str(row[key]) for row in left if row.get(key) is not None)
        facts[counts] = dict(collections.Counter(values))
    facts["deleted"] = int(facts.get("deleted") or 0) + len(gone)
    data = b"".join(orjson.dumps(row) + b"\n" for row in left)
    write(manifest, orjson.dumps(facts, option=orjson.OPT_INDENT_2), manifest.stat())
    card = folder / CARD
    if card.is_file():
        write(card, card_text(facts).encode(), card.stat())
    write(folder / ROWS, data, seen)


def _goes(row: Mapping[str, Any], goes: Goes) -> bool:
    return goes(str(row.get("origin_trace") or ""), str(row.get("origin_user") or ""))


def _abouts(folder: Path) -> list[dict[str, Any]]:
    lines = jsonl.lines_in((folder / ROWS).read_bytes())
    return [row for line in lines if (row := jsonl.entry_in(line)) is not None]


def _facts(path: Path) -> dict[str, Any]:
    try:
        facts = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise PexError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(facts, dict) or not isinstance(facts.get("files"), dict):
        raise PexError(f"{path} is not the manifest of an export")
    return facts


def _without(path: Path, hashes: set[str], facts: dict[str, Any]) -> dict[str, Any]:
    """Rewrite a file without the lines of these hashes; what the manifest says of it."""
    seen = path.stat()
    lines = jsonl.lines_in(path.read_bytes())
    own = {line: hashlib.sha256(line.rstrip(b"\n")).hexdigest() for line in lines}
    kept = b"".join(line for line in lines if own[line] not in hashes)
    before = _described(b"".join(lines))
    changed = before["sha256"] != facts.get("sha256")
    # An earlier call may have ended after this file: then its lines are gone, and all others fit.
    if changed and not hashes & set(own.values()) and len(lines) >= facts.get("rows", 0):
        raise PexError(
            f"{path} was changed after it was exported: the user's rows cannot be found in it",
            hint="delete the export, and export again",
        )
    if len(kept) < before["bytes"]:
        write(path, kept, seen)
    return _described(kept)


def _described(data: bytes) -> dict[str, Any]:
    return {
        "rows": data.count(b"\n"),
        "bytes": len(data),
        "tokens": round(len(data) / BYTES_PER_TOKEN),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def _renumbered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    counts: collections.Counter[str] = collections.Counter()
    found = []
    for row in rows:
        counts[str(row.get("file"))] += 1
        found.append(row | {"line": counts[str(row.get("file"))]})
    return found

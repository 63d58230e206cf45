"""Data sets of Langfuse and Phoenix as cases: JSON, JSON Lines and CSV, as they export them.

Langfuse's items have `input`, `expectedOutput` and `metadata`; Phoenix's examples `input`, `output`
and `metadata`, in its CSV a column for each key: `input.question`, before 2026 `input_question`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pex.core.case import Case
from pex.core.textfile import read_text
from pex.importers.imported import Imported, Note, unreadable
from pex.importers.read_rows import csv_rows, read_json
from pex.importers.shared_messages import said_in, transcript

LANGFUSE, PHOENIX = "Langfuse", "Phoenix"
_EXPECTED = ("expectedOutput", "expected_output")
_SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv")
_PARTS = ("input", "output", "metadata")
_MARKS = (".", "_")
_PREFIXES = tuple(f"{part}{mark}" for part in _PARTS for mark in _MARKS)
_LISTS = ("data", "items", "examples")
"""Where the rows are, in the answers of both services' APIs."""


def is_langfuse(path: Path, text: str) -> bool:
    """Whether a file is a data set of Langfuse."""
    first = text.lstrip("\ufeff \t\r\n")[:20_000]
    if path.suffix.lower() not in _SUFFIXES:
        return False
    return any(name in first for name in _EXPECTED) and "input" in first


def is_phoenix(path: Path, text: str) -> bool:
    """Whether a file is a data set of Phoenix."""
    first = text.lstrip("\ufeff \t\r\n")[:20_000]
    if path.suffix.lower() not in _SUFFIXES:
        return False
    head = first.partition("\n")[0]
    if not first.startswith(("{", "[")):
        named = "example_id" in head or "node_id" in head
        return named and any(f"{part}{mark}" in head for part in _PARTS for mark in _MARKS)
    return all(f'"{name}"' in first for name in ("input", "output", "metadata"))


def read_langfuse(path: Path) -> Imported:
    """Read the items of a data set; archived ones are left out.

    Raises:
        PexError: it is damaged, or has no items.
    """
    return _read(path, LANGFUSE)


def read_phoenix(path: Path) -> Imported:
    """Read the examples of a data set.

    Raises:
        PexError: it is damaged, or has no examples.
    """
    return _read(path, PHOENIX)


def _read(path: Path, tool: str) -> Imported:
    rows = _rows(path, tool)
    if not rows:
        raise unreadable(path, "it has no rows", tool)
    cases: list[Case] = []
    notes: list[Note] = []
    kinds: set[str] = set()
    for number, row in enumerate(rows, 1):
        if not isinstance(row, Mapping):
            notes.append(Note(f"row {number}", "left out", "not an object"))
            continue
        if str(row.get("status") or "").upper() == "ARCHIVED":
            notes.append(Note(f"row {number}", "left out", "it is archived"))
            continue
        if not any(key in _PARTS or str(key).startswith(_PREFIXES) for key in row):
            notes.append(Note(f"row {number}", "left out", "it has no input"))
            continue
        case_id = str(row.get("id") or row.get("example_id") or number)
        if any(case.id == case_id for case in cases):
            notes.append(Note(f"row {number}", "left out", f"the id {case_id} is there already"))
            continue
        cases.append(_case(case_id, row, kinds))
    if not cases:
        raise unreadable(path, "none of its rows can be a case", tool)
    notes.append(Note("items", "taken over", count=len(cases)))
    notes += [Note("input", "changed", _KINDS[kind]) for kind in sorted(kinds) if kind in _KINDS]
    used = {*_PARTS, *_EXPECTED, "id", "example_id", "node_id", "status"}
    rest = {str(key) for row in rows if isinstance(row, Mapping) for key in row if key not in used}
    rest = {key for key in rest if not key.startswith(_PREFIXES)}
    if rest:
        notes.append(Note(", ".join(sorted(rest)), "left out", "about the item, not a part of it"))
    expected = any(case.expected is not None for case in cases)
    if expected:
        how = "exact, as a start: a data set says nothing about how answers are compared"
        notes.append(Note("scorers", "changed", how))
    return Imported(
        tool=tool,
        name=path.stem,
        cases=cases,
        scorers=["exact"] if expected else [],
        notes=notes,
    )


_KINDS = {
    "messages": "messages of a chat are one text, with their roles",
    "object": "each key of an object is a column",
}


def _rows(path: Path, tool: str) -> list[Any]:
    if path.suffix.lower() in (".csv", ".tsv"):
        return list(csv_rows(read_text(path, "data set").removeprefix("\ufeff")))
    data = read_json(path, tool)
    for _ in range(2):
        if isinstance(data, Mapping):
            data = next((data[key] for key in _LISTS if key in data), [data])
    return data if isinstance(data, list) else []


def _case(case_id: str, row: Mapping[str, Any], kinds: set[str]) -> Case:
    metadata = _columns(row, "metadata", kinds)
    inputs = _columns(row, "input", kinds) or {"input": ""}
    for key, value in metadata.items():
        inputs[key if key not in inputs else f"metadata_{key}"] = value
    given = next((row[name] for name in _EXPECTED if row.get(name) is not None), None)
    if given is None:
        output = _columns(row, "output", set())
        given = next(iter(output.values())) if len(output) == 1 else output or None
    elif isinstance(given, Mapping) and len(given) == 1:
        given = next(iter(given.values()))
    if isinstance(given, list | Mapping) and _is_chat(given):
        said = said_in(given if isinstance(given, list) else [given])
        given = said[-1][1]
    return Case(case_id, inputs, given)


def _columns(row: Mapping[str, Any], part: str, kinds: set[str]) -> dict[str, Any]:
    """A part of a row as columns: an object by its keys, anything else under the part's name."""
    value = row.get(part)
    if value is None:
        return {
            str(key)[len(part) + 1 :]: item
            for key, item in row.items()
            if str(key).startswith((f"{part}.", f"{part}_")) and item is not None
        }
    if isinstance(value, Mapping) and _is_chat(value.get("messages")):
        kinds.add("messages")
        rest = {str(key): item for key, item in value.items() if key != "messages"}
        return {"input": transcript(said_in(value["messages"])), **rest}
    if _is_chat(value):
        kinds.add("messages")
        return {part: transcript(said_in(value if isinstance(value, list) else [value]))}
    if isinstance(value, Mapping):
        kinds.add("object")
        return {str(key): item for key, item in value.items()}
    return {part: value}


def _is_chat(value: Any) -> bool:
    """Whether a value is a message of a chat, or a list of them."""
    items = value if isinstance(value, list) else [value]
    return bool(items) and all(
        isinstance(item, Mapping) and "role" in item and "content" in item for item in items
    )

"""Finds secrets in a notebook, cell by cell: sources, outputs, parameters, the state of widgets.

Pictures, sound and the numbers of plots are skipped, because any letters occur in them by chance.
What a cell printed in pieces is read as one text.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from pex.guard.known_keys import Known
from pex.guard.redact import known
from pex.guard.scan import FoundSecret, scan, scan_json

_SKIPPED = ("image/", "audio/", "video/", "font/", "application/pdf", "application/octet-stream")
_MADE_BY_MACHINES = frozenset({"id", "model_id", "execution_count", "bdata", "buffers", "hash"})
"""Names whose values are ids, numbers of plots and the like."""
_WIDGETS = "application/vnd.jupyter.widget-state+json"


def scan_notebook(
    notebook: Any, values: Known | None = None, clean: set[str] | None = None
) -> list[FoundSecret]:
    r"""Find the secrets in a notebook; the place of each names cell and part.

    Args:
        notebook: its JSON.
        values: known values, from `redact.known()`.
        clean: strings without a secret, for a caller with many notebooks: it grows.

    Example:
        >>> cell = {"cell_type": "code", "source": ["x = 1\n", "api_key = 'a1b2c3d4e5'"]}
        >>> print(scan_notebook({"cells": [cell]})[0])
        cell 1, source, line 2, column 12: value of a secret setting: api_key = '[redacted]'
    """
    ready = known() if values is None else values
    clean = set() if clean is None else clean
    found: list[FoundSecret] = []
    for place, content in _parts(notebook):
        if isinstance(content, str):
            if content not in clean:
                there = scan(content, ready)
                found += [dataclasses.replace(item, path=place) for item in there]
                if not there:
                    clean.add(content)
            continue
        for item in scan_json(content, ready, clean):
            found.append(dataclasses.replace(item, path=f"{place}, {item.path.lstrip('$.')}"))
    return found


def _parts(notebook: Any) -> Iterator[tuple[str, Any]]:
    """The parts of a notebook with their places; texts, or data whose names count."""
    if not isinstance(notebook, Mapping):
        return
    cells = notebook.get("cells")
    for number, cell in enumerate(cells if isinstance(cells, list) else (), 1):
        if isinstance(cell, Mapping):
            yield from _of_cell(cell, f"cell {number}")
    metadata = notebook.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    widgets = metadata.get("widgets")
    others = {key: value for key, value in metadata.items() if key != "widgets"}
    yield "metadata", _plain(others)
    if isinstance(widgets, Mapping):
        state = widgets.get(_WIDGETS, widgets)
        models = state.get("state", state) if isinstance(state, Mapping) else {}
        for model in models.values() if isinstance(models, Mapping) else ():
            if isinstance(model, Mapping):
                name = model.get("model_name")
                if name not in ("ImageModel", "AudioModel", "VideoModel"):
                    yield f"widget {name}", _plain(model.get("state"))


def _of_cell(cell: Mapping[str, Any], place: str) -> Iterator[tuple[str, Any]]:
    yield f"{place}, source", _text(cell.get("source"))
    if isinstance(cell.get("metadata"), Mapping):
        yield f"{place}, metadata", _plain(cell["metadata"])
    printed: dict[str, list[str]] = {}
    outputs = cell.get("outputs")
    for number, output in enumerate(outputs if isinstance(outputs, list) else (), 1):
        if not isinstance(output, Mapping):
            continue
        if output.get("output_type") == "stream":
            printed.setdefault(str(output.get("name")), []).append(_text(output.get("text")))
            continue
        here = f"{place}, output {number}"
        for part in ("ename", "evalue"):
            if isinstance(output.get(part), str):
                yield f"{here}, error", output[part]
        if output.get("traceback"):
            yield f"{here}, traceback", _text(output["traceback"], "\n")
        data = output.get("data")
        for kind, content in data.items() if isinstance(data, Mapping) else ():
            if str(kind).startswith(_SKIPPED):
                continue
            lines = isinstance(content, list) and all(isinstance(line, str) for line in content)
            whole = lines or isinstance(content, str)
            yield f"{here}, {kind}", _text(content) if whole else _plain(content)
    for name, texts in printed.items():
        yield f"{place}, {name}", "".join(texts)


def _text(value: Any, between: str = "") -> str:
    if isinstance(value, str):
        return value
    return between.join(map(str, value)) if isinstance(value, list) else ""


def _plain(value: Any, depth: int = 0) -> Any:
    """Data without what machines made: ids, hashes, the bytes of plots and pictures."""
    if depth > 200:
        return None
    if isinstance(value, Mapping):
        return {
            key: _plain(item, depth + 1)
            for key, item in value.items()
            if key not in _MADE_BY_MACHINES and not str(key).startswith(_SKIPPED)
        }
    if isinstance(value, list):
        if value and all(isinstance(item, int | float) for item in value):
            return None
        return [_plain(item, depth + 1) for item in value]
    return value

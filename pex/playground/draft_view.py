"""A draft as the Playground's view gets it: plain data that a browser can be sent."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

from pex.core.errors import nearest
from pex.core.params import KNOWN
from pex.core.safe_text import clean
from pex.core.text import replace_surrogates
from pex.experiment.experiment import Experiment
from pex.playground.checks import about_check
from pex.playground.documents import document_variables
from pex.playground.draft import Column, Draft, Entry, Problem
from pex.playground.images import image_variables
from pex.playground.judges import KIND as JUDGE
from pex.playground.saving import first_path

POOL = 200
"""Ids of cases that are offered by name; any other can be typed."""
_LISTS = ("variants", "cases")
"""The parts of a document that are lists of things with ids."""


def document(
    draft: Draft, base: Experiment | None, late: Mapping[str, Sequence[Problem]]
) -> dict[str, Any]:
    """Variants, cases and their problems.

    Args:
        draft: what is shown.
        base: the experiment that it started from.
        late: more problems of variants by id, found later.
    """
    pool = None
    if base is not None:
        ids = [replace_surrogates(case.id) for case in base.cases[:POOL]]
        pool = {"count": len(base.cases), "ids": ids}
    return {
        "variants": [
            _variant(column, [*draft.column_problems[column.id], *late.get(column.id, ())])
            for column in draft.columns
        ],
        "cases": [_case(draft, entry) for entry in draft.entries],
        "variables": list(draft.variables),
        "image_variables": image_variables(
            m.text for column in draft.columns for m in column.messages if m.role == "user"
        ),
        "document_variables": document_variables(
            m.text for column in draft.columns for m in column.messages if m.role == "user"
        ),
        "baseline": draft.baseline,
        "scorers": [clean(name) for name in base.score_names] if base is not None else [],
        "checks": [str(check["name"]) for check in draft.checks],
        "judges": [
            {**check, "about": about_check(check)}
            for check in draft.checks
            if check.get("kind") == JUDGE
        ],
        "pool": pool,
        "save": {"prompty_dir": "prompts", "experiment": first_path(base)},
    }


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What a browser needs to turn one document into another; nothing if they are the same.

    Args:
        before: the document that the browser has.
        after: the next one.

    Example:
        >>> before = {"baseline": "a", "variants": [{"id": "a", "name": "p", "model": "m"}]}
        >>> before |= {"cases": []}
        >>> changes(before, before | {"variants": [{"id": "a", "name": "q", "model": "m"}]})
        {'lists': {'variants': {'items': {'a': {'name': 'q'}}}}}
        >>> changes(before, before | {"baseline": "", "variants": []})
        {'fields': {'baseline': ''}, 'lists': {'variants': {'order': []}}}
    """
    lists: dict[str, Any] = {}
    for name in _LISTS:
        there = {item["id"]: item for item in before[name]}
        items = {item["id"]: _changed(there.get(item["id"], {}), item) for item in after[name]}
        items = {key: item for key, item in items.items() if item}
        order = [item["id"] for item in after[name]]
        if items or order != list(there):
            lists[name] = ({"items": items} if items else {}) | (
                {"order": order} if order != list(there) else {}
            )
    fields = {name: value for name, value in after.items() if name not in _LISTS}
    found = {"fields": _changed(before, fields), "lists": lists}
    return {name: part for name, part in found.items() if part}


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with another value; 1 and True are not the same one."""
    return {
        name: value
        for name, value in after.items()
        if name not in before or repr(before[name]) != repr(value)
    }


def _variant(column: Column, problems: Sequence[Problem]) -> dict[str, Any]:
    origin = ""
    base = column.base
    if base is not None and (base.origin or base.path):
        origin = base.origin or os.path.relpath(str(base.path))
        origin += "" if column.is_as_given else ", changed"
    return {
        "id": column.id,
        "name": column.name,
        "model": column.model,
        "params": dict(column.params),
        "tools": column.tools,
        "schema": column.schema,
        "messages": [{"role": m.role, "text": replace_surrogates(m.text)} for m in column.messages],
        "problems": [dataclasses.asdict(item) for item in problems],
        "variables": list(column.variables),
        "notes": _notes(column.params),
        "origin": replace_surrogates(origin),
        "locked": column.locked,
    }


def _notes(params: Mapping[str, Any]) -> list[str]:
    """What is to be said about parameters that no endpoint is known to have."""
    notes = []
    for name in params:
        if name in KNOWN:
            continue
        near = nearest(name, KNOWN)
        near = f"; {near}" if near.startswith("did you mean") else ""
        notes.append(f"'{replace_surrogates(name)}' is sent as it is{near}")
    return notes


def _case(draft: Draft, entry: Entry) -> dict[str, Any]:
    case = draft.cases[entry.id]
    return {
        "id": entry.id,
        "key": replace_surrogates(case.id),
        "inputs": {name: replace_surrogates(entry.text(name)) for name in draft.variables},
        "expected": replace_surrogates(entry.expected_text),
        "typed": entry.typed,
        "tags": [replace_surrogates(tag) for tag in case.tags],
        "problems": [dataclasses.asdict(item) for item in draft.entry_problems[entry.id]],
    }

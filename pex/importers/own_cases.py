"""Cases that pex wrote into a file of another tool, found again by a mark in their metadata."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pex.core.case import Case

MADE_BY_PEX = "pexlab"
"""The key, in the metadata of a log or a test, of what other tools have no word for."""


def own_part(metadata: Any) -> Mapping[str, Any]:
    """What pex wrote beside a case's columns: its id, group, tags, an expected answer.

    Example:
        >>> own_part({"pexlab": {"group": "g"}, "topic": "x"}), own_part(None)
        ({'group': 'g'}, {})
    """
    found = metadata.get(MADE_BY_PEX) if isinstance(metadata, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def as_it_was(case: Case, metadata: Any, values: Mapping[str, Any]) -> Case:
    """A case with the id, group, tags and values that it had when pex wrote it.

    Args:
        case: what an importer made of it; columns that its scorers need stay.
        metadata: of the test; without the mark of pex the case stays as it is.
        values: the test's own values, such as lists, which the importer may have written as text.
    """
    own = own_part(metadata)
    if not own:
        return case
    inputs = {key: values.get(key, value) for key, value in case.inputs.items()}
    if inputs.get("description") == own.get("id") and "description" not in values:
        del inputs["description"]
    return dataclasses.replace(
        case,
        id=str(own.get("id") or case.id),
        inputs=inputs,
        expected=own.get("expected"),
        group=own.get("group"),
        tags=tuple(map(str, own.get("tags") or ())),
    )

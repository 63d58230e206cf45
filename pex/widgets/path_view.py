"""The path of an opened cell beside the one that it is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pex.core.call import Answer
from pex.core.paths import PathCall, calls_of, first_difference
from pex.core.safe_text import clean
from pex.report.path_items import path_items, path_line

_MOST = 20_000
"""Characters of one text; `results.frame` has all of them."""


def path_of(
    facts: Mapping[str, Any], other: Mapping[str, Any] | None, name: str
) -> dict[str, Any] | None:
    """The path of a cell, as plain data for a view; None if no tool ran.

    Args:
        facts: a row of the frame.
        other: the row that it is compared with, None if there is none or it is the same.
        name: the variant of that row.
    """
    items = path_items(facts.get("steps"), facts.get("conversation"), _MOST)
    if not items:
        return None
    found: dict[str, Any] = {"line": path_line(items), "items": items}
    beside = None if other is None else path_items(
        other.get("steps"), other.get("conversation"), _MOST
    )  # fmt: skip
    if other is None or not beside:
        return found
    parting = first_difference(_calls(other), _calls(facts), (_output(other), _output(facts)))
    return {
        **found,
        "other": {"name": clean(name), "line": path_line(beside), "items": beside},
        "parting": clean(f"Compared with {name}: {parting.text}.")
        if parting
        else "The two paths are the same.",
        "at": parting.call if parting else None,
    }


def _calls(facts: Mapping[str, Any]) -> list[PathCall]:
    steps = facts.get("steps")
    return calls_of(Answer(steps=list(steps))) if isinstance(steps, list) else []


def _output(facts: Mapping[str, Any]) -> str | None:
    output = facts.get("output")
    return output if isinstance(output, str) else None

"""What PyRIT's messages and its results of attacks have in common."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from pex.core import jsontext
from pex.importers.found import name_of

_LONGEST = 1_000_000
"""Of a field of a CSV, in characters: more is not read as Python writes it."""


def loaded(value: Any) -> Any:
    """A list or object; in a CSV it is written as JSON or Python writes it. None if it is neither.

    Example:
        >>> loaded('{"a": null}'), loaded("{'a': None}"), loaded("open('x')")
        ({'a': None}, {'a': None}, None)
    """
    if not isinstance(value, str):
        return value
    try:
        return jsontext.loads(value)
    except ValueError:
        pass
    if len(value) > _LONGEST:
        return None
    try:
        return ast.literal_eval(value)  # constants, lists and objects only: nothing is called
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def class_name(identifier: Any) -> str:
    """The class of a scorer, target or converter; older versions call it `__type__`."""
    if isinstance(identifier, Mapping):
        return str(identifier.get("class_name") or identifier.get("__type__") or "")
    return str(identifier or "")


def target_of(identifier: Any) -> str:
    """The name of a target: its model, else its class."""
    model = identifier.get("model_name") if isinstance(identifier, Mapping) else None
    return f"pyrit/{name_of(str(model or class_name(identifier) or 'target'))}"


def category_of(row: Mapping[str, Any]) -> str:
    """The kind of harm that an attack is about, as far as its labels say."""
    categories = loaded(row.get("targeted_harm_categories")) or []
    labels = loaded(row.get("labels")) or {}
    return str((categories or [labels.get("harm_category", "attack")])[0])

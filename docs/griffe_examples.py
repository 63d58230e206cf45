"""For mkdocstrings: a section `Example:` of a docstring is one with code, as `Examples:` is."""

from __future__ import annotations

import re
from typing import Any

import griffe

_ONE = re.compile(r"^(\s*)Example:$", re.MULTILINE)


class Examples(griffe.Extension):
    """Read `Example:` as `Examples:`."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Change the docstring of one object before it is parsed."""
        if obj.docstring is not None:
            obj.docstring.value = _ONE.sub(r"\1Examples:", obj.docstring.value)

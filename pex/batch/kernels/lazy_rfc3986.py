"""The grammar of internationalised addresses, built only on first use.

If jsonschema's optional formats are installed, it imports `rfc3987_syntax`, which builds a grammar
on import: a second and a half, for a check that no notebook's format needs.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from typing import Any

_NAME = "rfc3987_syntax"


def put_off() -> None:
    """Import jsonschema with all its checks, but build the grammar only on first use.

    If either is already imported, nothing changes.
    """
    if {_NAME, "jsonschema"} & sys.modules.keys() or importlib.util.find_spec(_NAME) is None:
        return
    stand_in = types.ModuleType(_NAME)
    stand_in.is_valid_syntax = _is_valid_syntax  # type: ignore[attr-defined]
    sys.modules[_NAME] = stand_in
    try:
        importlib.import_module("jsonschema")
    finally:
        del sys.modules[_NAME]


def _is_valid_syntax(*args: Any) -> Any:
    return importlib.import_module(_NAME).is_valid_syntax(*args)

"""Where the commands write: results to stdout, everything else to stderr.

Names, answers and messages of endpoints come from others: they cannot control the terminal.
"""

from __future__ import annotations

import sys
from typing import Any

import orjson

from pex.core.safe_text import clean, clean_json
from pex.core.values import to_json_value
from pex.guard.redact import redact_values


def out(text: str) -> None:
    """One line or block of result."""
    sys.stdout.write(clean(redact_values(text).rstrip("\n")) + "\n")


def err(text: str) -> None:
    """One line or block about the progress."""
    sys.stderr.write(clean(redact_values(text).rstrip("\n")) + "\n")
    sys.stderr.flush()


def document(value: Any) -> None:
    """The one JSON document of `--json`."""
    out(clean_json(orjson.dumps(to_json_value(value), option=orjson.OPT_INDENT_2).decode()))


def gate_code(outcome: str, fail_undecided: bool) -> int:
    """The exit code of a gate: 0 passed, 1 failed, 3 undecided if `fail_undecided`.

    Example:
        >>> gate_code("fail", False), gate_code("undecided", False), gate_code("undecided", True)
        (1, 0, 3)
    """
    return {"fail": 1, "undecided": 3 if fail_undecided else 0}.get(outcome, 0)

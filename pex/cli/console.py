"""Where the commands write: results to stdout, everything else to stderr."""

from __future__ import annotations

import sys
from typing import Any

import orjson

from pex.core.names import plain


def out(text: str) -> None:
    """One line or block of result."""
    sys.stdout.write(text.rstrip("\n") + "\n")


def err(text: str) -> None:
    """One line or block about what goes on."""
    sys.stderr.write(text.rstrip("\n") + "\n")
    sys.stderr.flush()


def document(value: Any) -> None:
    """The one JSON document of `--json`."""
    out(orjson.dumps(plain(value), option=orjson.OPT_INDENT_2).decode())

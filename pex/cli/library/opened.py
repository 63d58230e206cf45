"""The project's library, as the commands of `pexlab library` open it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pex.cli import console
from pex.core.project import find_project
from pex.project.settings import load_settings

if TYPE_CHECKING:
    from pex.evidence.overview import Library

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


def open_library(refresh: bool = False) -> Library:
    """The project's library; what could not be found out is said on stderr."""
    from pex.evidence.overview import library

    found = library(find_project(), load_settings(find_project()), refresh=refresh)
    for remark in found.remarks:
        console.err(f"warning: {remark}")
    if found.as_of is not None:
        at = found.as_of.astimezone()
        console.err(f"The registry as it was on {at:%d %b %Y, %H:%M}.")
    return found

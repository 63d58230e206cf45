"""The project's library, as the commands of `pexlab library` open it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pex.cli import console
from pex.core.project import find_project
from pex.project.settings import load_settings

if TYPE_CHECKING:
    from pex.evidence.overview import Library
    from pex.library.index import LibraryIndex

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


def open_index() -> tuple[Path, str, LibraryIndex]:
    """The project, its registry and the index of it, up to date.

    Raises:
        PexError: the registry does not answer.
    """
    from pex.library.index import LibraryIndex
    from pex.tracking.store import registry_uri

    project = find_project()
    uri = registry_uri(project, load_settings(project))
    index = LibraryIndex(project, uri)
    index.refresh()
    return project, uri, index

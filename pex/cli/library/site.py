"""`pexlab library site`: the library as pages that open without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pex.cli import console


def register(app: typer.Typer) -> None:
    """Add the commands of this file to `pexlab library`."""
    app.command("site")(site)


def site(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder, new or a site.")],
    title: Annotated[str, typer.Option(help="The title of the first page.")] = "Prompt library",
) -> None:
    """Write the library as a folder of pages: search, categories, cards, versions.

    It opens from a file and asks nothing of the network. Everything is scanned for secrets first:
    if there is one, nothing is written and the exit code is 1.
    """
    from pex.evidence.site.pages import write_site

    console.out(str(write_site(folder, title=title)))

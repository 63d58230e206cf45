"""`pexlab library disable`: a version that no application may be served again."""

from __future__ import annotations

from typing import Annotated

import typer

from pex.cli import console
from pex.core.errors import PexError


def register(app: typer.Typer) -> None:
    """Add the commands of this file to `pexlab library`."""
    app.command()(disable)


def disable(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The prompt.")],
    version: Annotated[int, typer.Option(metavar="N", min=1, help="The version's number.")],
    because: Annotated[
        str, typer.Option(metavar="REASON", help="Why; shown to whoever asks for it.")
    ] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Serve it again.")] = False,
) -> None:
    """Stop serving a version to applications, at once here and within `ttl_s` elsewhere."""
    from pex.library.disabling import disable, enable

    if undo:
        found = enable(name, version, because)
        console.out(f"enabled   {found.reference}")
        return
    if not because.strip():
        raise PexError(
            "--because is missing: the reason why nobody may be served this version",
            hint='for example --because "it invents refunds"',
        )
    found = disable(name, version, because)
    console.out(f"disabled  {found.reference}")
    for alias in found.aliases:
        console.err(
            f"'{alias}' points to it: applications get the version that '{alias}' had before; "
            "move it to another one"
        )

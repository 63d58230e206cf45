"""`pexlab open`: a project that a colleague has packed."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from pex.cli import console


def open_bundle(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE.zip", help="From pexlab bundle.")],
    to: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A new folder; default: the bundle's name, here."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Unpack a project that 'pexlab bundle' packed: runs are then answered from its journal.

    Paths, sizes and SHA-256 are checked first; nothing in it is run. The project is not trusted:
    until 'pexlab trust', its pex.toml sends no key anywhere. Its scorers and notebooks can be
    programs: read them before you run them. Its answers and runs are what the sender claims.
    """
    from pex.bundle.unpack import unpack
    from pex.cli.bundle import told
    from pex.project.listing import experiment_files

    folder, made = unpack(bundle, to, say=console.err)
    if as_json:
        console.document({"folder": str(folder), **made.model_dump(exclude={"files"})})
        return
    console.out(f"{folder}: {told(made)}")
    console.out(f"packed {made.created_at} with pexlab {made.versions.get('pexlab', '?')}")
    first = next(iter(experiment_files(folder).values()), None)
    if first is not None:
        shown = shlex.quote(first.relative_to(folder).as_posix())
        console.out(f"Next: cd {shlex.quote(str(folder))} && pexlab run {shown}")

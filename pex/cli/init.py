"""`pexlab init`: a project of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pex.cli import console, starter
from pex.core.errors import PexError


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where.")] = Path(),
) -> None:
    """Start a project: pex.toml, one experiment, notebooks to work in, a CI workflow.

    Three notebooks are a tour (01 compare prompts, 02 write prompts, 04 analyse in MLflow), two are
    what a night runs. Nothing that is there is overwritten.
    """
    if folder.exists() and not folder.is_dir():
        raise PexError(f"{folder}: this is a file, expected a folder")
    for path, new in starter.write(folder):
        console.out(f"{'wrote' if new else 'kept '}  {folder / path}")
    enter = "" if folder == Path() else f"cd {folder} && "
    console.out(f"\nNext: {enter}pexlab run {starter.EXPERIMENT}/experiment.yaml --limit 10")
    console.out(f"      {enter}pexlab lab   # notebooks 01, 02 and 04 are a tour")

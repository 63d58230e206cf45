"""`pexlab schemas`: what editors need to complete and check a project's files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pex.cli import console
from pex.core.errors import PexError
from pex.core.project import find_project
from pex.project.schemas import write_schemas


def schemas(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The project, or in it.")] = Path(),
) -> None:
    """Write JSON Schemas of the project's files, for editors that complete and check them.

    They go into schemas/ of the project. A file names its own in the first line:

      # yaml-language-server: $schema=../../schemas/experiment.schema.json

      #:schema ./schemas/pex.schema.json
    """
    if not folder.is_dir():
        raise PexError(f"{folder}: there is no such folder", hint="name the project's folder")
    project = find_project(folder)
    for path, new in write_schemas(project):
        console.out(f"{'wrote' if new else 'kept '}  {project / path}")

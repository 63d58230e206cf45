"""JSON Schemas of a project's files, with which editors complete and check them."""

from __future__ import annotations

import os
from pathlib import Path

from pex.core.errors import PexError
from pex.core.project import find_project
from pex.project.shipped import shipped_files

FOLDER = Path("schemas")
SCHEMAS = tuple(FOLDER / f"{name}.schema.json" for name in ("experiment", "monitor", "pex", "plan"))
"""The schemas, relative to a project: one for each kind of file."""


_MARK = "# yaml-language-server: $schema="


def with_schema(text: str, path: Path, kind: str) -> str:
    r"""The text of a YAML file, with a first line that names its schema for editors.

    A new file names the project's schema, if the project has it (`pexlab init` and `pexlab schemas`
    write it). The first line of a file that is replaced stays as it was.

    Args:
        text: the YAML.
        path: the file.
        kind: "experiment", "plan" or "monitor".

    Example:
        >>> with_schema("name: x\n", Path("/no/project/experiment.yaml"), "experiment")
        'name: x\n'
    """
    if path.is_file():
        first = path.read_bytes().split(b"\n", 1)[0].decode(errors="replace").rstrip("\r")
        return f"{first}\n{text}" if first.startswith(_MARK) else text
    schema = find_project(path.parent) / FOLDER / f"{kind}.schema.json"
    if not schema.is_file():
        return text
    return f"{_MARK}{Path(os.path.relpath(schema, path.parent.resolve())).as_posix()}\n{text}"


def write_schemas(project: Path) -> list[tuple[Path, bool]]:
    """Put this version's schemas into `schemas/` of a project; older ones are replaced.

    Args:
        project: its folder.

    Returns:
        Each schema, relative to the project, and whether it was written.

    Raises:
        PexError: this installation does not have them, or one cannot be written.
    """
    origin, done = shipped_files(), []
    for path in SCHEMAS:
        text, target = (origin / path).read_bytes(), project / path
        try:
            new = not target.is_file() or target.read_bytes() != text
            if new:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(text)
        except OSError as error:
            raise PexError(f"{target} cannot be written: {error.strerror or error}") from None
        done.append((path, new))
    return done

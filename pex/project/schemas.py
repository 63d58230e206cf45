"""JSON Schemas of a project's files, with which editors complete and check them."""

from __future__ import annotations

from pathlib import Path

from pex.core.errors import PexError
from pex.project.shipped import shipped_files

FOLDER = Path("schemas")
SCHEMAS = tuple(FOLDER / f"{name}.schema.json" for name in ("experiment", "monitor", "pex", "plan"))
"""The schemas, relative to a project: one for each kind of file."""


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

"""Whether a path stays in a folder when its links are followed."""

from __future__ import annotations

from pathlib import Path


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a path is the folder or lies below it, with the links of both followed.

    Example:
        >>> is_inside(Path("/a/b/../c"), Path("/a")), is_inside(Path("/a/../b"), Path("/a"))
        (True, False)
    """
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # a loop of links, or a name that no file has
        return False


def led_outside(path: Path, folder: Path) -> Path | None:
    """Where a path of a folder leads by its links, if that is outside; None where it stays.

    A path that is written as one outside leads nowhere: somebody named that place.

    Example:
        >>> led_outside(Path("/somewhere/else"), Path("/a"))
    """
    written = Path(path).absolute()
    if not (written.is_relative_to(folder.absolute()) or written.is_relative_to(folder.resolve())):
        return None
    return None if is_inside(path, folder) else path.resolve()

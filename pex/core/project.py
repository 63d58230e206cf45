"""Finds the project's folder, and checks whether a path stays in it after following links.

Paths named in a project's own files must stay in the project: the files may come from elsewhere,
and what they read is sent to a model.
"""

from __future__ import annotations

import os
from pathlib import Path

from pex.core.errors import PexError

FILE = "pex.toml"


_last_folder: str | None = None


def current_folder() -> Path:
    """The current folder; the last one that was known if it was deleted since.

    Raises:
        OSError: it was deleted before anybody has asked.
    """
    return Path(current_folder_name())


def current_folder_name() -> str:
    """The same as a string, for what is called for each request."""
    global _last_folder  # noqa: PLW0603 - a process has one
    try:
        _last_folder = os.getcwd()  # noqa: PTH109 - a third of the time
    except OSError:
        if _last_folder is None:
            raise
    return _last_folder


def find_project(start: Path | None = None) -> Path:
    """The nearest folder from `start` upwards with a `pex.toml`, else `start` itself."""
    start = (start or current_folder()).resolve()
    for folder in (start, *start.parents):
        if (folder / FILE).is_file():
            return folder
    return start


def project_of(folder: Path | None) -> Path:
    """The project that a folder is in, else the current one (also for None).

    A notebook or a scheduled job can run outside the project of the file it works on.
    """
    found = find_project(folder)
    return found if (found / FILE).is_file() else find_project()


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a path is the folder or is inside it, after following the links of both.

    Example:
        >>> is_inside(Path("/a/b/../c"), Path("/a")), is_inside(Path("/a/../b"), Path("/a"))
        (True, False)
    """
    try:
        return _followed(path).is_relative_to(_followed(folder))
    except (OSError, ValueError):  # a name that no file can have
        return False


def led_outside(path: Path, folder: Path) -> Path | None:
    """The target of a folder's path if links or `..` lead outside; None if it stays inside.

    A path explicitly written as outside is not led outside: somebody chose that place.

    Example:
        >>> led_outside(Path("/somewhere/else"), Path("/a"))
    """
    written = path.absolute()
    if not (written.is_relative_to(folder.absolute()) or written.is_relative_to(_followed(folder))):
        return None
    return None if is_inside(path, folder) else _followed(path)


def projects_of(folder: Path) -> list[Path]:
    """The folders that may contain paths named by a file in `folder`: its project.

    Without a `pex.toml` above it, the extent of the project is unknown: then these are the folder
    itself and the current project.
    """
    found = find_project(folder)
    return [found] if (found / FILE).is_file() else [found, find_project()]


def check_inside(given: str, folder: Path, where: str) -> None:
    """Refuse a path in a file that leads out of the file's project.

    Args:
        given: the path as written in the file, relative to `folder`.
        folder: the file's folder.
        where: the file and the key.

    Raises:
        PexError: it leads out; the error names the place and the project.
    """
    projects = projects_of(folder)
    if any(is_inside(folder / given, project) for project in projects):
        return
    try:
        place = _followed(folder / given)
    except (OSError, ValueError):
        place = folder / given
    raise PexError(
        f"{where}: {given!r} is {str(place)!r}, outside the project {projects[0]}",
        hint="a file that an experiment or a plan names must be in its project, links followed: "
        "copy it there, or give it in Python",
    )


def _followed(path: Path) -> Path:
    return Path(os.path.realpath(path))

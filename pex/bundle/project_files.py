"""The files of a project that a bundle takes along."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from pex.bundle.manifest import FILES, LeftOut, check_name
from pex.core.errors import PexError
from pex.project.listing import EXPERIMENTS
from pex.project.scan_files import git, is_env

_SKIPPED = frozenset({
    ".git", ".hg", ".svn", ".pex", "mlruns", ".venv", "venv", "node_modules", "__pycache__",
    ".ipynb_checkpoints", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".tox", ".hypothesis",
})  # fmt: skip


def project_files(
    project: Path,
    experiments: Collection[Path],
    exclude: Sequence[str],
    out: Path,
    own: Sequence[Path] = (),
) -> tuple[dict[str, Path], list[LeftOut]]:
    """The files to pack by their names in the bundle, and what is left out.

    In a git repository, files that git ignores are left out; `outputs/` too, which runs make again.

    Args:
        project: the project's folder.
        experiments: folders of the chosen experiments; none: all.
        exclude: patterns of paths, relative to the project.
        out: the bundle itself.
        own: folders of the journal and of MLflow, which are packed in another way.
    """
    listed = git(project, "ls-files", "-co", "--exclude-standard", "-z")
    found: dict[str, Path] = {}
    left: dict[str, str] = {}
    chosen = {folder.resolve() for folder in experiments}
    for path in sorted(_walk(project) if listed is None else _of_git(project, listed)):
        name = path.relative_to(project).as_posix()
        why = _why_not(path, name, project, chosen, exclude)
        if path == out.absolute() or any(folder in path.resolve().parents for folder in own):
            continue
        if why is None:
            try:
                found[check_name(f"{FILES}{name}", name)] = path
            except PexError as error:
                why = error.message.rpartition(": ")[2]
        if why is not None:
            left[_group(name, why)] = why
    return found, [LeftOut(what=what, why=why) for what, why in left.items()]


def _of_git(project: Path, listed: bytes) -> Iterator[Path]:
    for raw in filter(None, listed.split(b"\0")):
        path = project / os.fsdecode(raw)
        if path.is_symlink() or path.is_file():
            yield path


def _walk(project: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(project):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        folders[:] = [name for name in folders if name not in _SKIPPED and name not in links]
        for name in [*names, *links]:
            path = Path(folder, name)
            if path.is_symlink() or path.is_file():
                yield path


def _why_not(
    path: Path, name: str, project: Path, chosen: Collection[Path], exclude: Sequence[str]
) -> str | None:
    parts = Path(name).parts
    if any(fnmatch.fnmatch(name, pattern) for pattern in exclude):
        return "excluded"
    if path.is_symlink():
        return "a link"
    if _SKIPPED & set(parts):
        return "made by a program"
    if "outputs" in parts:
        return "outputs of runs"
    if is_env(path):
        return "a file of keys"
    if chosen and parts[0] == EXPERIMENTS and len(parts) > 2:
        folder = (project / parts[0] / parts[1]).resolve()
        if not any(one == folder or folder in one.parents for one in chosen):
            return "another experiment"
    return None


def _group(name: str, why: str) -> str:
    """What is named in the list: a folder instead of each of its files."""
    parts = Path(name).parts
    if why == "another experiment":
        return "/".join(parts[:2]) + "/"
    if why == "outputs of runs":
        return "/".join(parts[: parts.index("outputs") + 1]) + "/"
    return name

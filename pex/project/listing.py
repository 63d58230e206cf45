"""Lists a project's experiments and its prompt files."""

from __future__ import annotations

from pathlib import Path

from pex.core.errors import PexError, nearest

EXPERIMENTS, FILE = "experiments", "experiment.yaml"


def experiment_files(project: Path) -> dict[str, Path]:
    """The `experiment.yaml` of each folder in `experiments/`, by the folder's name."""
    return {path.parent.name: path for path in sorted(project.glob(f"{EXPERIMENTS}/*/*.yaml"))
            if path.name == FILE and not _is_hidden(path, project)}  # fmt: skip


def find_experiment(name: str, project: Path) -> Path:
    """The file of an experiment that is given as a file, a folder, or a name in the project.

    Raises:
        PexError: there is no such experiment.
    """
    path = Path(name)
    if path.is_dir() and (path / FILE).is_file():
        return path / FILE
    if path.is_file():
        return path
    known = experiment_files(project)
    if name in known:
        return known[name]
    if path.suffix in (".yaml", ".yml") or path.is_dir():
        raise PexError(f"{path}: no such file" if path.suffix else f"{path}: has no {FILE}")
    raise PexError(f"there is no experiment '{name}'", hint=nearest(name, known))


def prompt_paths(project: Path) -> list[Path]:
    """The prompt files of a project: next to its experiments, and in `prompts/`.

    Unreadable entries (a broken link, a pipe) are included: the reader reports them.
    """
    patterns = (f"{EXPERIMENTS}/*/prompts/*.prompty", "prompts/**/*.prompty")
    found = (path for pattern in patterns for path in project.glob(pattern))
    return sorted(path for path in found if not _is_hidden(path, project))


def _is_hidden(path: Path, project: Path) -> bool:
    """Whether a file is in a folder such as Jupyter's `.ipynb_checkpoints`, or hidden itself."""
    return any(part.startswith(".") for part in path.relative_to(project).parts)


def prompt_files(project: Path) -> dict[str, list[Path]]:
    """The prompt files by name; two experiments can use the same name."""
    found: dict[str, list[Path]] = {}
    for path in prompt_paths(project):
        found.setdefault(path.stem, []).append(path)
    return found

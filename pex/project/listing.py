"""What lies in a project's folders: experiments, and the prompts beside them."""

from __future__ import annotations

from pathlib import Path

EXPERIMENTS = "experiments"


def experiment_files(project: Path) -> dict[str, Path]:
    """The `experiment.yaml` of each folder in `experiments/`, by the folder's name."""
    return {path.parent.name: path for path in sorted(project.glob(f"{EXPERIMENTS}/*/*.yaml"))
            if path.name == "experiment.yaml" and not _is_hidden(path, project)}  # fmt: skip


def prompt_paths(project: Path) -> list[Path]:
    """The prompt files of a project: those beside its experiments, and those in `prompts/`.

    What cannot be read, a link that leads nowhere or a pipe, is among them: who reads it says so.
    """
    patterns = (f"{EXPERIMENTS}/*/prompts/*.prompty", "prompts/*.prompty")
    found = (path for pattern in patterns for path in project.glob(pattern))
    return sorted(path for path in found if not _is_hidden(path, project))


def _is_hidden(path: Path, project: Path) -> bool:
    """Whether a file is in a folder such as Jupyter's `.ipynb_checkpoints`, or hidden itself."""
    return any(part.startswith(".") for part in path.relative_to(project).parts)


def prompt_files(project: Path) -> dict[str, list[Path]]:
    """The prompt files by name; two experiments may use the same one."""
    found: dict[str, list[Path]] = {}
    for path in prompt_paths(project):
        found.setdefault(path.stem, []).append(path)
    return found

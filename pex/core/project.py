"""What lies in a project's folders: experiments, and the prompts beside them."""

from __future__ import annotations

from pathlib import Path

EXPERIMENTS = "experiments"


def experiment_files(project: Path) -> dict[str, Path]:
    """The `experiment.yaml` of each folder in `experiments/`, by the folder's name."""
    return {path.parent.name: path for path in sorted(project.glob(f"{EXPERIMENTS}/*/*.yaml"))
            if path.name == "experiment.yaml"}  # fmt: skip


def prompt_paths(project: Path) -> list[Path]:
    """The prompt files of a project: those beside its experiments, and those in `prompts/`."""
    patterns = (f"{EXPERIMENTS}/*/prompts/*.prompty", "prompts/*.prompty")
    found = (path for pattern in patterns for path in project.glob(pattern))
    return sorted(path for path in found if path.is_file())


def prompt_files(project: Path) -> dict[str, list[Path]]:
    """The prompt files by name; two experiments may use the same one."""
    found: dict[str, list[Path]] = {}
    for path in prompt_paths(project):
        found.setdefault(path.stem, []).append(path)
    return found

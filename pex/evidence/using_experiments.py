"""Which experiment measures a prompt."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.attempt import attempt
from pex.core.errors import PexError
from pex.experiment.experiment import Experiment
from pex.library.file_index import IndexedFile, indexed_files
from pex.library.reference import is_reference, parse_reference
from pex.project.listing import experiment_files, find_experiment
from pex.project.spec import ExperimentSpec, load_spec


def experiment_specs(project: Path) -> dict[Path, ExperimentSpec]:
    """The experiments of a project by their files.

    Args:
        project: the project's folder. An experiment that cannot be read is left out: `check`, and
            whoever runs it, say why.
    """
    found = {}
    for path in experiment_files(project).values():
        spec = attempt(lambda path=path: load_spec(path))  # type: ignore[misc]
        if not isinstance(spec, PexError):
            found[path] = spec
    return found


def using_experiments(
    project: Path,
    files: Sequence[IndexedFile] | None = None,
    specs: Mapping[Path, ExperimentSpec] | None = None,
) -> dict[str, list[Path]]:
    """The experiment files that use each prompt, by the prompt's name.

    Args:
        project: the project's folder. An experiment that cannot be read is left out: whoever runs
            it is told why.
        files: its prompt files, if they have been read already.
        specs: its experiments, if they have been read already.
    """
    names = prompt_names(project, indexed_files(project) if files is None else files)
    found: dict[str, list[Path]] = {}
    for path, spec in (experiment_specs(project) if specs is None else specs).items():
        used = attempt(lambda path=path, spec=spec: refs_of(spec, path.parent, names))  # type: ignore[misc]
        refs = [] if isinstance(used, PexError) else used
        for name in dict.fromkeys(name for (_, name), _ in refs):
            found.setdefault(name, []).append(path)
    return found


def prompt_names(project: Path, files: Sequence[IndexedFile]) -> dict[str, str]:
    """The names of prompts by the paths of their files."""
    return {os.path.normpath(project / file.path): file.name for file in files}


def refs_of(
    spec: ExperimentSpec, folder: Path, names: Mapping[str, str]
) -> list[tuple[tuple[str, str], list[str]]]:
    """The prompts of an experiment, as it refers to them and by name, each with its models.

    Without models in the experiment, a prompt runs on the one that it names itself.

    Args:
        spec: the experiment.
        folder: its folder.
        names: what `prompt_names` gives.

    Raises:
        PexError: a reference to the library is not valid.
    """
    pairs = [(ref, spec.models) for ref in spec.prompts]
    pairs += [(item.prompt, [item.model] if item.model else []) for item in spec.variants]
    return [((ref, _name(ref, folder, names)), models) for ref, models in pairs]


def _name(ref: str, folder: Path, names: Mapping[str, str]) -> str:
    if is_reference(ref):
        return parse_reference(ref).name
    return names.get(os.path.normpath(folder / ref), Path(ref).stem)


def experiment_for(project: Path, name: str, wanted: Any = None) -> Experiment:
    """The experiment to measure a prompt with.

    Args:
        project: the project's folder.
        name: the prompt's name.
        wanted: an `Experiment`, or the name, folder or file of one; None: the only one that uses
            the prompt.

    Raises:
        PexError: none uses the prompt, or several do and none is named.
    """
    if isinstance(wanted, Experiment):
        return wanted
    if wanted is not None:
        return Experiment.load(find_experiment(str(wanted), project))
    found = using_experiments(project).get(name, [])
    if not found:
        raise PexError(
            f"no experiment of this project uses the prompt '{name}'",
            hint="name one with --experiment, whose cases fit the prompt's variables",
        )
    if len(found) > 1:
        shown = ", ".join(path.parent.name for path in found)
        raise PexError(
            f"several experiments use the prompt '{name}': {shown}", hint="name one: --experiment"
        )
    return Experiment.load(found[0])

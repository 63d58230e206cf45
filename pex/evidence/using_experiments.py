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


def using_experiments(
    project: Path, files: Sequence[IndexedFile] | None = None
) -> dict[str, list[Path]]:
    """The experiment files that use each prompt, by the prompt's name.

    Args:
        project: the project's folder. An experiment that cannot be read is left out: whoever runs
            it is told why.
        files: its prompt files, if they have been read already.
    """
    files = indexed_files(project) if files is None else files
    names = {os.path.normpath(project / file.path): file.name for file in files}
    found: dict[str, list[Path]] = {}
    for path in experiment_files(project).values():
        # One that cannot be read is left out here: `check`, and whoever runs it, say why.
        used = attempt(lambda path=path: _names(load_spec(path), path.parent, names))  # type: ignore[misc]
        for name in [] if isinstance(used, PexError) else dict.fromkeys(used):
            found.setdefault(name, []).append(path)
    return found


def _names(spec: ExperimentSpec, folder: Path, names: Mapping[str, str]) -> list[str]:
    found = []
    for ref in [*spec.prompts, *(variant.prompt for variant in spec.variants)]:
        if is_reference(ref):
            found.append(parse_reference(ref).name)
        else:
            found.append(names.get(os.path.normpath(folder / ref), Path(ref).stem))
    return found


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

"""Which models a project uses: of its experiments, prompt files, judges and released versions."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pex.core.attempt import attempt
from pex.core.errors import PexError
from pex.evidence.using_experiments import experiment_specs, prompt_names, refs_of
from pex.library.file_index import IndexedFile, indexed_files
from pex.library.index import IndexedPrompt, LibraryIndex
from pex.library.reference import is_reference, model_alias, parse_reference
from pex.project.settings import Settings
from pex.project.spec import ExperimentSpec
from pex.tracking.store import registry_uri

_FOR_MODEL = "--"
"""Between a general alias and the model in a model-specific one: `champion--gpt-4o`."""


@dataclasses.dataclass(frozen=True, slots=True)
class ModelUse:
    """Where a model is used: prompts by name, experiments by folder, judges as `name in folder`."""

    ref: str
    prompts: tuple[str, ...] = ()
    experiments: tuple[str, ...] = ()
    judges: tuple[str, ...] = ()


class _Uses:
    """What has been found of each model, in the order in which it was found."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[dict[str, None], dict[str, None], dict[str, None]]] = {}

    def add(
        self, ref: str | None, *, prompt: str = "", experiment: str = "", judge: str = ""
    ) -> None:
        if not ref or not all(ref.partition("/")):
            return
        kinds = self._found.setdefault(ref, ({}, {}, {}))
        for kind, name in zip(kinds, (prompt, experiment, judge), strict=True):
            if name:
                kind[name] = None

    def all(self) -> dict[str, ModelUse]:
        return {
            ref: ModelUse(ref, *(tuple(sorted(names, key=str.casefold)) for names in kinds))
            for ref, kinds in sorted(self._found.items())
        }  # fmt: skip

    def models(self) -> list[str]:
        return list(self._found)


def models_in_use(
    project: Path,
    settings: Settings,
    *,
    files: Sequence[IndexedFile] | None = None,
    prompts: Iterable[IndexedPrompt] | None = None,
    specs: Mapping[Path, ExperimentSpec] | None = None,
) -> dict[str, ModelUse]:
    """The models of a project by `provider/model`, with what uses them; nothing is called.

    A prompt runs on the models of the experiments that use it, on the model in its own file, and
    on the models of its released versions: those that an alias names, also a model's own alias
    such as `champion--gpt-4o`.

    Args:
        project: the project's folder. What cannot be read in it is left out: whoever runs it is
            told why.
        settings: its settings.
        files: its prompt files, if they have been read already.
        prompts: the registry's prompts; by default as they were when the library was last read.
        specs: its experiments, if they have been read already.
    """
    files = indexed_files(project) if files is None else files
    specs = experiment_specs(project) if specs is None else specs
    prompts = list(_known_prompts(project, settings) if prompts is None else prompts)
    uses = _Uses()
    by_name = {prompt.name: prompt for prompt in prompts}
    of_files = {os.path.normpath(project / file.path): file for file in files}
    names = prompt_names(project, files)
    for path, spec in specs.items():
        attempt(lambda path=path, spec=spec: _add_experiment(  # type: ignore[misc]
            uses, path, spec, names, of_files, by_name))  # fmt: skip
    for file in files:
        uses.add(file.model, prompt=file.name)
    for prompt in prompts:
        _add_released(uses, prompt)
    return uses.all()


def _add_experiment(
    uses: _Uses,
    path: Path,
    spec: ExperimentSpec,
    names: Mapping[str, str],
    files: Mapping[str, IndexedFile],
    prompts: Mapping[str, IndexedPrompt],
) -> None:
    folder = path.parent.name
    for (ref, name), models in refs_of(spec, path.parent, names):
        own = _own_model(ref, path.parent, files, prompts)
        named: Sequence[str | None] = models or [own]
        for model in named:
            uses.add(model, prompt=name, experiment=folder)
    for scorer in spec.scorers:
        options = scorer if isinstance(scorer, dict) else {}
        if isinstance(by := options.get("model"), str):
            judge = f"{options.get('name') or options.get('kind') or 'judge'} in {folder}"
            uses.add(by, experiment=folder, judge=judge)


def _own_model(
    ref: str,
    folder: Path,
    files: Mapping[str, IndexedFile],
    prompts: Mapping[str, IndexedPrompt],
) -> str | None:
    """The model that a prompt names itself, where its experiment names none."""
    if not is_reference(ref):
        file = files.get(os.path.normpath(folder / ref))
        return file.model if file is not None else None
    reference = parse_reference(ref)
    prompt = prompts.get(reference.name)
    if prompt is None:
        return None
    newest = prompt.newest.version
    version = reference.version or prompt.aliases.get(reference.alias or "", newest)
    return next((item.model for item in prompt.versions if item.version == version), None)


def _add_released(uses: _Uses, prompt: IndexedPrompt) -> None:
    models = {item.version: item.model for item in prompt.versions}
    for alias, version in prompt.aliases.items():
        own = models.get(version)
        uses.add(own, prompt=prompt.name)
        general, mark, _ = alias.partition(_FOR_MODEL)
        if mark:  # the alias has the model's name without its provider, in other letters
            for ref in uses.models():
                named = attempt(lambda ref=ref, general=general: model_alias(general, ref))  # type: ignore[misc]
                if named == alias:
                    uses.add(ref, prompt=prompt.name)


def _known_prompts(project: Path, settings: Settings) -> list[IndexedPrompt]:
    """The registry's prompts as the library last read them; none if it never did."""
    uri = attempt(lambda: registry_uri(project, settings))
    if isinstance(uri, PexError):
        return []
    index = LibraryIndex(project, uri)
    if not index.path.is_file():
        return []
    found = attempt(index.prompts)
    return [] if isinstance(found, PexError) else found

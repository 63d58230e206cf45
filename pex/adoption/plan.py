"""What an adoption compares: each prompt in each experiment that uses it, new beside old."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.attempt import attempt
from pex.core.canonical_json import canonical_json
from pex.core.cases import Case
from pex.core.errors import PexError, nearest
from pex.core.params import check_params, json_params
from pex.core.prompt import Prompt
from pex.core.text import value_text
from pex.core.variant import ClientModel, Variant, check_model, named, ref_of
from pex.experiment.experiment import Experiment
from pex.library.file_index import IndexedFile, indexed_files
from pex.library.index import IndexedPrompt, LibraryIndex
from pex.library.sync import compare
from pex.library.synced import read_synced
from pex.project.listing import experiment_files
from pex.project.settings import Settings
from pex.project.trust import TrustError
from pex.run.providers import BUILT_IN
from pex.tracking.store import registry_uri

CHAMPION = "champion"


@dataclasses.dataclass(frozen=True)
class Side:
    """A model with the parameters that go with it: the reasoning effort is part of what is adopted.

    Example:
        >>> str(Side("openai/gpt-5-mini", {"reasoning_effort": "low"}))
        'openai/gpt-5-mini, reasoning_effort=low'
    """

    model: str
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    via: ClientModel | None = dataclasses.field(default=None, compare=False)

    @classmethod
    def of(cls, model: str | ClientModel, params: Mapping[str, Any] | None, where: str) -> Side:
        """From what a user gives.

        Raises:
            PexError: no `provider/model`, or a parameter that does not fit.
        """
        ref = check_model(ref_of(model), Prompt("-", name="adopt"))
        given = json_params(params or {})
        check_params(given, where)
        return cls(ref, given, model if isinstance(model, ClientModel) else None)

    def __str__(self) -> str:
        return ", ".join([self.model, *(f"{k}={value_text(v)}" for k, v in self.params.items())])


@dataclasses.dataclass(frozen=True)
class Task:
    """One prompt in one experiment: its variant on the new model and the one on the old model.

    `version` is the library's version with this content, None if the registry has none.
    """

    prompt: str
    experiment: Experiment
    new: Variant
    old: Variant
    version: int | None = None
    champion: int | None = None

    @property
    def key(self) -> str:
        """A name of its own: the prompt, with the experiment and, if needed, its parameters."""
        said = ",".join(f"{key}={value_text(value)}" for key, value in self._grid.items())
        return f"{self.prompt} in {self.experiment.name}" + (f" ({said})" if said else "")

    study: str = ""
    """Of which adoption it is: a part of its name in the ledger."""

    _grid: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """The experiment's parameters, if the prompt has several sets of them there."""

    @property
    def cases(self) -> Sequence[Case]:
        """The experiment's cases."""
        return self.experiment.cases

    @property
    def ledger(self) -> str:
        """The name under which its calls are in the ledger: of this adoption alone."""
        return f"{self.experiment.name}.adopt" + (f".{self.study}" if self.study else "")

    @property
    def metric(self) -> str | None:
        """The primary score: the gate's metric, else the first scorer's; None without scorers."""
        gate = self.experiment.gate
        names = self.experiment.score_names
        return str(gate["metric"]) if gate else names[0] if names else None


@dataclasses.dataclass(frozen=True, slots=True)
class LeftOut:
    """A prompt that is not compared, or an experiment that cannot be read, and why."""

    prompt: str
    why: str
    experiment: str = ""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is compared and what is not; `old` is None if each prompt has a model of its own."""

    new: Side
    old: Side | None
    tasks: tuple[Task, ...]
    left_out: tuple[LeftOut, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def old_name(self) -> str:
        """The old model in words."""
        if self.old is not None:
            return str(self.old)
        models = list(dict.fromkeys(task.old.model for task in self.tasks))
        return models[0] if len(models) == 1 else "the model that each prompt runs on"

    def named(self, study: str) -> Plan:
        """The same plan; its calls are in the ledger under names with `study`."""
        tasks = tuple(dataclasses.replace(task, study=study) for task in self.tasks)
        return dataclasses.replace(self, tasks=tasks)


@dataclasses.dataclass(frozen=True, slots=True)
class _Library:
    """The prompts of a project: names, versions by digest, champions."""

    names: tuple[str, ...]
    by_file: Mapping[str, str]
    registered: Mapping[str, IndexedPrompt]

    def name_of(self, prompt: Prompt) -> str:
        if prompt.origin:
            return prompt.origin.rpartition("/")[0]
        if prompt.path is not None:
            return self.by_file.get(os.path.normpath(prompt.path), prompt.name)
        return prompt.name

    def versions(self, name: str, prompt: Prompt) -> tuple[int | None, int | None]:
        """The version with a prompt's content, and the champion."""
        known = self.registered.get(name)
        if known is None:
            return None, None
        champion = known.aliases.get(CHAMPION)
        same = [item.version for item in known.versions if item.digest == prompt.digest]
        return (champion if champion in same else max(same, default=None)), champion


def make_plan(
    project: Path,
    settings: Settings,
    new: Side,
    old: Side | None,
    prompts: Sequence[str] = (),
    tracking_uri: str | None = None,
) -> Plan:
    """Find every prompt of the library, its experiments, and its variants on both sides.

    Args:
        project: the project's folder.
        settings: its settings.
        new: the model to adopt.
        old: the model to compare with; None: the one that each prompt runs on.
        prompts: only these, by name.
        tracking_uri: a registry other than the project's.

    Raises:
        PexError: an unknown provider, a prompt or an old model that there is not, or nothing to
            compare; no model was called.
    """
    for side in (new, old):
        check_provider(side, settings)
    if new == old:
        raise PexError(
            f"{new} would be compared with itself",
            hint="give another model, or other parameters for one side: "
            "--params reasoning_effort=low",
        )
    used = _used(project, settings, prompts, old, tracking_uri)
    tasks: list[Task] = []
    left_out = list(used.left_out)
    for name, experiment, variants in used.each():
        made = _tasks(name, experiment, variants, new, old, used.library)
        if isinstance(made, LeftOut):
            left_out.append(made)
            continue
        tasks += made
        left_out += _other_models(made[0], variants, new) if old is None else []
    if not tasks:
        raise _nothing(used.names, left_out)
    return Plan(new, old, tuple(tasks), tuple(left_out), tuple(used.remarks))


def experiments_on(
    project: Path,
    settings: Settings,
    side: Side,
    prompts: Sequence[str] = (),
    tracking_uri: str | None = None,
) -> tuple[list[Task], list[LeftOut]]:
    """The prompts that run on a model, to be asked on it alone; both variants are the same.

    Raises:
        PexError: a prompt or a model that there is not, or nothing runs on it.
    """
    used = _used(project, settings, prompts, side, tracking_uri)
    tasks: list[Task] = []
    left_out = list(used.left_out)
    for name, experiment, variants in used.each():
        prompt = _chosen(name, variants, used.library)
        own = [v for v in variants if v.prompt.digest == prompt.digest and v.model == side.model]
        if not own:
            left_out.append(LeftOut(name, f"does not run on {side.model}", experiment.name))
        distinct = {canonical_json({**variant.params, **side.params}): variant for variant in own}
        for variant in distinct.values():
            given = Variant(prompt, side.via or side.model, {**variant.params, **side.params})
            grid = given.params if len(distinct) > 1 else {}
            tasks.append(Task(name, experiment, given, given, _grid=grid))
    if not tasks:
        raise _nothing(used.names, left_out)
    return tasks, left_out


@dataclasses.dataclass(frozen=True)
class _Used:
    """The chosen prompts and the experiments that use them."""

    library: _Library
    names: Sequence[str]
    wanted: Sequence[str]
    by_name: Mapping[str, Sequence[tuple[Experiment, Sequence[Variant]]]]
    left_out: Sequence[LeftOut]
    remarks: Sequence[str]

    def each(self) -> Iterator[tuple[str, Experiment, Sequence[Variant]]]:
        for name in self.wanted:
            for experiment, variants in self.by_name.get(name, ()):
                yield name, experiment, variants


def _used(
    project: Path,
    settings: Settings,
    prompts: Sequence[str],
    old: Side | None,
    tracking_uri: str | None,
) -> _Used:
    """Read the library and the experiments; what is missing is listed."""
    files = indexed_files(project)
    found, remarks = _library(project, settings, files, tracking_uri)
    experiments, unread = _experiments(project)
    by_name: dict[str, list[tuple[Experiment, list[Variant]]]] = {}
    for experiment in experiments:
        own: dict[str, list[Variant]] = {}
        for variant in experiment.variants:
            own.setdefault(found.name_of(variant.prompt), []).append(variant)
        for name, variants in own.items():
            by_name.setdefault(name, []).append((experiment, variants))
    names = sorted({*found.names, *by_name})
    wanted = _wanted(prompts, names)
    if old is not None:
        _check_used(old.model, [v for e in experiments for v in e.variants])
    none = [LeftOut(n, "no cases: no experiment uses it") for n in wanted if n not in by_name]
    return _Used(found, names, wanted, by_name, [*unread, *none], remarks)


def check_provider(side: Side | None, settings: Settings) -> None:
    """Refuse a model of a provider that is not known.

    Raises:
        PexError: with the nearest right name.
    """
    if side is None or side.via is not None:
        return
    provider, _, name = side.model.partition("/")
    known = {*BUILT_IN, *settings.providers}
    if provider not in known:
        raise PexError(
            f"model '{side.model}': there is no provider '{provider}'",
            hint=nearest(provider, sorted(known)),
        )
    from pex import local

    if provider == "local" and name != local.MODEL and provider not in settings.providers:
        raise PexError(
            f"there is no built-in model '{side.model}'",
            hint=nearest(side.model, [f"local/{local.MODEL}"]),
        )


def _library(
    project: Path, settings: Settings, files: Sequence[IndexedFile], given: str | None
) -> tuple[_Library, list[str]]:
    index = LibraryIndex(project, registry_uri(project, settings, given))
    problem = attempt(index.refresh)
    remarks = []
    if isinstance(problem, PexError):
        remarks.append(f"the registry does not answer, so its index is used: {problem.message}")
    registered = {item.name: item for item in index.prompts()}
    standings = compare(files, registered.values(), read_synced(project))
    return (
        _Library(
            tuple(item.name for item in standings if item.is_meant),
            {os.path.normpath(project / file.path): file.name for file in files},
            registered,
        ),
        remarks,
    )


def _experiments(project: Path) -> tuple[list[Experiment], list[LeftOut]]:
    """The experiments of a project; those that cannot be read are listed with the reason."""
    found, unread = [], []
    for folder, path in experiment_files(project).items():
        made = attempt(lambda path=path: Experiment.load(path))  # type: ignore[misc]
        if isinstance(made, TrustError):
            raise made
        if isinstance(made, PexError):
            unread.append(LeftOut("", f"cannot be read: {made.message}", folder))
        else:
            found.append(made)
    return found, unread


def _wanted(prompts: Sequence[str], names: Sequence[str]) -> list[str]:
    for name in prompts:
        if name not in names:
            raise PexError(f"there is no prompt '{name}'", hint=nearest(name, names))
    return list(dict.fromkeys(prompts)) or list(names)


def _check_used(model: str, variants: Collection[Variant]) -> None:
    """Refuse an old model that no prompt runs on: it is a mistake."""
    used = Counter(variant.model for variant in variants)
    if used and model not in used:
        raise PexError(
            f"no experiment of this project runs on '{model}'",
            hint=nearest(model, [name for name, _ in used.most_common()]),
        )


def _tasks(
    name: str,
    experiment: Experiment,
    variants: Sequence[Variant],
    new: Side,
    old: Side | None,
    library: _Library,
) -> list[Task] | LeftOut:
    """One task for each set of parameters that the prompt has on its old model."""
    prompt = _chosen(name, variants, library)
    own = [variant for variant in variants if variant.prompt.digest == prompt.digest]
    if old is None:
        others = [item for item in own if _moves(item, new)]
        model = others[0].model if others else ""
        why = f"runs on {new} already"
    else:
        others, model = own, old.model
        why = f"runs on {', '.join(dict.fromkeys(v.model for v in own))}, not on {old.model}"
    own = [variant for variant in others if variant.model == model]
    if not own:
        return LeftOut(name, why, experiment.name)
    if not experiment.score_names:
        return LeftOut(name, "no score: its experiment has no scorer", experiment.name)
    distinct = {
        canonical_json([{**v.params, **new.params}, {**v.params, **(old.params if old else {})}]): v
        for v in own
    }
    version, champion = library.versions(name, prompt)
    tasks = []
    for variant in distinct.values():
        made = _sides(prompt, variant, new, old)
        if isinstance(made, str):
            return LeftOut(name, made, experiment.name)
        grid = variant.params if len(distinct) > 1 else {}
        tasks.append(Task(name, experiment, *made, version, champion, _grid=grid))
    return tasks


def _other_models(task: Task, variants: Sequence[Variant], new: Side) -> list[LeftOut]:
    """The further models that a prompt runs on: it is compared with the first one alone."""
    own = [v.model for v in variants if v.prompt.digest == task.new.prompt.digest]
    others = [name for name in dict.fromkeys(own) if name not in (task.old.model, new.model)]
    if not others:
        return []
    why = (
        f"compared with {task.old.model} alone; it also runs on {', '.join(others)}: name it as "
        "the baseline to compare with it"
    )
    return [LeftOut(task.prompt, why, task.experiment.name)]


def _moves(variant: Variant, new: Side) -> bool:
    """Whether the new side would change what a variant sends."""
    same = {**variant.all_params, **new.params} == variant.all_params
    return variant.model != new.model or not same


def _chosen(name: str, variants: Sequence[Variant], library: _Library) -> Prompt:
    """The version to measure where an experiment has several: the champion, else the last one."""
    for variant in variants:
        version, champion = library.versions(name, variant.prompt)
        if champion is not None and version == champion:
            return variant.prompt
    return variants[-1].prompt


def _sides(
    prompt: Prompt, variant: Variant, new: Side, old: Side | None
) -> tuple[Variant, Variant] | str:
    base = dict(variant.params)
    candidate = Variant(prompt, new.via or new.model, {**base, **new.params})
    via = (old.via if old else None) or variant.via
    baseline = Variant(prompt, via or variant.model, {**base, **(old.params if old else {})})
    same = candidate.model == baseline.model and candidate.all_params == baseline.all_params
    if same:
        return f"sends the same requests on both sides ({new})"
    pair = named([candidate, baseline])
    return pair[0], pair[1]


def _nothing(names: Sequence[str], left_out: Sequence[LeftOut]) -> PexError:
    if not names:
        return PexError(
            "this project has no prompts", hint="pexlab init starts a project with an experiment"
        )
    said = "; ".join(f"{item.prompt or item.experiment}: {item.why}" for item in left_out[:5])
    return PexError("there is no prompt to compare", hint=said or None)

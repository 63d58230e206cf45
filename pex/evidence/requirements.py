"""Which requirements of a project's prompts are met, as far as its recorded runs say."""

from __future__ import annotations

import dataclasses
import datetime
import functools
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.compare.requirements import UNTESTED
from pex.core.attempt import attempt
from pex.core.case_hash import cases_sha256
from pex.core.cases import read_cases
from pex.core.errors import PexError, nearest
from pex.core.project import find_project
from pex.library.file_index import indexed_files
from pex.library.files import PromptFile, read_file
from pex.library.metadata import metadata_of
from pex.library.reference import is_reference, parse_reference
from pex.project.listing import experiment_files, prompt_paths
from pex.project.settings import load_settings
from pex.project.spec import ExperimentSpec, Requirement, load_spec
from pex.record.criteria import EarlierRun, decided, earlier_runs
from pex.record.requirements import VariantStates, newest_states
from pex.report.requirements import change_sentences
from pex.report.tables import format_interval, format_score
from pex.score.requirements import requirement_digest
from pex.tracking.store import exists, tracking_uri

NOT_MEASURED = "not measured"


@dataclasses.dataclass(frozen=True, slots=True)
class CoverageRow:
    """A requirement of a prompt, and its state on one model.

    `state` is met, not met, undecided, never failed, untested (no scorer checks it) or not measured
    (a scorer does, and no recorded run has this version of the prompt and of the requirement, with
    exactly the cases that the experiment has now).
    `place` is the file that has the requirement; `at` is the start of the run, ISO 8601 in UTC.
    """

    prompt: str
    requirement: str
    text: str
    priority: str
    source: str
    place: str
    state: str
    detail: str
    experiment: str = ""
    model: str = ""
    run_id: str = ""
    at: str = ""

    def __str__(self) -> str:
        where = f" on {self.model}" if self.model else ""
        return f"{self.requirement} is {self.state}: {self.detail}{where}"


@dataclasses.dataclass(frozen=True, slots=True)
class Coverage:
    """The requirements of a project's prompts; `remarks` are sentences on what is not in order.

    `unread` are those of them on experiments that cannot be read: what they ask for is not known.
    """

    rows: Sequence[CoverageRow]
    remarks: Sequence[str]
    unread: Sequence[str] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class _Measured:
    """An experiment of the project: what it asks for, and what its scorers check."""

    file: Path
    spec: ExperimentSpec

    @property
    def folder(self) -> str:
        return self.file.parent.name

    @property
    def refs(self) -> list[str]:
        return [*self.spec.prompts, *(variant.prompt for variant in self.spec.variants)]

    def uses(self, path: Path, name: str) -> bool:
        """Whether it runs a prompt, given by its file and its name in the library."""
        for ref in self.refs:
            if is_reference(ref):
                if parse_reference(ref).name == name:
                    return True
            elif (self.file.parent / ref).resolve() == path.resolve():
                return True
        return False

    def checks(self) -> Iterator[tuple[str, list[str]]]:
        """Its scorers by name, with the requirements that each checks."""
        for item in self.spec.scorers:
            if isinstance(item, str):
                yield item.rpartition(":")[2], []
                continue
            given = item.get("checks") or []
            ids = [str(one) for one in (given if isinstance(given, list) else [given])]
            name = item.get("name") or str(item.get("function", "")).rpartition(":")[2]
            yield str(name or Path(str(item.get("prompt", ""))).stem or item.get("kind")), ids

    @property
    def checked(self) -> set[str]:
        return {one for _, ids in self.checks() for one in ids}


@dataclasses.dataclass(frozen=True, slots=True)
class _Asked:
    """A requirement, the file that has it, and the experiments in which it holds."""

    place: str
    item: Requirement
    experiments: list[_Measured]


@dataclasses.dataclass(frozen=True, slots=True)
class _Cases:
    """The cases that an experiment's file has now; `problem` says why they cannot be read."""

    sha256: str
    count: int
    problem: str = ""

    @classmethod
    def of(cls, experiment: _Measured) -> _Cases:
        spec, folder = experiment.spec, experiment.file.parent
        found = attempt(lambda: read_cases(spec.cases.model_dump(), spec.columns, folder).cases)
        if isinstance(found, PexError):
            return cls("", 0, f"{experiment.folder}: the cases cannot be read: {found.message}")
        return cls(cases_sha256(found), len(found))


def coverage(
    project: Path | None = None, uri: str | None = None, prompts: Collection[str] | None = None
) -> Coverage:
    """The state of each requirement of the project's prompts; no model is called.

    Args:
        project: the project's folder; None: the current one.
        uri: the store of its runs; None: the project's.
        prompts: only these prompts, by name.

    Raises:
        PexError: the store does not answer.
    """
    project = project or find_project()
    uri = uri or tracking_uri(project, load_settings(project))
    known: list[_Measured] = []
    unread: list[str] = []
    for path in experiment_files(project).values():
        spec = attempt(lambda path=path: load_spec(path))  # type: ignore[misc]
        if isinstance(spec, PexError):
            said = "cannot be read, and what it asks for is not known"
            unread.append(f"{path.parent.name}/{path.name} {said}: {spec.message}")
        else:
            known.append(_Measured(path, spec))
    files = [file for file in _files(project, known) if prompts is None or file.name in prompts]
    asked = {
        file.path: _asked(file, [one for one in known if one.uses(project / file.path, file.name)])
        for file in files
    }
    digests = {file.prompt.digest for file in files if file.prompt and asked[file.path]}
    found = newest_states(uri, digests) if digests and exists(uri) else []
    ran = {one.experiment for one in found}
    cases = {one.file: _Cases.of(one) for one in known if one.spec.name in ran}
    rows = [row for file in files for row in _rows(file, asked[file.path], found, cases)]
    return Coverage(rows, [*unread, *_remarks(files, asked, known, uri)], unread)


def _files(project: Path, experiments: Sequence[_Measured]) -> list[PromptFile]:
    """The prompt files that have requirements; a library has many others, which are not read."""
    asking = [one for one in experiments if one.spec.requirements]
    names: dict[Path, str] = {}
    if any(is_reference(ref) for one in asking for ref in one.refs):
        names = {project / item.path: item.name for item in indexed_files(project)}
    found = []
    for path in prompt_paths(project):
        data = attempt(path.read_bytes)
        own = isinstance(data, bytes) and b"requirements" in data
        if own or any(one.uses(path, names.get(path, path.stem)) for one in asking):
            # Reading YAML takes most of the time. What a file includes can change without it.
            again = isinstance(data, bytes) and b"include" not in data
            found.append((_read if again else _read.__wrapped__)(project, path, data))
    return found


@functools.lru_cache(maxsize=4096)
def _read(project: Path, path: Path, data: bytes | PexError) -> PromptFile:
    """A prompt file, read once as long as its content stays the same."""
    return read_file(project, path)


def _asked(file: PromptFile, experiments: Sequence[_Measured]) -> list[_Asked]:
    """The requirements of a prompt: its own, and those of the experiments that measure it.

    Two experiments may each have an R1: these are two requirements, each of its experiment.
    """
    prompt = file.prompt
    if prompt is None:
        return []
    metadata = attempt(lambda: metadata_of(prompt))
    own = [] if isinstance(metadata, PexError) else metadata.requirements
    others = {one.file: {item.id: item for item in one.spec.requirements} for one in experiments}
    found: dict[tuple[str, str], _Asked] = {}
    for item in own:
        same = [one for one in experiments
                if _digest(others[one.file].get(item.id, item)) == _digest(item)]  # fmt: skip
        found[item.id, _digest(item)] = _Asked(file.path, item, same)
    for one in experiments:
        for item in one.spec.requirements:
            place = f"{one.folder}/{one.file.name}"
            asked = found.setdefault((item.id, _digest(item)), _Asked(place, item, []))
            if one not in asked.experiments:
                asked.experiments.append(one)
    return list(found.values())


def _digest(item: Requirement) -> str:
    return requirement_digest(item.text, item.priority, item.at_least)


def _rows(
    file: PromptFile,
    asked: Sequence[_Asked],
    found: Sequence[VariantStates],
    cases: Mapping[Path, _Cases],
) -> Iterator[CoverageRow]:
    for one_asked in asked:
        item, experiments = one_asked.item, one_asked.experiments
        row = CoverageRow(
            file.name, item.id, item.text, item.priority, item.source, one_asked.place, UNTESTED, ""
        )
        testing = [one for one in experiments if item.id in one.checked]
        if not testing:
            where = ", ".join(one.folder for one in experiments)
            detail = f"no scorer of {where} checks it" if where else "no experiment uses the prompt"
            yield dataclasses.replace(row, detail=detail)
            continue
        names = {one.spec.name for one in testing}
        digest = file.prompt.digest if file.prompt else ""
        own = [one for one in found if one.digest == digest and one.experiment in names]
        now = _digest(item)
        same = [one for one in own if one.states.get(item.id, {}).get("digest") == now]
        there = [cases[one.file] for one in testing if one.file in cases]
        # A run of some of the cases says nothing about the others.
        current = [one for one in same if one.cases_sha256 in {c.sha256 for c in there if c.count}]
        if not current:
            changed = any(item.id in one.states for one in own)
            detail = (
                _other_cases(same[0], there)
                if same
                else "the requirement has changed since the last run"
                if changed
                else "no recorded run has this version of the prompt"
            )
            yield dataclasses.replace(
                row, state=NOT_MEASURED, detail=detail, experiment=", ".join(sorted(names))
            )
        for one in _newest_by_model(current):
            said = one.states[item.id]
            yield dataclasses.replace(
                row,
                state=said["state"],
                detail=_detail(said),
                experiment=one.experiment,
                model=one.model,
                run_id=one.run_id,
                at=datetime.datetime.fromtimestamp(one.started_at, datetime.UTC).isoformat(
                    timespec="seconds"
                ),
            )


def _other_cases(newest: VariantStates, there: Sequence[_Cases]) -> str:
    """Why the newest run does not count: it ran other cases than the file has."""
    problems = [one.problem for one in there if one.problem]
    if problems:
        return problems[0]
    most = max(one.count for one in there)
    some = f" ({newest.cases:,} of {most:,})" if 0 < newest.cases < most else ""
    return f"the newest run had other cases{some}"


def _newest_by_model(found: Sequence[VariantStates]) -> list[VariantStates]:
    """The newest of each model; `found` has the newest first."""
    by_model: dict[str, VariantStates] = {}
    for one in found:
        by_model.setdefault(one.model, one)
    return list(by_model.values())


def _detail(said: dict[str, Any]) -> str:
    if said.get("value") is None:
        return f"{said.get('n', 0)} cases scored"
    share = bool(said.get("share", True))
    ends = ""
    if said.get("lo") is not None:
        ends = f" {format_interval(said['lo'], said['hi'], share)}"
    return f"{format_score(said['value'], share)}{ends} of {said['n']} cases"


def _remarks(
    files: Sequence[PromptFile],
    asked: Mapping[str, Sequence[_Asked]],
    experiments: Collection[_Measured],
    uri: str,
) -> list[str]:
    remarks = []
    for file in files:
        by_text: dict[str, str] = {}
        for item in [one.item for one in asked[file.path]]:
            text = " ".join(item.text.split()).casefold()
            other = by_text.setdefault(text, item.id)
            if other != item.id:
                remarks.append(f"{file.name}: the requirements {other} and {item.id} say the same.")
    for experiment in experiments:
        ids = {
            one.item.id
            for of_prompt in asked.values()
            for one in of_prompt
            if experiment in one.experiments
        }
        if not ids:
            continue
        for name, checks in experiment.checks():
            remarks += [
                f"{experiment.folder}: the scorer '{name}' checks '{one}', which is not a "
                f"requirement ({nearest(one, ids)})."
                for one in checks
                if one not in ids
            ]
            if not checks:
                remarks.append(f"{experiment.folder}: the scorer '{name}' checks no requirement.")
        remarks += _changes(experiment, uri)
    return remarks


def _changes(experiment: _Measured, uri: str) -> list[str]:
    """What was decided after the first run of an experiment."""
    runs: list[EarlierRun] = earlier_runs(uri, experiment.spec.name) if exists(uri) else []
    if not runs:
        return []
    last = runs[-1]
    said = []
    if last.parts is not None:
        changes = decided(runs[:-1], last.parts, last.sha256, last.at).changes
        said = [f"{experiment.folder}: {text}" for text in change_sentences(changes)]
    before = (last.parts or {}).get("requirements") or {}
    for item in experiment.spec.requirements:
        now = _digest(item)
        if before.get(item.id, now) != now:
            count = "1 run" if len(runs) == 1 else f"{len(runs):,} runs"
            said.append(f"{experiment.folder}: {item.id} has changed since the last of {count}.")
    return said

"""Reads prompt files and the experiments that use them, and checks each prompt."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.cases import read_cases
from pex.core.errors import PexError, nearest
from pex.core.project import led_outside, project_of
from pex.core.prompt import Prompt
from pex.core.textfile import read_text
from pex.lint import fixing, ignores
from pex.lint.finding import Finding
from pex.lint.model_rules import stopping
from pex.lint.rules import check
from pex.lint.subject import Subject, Surroundings, Use
from pex.project.settings import load_settings
from pex.project.spec import ExperimentSpec, load_spec
from pex.run.kept_lists import read_lists
from pex.run.prices import price_of

PROMPT, EXPERIMENT = ".prompty", "experiment.yaml"
_NOT_SEARCHED = frozenset({"mlruns", "outputs", "node_modules", "site", "dist", "build"})
_LINE = re.compile(r"\bline (\d+)")


@dataclasses.dataclass(frozen=True, slots=True)
class Linted:
    """What was found in how many prompts; `ignored` and `fixed` count findings."""

    prompts: int
    findings: tuple[Finding, ...]
    ignored: int = 0
    fixed: int = 0

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "prompts": self.prompts,
            "ignored": self.ignored,
            "fixed": self.fixed,
            "findings": [finding.to_json() for finding in self.findings],
        }


def lint(paths: Sequence[Path], *, fix: bool = False, today: datetime.date | None = None) -> Linted:
    """Check prompt files; no model is called.

    Args:
        paths: prompt files, experiment files and folders; none is the current project.
        fix: write what changes no request.
        today: the day that the ends of models are compared with.

    Raises:
        PexError: a path does not exist, or `pex.toml` is not valid.
    """
    project = project_of(paths[0] if paths and paths[0].is_dir() else None)
    files, experiments = _files(paths or [project])
    # An experiment that was not named still says what a prompt is for.
    near = {path for file in files for path in _near(file, project)}
    settings = load_settings(project)
    state = project / settings.journal.path
    around = Surroundings(
        settings,
        state,
        read_lists(state),
        today or datetime.date.today(),
        functools.cache(functools.partial(price_of, settings=settings)),
    )
    uses, broken = _uses(sorted({*experiments, *near}), experiments, around)
    files |= {path for path in uses if path.is_file() and _of_any(path, experiments, uses)}
    found = [(path, finding) for path, finding in broken]
    ignored = fixed = 0
    for path in sorted(files):
        findings, without, repaired = _check_file(path, uses.get(path, []), around, fix=fix)
        found += [(path, finding) for finding in findings]
        ignored, fixed = ignored + without, fixed + repaired
    shown = tuple(dataclasses.replace(finding, path=_shown(path)) for path, finding in found)
    return Linted(len(files), shown, ignored, fixed)


def _files(paths: Sequence[Path]) -> tuple[set[Path], set[Path]]:
    """The prompts and the experiments among files and below folders."""
    prompts: set[Path] = set()
    experiments: set[Path] = set()
    for path in paths:
        if path.is_dir():
            for found in _walk(path):
                (experiments if found.name == EXPERIMENT else prompts).add(_plain(found))
        elif path.is_file():
            of_experiment = path.suffix in (".yaml", ".yml")
            (experiments if of_experiment else prompts).add(_plain(path))
        else:
            known = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
            raise PexError(
                f"{path}: there is no such file or folder", hint=nearest(path.name, known)
            )
    return prompts, experiments


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [n for n in folders if not n.startswith(".") and n not in _NOT_SEARCHED]
        for name in names:
            file = Path(place) / name
            named = name.endswith(PROMPT) or name == EXPERIMENT
            if named and not led_outside(file, folder):  # nor is it written to by a fix
                yield file


def _near(file: Path, project: Path) -> Iterator[Path]:
    """The experiments that may use a prompt file: those in the folders above it."""
    for folder in file.parents[:3]:
        if (folder / EXPERIMENT).is_file():
            yield folder / EXPERIMENT
        if folder == project:
            return


def _of_any(path: Path, experiments: set[Path], uses: Mapping[Path, Sequence[Use]]) -> bool:
    names = {file.parent.name for file in experiments}
    return any(use.experiment in names for use in uses[path])


def _uses(
    experiments: Sequence[Path], asked: set[Path], around: Surroundings
) -> tuple[dict[Path, list[Use]], list[tuple[Path, Finding]]]:
    """The uses of each prompt file, and what is wrong with the experiments themselves."""
    uses: dict[Path, list[Use]] = {}
    broken: list[tuple[Path, Finding]] = []
    for file in experiments:
        try:
            spec = load_spec(file)
            cases = read_cases(spec.cases.model_dump(), spec.columns, file.parent).cases
        except PexError as error:
            if file in asked:
                broken.append((file, _unreadable(error)))
            continue
        text = read_text(file, "experiment")
        models_of = [*spec.models, *(item.model for item in spec.variants if item.model)]
        wrong = [f for model in dict.fromkeys(models_of) for f in stopping(model, text, around)]
        broken += [(file, finding) for finding in ignores.apply(wrong, text)[0]]
        scorers = [item if isinstance(item, dict) else {"kind": item} for item in spec.scorers]
        for ref, models in _prompts(spec):
            if "library:" not in ref:
                use = Use(file.parent.name, cases, scorers, models)
                uses.setdefault(_plain(file.parent / ref), []).append(use)
    return uses, broken


def _prompts(spec: ExperimentSpec) -> Iterator[tuple[str, list[str]]]:
    for ref in spec.prompts:
        yield ref, spec.models
    for variant in spec.variants:
        yield variant.prompt, [variant.model] if variant.model else []


def _check_file(
    path: Path, uses: Sequence[Use], around: Surroundings, *, fix: bool
) -> tuple[list[Finding], int, int]:
    """What is left in a file, what its comments ignore, and how much was fixed."""
    count = 0
    try:
        source = read_text(path, "prompt file")
        findings, ignored = ignores.apply(_findings(path, source, uses, around), source)
        if fix:
            changed, count = fixing.fixed(source, findings, path)
            if count:
                path.write_bytes(changed.encode())
                source = changed
                findings, ignored = ignores.apply(_findings(path, source, uses, around), source)
    except PexError as error:
        return [_unreadable(error)], 0, 0
    return findings, ignored, count


def _findings(path: Path, source: str, uses: Sequence[Use], around: Surroundings) -> list[Finding]:
    from pex.core import includes

    find = includes.in_folder(path.resolve().parent, path.name)
    prompt = Prompt.parse(source, path.name, path.stem, find)
    return check(Subject(prompt, source, uses, around))


def _unreadable(error: PexError) -> Finding:
    line = _LINE.search(error.message)
    return Finding("PX100", int(line[1]) if line else 1, error.message, error.hint or "correct it")


def _plain(path: Path) -> Path:
    return Path(os.path.normpath(path.absolute()))


def _shown(path: Path) -> str:
    here = Path.cwd()
    return (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()
